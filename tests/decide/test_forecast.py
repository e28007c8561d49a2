"""Demand: arrivals smoothed over uneven turns, a queue's work on top, a peak that is remembered, and silence."""

import math
from dataclasses import replace

import pytest
from tests.decide.builders import NOW_S, fleet, load

from costwain.decide.forecast import FIRST_GUESS, Forecast, Replica, forecast, observe_demand, request_shape
from costwain.domain.memory import Demand, Memory, Peak
from costwain.domain.snapshot import Fleet, Load

FOREVER_S = 86_400.0


ROUGH: list[tuple[float, Load | None]] = [(10.0 * i, load(12.0 if i % 60 < 6 else 6.0)) for i in range(360)]


def after(
    steps: list[tuple[float, Load | None]], ttft_s: int = 2, replica_per_s: float = 1.0, **scaling: int
) -> tuple[Fleet, Forecast]:
    """The fleet after readings at these instants (seconds from now), and the last forecast."""
    this, replica = (
        fleet(scaling=scaling, slo={"timeToFirstTokenMilliseconds": ttft_s * 1000}),
        Replica(100.0, replica_per_s),
    )
    expected = Forecast(0.0, 0.0, False)
    for at_s, seen in steps:
        this = replace(this, load=seen)
        expected, memory = forecast(this, observe_demand(this, NOW_S + at_s), NOW_S + at_s, replica)
        this = replace(this, memory=memory)
    return this, expected


def test_the_first_rate_that_is_read_counts_in_full() -> None:
    _, expected = after([(0, load(None)), (5, load(8.0))])
    assert expected.now_per_s == 8.0


def test_a_rate_that_could_not_be_read_is_not_zero() -> None:
    _, expected = after([(0, load(8.0)), (5, load(None)), (10, load(None))])
    assert expected.now_per_s == 8.0


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_a_rate_that_cannot_be_is_as_if_it_had_not_been_read(wrong: float) -> None:
    _, expected = after([(0, load(8.0)), (5, load(wrong, input_tokens=wrong, output_tokens=wrong)), (10, load(8.0))])
    assert expected.now_per_s == pytest.approx(8.0)


def test_a_wrong_first_rate_leaves_nothing_behind() -> None:
    this, _ = after([(0, load(math.nan, input_tokens=math.nan)), (5, load(8.0))])
    assert this.memory.demand is not None
    assert (this.memory.demand.fast_per_s, this.memory.demand.input_tokens) == (8.0, 512.0)


def test_without_readings_the_demand_stays_what_it_was() -> None:
    _, expected = after([(0, load(8.0)), (5, None), (3600, None)])
    assert expected.now_per_s == 8.0


def test_a_burst_is_followed_within_a_minute() -> None:
    _, expected = after([(0, load(8.0)), *((5.0 * i, load(40.0)) for i in range(1, 13))])
    assert 30.0 < expected.arriving_per_s < 40.0
    assert expected.now_per_s > 40.0  # it is still rising, and what is asked for now serves in minutes


def test_bursts_that_a_load_has_had_are_room_that_it_gets() -> None:
    """A minute of 12 in every ten: the room between them covers the next one, and a calm load has none."""
    _, expected = after(ROUGH, scaleDownStabilizationSeconds=0)
    assert 8.0 < expected.now_per_s < 13.0
    _, calm = after([(10.0 * i, load(6.0)) for i in range(361)])
    assert calm.now_per_s == pytest.approx(6.0)


def test_where_a_replica_carries_much_whole_ones_are_room_already() -> None:
    rooms = [
        after(ROUGH, replica_per_s=carries, scaleDownStabilizationSeconds=0)[1].now_per_s for carries in (0.1, 1, 9)
    ]
    assert rooms[0] == pytest.approx(rooms[1] + 0.45)
    assert rooms[2] == pytest.approx(6.0, abs=0.5)


def test_a_burst_that_may_wait_needs_less_room() -> None:
    _, soon = after(ROUGH, ttft_s=2, scaleDownStabilizationSeconds=0)
    _, hasty = after(ROUGH, ttft_s=6, scaleDownStabilizationSeconds=0)
    _, patient = after(ROUGH, ttft_s=8, scaleDownStabilizationSeconds=0)
    assert soon.now_per_s == hasty.now_per_s > patient.now_per_s > 6.0


def test_a_load_that_falls_leaves_no_room_behind() -> None:
    _, expected = after(
        [*((10.0 * i, load(14.0)) for i in range(60)), *((600 + 10.0 * i, load(6.0)) for i in range(180))],
        scaleDownStabilizationSeconds=0,
    )
    assert expected.now_per_s == pytest.approx(6.0, rel=0.01)


def test_turns_of_any_length_smooth_alike() -> None:
    _, often = after([(0, load(8.0)), *((1.0 * i, load(40.0)) for i in range(1, 61))])
    _, seldom = after([(0, load(8.0)), *((20.0 * i, load(40.0)) for i in range(1, 4))])
    assert often.now_per_s == pytest.approx(seldom.now_per_s)


def test_a_lower_demand_must_last_for_the_window_before_it_counts() -> None:
    calm = [(float(t), load(0.5)) for t in range(10, 400, 10)]
    _, soon = after([(0, load(9.0)), *calm[:25]], scaleDownStabilizationSeconds=300)
    _, later = after([(0, load(9.0)), *calm], scaleDownStabilizationSeconds=300)
    assert soon.stable_per_s == 9.0
    assert later.stable_per_s < 9.0


def test_a_rise_that_was_feared_and_did_not_come_holds_one_replica_beyond_what_came() -> None:
    short = [*((5.0 * i, load(8.0)) for i in range(60)), *((300.0 + 5.0 * i, load(24.0)) for i in range(6))]
    _, feared = after(short)
    calm = [(330.0 + 5.0 * i, load(8.0)) for i in range(100)]
    this, held = after([*short, *calm], scaleDownStabilizationSeconds=900)
    assert feared.now_per_s > 15
    assert max(p.replicas for p in this.memory.peaks) == pytest.approx(feared.now_per_s)
    came = max(p.came for p in this.memory.peaks if p.came is not None)
    assert 8 < came < 10
    assert held.stable_per_s == pytest.approx(came + 1)


def test_a_forecast_is_held_while_its_replica_starts_however_long_the_window_is() -> None:
    calm, rise = [(5.0 * i, load(8.0)) for i in range(600)], [(3000.0 + 5.0 * i, load(24.0)) for i in range(6)]
    for window_s in (900, 86_400):
        _, feared = after([*calm, *rise], scaleDownStabilizationSeconds=window_s)
        _, held = after(
            [*calm, *rise, *((3030.0 + 5.0 * i, load(8.0)) for i in range(20))], scaleDownStabilizationSeconds=window_s
        )
        assert held.now_per_s < feared.now_per_s - 2
        assert held.stable_per_s == pytest.approx(feared.stable_per_s)


def test_peaks_of_which_nobody_noted_what_came_are_held_as_they_are() -> None:
    """Those that a version before this field wrote."""
    this, _ = after([(0, load(8.0))])
    old = replace(this, memory=this.memory.model_copy(update={"peaks": [Peak(at_s=NOW_S - 200, replicas=30.0)]}))
    expected, _ = forecast(old, observe_demand(old, NOW_S + 10), NOW_S + 10, Replica(100.0, 1.0))
    assert expected.stable_per_s == 30.0


def test_a_mean_request_that_wavers_takes_no_replica_away() -> None:
    """Long requests for a turn, and a replica carries half as much: what they took is kept for the window."""
    this = fleet(load=load(4.0))
    _, memory = forecast(this, observe_demand(this, NOW_S), NOW_S, Replica(100.0, 2.0))
    short, _ = forecast(this, memory, NOW_S + 60, Replica(100.0, 4.0))
    assert short.stable_per_s / 4.0 == 4.0 / 2.0
    assert short.now_per_s == 4.0


def test_the_list_of_peaks_stays_short() -> None:
    this, _ = after([(float(t), load(1.0)) for t in range(0, 4000, 7)], scaleDownStabilizationSeconds=300)
    assert len(this.memory.peaks) <= 19


def test_a_queue_is_worked_off_no_faster_than_a_replica_starts() -> None:
    _, expected = after([(0, load(2.0, queued=300))], targetQueueSeconds=5)
    assert expected.now_per_s == 2.0 + 300 / 100


def test_a_queue_that_may_last_is_worked_off_within_its_target() -> None:
    _, expected = after([(0, load(2.0, queued=300))], targetQueueSeconds=600)
    assert expected.now_per_s == 2.5


SILENCE = {
    "nobody ever came": ([(0, load(0.0))], True),
    "a request is running": ([(0, load(0.0, running=1)), (599, load(0.0))], False),
    "one waits still": ([(0, load(0.0)), (700, load(0.0, queued=1))], False),
    "quiet for long": ([(0, load(1.0)), (600, load(0.0))], True),
    "quiet, but not for long enough": ([(0, load(1.0)), (599, load(0.0))], False),
}


@pytest.mark.parametrize(("steps", "idle"), SILENCE.values(), ids=SILENCE)
def test_silence(steps: list[tuple[float, Load]], idle: bool) -> None:
    _, expected = after(list(steps), scaleToZeroAfterSeconds=600)
    assert expected.idle is idle


def test_the_mean_request_is_a_guess_until_it_is_measured() -> None:
    assert request_shape(Memory()) == FIRST_GUESS
    this, _ = after([(0, load(1.0, input_tokens=2000.0, output_tokens=100.0))])
    assert request_shape(this.memory).input_tokens == pytest.approx(2000.0, rel=0.015)


def test_the_mean_request_goes_in_steps_so_that_capacities_stand_still() -> None:
    means = [Demand(at_s=0, fast_per_s=0, slow_per_s=0, input_tokens=n, output_tokens=128) for n in range(510, 540)]
    shapes = {request_shape(Memory(demand=mean)) for mean in means}
    assert sorted(s.input_tokens for s in shapes) == [512.0, 527.0, 542.45]


def test_the_mean_request_drifts_within_minutes() -> None:
    """A turn's few answers say little of it: after 300 s a new mean weighs 1 - 1/e, whatever the turns."""
    for turn_s in (5, 60):
        before = [(t, load(1.0, input_tokens=1000.0)) for t in range(0, 301, turn_s)]
        steps = [(300 + t, load(1.0, input_tokens=2000.0)) for t in range(turn_s, 301, turn_s)]
        this, _ = after([*before, *steps])
        assert request_shape(this.memory).input_tokens == pytest.approx(2000 - 1000 / math.e, rel=0.015)


def test_the_first_answers_weigh_no_more_than_those_of_the_next_turns() -> None:
    turns = [(0, load(1.0, input_tokens=None, output_tokens=None))]
    turns += [(5, load(1.0, input_tokens=2400.0, output_tokens=60.0))]
    turns += [(5 * n, load(1.0, input_tokens=1150.0, output_tokens=210.0)) for n in range(2, 7)]
    this, _ = after(turns)
    assert this.memory.demand is not None
    assert this.memory.demand.input_tokens == pytest.approx((2400 + 5 * 1150) / 6)
    assert this.memory.demand.output_tokens == pytest.approx((60 + 5 * 210) / 6)


def test_looking_twice_at_one_instant_changes_nothing() -> None:
    this, first = after([(0, load(1.0)), (5, load(7.0, input_tokens=2000.0))])
    second, memory = forecast(this, observe_demand(this, NOW_S + 5), NOW_S + 5, Replica(100.0, 1.0))
    assert (second, memory) == (first, this.memory)


def test_a_clock_that_steps_back_does_no_harm() -> None:
    _, expected = after([(0, load(8.0)), (-3600, load(8.0)), (-3595, load(8.0))])
    assert (expected.now_per_s, expected.stable_per_s) == (8.0, 8.0)


def test_a_request_of_no_tokens_is_one_of_one_token() -> None:
    memory = Memory(demand=Demand(at_s=0, fast_per_s=0, slow_per_s=0, input_tokens=0.2, output_tokens=0.3))
    assert (request_shape(memory).input_tokens, request_shape(memory).output_tokens) == (1.0, 1.0)

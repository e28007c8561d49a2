"""Laws of gathering: what came while a fleet rested is told when it is decided on again, no more and no less."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, fleet, load, replica, serving, snapshot

from costwain.decide.gathered import gathered
from costwain.domain.memory import Rest
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Answers, Fleet, Load, Snapshot, Work

TURN_S = 5.0
LOADS = st.builds(
    load,
    st.floats(0.0, 100.0, allow_subnormal=False),
    queued=st.integers(0, 9),
    running=st.integers(0, 99),
    input_tokens=st.none() | st.floats(1.0, 4000.0),
    output_tokens=st.none() | st.floats(1.0, 4000.0),
    answers=st.dictionaries(
        st.sampled_from(["full", "small"]), st.builds(lambda n: Answers(n, ((0.1, n / 2),)), st.integers(0, 50))
    ),
)


def resting(seen: Load | None, turn: int, work: Work | None = None) -> Fleet:
    """A fleet that rests since turn 0, as a turn sees it."""
    rest = Rest(since_s=NOW_S, until_s=NOW_S + 900, generation=1, pods=1, ready=1, most_per_s=200.0, most_running=200)
    return fleet(replica("full/h100", work=work), load=seen, memory=serving(rest=rest), generation=turn)


def at(turn: int, of: Fleet) -> Snapshot:
    return snapshot(of, now_s=NOW_S + turn * TURN_S)


def rested(loads: list[Load]) -> Load:
    """What is told of a fleet on which the turns of these loads, the first of them turn 1, didn't decide."""
    seen = at(1, resting(loads[0], 1))
    for turn, one in enumerate(loads[1:], 2):
        seen = gathered(seen, Plan(seen.now_s, ()), at(turn, resting(one, turn)))
    told = seen.fleets[0].load
    assert told is not None
    return told


@given(st.lists(LOADS, min_size=2, max_size=6))
def test_as_many_requests_are_told_as_came(loads: list[Load]) -> None:
    came = sum((one.arrivals_per_s or 0.0) * TURN_S for one in loads)
    assert (rested(loads).arrivals_per_s or 0.0) * TURN_S * len(loads) == pytest.approx(came)


@given(st.lists(LOADS, min_size=2, max_size=6))
def test_every_answer_is_told_once(loads: list[Load]) -> None:
    told = rested(loads).answers
    for name in ("full", "small"):
        given_ = [one.answers[name] for one in loads if name in one.answers]
        assert (name in told) is bool(given_)
        if given_:
            assert told[name].count == sum(a.count for a in given_)
            assert told[name].within(0.1) == pytest.approx(sum(a.within(0.1) for a in given_))


@given(st.lists(LOADS, min_size=2, max_size=6))
def test_the_mean_request_lies_among_those_that_were_measured(loads: list[Load]) -> None:
    measured = [one.input_tokens for one in loads if one.input_tokens is not None]
    told = rested(loads).input_tokens
    assert (told is None) is (not measured)
    assert told is None or min(measured) - 1e-6 <= told <= max(measured) + 1e-6


@given(st.lists(LOADS, min_size=2, max_size=6))
def test_what_waits_and_runs_is_the_newest_and_the_last_turn_is_told_apart(loads: list[Load]) -> None:
    told, newest = rested(loads), loads[-1]
    assert (told.queued, told.running) == (newest.queued, newest.running)
    assert told.lately == (newest.arrivals_per_s, TURN_S)


def test_of_a_fleet_that_was_decided_on_the_last_turn_alone_is_told() -> None:
    seen, newest = at(1, resting(load(10.0), 1)), at(2, resting(load(2.0), 2))
    fresh = fleet(load=load(2.0))
    assert gathered(seen, Plan(seen.now_s, ()), snapshot(fresh, now_s=newest.now_s)).fleets == (fresh,)


def test_a_rate_that_could_not_be_read_makes_all_of_it_unknown() -> None:
    assert rested([load(10.0), load(None)]).arrivals_per_s is None


def test_a_gateway_that_could_not_be_read_tells_nothing() -> None:
    seen = at(1, resting(load(10.0), 1))
    (told,) = gathered(seen, Plan(seen.now_s, ()), at(2, resting(None, 2))).fleets
    assert told.load is None


def test_what_a_pod_did_is_told_over_both_turns() -> None:
    before = at(1, resting(load(1.0), 1, Work(NOW_S + 5, 5.0, 8.0, 10.0, 100.0)))
    now = at(2, resting(load(1.0), 2, Work(NOW_S + 10, 5.0, 10.0, 12.0, 300.0)))
    (told,) = gathered(before, Plan(before.now_s, ()), now).fleets
    assert told.replicas[0].work == Work(NOW_S + 10, 10.0, 8.0, 12.0, 200.0)


def test_a_page_that_was_read_once_counts_once() -> None:
    once = Work(NOW_S + 5, 5.0, 8.0, 10.0, 100.0)
    before = at(1, resting(load(1.0), 1, once))
    (told,) = gathered(before, Plan(before.now_s, ()), at(2, resting(load(1.0), 2, once))).fleets
    assert told.replicas[0].work == once


def test_another_fleet_of_the_same_name_inherits_nothing() -> None:
    before = at(1, resting(load(10.0), 1))
    new = replace(resting(load(2.0), 2), uid="another")
    assert gathered(before, Plan(before.now_s, ()), at(2, new)).fleets == (new,)

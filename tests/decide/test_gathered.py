"""Laws of gathering: what no memory has taken in yet is told until one has, no more and no less."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, fleet, load, replica, serving, snapshot

from costwain.decide import decide
from costwain.decide.forecast import observe_demand
from costwain.decide.gathered import LONGEST_S, Unheard, gathered
from costwain.decide.smoothing import is_busy
from costwain.domain.memory import Demand
from costwain.domain.snapshot import Answers, Fleet, Load, Work

COUNTS = st.dictionaries(
    st.sampled_from(["full", "small"]), st.builds(lambda n: Answers(n, ((0.1, n / 2),), 7.0 * n), st.integers(0, 50))
)
LOADS = st.builds(
    load,
    st.floats(0.0, 100.0, allow_subnormal=False),
    queued=st.integers(0, 9),
    running=st.integers(0, 99),
    input_tokens=st.none() | st.floats(1.0, 4000.0),
    output_tokens=st.none() | st.floats(1.0, 4000.0),
    answers=COUNTS,
)
TURNS = st.lists(st.tuples(LOADS, st.floats(0.2, 20.0)), min_size=2, max_size=6)  # each load, and seconds before it


def heard_at(at_s: float, seen: Load | None, work: Work | None = None) -> Fleet:
    """A fleet whose memory took in all up to an instant, as a later turn sees it."""
    demand = Demand(at_s=at_s, fast_per_s=1.0, slow_per_s=1.0)
    return fleet(replica("full/h100", work=work), load=seen, memory=serving(demand=demand))


def told(turns: list[tuple[Load | None, float]]) -> Load | None:
    """What the last of some turns is told, none of which any memory took in."""
    now_s, unheard = NOW_S, dict[str, Unheard]()
    for seen, turn_s in turns:
        now_s += turn_s
        snap, unheard = gathered(unheard, snapshot(heard_at(NOW_S, seen), now_s=now_s))
    return snap.fleets[0].load


def known(turns: list[tuple[Load, float]]) -> Load:
    found = told([*turns])
    assert found is not None
    return found


def answers_of(one: Load) -> dict[str, Answers]:
    """All that are told, of the last turn and of those before it."""
    both = {name: one.earlier[name] + one.answers[name] for name in one.earlier if name in one.answers}
    return {**one.earlier, **one.answers, **both}


@given(TURNS)
def test_as_many_requests_are_told_as_came(turns: list[tuple[Load, float]]) -> None:
    came = sum((one.arrivals_per_s or 0.0) * s for one, s in turns)
    assert (known(turns).arrivals_per_s or 0.0) * sum(s for _, s in turns) == pytest.approx(came)


@given(TURNS)
def test_every_answer_is_told_once(turns: list[tuple[Load, float]]) -> None:
    found = answers_of(known(turns))
    for name in ("full", "small"):
        given_ = [one.answers[name] for one, _ in turns if name in one.answers]
        assert (name in found) is bool(given_)
        if given_:
            assert found[name].count == sum(a.count for a in given_)
            assert found[name].tokens == 7 * found[name].count
            assert found[name].within(0.1) == pytest.approx(sum(a.within(0.1) for a in given_))


@given(TURNS)
def test_the_mean_request_lies_among_those_that_were_measured(turns: list[tuple[Load, float]]) -> None:
    measured = [one.input_tokens for one, _ in turns if one.input_tokens is not None]
    found = known(turns).input_tokens
    assert (found is None) is (not measured)
    assert found is None or min(measured) - 1e-6 <= found <= max(measured) + 1e-6


@given(TURNS)
def test_what_waits_and_runs_is_the_newest(turns: list[tuple[Load, float]]) -> None:
    found, (newest, _) = known(turns), turns[-1]
    assert (found.queued, found.running) == (newest.queued, newest.running)


@given(TURNS)
def test_the_fast_mean_is_as_if_each_turn_had_been_taken_in(turns: list[tuple[Load, float]]) -> None:
    means, now_s, memory = list[float](), NOW_S, heard_at(NOW_S, load(0.0)).memory
    for one, turn_s in turns:
        now_s += turn_s
        memory = observe_demand(replace(heard_at(NOW_S, one), memory=memory), now_s)
        assert memory.demand is not None
        means.append(memory.demand.fast_per_s)
    found = known(turns)
    assert found.fast_per_s == pytest.approx(means[-1])
    assert found.highest_per_s == pytest.approx(max(means[:-1]))


@given(TURNS)
def test_it_is_told_for_how_long_nothing_came(turns: list[tuple[Load, float]]) -> None:
    busy = [n for n, (one, _) in enumerate(turns) if is_busy(one)]
    assume(busy)
    assert known(turns).quiet_s == pytest.approx(sum(s for _, s in turns[busy[-1] + 1 :]))


@given(TURNS)
def test_a_gateway_that_cannot_be_read_for_a_turn_loses_nothing(turns: list[tuple[Load, float]]) -> None:
    *before, (last, last_s) = turns
    with_gap = told([*before, (None, 1.0), (last, last_s - 1.0 if last_s > 1.0 else last_s)])
    assert with_gap is not None
    assert answers_of(with_gap) == answers_of(known(turns))
    assert told([*before, (None, 1.0)]) is None


def test_what_a_memory_took_in_is_told_no_more() -> None:
    first = snapshot(heard_at(NOW_S, load(10.0)), now_s=NOW_S + 5)
    _, unheard = gathered({}, first)
    newest = heard_at(NOW_S + 5, load(2.0))
    seen, _ = gathered(unheard, snapshot(newest, now_s=NOW_S + 10))
    assert seen.fleets == (newest,)


def test_after_a_decision_that_could_not_be_carried_out_the_load_is_smoothed_as_it_came() -> None:
    turns = [(load(1.0), 5.0)] * 30
    calm = known([*turns, (load(4.0), 5.0)])
    (plan,) = decide(snapshot(heard_at(NOW_S, calm), now_s=NOW_S + 155)).fleets
    assert plan.memory.demand is not None
    assert plan.memory.demand.fast_per_s == pytest.approx(1.315, abs=0.001)  # 3.9 if 4 had come over all that time


def test_what_came_in_a_pause_is_not_told_for_ever() -> None:
    assert known([(load(100.0), LONGEST_S + 1), (load(1.0), 5.0)]).arrivals_per_s == 1.0


def test_a_rate_that_could_not_be_read_in_one_turn_is_that_of_the_others() -> None:
    found = known([(load(10.0), 5.0), (load(None), 5.0)])
    assert found.arrivals_per_s == 10.0


@pytest.mark.parametrize("odd", [math.nan, math.inf, -1.0])
def test_a_rate_that_no_gauge_can_honestly_show_spoils_no_mean(odd: float) -> None:
    found = known([(load(odd), 5.0), (load(1.0), 5.0), (load(odd), 5.0)])
    memory = observe_demand(heard_at(NOW_S, found), NOW_S + 15)
    assert memory.demand is not None
    assert (memory.demand.fast_per_s, memory.demand.slow_per_s) == (1.0, 1.0)


def test_a_fleet_was_busy_when_its_last_request_came_and_not_when_that_was_told() -> None:
    found = known([(load(1.0), 5.0), (load(0.0), 5.0), (load(0.0), 5.0)])
    memory = observe_demand(heard_at(NOW_S, found), NOW_S + 15)
    assert memory.busy_at_s == NOW_S + 5


def works(*pieces: tuple[float, float, float]) -> Work | None:
    """What is told of a pod that ran so many requests before and after, with so many tokens a second, 5 s each."""
    unheard = dict[str, Unheard]()
    for n, (before, after, tokens) in enumerate(pieces, 1):
        now_s = NOW_S + 5.0 * n
        one = heard_at(NOW_S, load(1.0), Work(now_s, 5.0, before, after, tokens))
        snap, unheard = gathered(unheard, snapshot(one, now_s=now_s))
    return snap.fleets[0].replicas[0].work


def test_what_a_pod_did_is_the_mean_of_all_its_readings() -> None:
    assert works((8.0, 10.0, 100.0), (10.0, 12.0, 300.0)) == Work(NOW_S + 10, 10.0, 10.0, 10.0, 200.0, readings=2)


def test_a_burst_at_its_end_does_not_make_a_pod_look_slower() -> None:
    assert works((40.0, 40.0, 400.0), (40.0, 90.0, 400.0)) == Work(NOW_S + 10, 5.0, 40.0, 40.0, 400.0)
    assert works((40.0, 90.0, 400.0), (40.0, 40.0, 400.0)) == Work(NOW_S + 10, 5.0, 40.0, 40.0, 400.0)


def test_a_page_that_was_read_once_counts_once() -> None:
    once = Work(NOW_S + 5, 5.0, 8.0, 10.0, 100.0)
    _, unheard = gathered({}, snapshot(heard_at(NOW_S, load(1.0), once), now_s=NOW_S + 5))
    seen, _ = gathered(unheard, snapshot(heard_at(NOW_S, load(1.0), once), now_s=NOW_S + 10))
    assert seen.fleets[0].replicas[0].work == once


def test_another_fleet_of_the_same_name_inherits_nothing() -> None:
    _, unheard = gathered({}, snapshot(heard_at(NOW_S, load(10.0)), now_s=NOW_S + 5))
    new = replace(heard_at(NOW_S, load(2.0)), uid="another")
    seen, _ = gathered(unheard, snapshot(new, now_s=NOW_S + 10))
    assert seen.fleets == (new,)

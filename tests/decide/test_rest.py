"""Stories of rest: with many fleets, a turn leaves those as they are for which nothing is to be done."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, fleet, ledger, load, pool, replica, replicas, serving, snapshot, variant
from tests.decide.resting import COMES, MANY, TURN_S, beside, quiet, settled, told, wide
from tests.decide.shared_world import shared

from costwain.decide import decide
from costwain.decide.budget import must_stop_all, purse
from costwain.decide.rest import FEW, ROUND
from costwain.domain.memory import Memory, Peak
from costwain.domain.snapshot import Fleet, Snapshot, State


def decided(seen: Snapshot) -> set[str]:
    return {p.name for p in decide(seen).fleets}


def with_last(seen: Snapshot, last: Fleet) -> Snapshot:
    """The last fleet as something else."""
    return replace(seen, fleets=(*seen.fleets[:-1], last))


def test_of_many_quiet_fleets_a_turn_decides_on_some() -> None:
    assert len(decided(settled())) == FEW


def test_with_few_fleets_none_rests_and_none_remembers_a_rest() -> None:
    seen = settled(FEW)
    assert len(decided(seen)) == FEW
    assert {f.memory.rest for f in seen.fleets} == {None}


def test_where_many_became_few_nobody_remembers_a_rest() -> None:
    seen = settled()
    assert {f.memory.rest for f in told(replace(seen, fleets=seen.fleets[:FEW]))} == {None}


def test_of_very_many_a_turn_decides_on_as_many_as_a_round_needs() -> None:
    assert len(decided(settled(ROUND * FEW + 100))) == FEW + 3


def test_each_has_its_turn_within_a_round() -> None:
    seen, waiting = settled(), {f.name for f in settled().fleets}
    for _ in range(ROUND):
        waiting -= decided(seen)
        seen = replace(seen, fleets=told(seen), now_s=seen.now_s + TURN_S)
    assert waiting == set()


def _most(of: Fleet) -> float:
    assert of.memory.rest is not None
    return of.memory.rest.most_per_s


STIRS: dict[str, Callable[[Fleet], Fleet]] = {
    "more comes than its pod was counted for": lambda f: replace(f, load=load(40.0, running=4)),
    "more came in the last turns": lambda f: replace(f, load=load(COMES, running=4, fast_per_s=_most(f) + 0.1)),
    "a request waits": lambda f: replace(f, load=load(COMES, queued=1, running=4)),
    "far more requests run": lambda f: replace(f, load=load(COMES, running=400)),
    "nobody knows what comes": lambda f: replace(f, load=load(None, running=4)),
    "its gateway can't be read": lambda f: replace(f, load=None),
    "its spec is another": lambda f: replace(f, generation=2),
    "its pod is gone": lambda f: replace(f, replicas=()),
    "its pod no longer serves": lambda f: replace(f, replicas=(replace(f.replicas[0], state=State.DRAINING),)),
    "somebody scaled its Deployment": lambda f: replace(f, deployed={("full", "mi300x"): 2}),
    "an hour has passed": lambda f: f.remembering(_aged(f, 3600.0)),
}


def _aged(of: Fleet, by_s: float) -> Memory:
    rest = of.memory.rest
    assert rest is not None
    older = rest.model_copy(update={"since_s": rest.since_s - by_s, "until_s": rest.until_s - by_s})
    return of.memory.model_copy(update={"rest": older})


@pytest.mark.parametrize("stir", STIRS.values(), ids=STIRS)
def test_a_fleet_is_decided_on_at_once_when(stir: Callable[[Fleet], Fleet]) -> None:
    seen = settled()
    last = seen.fleets[-1]
    assert last.name not in decided(seen)
    assert last.name in decided(with_last(seen, stir(last)))


STAYS: dict[str, Callable[[Fleet], Fleet]] = {
    "less comes": lambda f: replace(f, load=load(0.0)),
    "more comes, and its pod carries that": lambda f: replace(f, load=load(COMES * 1.5, running=6)),
    "more comes than its pod carries, for a breath": lambda f: replace(f, load=load(_most(f) * 1.5, running=4)),
    "some more run, as chance has it": lambda f: replace(f, load=load(COMES, running=8)),
}


@pytest.mark.parametrize("change", STAYS.values(), ids=STAYS)
def test_a_fleet_rests_on_when(change: Callable[[Fleet], Fleet]) -> None:
    seen = settled()
    assert seen.fleets[-1].name not in decided(with_last(seen, change(seen.fleets[-1])))


def test_a_fleet_is_decided_on_as_soon_as_it_may_scale_to_zero() -> None:
    (one,) = quiet(1, scaling={"scaleToZeroAfterSeconds": 60})
    seen = beside(replace(one, load=load(0.0), memory=one.memory.model_copy(update={"busy_at_s": NOW_S - 30.0})))
    assert "one" not in decided(seen)
    assert "one" in decided(replace(seen, now_s=NOW_S + 30.0))


def test_members_of_a_shared_budget_never_rest() -> None:
    seen = replace(settled(), budgets=(shared("team", amount="1000"),))
    assert len(decided(seen)) == MANY


def test_where_accelerators_are_short_all_are_asked_who_gives_way() -> None:
    seen = settled()
    busy = replace(seen.fleets[0], load=load(400.0, running=4))
    short = {name: replace(p, total=p.used + 1) for name, p in seen.pools.items()}
    assert len(decided(replace(seen, fleets=(busy, *seen.fleets[1:]), pools=short))) == MANY


def test_where_they_are_short_in_one_pool_nobody_is_asked_who_cannot_run_there() -> None:
    rungs = [variant("small", ["l40s"])]
    alone = fleet(replica("small/l40s"), variants=rungs, name="one", load=load(400.0), memory=serving("small"))
    calm = settled()
    short = replace(calm, fleets=(*calm.fleets, alone), pools={**calm.pools, "l40s": pool("l40s", total=1, used=1)})
    plan = decide(short)
    assert next(p for p in plan.fleets if p.name == "one").reasons[0].code == "AcceleratorsShort"
    assert len(plan.fleets) == FEW + 1


def test_who_competes_does_not_rest() -> None:
    busy = [replace(f, load=load(40.0, running=4)) for f in quiet(MANY)]
    where = {name: replace(p, total=p.used + 1) for name, p in wide(busy).items()}
    plan = decide(snapshot(*busy, where=where))
    assert {p.memory.rest for p in plan.fleets if "AcceleratorsContested" in {w.code for w in p.reasons}} == {None}


def test_a_wish_of_one_that_rests_counts_in_a_contest() -> None:
    """It waits for its dwell time on the lower rung, on a pool where the upper one could start."""
    rungs = [variant("full", ["h100"]), variant("small", ["mi300x"])]
    (one,) = quiet(1, variants=rungs, priority=10)
    low = replace(
        one, replicas=(replica("small/mi300x"),), deployed={("small", "mi300x"): 1},
        memory=one.memory.model_copy(update={"target": "small", "shares": {"small": 100}, "target_since_s": NOW_S}),
    )  # fmt: skip
    seen = beside(low)
    waiting = seen.fleets[-1]
    assert waiting.memory.rest is not None
    assert waiting.memory.rest.wants == {"h100": 1}
    rival = fleet(name="rival", uid="rival", variants=[variant("full", ["h100"])], load=load(COMES, queued=1))
    where = {**seen.pools, "h100": pool("h100", total=1)}
    assert "one" in decided(replace(seen, fleets=(*seen.fleets, rival), pools=where))


MONEY = {"amount": "2.00", "period": "Hour"}


def test_a_fleet_whose_money_may_end_is_watched_in_every_turn() -> None:
    assert len(decided(settled(budget=MONEY))) == MANY


def test_an_idle_fleet_whose_floor_may_cost_the_last_money_is_watched_too() -> None:
    (one,) = quiet(1, budget=MONEY, scaling={"minReplicas": 1, "scaleToZeroAfterSeconds": 60})
    idle = replace(one, load=load(0.0), memory=one.memory.model_copy(update={"busy_at_s": NOW_S - 900.0}))
    assert "one" in decided(beside(idle))


def test_a_fleet_with_money_to_its_periods_end_rests() -> None:
    assert len(decided(settled(budget=MONEY | {"amount": "9.00"}))) == FEW


def test_no_rest_lasts_beyond_the_budgets_period() -> None:
    seen = settled(now_s=NOW_S + 3000.0, budget=MONEY | {"amount": "9.00"})
    assert {f.memory.rest.until_s for f in seen.fleets if f.memory.rest} == {NOW_S + 3600.0}


MOVES: dict[str, Fleet] = {
    "pods are to be drained": fleet(*replicas("full/mi300x", 3), load=load(COMES), memory=serving()),
    "its traffic is on its way": fleet(
        replica("full/mi300x"),
        replica("small/mi300x"),
        load=load(COMES),
        memory=serving(shares={"full": 10, "small": 90}),
    ),
    "pods of another rung still stand": fleet(
        replica("full/mi300x"),
        replica("small/mi300x"),
        load=load(COMES),
        memory=serving(stepped_at_s=NOW_S - 1),
        gateway={"mode": "None"},
        scaling={"minReplicas": 1},
    ),
    "a pod waits for its node": fleet(replica("full/mi300x", State.PENDING), load=load(COMES), memory=serving()),
    "a pod is to be started": fleet(load=load(COMES), memory=serving()),
}


@pytest.mark.parametrize("moving", MOVES.values(), ids=MOVES)
def test_a_fleet_is_decided_on_in_every_turn_while(moving: Fleet) -> None:
    seen = beside(moving)
    assert "one" in decided(seen)
    assert "one" in decided(replace(seen, fleets=told(seen), now_s=seen.now_s + TURN_S))


def test_replicas_that_stand_for_what_was_needed_before_are_looked_at_every_few_turns() -> None:
    (one,) = quiet(1)
    pods = (*one.replicas, replica("full/mi300x#2"))
    peak = Peak(at_s=NOW_S - 60, replicas=2.0, came=2.0)
    memory = one.memory.model_copy(update={"peaks": [peak]})
    held = replace(one, replicas=pods, deployed={("full", "mi300x"): 2}, memory=memory)
    seen = beside(held)
    assert "one" not in decided(seen)
    assert "one" in decided(replace(seen, now_s=NOW_S + 20.0))


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(
    st.integers(12, 240), st.sampled_from(["Hour", "Day"]), st.integers(0, 120), st.integers(1, 4), st.integers(0, 3600)
)
def test_who_rests_can_pay_until_all_has_stopped_long_after_its_turn(
    dollars: int, period: str, spent: int, pods: int, shutdown_s: int
) -> None:
    rungs = [variant("full", engine={"shutdownTimeoutSeconds": shutdown_s}), variant("small")]
    budget = {"amount": str(dollars), "period": period}
    standing = replicas("full/mi300x", pods)
    others, first = quiet(FEW), quiet(1, variants=rungs, budget=budget)[0]
    one = replace(
        first, name="one", replicas=standing, deployed={("full", "mi300x"): pods},
        ledger=ledger(str(min(spent, dollars)), standing), load=load(pods * 8.0, running=4),
    )  # fmt: skip
    plan = next(p for p in decide(snapshot(*others, one, where=wide([*others, one]))).fleets if p.key == one.key)
    assume(plan.memory.rest is not None)
    later = purse(one, NOW_S + 2 * ROUND * TURN_S)
    assert later is not None
    assert later.window.start_s > NOW_S or not must_stop_all(one, later)


def test_it_is_the_same_fleets_in_whatever_order_they_are_told() -> None:
    seen = settled()
    assert decide(replace(seen, fleets=seen.fleets[::-1])) == decide(seen)

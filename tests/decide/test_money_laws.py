"""Laws of the hard budget: what a plan owes until all has stopped is never more than what is left."""

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from tests.decide.builders import HOUR_S, NOW_S, fleet, pool, pools
from tests.decide.fleets import ladders, nearly_spent, only
from tests.decide.world import World

from costwain.decide.budget import STOP_S, owed_micro, purse, stopping_s
from costwain.domain.money import cost_micro, micro_of
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, Pool, Replica, Snapshot, State

pytestmark = pytest.mark.long

LEAVING = (State.DRAINING, State.DRAINED, State.TERMINATING)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(nearly_spent())
def test_what_a_plan_owes_can_be_paid_and_where_nothing_can_all_goes(given_: Snapshot) -> None:
    """But for a declared floor: it stays above the budget, and says so."""
    (of,) = given_.fleets
    money, plan = purse(of, NOW_S), only(given_)
    assert money is not None
    codes = {why.code for why in plan.reasons}
    if "BudgetFloor" in codes:
        event("floor")
        assert money.terms.keeps_floor
        assert of.spec.scaling.min_replicas > 0
    elif owed_micro(of, NOW_S, money.left_s) > money.left_micro:
        event("all must stop")
        assert set(plan.drain) == {r.pod for r in of.ready}
        assert plan.undrain == ()
        assert not asked_beyond_the_bill(of, plan)
    else:
        owed = owed_after(of, plan, given_.pools, money.left_s)
        event("undrains or starts" if plan.undrain or asked_beyond_the_bill(of, plan) else "goes on")
        assert owed <= money.left_micro


def owed_after(of: Fleet, plan: FleetPlan, where: dict[str, Pool], left_s: float) -> int:
    """Micro-dollars until all has stopped, if it were stopped right after the plan is carried out."""
    rest_s = {r.uid: _rest_s(of, r, plan) for r in of.replicas}
    standing = sum(cost_micro(x.hourly_micro, min(rest_s[x.uid], left_s)) for x in of.ledger.open)
    accelerators = {(v.name, p.pool): p.accelerators for v in of.spec.variants for p in v.placements}
    more = asked_beyond_the_bill(of, plan)
    hourly = sum(n * accelerators.get(p, 0) * (where[p[1]].hourly_micro or 0) for p, n in more.items())
    return standing + cost_micro(hourly, min(stopping_s(of), left_s))


def _rest_s(of: Fleet, r: Replica, plan: FleetPlan) -> float:
    """How long a pod still costs; one that should be gone by now costs the longest answers more."""
    if r.state not in LEAVING or r.pod in plan.undrain:
        return stopping_s(of)
    rest_s = r.since_s + stopping_s(of) - NOW_S
    return rest_s if rest_s > 0 else STOP_S


def asked_beyond_the_bill(of: Fleet, plan: FleetPlan) -> dict[tuple[str, str], int]:
    """Replicas by place that would come onto the bill: new ones, and those that wait for a node."""
    billed = [r.place for r in of.alive if r.bound_s is not None]
    more = {place: n - billed.count(place) for place, n in plan.replicas.items()}
    return {place: n for place, n in more.items() if n > 0}


RATES = st.lists(st.sampled_from([0.0, 2.0, 12.0, 30.0, 80.0]), min_size=1, max_size=4)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(ladders(), RATES, st.sampled_from(["0.50", "2.00", "5.00", "12.00", "30.00"]), st.integers(0, 300), st.data())
def test_a_fleet_without_a_floor_never_spends_a_micro_dollar_above_its_own_budget(
    variants: list[dict[str, object]], rates: list[float], amount: str, drains_s: int, data: st.DataObject
) -> None:
    """Pods stop within the 420 s that are kept for it; three of its turns of 5 s are the operator's own."""
    budget = {"amount": amount, "period": "Hour", "onExhausted": "ScaleToZero"}
    scaling = {"minReplicas": data.draw(st.integers(0, 2)), "maxReplicas": 8, "scaleToZeroAfterSeconds": 300}
    swap = {"minDwellSeconds": data.draw(st.sampled_from([0, 300])), "stepSeconds": 30}
    level_s = data.draw(st.sampled_from([300, 700, 1100]))
    of = fleet(variants=variants, scaling=scaling, swap=swap, budget=budget)
    this = World(
        of, pools(pool("l40s")), NOW_S, lambda now_s: rates[int((now_s - NOW_S) // level_s) % len(rates)], turn_s=5.0,
        drains_s=float(drains_s), ends_s=420.0 - 15.0 - 300.0,
    )  # fmt: skip
    turns = this.run(2 * HOUR_S)
    assert max(turn.spent_micro for turn in turns) <= micro_of(amount)

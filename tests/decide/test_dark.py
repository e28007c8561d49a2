"""What must not be: a fleet that stands dark with accelerators and money there, or that buys what it gives back."""

import pytest
from tests.decide.builders import HOUR_S, NOW_S, fleet, load, pool, pools, replica, replicas, serving, snapshot, variant
from tests.decide.fleets import only
from tests.decide.world import World, starts

from costwain.domain.memory import Demand
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Replica, State

APART = [variant("full", ("mi300x",)), variant("small", ("h100",))]  # a rung a pool


def known(per_s: float) -> Demand:
    return Demand(at_s=NOW_S - 5, fast_per_s=per_s, slow_per_s=per_s, input_tokens=512, output_tokens=128)


def without_mi300x(*these: Replica, target: str, budget: str = "40.00") -> FleetPlan:
    """4 requests/s where the best rung's only pool has no accelerator."""
    memory = serving(target, demand=known(4.0))
    of = fleet(*these, load=load(4.0), variants=APART, budget={"amount": budget}, memory=memory)
    return only(snapshot(of, where=pools(pool("mi300x", total=0), using=these)))


@pytest.mark.parametrize("target", ["full", "small"])
@pytest.mark.parametrize("n", [0, 1], ids=["nothing runs", "the lower one runs"])
def test_a_rung_without_accelerators_is_no_choice_however_little_nothing_costs(n: int, target: str) -> None:
    plan = without_mi300x(*replicas("small/h100", n), target=target)
    assert (plan.drain, plan.replicas[("small", "h100")], plan.target) == ((), 1, "small")


def test_it_is_no_choice_either_where_the_money_ends() -> None:
    plan = without_mi300x(target="full", budget="1.50")
    assert plan.replicas.get(("small", "h100")) == 1
    assert plan.reasons[0].code == "BudgetShort"


def test_the_last_replica_stays_where_its_pool_lost_its_price_until_another_rung_serves() -> None:
    """Nobody asks just now, two are to be kept, and only the lower rung has room."""
    these = (replica("full/mi300x"),)
    of = fleet(*these, load=load(0.0), memory=serving(), scaling={"minReplicas": 2},
               variants=[variant("full"), variant("small", ("l40s",))])  # fmt: skip
    where = pools(pool("h100", total=0), pool("mi300x", price=None), using=these) | {"l40s": pool("l40s")}
    assert only(snapshot(of, where=where)).replicas[("small", "l40s")] == 2


def test_nothing_is_let_go_while_nobody_knows_how_many_come() -> None:
    these = replicas("full/mi300x", 5)
    plan = only(snapshot(fleet(*these, load=load(None, running=150), memory=serving())))
    assert (plan.drain, plan.replicas) == ((), {("full", "mi300x"): 5})
    assert plan.reasons[0].sentence == "nobody knows yet how many requests come: holding every count"


def test_a_fleet_that_may_stop_at_once_is_not_idle_while_requests_come() -> None:
    at_once = {"minReplicas": 0, "scaleToZeroAfterSeconds": 0}
    plan = only(snapshot(fleet(load=load(4.0), memory=serving(demand=known(4.0)), scaling=at_once)))
    assert sum(plan.replicas.values()) == 1


@pytest.mark.long
def test_the_replicas_of_an_idle_fleet_may_be_of_two_rungs() -> None:
    """The best rung may have one, two are kept, and somebody asks every quarter of an hour."""
    only_one = {**variant("full", ("h100",)), "placements": [{"pool": "h100", "maxReplicas": 1}]}
    of = fleet(variants=[only_one, variant("small", ("h100",))], scaling={"minReplicas": 2})
    world = World(of, pools(), NOW_S, lambda at_s: 0.2 if (at_s - NOW_S) % 900 < 10 else 0.0)
    assert {sum(turn.plan.replicas.values()) for turn in world.run(3 * HOUR_S)[60:]} == {2}
    assert world.made <= 3


@pytest.mark.parametrize("least", [2, 5])
def test_an_idle_fleet_starts_nothing_that_the_money_does_not_pay(least: int) -> None:
    of = fleet(
        scaling={"minReplicas": least, "maxReplicas": 8, "scaleToZeroAfterSeconds": 300},
        budget={"amount": "1.00", "period": "Hour", "onExhausted": "ScaleToZero"},
    )
    assert starts(World(of, pools(), NOW_S, lambda _: 0.0, turn_s=5.0).run(3500)) <= 2


def test_what_runs_stays_where_no_money_is_left_to_start_a_cheaper_one() -> None:
    """Ten minutes until a node is there: $1 until midnight starts nothing, and pays what runs for another while."""
    these = replicas("full/mi300x", 1)
    of = fleet(*these, spent="39.00", load=load(20.0), memory=serving(demand=known(20.0)), budget={"amount": "40.00"},
               scaling={"minReplicas": 0})  # fmt: skip
    slow = {"provisioningSeconds": 1200}
    plan = only(snapshot(of, where=pools(pool("mi300x", **slow), pool("h100", **slow), using=these)))
    assert (plan.drain, plan.replicas) == ((), {("full", "mi300x"): 1})


def test_a_pool_is_given_the_time_that_it_says_its_nodes_take() -> None:
    waits = replica("full/mi300x", State.PENDING, age_s=1000.0)
    slow = {"provisioningSeconds": 1200}
    of = fleet(waits, load=load(1.0, queued=9), memory=serving(demand=known(1.0)))
    plan = only(snapshot(of, where=pools(pool("mi300x", **slow), pool("h100", **slow), using=(waits,))))
    assert plan.memory.refusals == []
    assert plan.replicas[("full", "mi300x")] == 1


PRESSED = {  # story: (requests/s by seconds, dollars an hour)
    "a load that asks for more than the money": (lambda _: 40.0, "5.00"),
    "one that comes and goes": (lambda at_s: 30.0 if (at_s - NOW_S) // 300 % 2 == 0 else 2.0, "6.00"),
}


@pytest.mark.long
@pytest.mark.parametrize(("rate", "amount"), PRESSED.values(), ids=PRESSED)
def test_under_a_budget_that_binds_hardly_a_pod_is_bought_and_given_back(rate, amount: str) -> None:  # type: ignore[no-untyped-def]
    world = World(fleet(budget={"amount": amount, "period": "Hour"}), pools(), NOW_S, rate, turn_s=5.0)
    world.run(3 * HOUR_S)
    lives_ms = [x.until_milliseconds - x.since_milliseconds for x in world.fleet.ledger.closed if x.until_milliseconds]
    assert sum(ms < 110_000 for ms in lives_ms) <= 4
    assert world.made < 20

"""decide(): whole turns, told as stories; what a user would read is asserted word for word."""

from typing import Any

import pytest
from tests.decide.builders import NOW_S, fleet, load, pool, pools, replica, replicas, serving, snapshot, variant

from costwain.decide import decide
from costwain.domain.memory import Memory
from costwain.domain.plan import FleetPlan, Why
from costwain.domain.snapshot import Fleet, Pool, Replica, State

BUDGET = {"amount": "240.00"}


def plan(*pods: Replica, where: dict[str, Pool] | None = None, **change: Any) -> FleetPlan:
    (got,) = decide(snapshot(fleet(*pods, **change), where=where)).fleets
    return got


def counts(got: FleetPlan) -> dict[str, int]:
    return {"/".join(place): n for place, n in got.replicas.items() if n}


def codes(got: FleetPlan) -> list[str]:
    return [why.code for why in got.reasons]


def test_a_new_fleet_that_nobody_asks_runs_nothing() -> None:
    got = plan()
    assert (counts(got), got.shares, got.target) == ({}, {"full": 100}, "full")
    assert got.reasons == (Why("Idle", "no requests for 600 s: 0 replicas"),)


def test_the_first_requests_start_the_best_variant_where_it_is_cheapest() -> None:
    got = plan(load=load(4.0))
    assert counts(got) == {"full/mi300x": 1}
    assert got.reasons == (Why("Serves", "full serves 4.0 requests/s on 1 x mi300x for $3.00/h"),)
    assert got.verdicts == {"full": got.reasons[0].sentence, "small": "would cost $3.00/h"}
    assert (got.drain, got.undrain, got.news, got.problems) == ((), (), (), ())


def test_nvidia_is_full_so_amd_takes_over() -> None:
    where = pools(pool("h100", total=1), pool("mi300x", total=2, price="9.00"))
    got = plan(load=load(12.0), where=where)
    assert counts(got) == {"full/h100": 1, "full/mi300x": 2}


def test_a_floor_is_kept_while_nobody_asks() -> None:
    got = plan(*replicas("full/mi300x", 3), memory=serving("full", busy_at_s=NOW_S - 700), scaling={"minReplicas": 2})
    assert got.reasons[0].sentence == "no requests for 600 s: 2 replicas"
    assert (counts(got), got.drain) == ({"full/mi300x": 3}, ("chat-full-mi300x-3",))


def test_a_floor_is_started_before_anybody_asks() -> None:
    assert counts(plan(scaling={"minReplicas": 2})) == {"full/mi300x": 2}


def test_paused_changes_nothing_and_keeps_its_traffic() -> None:
    pods = (replica("full/mi300x#1"), replica("full/mi300x#2", State.DRAINING))
    memory = serving("full", shares={"full": 50, "small": 50})
    got = plan(*pods, load=load(50.0), memory=memory, scaling={"mode": "Paused"})
    assert got.reasons == (Why("Paused", "scaling.mode is Paused: nothing changes"),)
    assert (counts(got), got.shares, got.memory) == ({"full/mi300x": 2}, memory.shares, memory)
    assert (got.drain, got.undrain, got.news) == ((), (), ())
    assert ("full", "mi300x") in got.slots


def test_blind_holds_every_count_and_every_mark() -> None:
    pods = (replica("full/mi300x#1"), replica("full/mi300x#2", State.DRAINING))
    memory = serving("full", busy_at_s=NOW_S - 9000)
    got = plan(*pods, load=None, memory=memory)
    assert got.reasons == (Why("Blind", "no readings from the gateway: holding every count"),)
    assert (counts(got), got.shares) == ({"full/mi300x": 2}, {"full": 100})
    assert (got.drain, got.undrain, got.news, got.target) == ((), (), (), "full")
    assert ("full", "mi300x") in got.slots


def test_without_a_gateway_an_engine_that_cannot_be_read_holds_too() -> None:
    scaling = {"minReplicas": 1}
    got = plan(replica("full/mi300x#1"), load=None, memory=serving(), gateway={"mode": "None"}, scaling=scaling)
    assert got.reasons == (Why("Blind", "an engine can't be read: holding every count"),)
    assert counts(got) == {"full/mi300x": 1}


def test_blind_still_stops_before_the_money_is_gone() -> None:
    got = plan(*replicas("full/mi300x", 2), load=None, spent="239.80", budget=BUDGET, memory=serving())
    assert codes(got) == ["Blind", "BudgetExhausted"]
    assert got.drain == ("chat-full-mi300x-1", "chat-full-mi300x-2")


def test_an_exhausted_budget_stops_everything_and_is_told_once() -> None:
    pods = replicas("full/mi300x", 2)
    got = plan(*pods, load=load(8.0), spent="239.99", budget=BUDGET, memory=serving())
    assert got.news[-1:] == (Why("BudgetExhausted", "$0.01 is left in this period: nothing runs until the next one"),)
    assert got.drain == ("chat-full-mi300x-1", "chat-full-mi300x-2")
    going = tuple(replica(f"full/mi300x#{i}", State.DRAINING) for i in (1, 2))
    after = plan(*going, load=load(8.0), spent="239.99", budget=BUDGET, memory=got.memory)
    assert "BudgetExhausted" in codes(after)
    assert after.news == ()


def test_an_exhausted_budget_leaves_the_declared_floor_of_what_serves() -> None:
    pods = replicas("small/h100", 3)
    scaling = {"minReplicas": 1}
    got = plan(*pods, load=load(50.0), spent="240", budget=BUDGET, memory=serving("small"), scaling=scaling)
    assert (counts(got), got.drain) == ({"small/h100": 3}, ("chat-small-h100-2", "chat-small-h100-3"))
    assert got.reasons == (
        Why("BudgetFloor", "$0.00 left until 00:00: 1 of small stays as the declared floor"),
        Why("BudgetFloor", "$0.00 is left: only the declared floor stays, above the budget"),
    )


def test_without_any_variant_that_may_serve_what_runs_goes_on() -> None:
    got = plan(*replicas("full/mi300x", 1), load=load(5.0), swap={"minQuality": "80"}, memory=serving())
    barred = "full: quality 72.7 is below minQuality 80; small: quality 64.3 is below minQuality 80"
    assert got.reasons == (Why("NoVariant", f"no variant could serve: {barred}"),)
    assert counts(got) == {"full/mi300x": 1}


def test_a_variant_that_is_named_by_hand_and_barred_never_starts() -> None:
    got = plan(load=load(5.0), swap={"mode": "Manual", "variant": "small", "minQuality": "70"})
    barred = "full: swap.variant is small; small: quality 64.3 is below minQuality 70"
    assert (counts(got), got.reasons) == ({}, (Why("NoVariant", f"no variant could serve: {barred}"),))


def test_a_time_zone_that_nobody_knows_holds_this_fleet_and_no_other() -> None:
    bad = fleet(replica("full/mi300x"), name="bad", budget={**BUDGET, "timeZone": "Mars/Olympus"}, load=load(9.0))
    good = fleet(name="good", load=load(4.0))
    lost, served = decide(snapshot(bad, good)).fleets
    sentence = "budget.timeZone: unknown IANA time zone, found 'Mars/Olympus'"
    assert lost.reasons == lost.problems == (Why("InvalidBudget", sentence),)
    assert (counts(lost), counts(served)) == ({"full/mi300x": 1}, {"full/mi300x": 1})


def test_a_pool_that_keeps_a_pod_waiting_is_left_for_another() -> None:
    pods = (replica("full/mi300x", State.PENDING, 901),)
    got = plan(*pods, load=load(4.0), memory=serving())
    assert got.news == (
        Why("PoolUnavailable", "chat-full-mi300x-1 waited 901 s for a node of pool mi300x: trying other pools"),
    )
    assert counts(got) == {"full/h100": 1}


def test_a_gated_variant_never_starts_even_where_money_is_short() -> None:
    got = plan(load=load(4.0), spent="239.00", budget=BUDGET, swap={"minQuality": "70"})
    assert got.verdicts["small"] == "quality 64.3 is below minQuality 70"
    assert all(place[0] == "full" for place, n in got.replicas.items() if n)


def test_a_variant_that_left_the_ladder_is_drained_and_gets_no_traffic() -> None:
    got = plan(replica("old/h100"), load=load(4.0), memory=serving("old"))
    assert (got.target, got.shares, got.drain) == ("full", {"full": 100}, ("chat-old-h100-1",))
    assert counts(got) == {"full/mi300x": 1, "old/h100": 1}


def test_a_pool_without_a_price_keeps_its_pods_in_traffic_until_others_serve() -> None:
    where = pools(pool("mi300x", price=None))
    got = plan(replica("full/mi300x"), load=load(4.0), memory=serving(), where=where)
    assert counts(got) == {"full/mi300x": 1, "full/h100": 1}
    assert ("full", "mi300x") in got.slots
    assert [p.code for p in got.problems] == ["PriceUnknown", "PriceUnknown"]


def test_slots_change_in_coarse_steps_only() -> None:
    near, far = (plan(load=load(1.0, input_tokens=n)).slots["full", "h100"] for n in (480.0, 490.0))
    assert near == far


def test_who_comes_first_takes_the_accelerators() -> None:
    where = pools(pool("h100", total=0), pool("mi300x", total=2))
    low = fleet(name="a-low", load=load(9.0))
    high = fleet(name="z-high", load=load(9.0), priority=1)
    first, second = decide(snapshot(low, high, where=where)).fleets
    assert (first.name, counts(first)) == ("z-high", {"full/mi300x": 2})
    assert (second.name, counts(second), codes(second)) == ("a-low", {}, ["AcceleratorsShort", "AcceleratorsContested"])


def swapping(shares: dict[str, int], *pods: Replica, per_s: float = 16.0, **change: Any) -> FleetPlan:
    """A rise to full in a pool of three that both rungs share."""
    where = pools(pool("mi300x", total=3), pool("h100", total=0), using=pods)
    memory = serving("full", NOW_S - 60, shares=shares, stepped_at_s=NOW_S - 60)
    return plan(*pods, load=load(per_s), memory=memory, where=where, **change)


def test_a_swap_in_a_full_pool_leaves_the_old_rung_what_the_new_one_could_only_carry_in_its_place() -> None:
    pods = (*replicas("full/mi300x", 2), replica("small/mi300x"))
    got = swapping({"full": 50, "small": 50}, *pods)
    assert (got.shares, codes(got)) == ({"full": 70, "small": 30}, ["ServesBoth"])
    assert swapping({"full": 50, "small": 50}, *pods, per_s=9.0).shares == {"full": 100}


def test_the_old_rung_is_drained_once_it_has_no_traffic() -> None:
    got = swapping({"full": 100}, *replicas("full/mi300x", 2), replica("small/mi300x"))
    assert got.drain == ("chat-small-mi300x-1",)


def test_a_fleet_of_one_replica_can_swap() -> None:
    """maxReplicas is hard, so the old one goes first and the gateway holds the requests."""
    one = {"maxReplicas": 1}
    change: dict[str, Any] = {"load": load(1.0), "scaling": one, "swap": {"mode": "Manual", "variant": "small"}}
    first = plan(replica("full/mi300x"), memory=serving("full"), **change)
    assert (counts(first), first.drain) == ({"full/mi300x": 1}, ("chat-full-mi300x-1",))
    gone = plan(replica("full/mi300x", State.DRAINED), memory=first.memory, **change)
    assert counts(gone) == {"small/mi300x": 1}


def test_the_status_gets_the_window() -> None:
    got = plan(*replicas("full/mi300x", 1), load=load(4.0), spent="24", budget=BUDGET, memory=serving())
    assert (got.money.spent_micro, got.money.limit_micro) == (24_000_000, 240_000_000)
    assert got.money.forecast_micro == 24_000_000 + 14 * 3_000_000
    assert got.money.hourly_micro == 3_000_000


def test_nothing_is_remembered_of_a_turn_without_a_reason() -> None:
    assert plan(load=None).memory == Memory()


WRONG: dict[str, dict[str, Any]] = {
    "tokens of no request": {"load": load(1.0, input_tokens=0.0, output_tokens=0.0)},
    "prompts longer than any memory": {"load": load(1.0, input_tokens=1e9, output_tokens=1e9)},
    "a flood": {"load": load(1e9)},
    "a trickle": {"load": load(1e-9)},
    "an SLO that nothing meets": {
        "load": load(1.0),
        "slo": {"timeToFirstTokenMilliseconds": 10, "timePerOutputTokenMilliseconds": 1},
    },
    "a budget of nothing": {"load": load(1.0), "budget": {"amount": "0"}},
    "pods of nowhere": {"load": load(1.0), "deployed": {("x", "y"): 3}},
    "every variant broken": {"load": load(1.0), "broken": {"full": "no", "small": "no"}},
    "sixty-four accelerators a replica": {
        "load": load(1.0),
        "variants": [variant("full", placements=[{"pool": "h100", "accelerators": 64}])],
    },
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_no_reading_and_no_wish_stops_the_turn(change: dict[str, Any]) -> None:
    this: Fleet = fleet(replica("full/h100"), **change)
    (got,) = decide(snapshot(this)).fleets
    assert got.reasons
    assert sum(got.shares.values()) == 100
    assert sum(got.replicas.values()) <= this.spec.scaling.max_replicas

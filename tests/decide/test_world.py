"""Stories over time, told in the toy world: what hundreds of turns in a row make of load, stock-outs and money."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.decide.builders import HOUR_S, NOW_S, fleet, line, pool, pools, variant
from tests.decide.world import Turn, World, starts, swaps

from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.money import micro_of
from costwain.domain.snapshot import Pool

pytestmark = pytest.mark.long

QUICK = {"scaleToZeroAfterSeconds": 300, "scaleDownStabilizationSeconds": 120, "maxReplicas": 8}


def steps(*levels: tuple[float, float]) -> Callable[[float], float]:
    """A rate that changes at instants (seconds from now), each a pair (from_s, per_s)."""
    return lambda now_s: next((per_s for from_s, per_s in reversed(levels) if now_s - NOW_S >= from_s), 0.0)


def slowly(per_s: float) -> Callable[[float], float]:
    """A rate that rises so slowly that no queue forms."""
    return lambda now_s: min(per_s, 1.0 + (now_s - NOW_S) / 60)


def world(rate: Callable[[float], float], *where: Pool, now_s: float = NOW_S, **change: Any) -> World:
    own = {"scaling": QUICK, "swap": {"minDwellSeconds": 300}, **change}
    return World(fleet(**own), pools(*where), now_s, rate, turn_s=20.0)


def serving(turns: list[Turn]) -> list[int]:
    return [sum(t.ready.values()) for t in turns]


def test_from_nothing_to_serving_and_back_to_nothing() -> None:
    this = world(steps((0, 12.0), (1800, 0.0)))
    busy, quiet = this.run(1800), this.run(1200)
    assert serving(busy)[-1] == 3
    assert busy[-1].queue == 0
    assert quiet[-1].pods == 0
    assert quiet[-1].codes == ["Idle"]
    assert swaps(this.turns) == ["full"]
    assert [t.plan.news for t in this.turns if t.plan.news] == []


def test_a_steady_load_is_left_alone_once_it_is_served() -> None:
    this = world(steps((0, 12.0)))
    this.run(900)
    later = this.run(2700)
    assert starts(later) == 0
    assert {tuple(t.plan.replicas.items()) for t in later} == {tuple(later[0].plan.replicas.items())}
    assert all(not t.plan.drain for t in later)


def test_a_load_that_swings_around_a_whole_number_of_replicas_does_not_flap() -> None:
    this = world(lambda now_s: 10.2 + 1.5 * ((now_s // 60) % 2))
    this.run(600)
    assert starts(this.run(3600)) == 0


def test_nvidia_is_full_so_amd_takes_over() -> None:
    this = world(steps((0, 12.0)), pool("h100", price="1.00", used=7), pool("mi300x", price="3.00"))
    last = this.run(1200)[-1]
    assert last.ready == {("full", "h100"): 1, ("full", "mi300x"): 2}
    assert last.queue == 0


def test_a_pool_that_gives_no_node_is_left_for_another_after_its_time() -> None:
    this = world(steps((0, 12.0)), pool("mi300x", provisioningSeconds=80))
    this.stuck = frozenset({"mi300x"})
    turns = this.run(1500)
    refused = [t.at_s - NOW_S for t in turns if any(w.code == "PoolUnavailable" for w in t.plan.news)]
    assert refused[0] == 180
    served_s = next(t.at_s - NOW_S for t in turns if sum(t.ready.values()))
    assert served_s <= 180 + 100 + 60
    assert all(place[1] == "h100" for place in turns[-1].ready)
    assert turns[-1].queue == 0


def test_the_only_pool_is_out_of_stock_for_hours_and_the_pod_keeps_its_turn() -> None:
    this = world(steps((0, 4.0)), pool("h100", used=8), pool("mi300x"), scaling={"maxReplicas": 1})
    this.stuck = frozenset({"mi300x"})
    turns = this.run(2 * HOUR_S)
    assert starts(turns) == 1
    assert turns[-1].codes == ["Serves", "WaitsForNode"]
    this.stuck = frozenset()
    assert this.run(300)[-1].ready == {("full", "mi300x"): 1}


def test_a_budget_that_binds_costs_one_step_down_a_period_and_is_never_exceeded() -> None:
    this = world(slowly(20.0), budget={"amount": "9.00", "period": "Hour"})
    turns = this.run(3 * HOUR_S)
    assert all(t.spent_micro <= micro_of("9.00") for t in turns)
    assert swaps(turns) == ["full", "small", "full", "small", "full", "small", "full"]
    assert all(t.queue < 200 for t in turns[6:])
    told = [w for t in turns for w in t.plan.news]
    assert [w.code for w in told] == ["SteppedDown", "SteppedUp"] * 3
    assert told[2].sentence.startswith("full needs $12.00/h for 20.1 requests/s, $")
    assert told[2].sentence.endswith("of $9.00 is left until 12:00: small serves for $3.00/h")
    assert told[3].sentence.startswith("full serves for $12.00/h instead of small, $")
    assert "BudgetExhausted" not in {code for t in turns for code in t.codes}


def test_more_demand_than_the_cheapest_rung_can_be_paid_for() -> None:
    this = world(steps((0, 100.0)), budget={"amount": "8.00", "period": "Hour"})
    turns = this.run(2 * HOUR_S)
    assert all(t.spent_micro <= micro_of("8.00") for t in turns)
    assert min(sum(t.ready.values()) for t in turns[10:]) >= 2
    assert turns[179].spent_micro > micro_of("7.00")
    assert starts(turns) <= 6


POOR = {
    "the money for half an hour": ("1.50", {}, 0),
    "the money for half an hour, and a declared floor": ("1.50", {"minReplicas": 1}, 1),
}


@pytest.mark.parametrize(("amount", "floor", "stays"), POOR.values(), ids=POOR)
def test_when_the_money_is_gone(amount: str, floor: dict[str, int], stays: int) -> None:
    this = world(steps((0, 4.0)), budget={"amount": amount, "period": "Hour"}, scaling={**QUICK, **floor})
    turns = this.run(HOUR_S)
    last = turns[120]
    assert sum(last.ready.values()) == stays
    assert starts(turns[:120]) <= 2
    if stays:
        assert "BudgetFloor" in last.codes
    else:
        assert max(t.spent_micro for t in turns) <= micro_of(amount)
        assert "BudgetExhausted" in last.codes
    assert sum(this.run(300)[-1].ready.values()) == 1


def test_a_restart_of_the_operator_changes_nothing() -> None:
    rate = steps((0, 20.0), (1500, 4.0), (3000, 40.0))
    this, other = (world(rate, budget={"amount": "9.00", "period": "Hour"}) for _ in range(2))
    this.run(4000)
    for _ in range(20):  # a new process each time, which knows what the cluster keeps
        other.run(200)
        kept = (other.queues, other.made, other.turns)
        other = replace(other, fleet=replace(other.fleet, load=None), queues=kept[0], made=kept[1], turns=kept[2])
    assert [t.plan for t in other.turns] == [t.plan for t in this.turns]


def test_a_blind_quarter_of_an_hour_moves_nothing() -> None:
    this = world(steps((0, 12.0)))
    this.blind = lambda now_s: 1200 <= now_s - NOW_S < 2100
    before = this.run(1200)[-1]
    blind = this.run(900)
    assert all(t.ready == before.ready and t.codes == ["Blind"] for t in blind)
    assert starts(this.run(600)) == 0


def slower(**change: Any) -> World:
    """A pool that is 30 % slower than its prior, and nowhere else to go."""
    change = {"scaling": {**QUICK, "maxReplicas": 12}, "slo": {"timePerOutputTokenMilliseconds": 100}, **change}
    this = world(steps((0, 12.0)), pool("mi300x", total=0), **change)
    this.speeds = {"h100": 0.7}
    return this


def test_a_pool_that_is_slower_than_its_prior_is_found_out_and_sized_right() -> None:
    this = slower()
    this.metered = True
    this.run(1.5 * HOUR_S)
    (known,) = this.fleet.memory.learned
    assert (known.variant, known.pool) == ("full", "h100")
    assert known.scalar == pytest.approx(0.7, rel=0.06)
    later = this.run(0.5 * HOUR_S)
    assert starts(later) == 0
    assert max(t.queue for t in later) == 0
    told = slower()
    told.fleet = replace(told.fleet, memory=Memory(learned=[known.model_copy(update={"scalar": 0.7})]))
    assert serving(later)[-1] == serving(told.run(0.5 * HOUR_S))[-1]


def test_without_figures_from_the_pods_a_slower_pool_is_sized_by_its_queue_alone() -> None:
    this = slower()
    this.run(HOUR_S)
    assert this.fleet.memory.learned == []
    assert max(t.queue for t in this.run(0.5 * HOUR_S)) > 0


def test_a_new_ladder_is_moved_to_and_the_old_variant_goes() -> None:
    this = world(steps((0, 12.0)))
    this.run(900)
    shape = {"uri": "hf://Qwen/Qwen3-14B"}
    ladder = [variant("newer", model=shape), variant("small")]
    this.fleet = replace(this.fleet, spec=fleet(variants=ladder, scaling=QUICK).spec, generation=2)
    turns = this.run(900)
    assert {v for v, _ in turns[-1].ready} == {"newer"}
    assert turns[-1].plan.shares == {"newer": 100}
    assert all(set(t.plan.shares) <= {"newer", "small"} for t in turns)


def test_in_a_crowded_pool_both_serve_without_a_queue_until_the_better_one_can_alone() -> None:
    """Three accelerators: small needs one, full three for 14 requests/s, two for 9."""
    where = (pool("mi300x", total=3), pool("h100", total=0))
    this = world(steps((0, 40.0), (1800, 14.0), (4000, 9.0)), *where)
    this.run(1800)
    turns = this.run(2200)
    assert any(set(t.ready) == {("full", "mi300x"), ("small", "mi300x")} and len(t.plan.shares) == 2 for t in turns)
    assert turns[-1].ready == {("full", "mi300x"): 2, ("small", "mi300x"): 1}
    full = [t.plan.shares.get("full", 0) for t in turns]
    assert full == sorted(full)
    turns += this.run(1600)
    assert turns[-1].ready == {("full", "mi300x"): 2}
    assert all(t.queue == 0 and t.pods <= 3 for t in turns)


DAYS = {
    "twenty-three hours": ("2026-03-29", 23),
    "twenty-four hours": ("2026-03-30", 24),
    "twenty-five hours": ("2026-10-25", 25),
}


@pytest.mark.parametrize(("date", "hours"), DAYS.values(), ids=DAYS)
def test_a_day_of_summer_time_is_paid_to_its_own_end(date: str, hours: int) -> None:
    """Two hours before midnight $6.10 are left of the day: a replica of small is $3 an hour, two would be $6."""
    berlin = ZoneInfo("Europe/Berlin")
    midnight_s = datetime.fromisoformat(date).replace(tzinfo=berlin).timestamp()
    begin_s = midnight_s + (hours - 2) * HOUR_S
    spent = line("83.90", "before", begin_s - HOUR_S, begin_s)
    budget = {"amount": "90.00", "timeZone": "Europe/Berlin"}
    this = world(lambda _: 20.0, now_s=begin_s, budget=budget, ledger=SpendLedgerSpec(closed=[spent]))
    this.turn_s = 40.0
    turns = this.run(2 * HOUR_S)
    assert turns[0].plan.money.start_s == midnight_s
    assert turns[0].plan.money.end_s == midnight_s + hours * HOUR_S
    assert micro_of("89.00") < turns[-1].spent_micro <= micro_of("90.00")
    assert sum(turns[-1].ready.values()) >= 1
    assert this.run(80)[-1].spent_micro < micro_of("1.00")

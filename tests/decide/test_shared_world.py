"""Stories of two and three fleets under one budget, told in the toy world; and what must hold in any of them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.decide.builders import HOUR_S, NOW_S, fleet, pool, pools
from tests.decide.shared_world import SharedWorld, shared
from tests.decide.test_world import QUICK, slowly, steps
from tests.decide.world import World, starts, swaps

from costwain.domain.money import micro_of

pytestmark = pytest.mark.long

Rate = Callable[[float], float]


def member(name: str, rate: Rate, turn_s: float = 20.0, **change: Any) -> World:
    own = {"scaling": QUICK, "swap": {"minDwellSeconds": 300}, **change}
    return World(fleet(name=name, uid=name, **own), pools(), NOW_S, rate, turn_s=turn_s)


def together(amount: str, *members: World, **spec: Any) -> SharedWorld:
    """These under one budget of an hour, with accelerators enough for all."""
    where = pools(pool("h100", total=32), pool("mi300x", total=32))
    return SharedWorld({m.fleet.name: m for m in members}, where, (shared(amount=amount, **spec),))


def most_spent(this: SharedWorld) -> int:
    """The most that any period's spend came to, micro-dollars."""
    return max(budget.spent_micro for _, budget in this.told)


def test_the_lower_priority_steps_down_first_and_says_why() -> None:
    gold, bronze = member("gold", slowly(20.0), priority=10), member("bronze", slowly(20.0))
    this = together("22.00", gold, bronze)
    this.run(2 * HOUR_S)
    assert swaps(gold.turns) == ["full"]
    assert swaps(bronze.turns)[:2] == ["full", "small"]
    alone = member("gold", slowly(20.0), priority=10)
    together("22.00", alone).run(2 * HOUR_S)
    assert [(t.ready, t.queue) for t in gold.turns] == [(t.ready, t.queue) for t in alone.turns]
    told = [w for t in bronze.turns for w in t.plan.news]
    assert told[0].code == "SteppedDown"
    assert told[0].sentence.startswith("full needs $")
    assert " is left for it of the $" in told[0].sentence
    assert " in InferenceBudget team until 11:00: small serves for $" in told[0].sentence
    assert micro_of("19.00") < most_spent(this) <= micro_of("22.00")


def test_without_the_other_it_would_not_have_stepped_down() -> None:
    bronze = member("bronze", slowly(20.0))
    together("22.00", bronze).run(HOUR_S)
    assert swaps(bronze.turns) == ["full"]


def test_a_fair_share_treats_both_alike() -> None:
    one, two = member("one", slowly(20.0), 30.0, priority=10), member("two", slowly(20.0), 30.0)
    this = together("18.00", one, two, sharing="FairShare")
    this.run(2 * HOUR_S)
    assert [(t.plan.target, t.ready) for t in one.turns] == [(t.plan.target, t.ready) for t in two.turns]
    assert swaps(one.turns)[:3] == ["full", "small", "full"]
    assert most_spent(this) <= micro_of("18.00")


def test_what_a_quiet_fleet_does_not_need_serves_the_busy_one() -> None:
    """The busy one needs $15 an hour and half of $18 is $9: it is served all the same."""
    busy, quiet = member("busy", slowly(20.0)), member("quiet", lambda _: 0.0)
    together("20.00", busy, quiet, sharing="FairShare").run(HOUR_S)
    assert swaps(busy.turns) == ["full"]


def test_a_load_that_swings_does_not_swap_the_other_s_variants() -> None:
    """Every five minutes gold needs a replica more or less, and what is left for bronze goes up and down with it."""
    swinging = member("gold", lambda now_s: 11.0 + 6.0 * ((now_s // 300) % 2), turn_s=30.0, priority=10)
    bronze = member("bronze", slowly(12.0), turn_s=30.0)
    this = together("20.00", swinging, bronze)
    this.run(3 * HOUR_S)
    assert len(swaps(bronze.turns)) <= 1 + 2 * 3  # down and up once a period; without a claim that is held, 11
    assert starts(bronze.turns) <= 6 * 3
    assert most_spent(this) <= micro_of("20.00")


def test_a_deleted_fleet_s_dollars_are_gone() -> None:
    first, second = member("first", lambda _: 20.0), member("second", lambda _: 0.0)
    this = together("12.00", first, second)
    this.run(1200)
    spent = this.told[-1][1].spent_micro
    this.delete("first")
    this.run(600)
    assert this.told[-1][1].spent_micro >= spent > micro_of("2.00")
    (left,) = this.told[-1][1].shares
    assert left.left_micro == micro_of("12.00") - this.told[-1][1].spent_micro


def test_a_floor_stays_above_the_amount_and_is_said() -> None:
    """Two floors of $3 an hour out of $4; without floors nothing is overspent."""
    floor = {**QUICK, "minReplicas": 1}
    with_floors = [member(name, steps((0, 4.0)), scaling=floor) for name in ("one", "two")]
    this = together("4.00", *with_floors)
    this.run(HOUR_S)
    assert most_spent(this) > micro_of("4.00")
    assert all("BudgetFloor" in m.turns[-2].codes for m in with_floors)
    bare = together("4.00", *(member(name, steps((0, 4.0))) for name in ("one", "two")))
    bare.run(HOUR_S)
    assert most_spent(bare) <= micro_of("4.00")


LEVELS = st.lists(st.sampled_from([0.0, 2.0, 12.0, 30.0]), min_size=1, max_size=4)


def loads(levels: list[float]) -> Rate:
    """Another level every twenty minutes, over and over."""
    return lambda now_s: levels[int((now_s - NOW_S) // 1200) % len(levels)]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(LEVELS, st.integers(0, 1)), min_size=2, max_size=3),
    st.sampled_from(["1.00", "5.00", "12.00", "30.00"]),
    st.sampled_from(["Priority", "FairShare"]),
)
def test_law_a_shared_amount_is_never_exceeded(
    fleets: list[tuple[list[float], int]], amount: str, sharing: str
) -> None:
    members = [
        member(f"m{i}", loads(levels), turn_s=30.0, priority=priority) for i, (levels, priority) in enumerate(fleets)
    ]
    this = together(amount, *members, sharing=sharing)
    this.run(1.5 * HOUR_S)
    assert most_spent(this) <= micro_of(amount)
    for _, budget in this.told:
        assert sum(x.left_micro for x in budget.shares) == budget.limit_micro - budget.spent_micro

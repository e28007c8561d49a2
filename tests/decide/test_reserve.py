"""What a choice keeps behind: whether a purse pays a start, a stay, the way down, and the hours after it."""

import pytest
from tests.decide.builders import HOUR_S, NOW_S, case, fleet, option, purse, replicas, rung, serving
from tests.decide.ladders import BUDGET, FULL, MIDDLE, ONE_FULL, ONE_SMALL, SMALL, chosen

from costwain.decide.choice import choose
from costwain.domain.memory import Demand, Memory, Season
from costwain.domain.snapshot import Replica

FRESH = {  # story: (dollars left of an hour, rung)
    "it pays the hour": ("10.00", "full"),
    # dwell 900 s and 610 s of the way down of $10, and $4 for the other 2700 s: $7.19 and a tenth
    "it pays the dwell time, the way down and the reserve": ("7.92", "full"),
    "it would be left within minutes": ("7.90", "small"),
    "it pays the reserve alone": ("4.00", "small"),
}


@pytest.mark.parametrize(("left", "want"), FRESH.values(), ids=FRESH)
@pytest.mark.parametrize("memory", [Memory(), serving("full")], ids=["a new fleet", "back from zero"])
def test_what_does_not_run_yet_must_be_worth_its_start(memory: Memory, left: str, want: str) -> None:
    assert chosen(money=purse(left), memory=memory).rung.name == want


def test_a_step_down_ends_on_the_rung_that_lasts() -> None:
    """`middle` could be paid for minutes, then `small` would have to follow: one step does it."""
    ladder = (FULL, MIDDLE, SMALL)
    got = chosen(*ONE_FULL, ladder=ladder, money=purse("4.80"), memory=serving("full"))
    assert got.rung.name == "small"


LATE = {  # story: (pods, demand, dollars left of 200 s, rung, replicas, code)
    "payable to the end": (replicas("full/h100", 2), 20.0, "1.20", "full", 2, "Serves"),
    "a peak at the very end is served by what can be paid": (replicas("full/h100", 2), 40.0, "1.20", "full", 2,
        "BudgetShort",
    ),
    "fewer run where that is all": (replicas("full/h100", 4), 40.0, "1.20", "full", 2, "BudgetShort"),
}  # fmt: skip


@pytest.mark.parametrize(("pods", "per_s", "left", "name", "n", "code"), LATE.values(), ids=LATE)
def test_no_swap_that_ends_after_the_period(
    pods: tuple[Replica, ...], per_s: float, left: str, name: str, n: int, code: str
) -> None:
    got = chosen(*pods, per_s=per_s, money=purse(left, left_s=200.0), memory=serving("full"))
    assert (got.rung.name, got.mix.replicas, got.why.code) == (name, n, code)


def test_late_in_a_period_a_peak_starts_what_the_next_period_pays_for_a_while() -> None:
    """$20 an hour for the last minute is nothing; for the next ten minutes it is $3.33."""
    for limit, n in (("90.00", 1), ("110.00", 2)):  # the reserve is $4 an hour all day, $96
        late = purse("2.00", limit=limit, left_s=60.0)
        got = chosen(*ONE_FULL, per_s=20.0, money=late, memory=serving("full"))
        assert got.mix.replicas == n


def test_an_idle_fleet_reserves_its_floor_alone() -> None:
    idle = fleet(*ONE_FULL, budget=BUDGET, memory=serving("full"))
    got = choose(case(idle, FULL, SMALL, per_s=0.0, money=purse("2.00", left_s=4 * HOUR_S), idle=True))
    assert got is not None
    assert got.rung.name == "full"


def test_the_more_hours_are_left_the_more_stays_behind() -> None:
    """$10/h to stay for 610 s and $4/h after it: enough for an hour at $6, and for ten at $42."""
    for left_s, enough, short in ((HOUR_S, "5.80", "5.60"), (10 * HOUR_S, "41.80", "41.60")):
        for left, name in ((enough, "full"), (short, "small")):
            got = chosen(*ONE_FULL, money=purse(left, left_s=left_s), memory=serving("full"))
            assert got.rung.name == name, (left_s, left)


@pytest.mark.parametrize(("evening_per_s", "name"), [(2.0, "full"), (100.0, "small")])
def test_an_evening_that_is_usually_busy_keeps_money_back(evening_per_s: float, name: str) -> None:
    """Ten o'clock, ten hours to go, $60: small needs $4/h at ten requests/s and four times that at a hundred."""
    hours = {str(hour): 10.0 if hour < 14 else evening_per_s for hour in range(24)}
    memory = serving(
        "full",
        demand=Demand(at_s=NOW_S, fast_per_s=10.0, slow_per_s=10.0),
        season=Season(hour_s=NOW_S, hours=hours, error=0.0),
    )
    got = chosen(*ONE_FULL, money=purse("60.00", left_s=10 * HOUR_S), memory=memory)
    assert got.rung.name == name


def test_short_of_money_nobody_climbs_to_a_rung_that_costs_alike() -> None:
    alike = rung(option("full/h100", 10.0, "4.00"))
    got = chosen(*ONE_SMALL, ladder=(alike, SMALL), money=purse("2.00"), memory=serving("small", NOW_S - 5000))
    assert (got.rung.name, got.why.code) == ("small", "BudgetShort")
    new = chosen(ladder=(alike, SMALL), money=purse("2.00"))
    assert new.rung.name == "full"

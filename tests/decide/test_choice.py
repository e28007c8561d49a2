"""Choice: which rung serves, with how many replicas, and the sentences that say so."""

from dataclasses import replace

import pytest
from tests.decide.builders import HOUR_S, NOW_S, case, fleet, option, purse, replica, replicas, rung, serving
from tests.decide.ladders import BUDGET, FULL, MIDDLE, ONE_FULL, ONE_SMALL, SMALL, chosen

from costwain.decide.choice import choose
from costwain.decide.forecast import Forecast
from costwain.decide.options import Rung
from costwain.domain.memory import Demand, Memory, Season
from costwain.domain.plan import Why
from costwain.domain.snapshot import Replica, State


def test_the_best_rung_serves_and_says_where_and_for_how_much() -> None:
    two_pools = rung(option("full/h100", 10.0, "10.00", most=1), option("full/mi300x", 10.0, "12.00"))
    got = chosen(per_s=15.0, ladder=(two_pools, SMALL))
    assert got.why == Why("Serves", "full serves 15.0 requests/s on 1 x h100 + 1 x mi300x for $22.00/h")
    assert (got.rung.name, got.mix.replicas, got.news) == ("full", 2, None)


def test_scale_out_comes_before_a_step_down() -> None:
    got = chosen(*ONE_FULL, per_s=80.0, memory=serving("full"))
    assert (got.rung.name, got.mix.replicas) == ("full", 8)


def test_money_that_does_not_last_at_this_rate_is_told() -> None:
    got = chosen(*ONE_FULL, money=purse("6.00"), memory=serving("full"))
    assert got.why.sentence == (
        "full serves 10.0 requests/s on 1 x h100 for $10.00/h; at this rate the money lasts until 10:36"
    )


def test_the_clock_is_the_budgets_own() -> None:
    berlin = {"amount": "100.00", "timeZone": "Europe/Berlin"}
    got = chosen(*ONE_FULL, money=purse("6.00"), memory=serving("full"), budget=berlin)
    assert got.why.sentence.endswith("the money lasts until 11:36")


def test_a_budget_that_binds_steps_down_and_says_why() -> None:
    got = chosen(*ONE_FULL, money=purse("4.50"), memory=serving("full"))
    assert got.news == Why(
        "SteppedDown",
        "full needs $10.00/h for 10.0 requests/s, $4.50 of $100.00 is left until 11:00: small serves for $4.00/h",
    )
    assert got.why == Why("Serves", "small serves 10.0 requests/s on 1 x h100 for $4.00/h")


def test_money_that_is_back_steps_up_and_says_why() -> None:
    got = chosen(*ONE_SMALL, money=purse("100.00"), memory=serving("small", NOW_S - 1000))
    assert got.news == Why("SteppedUp", "full serves for $10.00/h instead of small, $100.00 is left until 11:00")


def test_accelerators_that_are_back_step_up_without_a_word_on_money() -> None:
    got = chosen(*ONE_SMALL, memory=serving("small", NOW_S - 1000))
    assert got.news == Why("SteppedUp", "full serves for $10.00/h instead of small")


def test_a_rise_waits_for_its_dwell_time_even_where_money_is_no_matter() -> None:
    got = chosen(*ONE_SMALL, memory=serving("small", NOW_S - 899))
    assert (got.rung.name, got.news) == ("small", None)


def test_where_no_rung_finds_accelerators_the_one_that_carries_most_serves() -> None:
    got = chosen(*ONE_FULL, per_s=500.0, memory=serving("full"))
    assert got.rung.name == "small"
    assert got.why == Why(
        "AcceleratorsShort", "small has accelerators for 8 replicas, 320.0 requests/s of the 500.0 that are needed"
    )


def test_one_replica_is_one_replica() -> None:
    got = chosen(per_s=500.0, ladder=(rung(option("full/h100", most=1)),))
    assert got.why.sentence == "full has accelerators for 1 replica, 10.0 requests/s of the 500.0 that are needed"


def test_accelerators_for_nobody_are_no_fault() -> None:
    got = chosen(per_s=5.0, ladder=(rung(option("full/h100", most=0)),))
    assert (got.why.code, got.mix.counts) == ("AcceleratorsShort", {})


CROWDED: dict[str, tuple[tuple[Replica, ...], float, int, int, str]] = {
    # story: (pods, demand, accelerators free beside them, maxReplicas, rung); full needs two for the demand
    "there is room for both at once": (ONE_SMALL, 20.0, 2, 8, "full"),
    "one of two could start, and that makes a queue": (ONE_SMALL, 20.0, 1, 8, "small"),
    "one is enough now": (ONE_SMALL, 10.0, 1, 8, "full"),
    "the ceiling leaves room for one of two": (ONE_SMALL, 20.0, 8, 2, "small"),
    "a lone replica has no other way than to make place": (ONE_SMALL, 10.0, 8, 1, "full"),
    "nor has one on the only accelerator": (ONE_SMALL, 10.0, 0, 8, "full"),
}


@pytest.mark.parametrize(("pods", "per_s", "free", "most", "name"), CROWDED.values(), ids=CROWDED)
def test_a_rise_is_created_before_the_old_rung_goes(
    pods: tuple[Replica, ...], per_s: float, free: int, most: int, name: str
) -> None:
    ladder = (rung(option("full/h100", most_now=free)), SMALL)
    got = chosen(*pods, ladder=ladder, per_s=per_s, memory=serving("small"), scaling={"maxReplicas": most})
    assert got.rung.name == name


BARRED = {
    "barred, though it is the cheapest": (FULL, rung(*SMALL.options, barred=Why("GateFailed", "too bad"))),
    "without an option": (FULL, Rung(SMALL.variant, (), None, ())),
}


@pytest.mark.parametrize("ladder", BARRED.values(), ids=BARRED)
def test_a_rung_never_serves(ladder: tuple[Rung, ...]) -> None:
    got = chosen(*ONE_SMALL, ladder=ladder, money=purse("0.01"), memory=serving("small"))
    assert got.rung.name == "full"


def test_where_no_rung_may_serve_nothing_is_chosen() -> None:
    assert choose(case(fleet(), rung(*SMALL.options, barred=Why("GateFailed", "too bad")))) is None


def test_a_target_that_is_no_longer_in_the_ladder_is_forgotten_without_a_dwell_time() -> None:
    got = chosen(memory=serving("gone", NOW_S - 1))
    assert (got.rung.name, got.news) == ("full", None)


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


def test_the_cheapest_is_the_one_for_the_demand_there_is() -> None:
    """`full` would be cheaper a request, were there requests for it."""
    dear = rung(option("full/h100", 100.0, "10.00"))
    slow = rung(option("small/h100", 2.0, "2.00"))
    got = chosen(
        *replicas("small/h100", 1), ladder=(dear, slow), per_s=1.0, money=purse("1.00"), memory=serving("small")
    )
    assert got.rung.name == "small"


def test_an_idle_fleet_reserves_its_floor_alone() -> None:
    idle = fleet(*ONE_FULL, budget=BUDGET, memory=serving("full"))
    got = choose(case(idle, FULL, SMALL, per_s=0.0, money=purse("2.00", left_s=4 * HOUR_S), idle=True))
    assert got is not None
    assert got.rung.name == "full"


def test_pods_that_are_still_loading_are_not_left_for_a_mix_that_is_hardly_cheaper() -> None:
    two = rung(option("full/h100", 10.0, "10.00"), option("full/mi300x", 10.0, "9.50"))
    got = chosen(replica("full/h100", State.STARTING), ladder=(two, SMALL), memory=serving("full"))
    assert dict(got.mix.counts) == {("full", "h100"): 1}


BACKLOG = {  # story: (what arrives of the 20 that a queue makes of it, dollars left of an hour, rung, replicas)
    "a queue is worked off by more of the rung": (10.0, "30.00", "full", 2),
    "where that is too dear, what arrives keeps the rung": (10.0, "7.00", "full", 1),
    "what arrives is itself too dear": (20.0, "7.00", "small", 1),
}


@pytest.mark.parametrize(("arriving", "left", "name", "n"), BACKLOG.values(), ids=BACKLOG)
def test_a_backlog_does_not_cost_the_rung(arriving: float, left: str, name: str, n: int) -> None:
    this = case(fleet(*ONE_FULL, budget=BUDGET, memory=serving("full")), FULL, SMALL, per_s=20.0, money=purse(left))
    got = choose(replace(this, expected=Forecast(20.0, 20.0, False, arriving)))
    assert got is not None
    assert (got.rung.name, got.mix.replicas) == (name, n)


def test_a_queue_that_no_number_of_replicas_could_empty_in_time_gets_all_there_are() -> None:
    few = rung(option("full/h100", 10.0, "10.00", most=3))
    this = case(fleet(*ONE_FULL, memory=serving("full")), few, per_s=90.0)
    got = choose(replace(this, expected=Forecast(90.0, 90.0, False, 10.0)))
    assert got is not None
    assert got.mix.replicas == 3


SPARE = {  # story: (replicas of 10 requests/s that run, demand, replicas wanted)
    "one would carry it, but barely": (2, 9.5, 2),
    "one carries it with a tenth to spare": (2, 9.0, 1),
    "more is never started for the margin": (1, 9.5, 1),
    "two go at once where one is enough": (3, 5.0, 1),
    "no demand needs no margin": (2, 0.0, 1),
}


@pytest.mark.parametrize(("running", "per_s", "n"), SPARE.values(), ids=SPARE)
def test_fewer_replicas_only_with_a_margin(running: int, per_s: float, n: int) -> None:
    got = chosen(*replicas("full/h100", running), per_s=per_s, memory=serving("full"))
    assert got.mix.replicas == n


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

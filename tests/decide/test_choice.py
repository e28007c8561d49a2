"""Choice: which rung serves, with how many replicas, and the sentences that say so."""

from dataclasses import replace

import pytest
from tests.decide.builders import NOW_S, case, fleet, option, pool, purse, replica, replicas, rung, serving
from tests.decide.ladders import BUDGET, FULL, ONE_FULL, ONE_SMALL, SMALL, chosen

from costwain.decide.choice import choose
from costwain.decide.forecast import Forecast
from costwain.decide.options import Rung
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


BOUND = {  # story: (maxReplicas, accelerators, code, sentence)
    "the ceiling, where accelerators are free": (
        2, 8, "AtMaxReplicas", "full is capped at maxReplicas 2, 20.0 requests/s of the 500.0 that are needed",
    ),
    "accelerators, where they end before it": (
        4, 2, "AcceleratorsShort", "full has accelerators for 2 replicas, 20.0 requests/s of the 500.0 that are needed",
    ),
    "accelerators, where both end at once": (
        2, 2, "AcceleratorsShort", "full has accelerators for 2 replicas, 20.0 requests/s of the 500.0 that are needed",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("most", "total", "code", "sentence"), BOUND.values(), ids=BOUND)
def test_what_bounds_the_replicas_is_named(most: int, total: int, code: str, sentence: str) -> None:
    this = case(fleet(scaling={"maxReplicas": most}), rung(option("full/h100", most=min(most, total))), per_s=500.0)
    got = choose(replace(this, pools={"h100": pool("h100", total=total)}))
    assert got is not None
    assert got.why == Why(code, sentence)


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


def test_the_cheapest_is_the_one_for_the_demand_there_is() -> None:
    """`full` would be cheaper a request, were there requests for it."""
    dear = rung(option("full/h100", 100.0, "10.00"))
    slow = rung(option("small/h100", 2.0, "2.00"))
    got = chosen(
        *replicas("small/h100", 1), ladder=(dear, slow), per_s=1.0, money=purse("1.00"), memory=serving("small")
    )
    assert got.rung.name == "small"


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
    carried = "10.0 of 20.0" if (name, n) == ("full", 1) else "20.0"
    assert got.why.sentence.startswith(f"{name} serves {carried} requests/s on {n} x h100")


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

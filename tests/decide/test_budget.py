"""Budget: dollars left, how long they last, and whether a rung may stay or rise; figures by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.decide import builders
from tests.decide.builders import HOUR_S, NOW_S, fleet, line, replica, replicas

from costwain.decide.budget import Purse, Step, may_rise, may_stay, money, must_stop_all, priced, purse, worth_a_start
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.money import micro_of
from costwain.domain.snapshot import State

RESERVE = Step(micro_of("2.00"), 300.0, micro_of("2.00"))


def test_without_a_budget_there_is_no_purse_and_only_a_rate() -> None:
    this = fleet(*replicas("full/mi300x", 2))
    assert purse(this, NOW_S) is None
    assert money(this, None, micro_of("9")).hourly_micro == micro_of("6")
    assert money(this, None, micro_of("9")).limit_micro is None


def test_a_purse_holds_what_was_spent_since_midnight() -> None:
    ledger = SpendLedgerSpec(
        open=[line("6.00", "a", NOW_S - HOUR_S)],  # $6
        closed=[
            line("4.00", "b", NOW_S - 11 * HOUR_S, NOW_S - 9 * HOUR_S),  # one of its two hours was yesterday's: $4
            line("4.00", "c", NOW_S - 20 * HOUR_S, NOW_S - 15 * HOUR_S),  # yesterday
        ],
    )
    found = purse(fleet(budget={"amount": "24.00"}, ledger=ledger), NOW_S)
    assert found is not None
    assert (found.spent_micro, found.left_micro, found.left_s) == (micro_of("10"), micro_of("14"), 14 * HOUR_S)
    assert found.even_micro_per_h == micro_of("1")


def test_a_purse_that_is_overdrawn_is_empty() -> None:
    found = purse(fleet(spent="30", budget={"amount": "24.00"}), NOW_S)
    assert found is not None
    assert (found.left_micro, found.even_micro_per_h) == (0, 0)


LASTS = {  # (left, rate, reserve): seconds of the hour that is left
    "to the end": ("10", "10", "0", 3600.0),
    "half of it": ("5", "10", "0", 1800.0),
    "until the reserve is touched": ("6", "10", "2", 1800.0),
    "not at all beside the reserve": ("2", "10", "2", 0.0),
    "the reserve itself": ("2", "2", "2", 3600.0),
    "the reserve is too dear": ("1", "2", "2", 0.0),
    "for ever, where it is free": ("0", "0", "0", 3600.0),
}


@pytest.mark.parametrize(("left", "rate", "reserve", "seconds"), LASTS.values(), ids=LASTS)
def test_how_long_money_lasts(left: str, rate: str, reserve: str, seconds: float) -> None:
    assert builders.purse(left).lasts_s(micro_of(rate), micro_of(reserve)) == seconds


STAYS = {  # (left of this hour, seconds left, rate): whether it may stay; reserve $2/h, both run 300 s
    "payable to the end": ("10.00", 3600.0, "10.00", True),
    "payable with its replacement": ("2.84", 3600.0, "10.00", True),  # 10 x 300/3600 + 2
    "not payable with its replacement": ("2.83", 3600.0, "10.00", False),
    "the last minutes are payable though the way down isn't": ("0.50", 180.0, "10.00", True),
    "nothing is left": ("0", 3600.0, "2.00", False),
    "a free one stays on nothing": ("0", 3600.0, "0", True),
}


@pytest.mark.parametrize(("left", "left_s", "rate", "stays"), STAYS.values(), ids=STAYS)
def test_may_stay(left: str, left_s: float, rate: str, stays: bool) -> None:
    assert may_stay(builders.purse(left, left_s=left_s), micro_of(rate), RESERVE) is stays


RISES = {  # (left, seconds left, rate, dwell): reserve $2/h, both run 300 s
    # 10 x (900 + 300) / 3600 + 2 x 2700 / 3600 + 2 x 300 / 3600 = 5.00, and a tenth
    "its dwell time, the way down and the reserve are there": ("5.51", 3600.0, "10.00", 900, True),
    "a tenth is missing": ("5.49", 3600.0, "10.00", 900, False),
    # the rest of the period: 10 x 1800 / 3600 + 2 x 300 / 3600 = 5.17, and a tenth
    "to the end of the period": ("5.69", 1800.0, "10.00", 1800, True),
    "a dwell beyond the end that the next period pays": ("5.69", 1800.0, "10.00", 3600, True),
    "a dwell of weeks that no period pays": ("1000.00", 1800.0, "1000.00", 604_800, False),
    "a dwell of weeks that each period pays": ("50.00", 1800.0, "50.00", 604_800, True),
}


@pytest.mark.parametrize(("left", "left_s", "rate", "dwell_s", "rises"), RISES.values(), ids=RISES)
def test_may_rise(left: str, left_s: float, rate: str, dwell_s: float, rises: bool) -> None:
    found = builders.purse(left, limit="2000.00", left_s=left_s)
    assert may_rise(found, micro_of(rate), dwell_s, RESERVE) is rises


def test_a_dwell_longer_than_a_period_is_paid_a_period_at_a_time() -> None:
    """$5/h fit into no hour of $4, however long the dwell; a longer dwell never makes a rise cheaper."""
    found = builders.purse("4.00", limit="4.00", left_s=600.0, period_s=HOUR_S)
    rises = [may_rise(found, micro_of("5.00"), dwell_s, RESERVE) for dwell_s in (600, 5000, 90_000)]
    assert rises == [True, False, False]


MONEY = st.integers(0, 10**9)


@given(left=MONEY, more=MONEY, rate=MONEY, reserve=MONEY, left_s=st.floats(1, 90_000), dwell_s=st.floats(0, 9000))
def test_more_dollars_never_forbid(
    left: int, more: int, rate: int, reserve: int, left_s: float, dwell_s: float
) -> None:
    poor, rich = (Purse(builders.purse("0", left_s=left_s).window, micro, 0, 0, NOW_S) for micro in (left, left + more))
    step = Step(reserve, 300.0, reserve)
    assert may_stay(rich, rate, step) >= may_stay(poor, rate, step)
    assert may_rise(rich, rate, dwell_s, step) >= may_rise(poor, rate, dwell_s, step)
    assert rich.lasts_s(rate, reserve) >= poor.lasts_s(rate, reserve) - 1e-6


def test_pods_must_stop_while_their_stop_can_still_be_paid() -> None:
    """Two at $3/h for the 300 s and 120 s that a stop takes are $0.70."""
    this = fleet(*replicas("full/mi300x", 2))
    assert not must_stop_all(this, builders.purse("0.70"))
    assert must_stop_all(this, builders.purse("0.69"))


def test_what_is_leaving_already_owes_only_the_rest_of_its_time() -> None:
    """One at $3/h for 420 s and one for 20 s are $0.37."""
    this = fleet(replica("full/mi300x#1"), replica("full/mi300x#2", State.DRAINING, 400))
    assert not must_stop_all(this, builders.purse("0.37"))
    assert must_stop_all(this, builders.purse("0.36"))


def test_what_should_be_gone_by_now_may_stay_until_the_others_have_stopped() -> None:
    """One at $3/h for 420 s, and one for 300 s that was to be gone a second ago, are $0.60."""
    this = fleet(replica("full/mi300x#1"), replica("full/mi300x#2", State.TERMINATING, 421))
    assert not must_stop_all(this, builders.purse("0.60"))
    assert must_stop_all(this, builders.purse("0.59"))


def test_a_start_is_worth_it_beside_what_all_else_still_owes() -> None:
    """At $3/h: 100 s to start, 600 s to serve and 420 s to stop are $0.94; one that leaves owes 220 s, $0.19."""
    leaving = fleet(replica("full/mi300x", State.TERMINATING, 200))
    for this, enough, short in ((fleet(), "0.94", "0.93"), (leaving, "1.12", "1.11")):
        assert worth_a_start(this, builders.purse(enough), micro_of("3"), 100.0)
        assert not worth_a_start(this, builders.purse(short), micro_of("3"), 100.0)


def test_at_the_end_of_a_period_only_the_rest_of_it_must_be_paid() -> None:
    this = fleet(*replicas("full/mi300x", 2))
    assert not must_stop_all(this, builders.purse("0.10", left_s=60.0))


def test_the_figures_for_the_status() -> None:
    this = fleet(*replicas("full/mi300x", 2), spent="10", budget={"amount": "24.00"})
    found = money(this, purse(this, NOW_S), micro_of("3"))
    assert (found.spent_micro, found.limit_micro) == (micro_of("10"), micro_of("24"))
    assert found.forecast_micro == micro_of("52")  # 14 hours are left
    assert found.allowance_micro_per_h == micro_of("1")
    assert math.isclose(found.end_s or 0, NOW_S + 14 * HOUR_S)
    assert priced(found.hourly_micro) == "$6.00/h"

"""Shortage: what runs when the money doesn't reach for the cheapest rung, down to the last replica and the floor."""

import pytest
from tests.decide.builders import option, purse, replicas, rung, serving
from tests.decide.ladders import BUDGET, ONE_SMALL, SMALL, ZERO, chosen

from costwain.domain.plan import Why
from costwain.domain.snapshot import Replica


def test_what_is_left_pays_some_of_the_cheapest() -> None:
    got = chosen(*replicas("small/h100", 3), per_s=120.0, money=purse("9.00"), memory=serving("small"))
    assert got.mix.replicas == 2
    assert got.why == Why("BudgetShort", "$9.00 left until 11:00 pays 2 of small")


def test_a_floor_that_finds_no_accelerators_is_told_as_what_is_asked_for() -> None:
    few = rung(option("small/h100", 40.0, "4.00", most=1))
    got = chosen(ladder=(few,), money=purse("0"), budget=BUDGET, scaling={"minReplicas": 3})
    assert got.why == Why("BudgetFloor", "$0.00 left until 11:00: 1 of small stays, of 3 that are declared")


def test_another_replica_within_money_needs_a_tenth_to_spare() -> None:
    """The even rate grows while fewer run than it pays: without the margin the third would come and go."""
    pods = replicas("small/h100", 2)
    counts = [chosen(*pods, per_s=120.0, money=purse(left), memory=serving("small")).mix.replicas
              for left in ("11.99", "12.00", "13.19")]  # fmt: skip
    assert counts == [2, 3, 3]
    assert chosen(*pods, per_s=160.0, money=purse("13.19"), memory=serving("small")).mix.replicas == 2
    assert chosen(*pods, per_s=160.0, money=purse("13.21"), memory=serving("small")).mix.replicas == 3


def test_money_that_does_not_reach_never_moves_replicas_to_another_pool() -> None:
    """Three on the cheap pool would carry more, but until they do both would have to be paid."""
    pools = rung(option("small/h100", 40.0, "4.00"), option("small/mi300x", 30.0, "2.50"))
    got = chosen(*replicas("small/h100", 2), ladder=(pools,), per_s=200.0, money=purse("9.00"), memory=serving("small"))
    assert dict(got.mix.counts) == {("small", "h100"): 2}


def test_late_in_a_period_nothing_starts_that_the_next_could_not_pay() -> None:
    """$1 for five minutes is $12 an hour; the next day has $2 an hour."""
    late = purse("1.00", limit="48.00", left_s=300.0)
    got = chosen(*ONE_SMALL, ladder=(SMALL,), per_s=200.0, money=late, memory=serving("small"))
    assert got.mix.replicas == 1


ENDS = {  # story: (pods, left of the hour, onExhausted, minReplicas, replicas, code, sentence)
    "one that runs goes on until it must stop": (
        ONE_SMALL, "0.50", BUDGET, 0, 1, "BudgetShort", "$0.50 left until 11:00 pays 1 of small until 10:07",
    ),
    "none is started for a few minutes": (
        (), "0.30", BUDGET, 0, 0, "BudgetExhausted", "$0.30 left until 11:00 pays no replica of small",
    ),
    "one is started where it serves for a while": (
        (), "1.50", BUDGET, 0, 1, "BudgetShort", "$1.50 left until 11:00 pays 1 of small until 10:22",
    ),
    "nothing is left, and a floor is declared": (
        (), "0", BUDGET, 2, 2, "BudgetFloor", "$0.00 left until 11:00: 2 of small stay as the declared floor",
    ),
    "nothing is left, and zero is declared": (
        (), "0", ZERO, 2, 0, "BudgetExhausted", "$0.00 left until 11:00 pays no replica of small",
    ),
    "a floor that can be paid is no floor": (
        ONE_SMALL, "0.50", BUDGET, 1, 1, "BudgetShort", "$0.50 left until 11:00 pays 1 of small until 10:07",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pods", "left", "budget", "least", "n", "code", "sentence"), ENDS.values(), ids=ENDS)
def test_the_end_of_the_money(
    pods: tuple[Replica, ...], left: str, budget: dict[str, str], least: int, n: int, code: str, sentence: str
) -> None:
    scaling = {"minReplicas": least}
    got = chosen(*pods, money=purse(left), memory=serving("small"), budget=budget, scaling=scaling)
    assert (got.rung.name, got.mix.replicas, got.why) == ("small", n, Why(code, sentence))

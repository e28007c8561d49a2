"""What `costwain cost` prints, to the cent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from costwain.cli.spend import Bill, past_lines, spend_lines
from costwain.decide.window import Window
from costwain.domain.ledger import DaySum, Line, SpendLedgerSpec

MIDNIGHT_S = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
TODAY = Window(MIDNIGHT_S, MIDNIGHT_S + 86400)
NOON_S = MIDNIGHT_S + 12 * 3600


def line(since_h: float, until_h: float | None = None, **differs: Any) -> Line:
    """A pod at $2 an hour from and until hours after midnight."""
    base = {
        "uid": "u",
        "pod": "p",
        "variant": "qwen3-8b",
        "pool": "h100",
        "accelerators": 1,
        "hourlyMicro": 2_000_000,
        "sinceMilliseconds": int((MIDNIGHT_S + since_h * 3600) * 1000),
        "untilMilliseconds": None if until_h is None else int((MIDNIGHT_S + until_h * 3600) * 1000),
        "meteredThroughMilliseconds": int(MIDNIGHT_S * 1000),
    }
    return Line.model_validate(base | differs)


def bill(ledger: SpendLedgerSpec, limit_micro: int | None = 240_000_000) -> Bill:
    return Bill("shop/chat", ledger, TODAY, limit_micro, NOON_S)


HEAD = "from 2026-11-24T00:00Z until 2026-11-25T00:00Z"
BILLS = {  # story: (ledger, budget in micro-dollars, lines)
    "open pods cost until now, closed ones until they went": (
        SpendLedgerSpec(
            open=[line(10), line(11), line(6, pool="mi300x", capacityType="Spot", hourlyMicro=1_250_000)],
            closed=[line(-2, 3), line(1, 2, variant="qwen3-32b")],
        ),
        240_000_000,
        [
            f"shop/chat  $21.50 of $240.00 {HEAD}",
            "VARIANT    POOL    CAPACITY  PODS    $/H   SPENT",
            "qwen3-32b  h100    OnDemand     0  $0.00   $2.00",
            "qwen3-8b   h100    OnDemand     2  $4.00  $12.00",
            "qwen3-8b   mi300x  Spot         1  $1.25   $7.50",
            "total                           3  $5.25  $21.50",
        ],
    ),
    "yesterday's lines are not today's": (
        SpendLedgerSpec(closed=[line(-5, -2)]),
        240_000_000,
        [
            f"shop/chat  $0.00 of $240.00 {HEAD}",
            "VARIANT  POOL  CAPACITY  PODS    $/H  SPENT",
            "total                       0  $0.00  $0.00",
        ],
    ),
    "money that nobody watched is said so; no budget too": (
        SpendLedgerSpec(closed=[line(1, 4, uncertainMicro=1_500_000)]),
        None,
        [
            f"shop/chat  $6.00, no budget {HEAD}",
            "VARIANT   POOL  CAPACITY  PODS    $/H  SPENT",
            "qwen3-8b  h100  OnDemand     0  $0.00  $6.00",
            "total                        0  $0.00  $6.00",
            "! $1.50 of it while no operator was watching",
        ],
    ),
}


@pytest.mark.parametrize(("ledger", "limit_micro", "want"), BILLS.values(), ids=BILLS)
def test_what_a_period_came_to(ledger: SpendLedgerSpec, limit_micro: int | None, want: list[str]) -> None:
    assert spend_lines(bill(ledger, limit_micro)) == want


def test_the_last_days_take_old_sums_and_split_a_pod_at_midnight() -> None:
    old = DaySum(
        date="2026-11-22",
        variant="qwen3-8b",
        pool="h100",
        capacity_type="OnDemand",
        accelerator_milliseconds=1,
        amount_micro=9_000_000,
    )
    too_old = old.model_copy(update={"date": "2026-11-21"})
    assert past_lines(SpendLedgerSpec(open=[line(-3)], days=[too_old, old]), 3, NOON_S) == [
        "DATE        VARIANT   POOL  CAPACITY   SPENT",
        "2026-11-22  qwen3-8b  h100  OnDemand   $9.00",
        "2026-11-23  qwen3-8b  h100  OnDemand   $6.00",
        "2026-11-24  qwen3-8b  h100  OnDemand  $24.00",
    ]


def test_days_without_spend_are_one_sentence() -> None:
    assert past_lines(SpendLedgerSpec(), 7, NOON_S) == ["nothing spent in 7 days"]

"""Spend as people read it: a SpendLedger summed by variant and pool, pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from costwain.cli.format import table
from costwain.decide.window import Window
from costwain.domain.ledger import Line, SpendLedgerSpec
from costwain.domain.money import dollars

_HEADER = ["VARIANT", "POOL", "CAPACITY", "PODS", "$/H", "SPENT"]
_PAST_HEADER = ["DATE", "VARIANT", "POOL", "CAPACITY", "SPENT"]
_DAY_S = 86400.0


@dataclass(frozen=True)
class Bill:
    """What is to be shown: the ledger of `fleet` in the period `window`, against `limit_micro` if there is one."""

    fleet: str
    ledger: SpendLedgerSpec
    window: Window
    limit_micro: int | None
    now_s: float


def spend_lines(bill: Bill) -> list[str]:
    """The period's spend by variant, pool and capacity type, with pods on the bill and their price now."""
    spent, hourly, pods = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]](), Counter[tuple[str, ...]]()
    for line in (*bill.ledger.closed, *bill.ledger.open):
        amount = line.cost_micro(bill.window.start_s, min(bill.now_s, bill.window.end_s))
        if amount:
            spent[_place(line)] += amount
    for line in bill.ledger.open:
        hourly[_place(line)] += line.hourly_micro
        pods[_place(line)] += 1
    places = sorted({*spent, *hourly})
    rows = [[*place, str(pods[place]), dollars(hourly[place]), dollars(spent[place])] for place in places]
    total = ["total", "", "", str(pods.total()), dollars(hourly.total()), dollars(spent.total())]
    return [_head(bill, spent.total()), *table([_HEADER, *rows, total], right=(3, 4, 5)), *_uncertain(bill)]


def past_lines(ledger: SpendLedgerSpec, days: int, now_s: float) -> list[str]:
    """Spend of the last so many UTC days, today included, by variant, pool and capacity type."""
    rows = []
    for start in _midnights(days, now_s):
        date, start_s = start.strftime("%Y-%m-%d"), start.timestamp()
        spent = Counter[tuple[str, str, str]]()
        for line in (*ledger.closed, *ledger.open):
            spent[_place(line)] += line.cost_micro(start_s, min(now_s, start_s + _DAY_S))
        for day in ledger.days:
            if day.date == date:
                spent[day.variant, day.pool, day.capacity_type] += day.amount_micro
        rows += [[date, *place, dollars(spent[place])] for place in sorted(spent) if spent[place]]
    return table([_PAST_HEADER, *rows], right=[4]) if rows else [f"nothing spent in {days} days"]


def _place(line: Line) -> tuple[str, str, str]:
    return line.variant, line.pool, line.capacity_type


def _head(bill: Bill, spent_micro: int) -> str:
    of = f" of {dollars(bill.limit_micro)}" if bill.limit_micro is not None else ", no budget"
    start, end = (
        datetime.fromtimestamp(s, UTC).strftime("%Y-%m-%dT%H:%MZ") for s in (bill.window.start_s, bill.window.end_s)
    )
    return f"{bill.fleet}  {dollars(spent_micro)}{of} from {start} until {end}"


def _uncertain(bill: Bill) -> list[str]:
    unseen = bill.ledger.uncertain_micro(bill.window.start_s)
    return [f"! {dollars(unseen)} of it while no operator was watching"] if unseen else []


def _midnights(days: int, now_s: float) -> Iterator[datetime]:
    today = datetime.fromtimestamp(now_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today - timedelta(days=back) for back in reversed(range(days)))

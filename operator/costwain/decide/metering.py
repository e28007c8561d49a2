"""Metering: the ledger after one look at the pods. A bill runs from a pod's binding to a node until it is gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from costwain.decide.quarters import fewer
from costwain.domain.ledger import RECENT_S, RETENTION_DAYS, DaySum, Labelled, Line, SpendLedgerSpec
from costwain.domain.money import cost_micro

LABELS_MOST, LABEL_CHARACTERS = 64, 253  # what the ledger's schema takes
CHANGES_MOST = 32
CLOSED_MOST = 3000  # lines of the last two days; where there are more, older ones become sums of a quarter of an hour


@dataclass(frozen=True)
class Bill:
    """One pod on a node, as seen now; fleet seconds, micro-dollars an hour for all of its accelerators."""

    uid: str
    pod: str
    variant: str
    pool: str
    capacity_type: str
    accelerators: int
    hourly_micro: int
    bound_s: float


@dataclass(frozen=True)
class Watch:
    """How well the fleet is watched: now, the mark up to which somebody surely watched, and when pods went."""

    now_s: float
    watched_until_s: float
    gone_s: Mapping[str, float]


def meter(ledger: SpendLedgerSpec, bills: Sequence[Bill], watch: Watch) -> SpendLedgerSpec:
    """The ledger with new pods opened, gone ones closed and changed prices split; itself where nothing changed.

    A pod that went unseen is charged until now; the part after the mark is also counted as uncertain.
    """
    seen = {bill.uid: bill for bill in bills}
    known = {line.uid for line in ledger.open}
    opened = [_line(bill, bill.bound_s, watch.now_s) for bill in bills if bill.uid not in known]
    kept: list[Line] = []
    closed: list[Line] = []
    for line in ledger.open:
        bill = seen.get(line.uid)
        if bill is None:
            closed.append(_closed(line, watch))
        elif bill.hourly_micro != line.hourly_micro:
            closed.append(line.model_copy(update={"until_milliseconds": _ms(watch.now_s)}))
            kept.append(_line(bill, watch.now_s, watch.now_s))
        else:
            kept.append(line)
    if not opened and not closed:
        return ledger
    through = {"metered_through_milliseconds": _ms(watch.now_s)}
    lines = [line.model_copy(update=through) for line in (*kept, *opened)]
    return _compacted(ledger.model_copy(update={"open": lines, "closed": [*ledger.closed, *closed]}), watch.now_s)


def labelled(ledger: SpendLedgerSpec, labels: Mapping[str, str] | None, now_s: float) -> SpendLedgerSpec:
    """The ledger with the fleet's labels from now on, if they changed; itself otherwise, or where the fleet is gone.

    They say whose shared budget its dollars are. The first ones known stand for all that was before.
    """
    short = {k: v for k, v in sorted((labels or {}).items()) if len(k) <= LABEL_CHARACTERS}
    worn = dict(list(short.items())[:LABELS_MOST])
    if labels is None or (ledger.labelled and ledger.labelled[-1].labels == worn):
        return ledger
    old = [x for i, x in enumerate(ledger.labelled) if not _over(ledger.labelled[i + 1 :], now_s)]
    since = {"since_milliseconds": _ms(now_s) if ledger.labelled else 0}
    kept = [*old, Labelled(labels=worn, **since)][-CHANGES_MOST:]
    return ledger.model_copy(update={"labelled": kept})


def _over(later: Sequence[Labelled], now_s: float) -> bool:
    """Whether the next labels came so long ago that no budget's period asks for those before."""
    return bool(later) and later[0].since_milliseconds / 1000 < now_s - RECENT_S


def _line(bill: Bill, since_s: float, now_s: float) -> Line:
    return Line(
        uid=bill.uid,
        pod=bill.pod,
        variant=bill.variant,
        pool=bill.pool,
        capacity_type=bill.capacity_type,
        accelerators=bill.accelerators,
        hourly_micro=bill.hourly_micro,
        since_milliseconds=_ms(since_s),
        metered_through_milliseconds=_ms(now_s),
    )


def _closed(line: Line, watch: Watch) -> Line:
    since_s = line.since_milliseconds / 1000
    gone_s = watch.gone_s.get(line.uid)
    if gone_s is not None:
        return line.model_copy(update={"until_milliseconds": _ms(max(gone_s, since_s))})
    sure_s = max(line.metered_through_milliseconds / 1000, min(watch.watched_until_s, watch.now_s))
    uncertain = cost_micro(line.hourly_micro, max(0.0, watch.now_s - sure_s))
    return line.model_copy(
        update={"until_milliseconds": max(_ms(watch.now_s), line.since_milliseconds), "uncertain_micro": uncertain}
    )


def _compacted(ledger: SpendLedgerSpec, now_s: float) -> SpendLedgerSpec:
    """Lines that ended more than two days ago become day sums; day sums beyond the retention go."""
    first_s = now_s - RECENT_S
    old = [x for x in ledger.closed if (x.until_milliseconds or 0) / 1000 < first_s]
    recent = [x for x in ledger.closed if (x.until_milliseconds or 0) / 1000 >= first_s]
    if not old and len(recent) <= CLOSED_MOST:
        return ledger
    recent = fewer(recent, CLOSED_MOST, now_s)
    days = {(d.date, d.variant, d.pool, d.capacity_type): d for d in ledger.days}
    for line in old:
        day = _day_of(line)
        key = (day.date, day.variant, day.pool, day.capacity_type)
        days[key] = _sum(days[key], day) if key in days else day
    first = datetime.fromtimestamp(now_s - RETENTION_DAYS * 86400, UTC).date().isoformat()
    kept = [day for _, day in sorted(days.items()) if day.date >= first]
    return ledger.model_copy(update={"closed": recent, "days": kept})


def _day_of(line: Line) -> DaySum:
    until = line.until_milliseconds or line.since_milliseconds
    held = line.accelerator_milliseconds
    return DaySum(
        date=datetime.fromtimestamp(max(line.since_milliseconds, until - 1) / 1000, UTC).date().isoformat(),
        variant=line.variant,
        pool=line.pool,
        capacity_type=line.capacity_type,
        accelerator_milliseconds=line.accelerators * (until - line.since_milliseconds) if held is None else held,
        amount_micro=line.cost_micro(0.0, until / 1000),
        uncertain_micro=line.uncertain_micro,
    )


def _sum(a: DaySum, b: DaySum) -> DaySum:
    return a.model_copy(
        update={
            "accelerator_milliseconds": a.accelerator_milliseconds + b.accelerator_milliseconds,
            "amount_micro": a.amount_micro + b.amount_micro,
            "uncertain_micro": a.uncertain_micro + b.uncertain_micro,
        }
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

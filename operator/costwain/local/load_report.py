"""What became of every request that was sent, and the few figures that a person reads of it."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """One request. Times are fleet seconds; None: not known, or not to be seen from outside.

    `lost` says why it was no complete answer with status 200 (None: it was). `delay_s` is how much later than
    wanted it was sent, which is the client's own fault. A plain answer shows neither TTFT nor TPOT.
    """

    t_s: float
    delay_s: float
    stream: bool
    lost: str | None
    status: int | None
    variant: str | None
    input_tokens: int
    output_tokens: int
    tokens: int
    total_s: float
    ttft_s: float | None
    tpot_s: float | None
    retries: int = 0


@dataclass(frozen=True)
class Slo:
    """What a client may expect: seconds to the first token, and for each further one."""

    ttft_s: float
    tpot_s: float

    def met(self, record: Record) -> bool:
        """Whether the answer kept both; a plain one counts as a whole, a lost one never."""
        if record.lost is not None:
            return False
        if record.stream:
            return (record.ttft_s or 0.0) <= self.ttft_s and (record.tpot_s or 0.0) <= self.tpot_s
        return record.total_s <= self.ttft_s + self.tpot_s * max(0, record.tokens - 1)


@dataclass(frozen=True)
class Spread:
    """Median and tail of a time, fleet seconds; None without any measurement."""

    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread":
        """The spread of those values that are known."""
        known = sorted(value for value in values if value is not None)
        return cls(*(quantile(known, share) for share in (0.50, 0.95, 0.99)))


@dataclass(frozen=True)
class Summary:
    """All requests in a few figures; `attainment` is the share of all that were sent (None without an SLO)."""

    requests: int
    complete: int
    lost: int
    lost_by_cause: dict[str, int]
    retries: int
    by_variant: dict[str, int]
    ttft_s: Spread
    tpot_s: Spread
    total_s: Spread
    delay_s: Spread
    attainment: float | None
    tokens: int
    duration_s: float


@dataclass(frozen=True)
class LoadResult:
    """Every request in the order in which it was sent, and how long all of it took (fleet seconds)."""

    records: tuple[Record, ...]
    duration_s: float
    slo: Slo | None = None

    def summary(self) -> Summary:
        """The figures."""
        whole = [r for r in self.records if r.lost is None]
        return Summary(
            requests=len(self.records),
            complete=len(whole),
            lost=len(self.records) - len(whole),
            lost_by_cause=dict(sorted(Counter(r.lost for r in self.records if r.lost is not None).items())),
            retries=sum(r.retries for r in self.records),
            by_variant=dict(sorted(Counter(r.variant or "unknown" for r in whole).items())),
            ttft_s=Spread.of(r.ttft_s for r in whole),
            tpot_s=Spread.of(r.tpot_s for r in whole),
            total_s=Spread.of(r.total_s for r in whole),
            delay_s=Spread.of(r.delay_s for r in self.records),
            attainment=_attainment(self.records, self.slo),
            tokens=sum(r.tokens for r in whole),
            duration_s=self.duration_s,
        )

    def as_json(self) -> dict[str, Any]:
        """Summary, SLO and every record, ready for json.dumps."""
        slo = None if self.slo is None else asdict(self.slo)
        return {"summary": asdict(self.summary()), "slo": slo, "records": [asdict(r) for r in self.records]}

    def write(self, path: Path) -> None:
        """Writes `as_json`; raises OSError."""
        path.write_text(json.dumps(self.as_json(), indent=1) + "\n", encoding="utf-8")


def _attainment(records: Sequence[Record], slo: Slo | None) -> float | None:
    if slo is None or not records:
        return None
    return sum(slo.met(record) for record in records) / len(records)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of ascending values that a share of them doesn't exceed (nearest rank); None of none.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5), quantile([], 0.5)
    (2.0, None)
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def lines_of(summary: Summary) -> list[str]:
    """The summary as a person reads it."""
    causes = ", ".join(f"{count} {cause}" for cause, count in summary.lost_by_cause.items())
    variants = ", ".join(f"{name} {count}" for name, count in summary.by_variant.items())
    attained = "" if summary.attainment is None else f"{100 * summary.attainment:.2f} % of the requests"
    rows = {
        "requests": f"{summary.requests} in {summary.duration_s:.0f} s, {summary.tokens} tokens",
        "lost": f"{summary.lost}{f' ({causes})' if causes else ''}",
        "retries": str(summary.retries) if summary.retries else "",
        "by variant": variants,
        "first token": _spread(summary.ttft_s),
        "further tokens": _spread(summary.tpot_s),
        "whole answer": _spread(summary.total_s),
        "SLO kept": attained,
        "sent late by": _spread(summary.delay_s),
    }
    return [f"{name:15} {value}" for name, value in rows.items() if value]


def _spread(spread: Spread) -> str:
    if spread.p50 is None or spread.p95 is None or spread.p99 is None:
        return ""
    return f"p50 {duration(spread.p50)}, p95 {duration(spread.p95)}, p99 {duration(spread.p99)}"


def duration(seconds: float) -> str:
    """A short time as a person reads it.

    >>> duration(0.0421), duration(1.234), duration(75)
    ('42 ms', '1.23 s', '75 s')
    """
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"

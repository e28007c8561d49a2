"""What one run showed, whoever played it; and the figures that both sides are compared by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from costwain.local.load_report import Slo, quantile

Places = Mapping[tuple[str, str], int]


@dataclass(frozen=True)
class Sample:
    """Replicas at an instant (fleet seconds since counting began): those that stay, by place, and the ready ones."""

    t_s: float
    staying: Places
    ready: int


@dataclass(frozen=True)
class Seen:
    """One run. `answers`: (TTFT, mean time per further token), seconds; None where an engine has no single ones."""

    dollars: float
    requests: int
    lost: float
    in_slo: float
    answers: Sequence[tuple[float, float]] | None
    samples: Sequence[Sample]
    notes: Mapping[str, float] = field(default_factory=dict)


def share_in(slo: Slo, answers: Sequence[tuple[float, float]], requests: int) -> float:
    """Share of all requests whose answer kept both bounds."""
    return sum(ttft <= slo.ttft_s and tpot <= slo.tpot_s for ttft, tpot in answers) / max(requests, 1)


ROWS: Mapping[str, str] = {
    "dollars": "$",
    "in SLO": "%",
    "lost": "requests",
    "TTFT p50": "s",
    "TTFT p99": "s",
    "TPOT p50": "ms",
    "TPOT p99": "ms",
    "ready replicas, mean": "",
    "ready replicas, most": "",
    "scale actions": "",
}


def figures(seen: Seen, duration_s: float) -> dict[str, float]:
    """The rows that are known."""
    ready, staying = _within(seen.samples, duration_s)
    found = {"dollars": seen.dollars, "in SLO": 100 * seen.in_slo, "lost": seen.lost}
    if seen.answers:
        for name, scale, at in (("TTFT", 1.0, 0), ("TPOT", 1000.0, 1)):
            ordered = sorted(answer[at] for answer in seen.answers)
            for percent in (50, 99):
                found[f"{name} p{percent}"] = scale * (quantile(ordered, percent / 100) or 0.0)
    return found | {
        "ready replicas, mean": sum(n * for_s for for_s, n in ready) / duration_s,
        "ready replicas, most": max(n for _, n in ready),
        "scale actions": sum(a != b for a, b in pairwise(staying)),
    }


def gap(row: str, real: float, simulated: float) -> tuple[float, str]:
    """By how much the simulation is off: percent of the real value, points of a share, or a difference of counts."""
    if ROWS[row] == "%":
        return simulated - real, "points"
    if ROWS[row] in ("", "requests") and row != "ready replicas, mean":
        return simulated - real, ROWS[row]
    return 100 * (simulated / real - 1) if real else 0.0, "%"


def _within(samples: Sequence[Sample], until_s: float) -> tuple[list[tuple[float, int]], list[Places]]:
    """(how long, ready replicas) from 0 until an instant, and what stayed at each sample of that time."""
    before = [s for s in samples if s.t_s <= 0][-1:]
    inside = [*before, *(s for s in samples if 0 < s.t_s < until_s)]
    ends = [*(s.t_s for s in inside[1:]), until_s]
    ready = [(end_s - max(0.0, s.t_s), s.ready) for s, end_s in zip(inside, ends, strict=True)]
    return ready, [s.staying for s in inside]


def changes(samples: Sequence[Sample]) -> Iterator[tuple[float, str]]:
    """When replicas came, got ready or left, for a person to read."""
    last: tuple[Places, int] | None = None
    for s in samples:
        if (s.staying, s.ready) != last:
            last = (s.staying, s.ready)
            places = ", ".join(f"{pool} {n}" for (_, pool), n in sorted(s.staying.items()))
            yield s.t_s, f"{places or 'none'}; ready {s.ready}"

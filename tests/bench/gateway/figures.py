"""From rounds to figures: what is added to direct, what a thousand cost, and the ratios that have targets."""

import math
import statistics
from collections.abc import Callable, Sequence

from tests.bench.report import Figure

from costwain.cli.format import table

OURS, PEER, DIRECT = "ours", "vllm-router", "direct"
ADDED_TARGET, CHUNKS_TARGET = 0.6, 0.9
Values = list[float]  # one a round


def quantile(ascending: Sequence[float], q: float) -> float:
    return ascending[max(math.ceil(q * len(ascending)) - 1, 0)]


class Measured:
    """The values of each contender, one a round."""

    def __init__(self, rounds: Sequence[dict], idle_mb: dict[str, float]) -> None:
        self.rounds, self.idle_mb = rounds, idle_mb
        self.names = [name for name in rounds[0] if name != DIRECT]

    def added_ms(self, name: str, q: float) -> Values:
        """A quantile of the latency at 300 requests/s, less that of direct in the same round."""
        return [self._latency(r, name, q) - self._latency(r, DIRECT, q) for r in self.rounds]

    def latency_ms(self, name: str, q: float) -> Values:
        return [self._latency(r, name, q) for r in self.rounds]

    def request_cpu_ms(self, name: str) -> Values:
        """CPU ms per 1,000 requests."""
        return [1e6 * seen.cpu_s / seen.load["requests"] for seen in self._phase(name, "requests")]

    def chunk_cpu_ms(self, name: str, streams: int) -> Values:
        """CPU ms per 1,000 SSE chunks."""
        return [1e6 * seen.cpu_s / max(seen.load["events"], 1) for seen in self._phase(name, f"streams {streams}")]

    def beside_cpu_ms(self, name: str, streams: int) -> Values:
        """The same of the process beside it."""
        return [1e6 * s.beside_cpu_s / max(s.load["events"], 1) for s in self._phase(name, f"streams {streams}")]

    def rss_mb(self, name: str) -> Values:
        return [seen.rss_mb for seen in self._phase(name, "streams 1000")]

    def errors(self, name: str) -> int:
        return sum(seen.load["errors"] for r in self.rounds for seen in r[name].values())

    def _phase(self, name: str, phase: str) -> list:
        return [r[name][phase] for r in self.rounds]

    @staticmethod
    def _latency(played: dict, name: str, q: float) -> float:
        return quantile(played[name]["requests"].load["latencies_ms"], q)


def spread(values: Values) -> str:
    """The quartiles."""
    if len(values) < 2:
        return ""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{low:.3g} to {high:.3g}"


def figures(rounds: Sequence[dict], idle_mb: dict[str, float]) -> list[Figure]:
    """First the ratios that are judged, then everything by contender."""
    m = Measured(rounds, idle_mb)
    peers = [name for name in m.names if name.startswith(PEER)]
    judged = [f for peer in peers for f in _ratios(m, peer)]
    return [*judged, *(f for name in m.names for f in _of(m, name)), *_direct(m)]


def _ratios(m: Measured, peer: str) -> list[Figure]:
    found = [_ratio(f"added p50, ours / {peer}", m.added_ms(OURS, 0.5), m.added_ms(peer, 0.5), ADDED_TARGET)]
    for n in (200, 1000):
        name = f"CPU per 1,000 SSE chunks at {n:,} streams, ours / {peer}"
        found.append(_ratio(name, m.chunk_cpu_ms(OURS, n), m.chunk_cpu_ms(peer, n), CHUNKS_TARGET))
    return found


def _ratio(name: str, ours: Values, theirs: Values, target: float) -> Figure:
    by_round = [a / b for a, b in zip(ours, theirs, strict=True)]
    return Figure(name, statistics.median(ours) / statistics.median(theirs), "x", spread(by_round), target)


def _of(m: Measured, name: str) -> list[Figure]:
    rows: list[tuple[str, str, Callable[[], Values]]] = [
        ("added p50", "ms", lambda: m.added_ms(name, 0.5)),
        ("added p99", "ms", lambda: m.added_ms(name, 0.99)),
        ("CPU per 1,000 requests", "ms", lambda: m.request_cpu_ms(name)),
        ("CPU per 1,000 SSE chunks at 200 streams", "ms", lambda: m.chunk_cpu_ms(name, 200)),
        ("CPU per 1,000 SSE chunks at 1,000 streams", "ms", lambda: m.chunk_cpu_ms(name, 1000)),
        ("memory after 1,000 streams", "MB", lambda: m.rss_mb(name)),
    ]
    found = [
        Figure(f"{name}: {what}", statistics.median(v := values()), unit, spread(v)) for what, unit, values in rows
    ]
    if name == OURS:
        beside = m.beside_cpu_ms(name, 1000)
        what = f"{name}: CPU of the agent per 1,000 SSE chunks at 1,000 streams"
        found.append(Figure(what, statistics.median(beside), "ms", spread(beside)))
    idle = Figure(f"{name}: memory before any load", m.idle_mb[name], "MB")
    return [*found, idle, Figure(f"{name}: errors", m.errors(name), "requests", "", 0.0 if name == OURS else None)]


def _direct(m: Measured) -> list[Figure]:
    values = [(f"direct: p{100 * q:g}", m.latency_ms(DIRECT, q)) for q in (0.5, 0.99)]
    return [
        *(Figure(name, statistics.median(v), "ms", spread(v)) for name, v in values),
        Figure("direct: errors", m.errors(DIRECT), "requests"),
    ]


def summary(rounds: Sequence[dict], idle_mb: dict[str, float]) -> list[str]:
    """One line a contender, medians."""
    m = Measured(rounds, idle_mb)
    head = ["", "added p50 / p99 ms", "CPU ms per 1k req", "per 1k chunks, 200 / 1000", "RSS MB idle / after", "errors"]
    lines = [head]
    for name in m.names:
        p50, p99 = (statistics.median(m.added_ms(name, q)) for q in (0.5, 0.99))
        few, many = (statistics.median(m.chunk_cpu_ms(name, n)) for n in (200, 1000))
        lines.append([
            name, f"{p50:.2f} / {p99:.2f}", f"{statistics.median(m.request_cpu_ms(name)):.0f}",
            f"{few:.1f} / {many:.1f}", f"{idle_mb[name]:.0f} / {statistics.median(m.rss_mb(name)):.0f}",
            str(m.errors(name)),
        ])  # fmt: skip
    return table(lines, right=range(1, len(head)))

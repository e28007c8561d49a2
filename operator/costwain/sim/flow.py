"""Turns drawn whole from a production fleet's rates, for the fluid engine: millions of requests that nobody lists.

A client's requests fall into turns by halving: of n gaps in a stretch of time, the first half of them takes a part that
is Beta distributed. For gaps of a Gamma distribution that is their own law (normalised sums are Dirichlet); others are
taken as a Gamma with the same variation where there are thousands of them. Tokens are drawn as the sums that they are:
their mean and spread are known.
"""

import bisect
import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from costwain.sim.arrival import Take
from costwain.sim.batches import NOTHING, OUTPUT_QUANTILES, Batch, check_length
from costwain.sim.servegen import (
    GAMMA,
    WINDOW_S,
    Lengths,
    Rate,
    Table,
    expected,
    gap_of,
    lengths_beside,
    quantile,
    read_windows,
    row_of,
)

LARGE = 1_000_000  # requests from which on they are drawn as turns
SAMPLE = 64  # lengths drawn one by one in a turn; of more requests they stand for all
_LISTED = {True: 400, False: 4000}  # requests a window up to which gaps are drawn: Gamma's are dear, others inexact
_LEAST_SHAPE = 1e-6

Counts = dict[Lengths, int]


class Span(NamedTuple):
    """A window in turns since the stretch's start, and `until` where the stretch that is wanted ends."""

    begin: float
    end: float
    until: float

    def turn_at(self, at: float) -> int:
        """The turn of an instant; one after the stretch's end, even within its last turn, is in none of its turns."""
        return math.floor(at) if at < self.until else math.ceil(self.until)


def turns(path: Path, take: Take, turn_s: float) -> list[Batch] | None:
    """The turns of a part; None where it holds few requests. Raises TraceError on files that can't be read."""
    windows, lengths = read_windows(path, take), lengths_beside(path)
    if expected(windows, take) <= LARGE:
        return None
    end_s = min(take.end_s, max(windows) + WINDOW_S)
    check_length(end_s - take.start_s)
    cut: list[Counts] = [{} for _ in range(math.ceil((end_s - take.start_s) / turn_s))]
    for t_s, rates in windows.items():
        for rate in rates:
            _scatter(rate, (t_s, turn_s), lengths, take, cut)
    return [_batch(counts, random.Random(f"turn/{take.seed}/{at}")) for at, counts in enumerate(cut)]  # noqa: S311


def _scatter(rate: Rate, times: tuple[float, float], lengths: Table, take: Take, cut: Sequence[Counts]) -> None:
    """Adds one client's requests of one window to the turns; their number is rate x time, a fraction by chance."""
    t_s, turn_s = times
    draw = random.Random(f"flow/{take.seed}/{rate.client}/{t_s}")  # noqa: S311
    n = math.floor(rate.per_s * take.scale * WINDOW_S + draw.random())
    if not n:
        return
    row, begin = row_of(rate.client, t_s, lengths), (t_s - take.start_s) / turn_s
    span = Span(begin, begin + WINDOW_S / turn_s, (take.end_s - take.start_s) / turn_s)
    listed = n <= _LISTED[rate.pattern == GAMMA]
    for turn, k in _listed(n, span, rate, draw) if listed else _fallen(n, span, _shape(rate), draw):
        if 0 <= turn < len(cut):
            cut[turn][row] = cut[turn].get(row, 0) + k


def _listed(n: int, span: Span, rate: Rate, draw: random.Random) -> Iterator[tuple[int, int]]:
    """(turn, requests) of few requests, gap by gap."""
    ends = list(accumulate(gap_of(rate, draw) for _ in range(n + 1)))
    stretch = (span.end - span.begin) / ends[-1] if ends[-1] > 0 else 0.0
    yield from Counter(span.turn_at(span.begin + end * stretch) for end in ends[:-1]).items()


def _fallen(n: int, span: Span, shape: float, draw: random.Random) -> Iterator[tuple[int, int]]:
    """(turn, requests) of n requests in a span of turns: each ends a gap, and one more gap ends at the span's end."""
    stack = [(n + 1, span.begin, span.end)]
    while stack:
        gaps, a, b = stack.pop()
        if gaps == 1 or span.turn_at(a) == span.turn_at(b):
            found = gaps - (b == span.end)
            if found:
                yield span.turn_at(b), found
            continue
        half = gaps // 2
        middle = a + (b - a) * _beta(half * shape, (gaps - half) * shape, draw)
        stack += [(gaps - half, middle, b), (half, a, middle)]


def _beta(a: float, b: float, draw: random.Random) -> float:
    """A Beta variate by logarithms: for tiny shapes the Gamma variates themselves would vanish."""
    logs = (math.log(draw.gammavariate(s + 1, 1.0)) + math.log(1 - draw.random()) / s for s in (a, b))
    apart = next(logs) - next(logs)
    return 1 / (1 + math.exp(-apart)) if apart > -700 else 0.0


def _shape(rate: Rate) -> float:
    """The shape of a Gamma that varies as much: 1 over the square of the coefficient of variation."""
    if rate.pattern == GAMMA:
        return max(rate.shape, _LEAST_SHAPE)
    spread = math.lgamma(1 + 2 / rate.shape) - 2 * math.lgamma(1 + 1 / rate.shape)
    return max(1 / math.expm1(min(spread, 100.0)), _LEAST_SHAPE)


def _batch(counts: Counts, draw: random.Random) -> Batch:
    n = sum(counts.values())
    if not n:
        return NOTHING
    rows, ends = list(counts), list(accumulate(counts.values()))
    size = min(n, SAMPLE)
    # Each drawn request stands for an equal part of the turn, so that no client is missed by chance.
    drawn = [rows[bisect.bisect_right(ends, (i + draw.random()) * n / size, hi=len(rows) - 1)] for i in range(size)]
    inputs = sorted(quantile(row.input_tokens, draw.random()) for row in drawn)
    outputs = sorted(quantile(row.output_tokens, draw.random()) for row in drawn)
    if n > SAMPLE:
        (given, square), (made, _) = (_sums(counts, kind, draw) for kind in (0, 2))
    else:
        given, made, square = sum(inputs) / n, sum(outputs) / n, sum(x * x for x in inputs) / n
    return Batch(
        count=n,
        arrivals=(),
        inputs=tuple(inputs),
        mean_input=given,
        mean_output=made,
        long_output=outputs[int(0.95 * (size - 1))],
        outputs=tuple(outputs[round(q * (size - 1))] for q in OUTPUT_QUANTILES),
        input_spread=max(1.0, square / given**2),
    )


def _sums(counts: Counts, kind: int, draw: random.Random) -> tuple[float, float]:
    """(mean, expected mean square) of tokens over many requests; their sum is as good as normal."""
    n, mean, square, variance = 0, 0.0, 0.0, 0.0
    for row, k in counts.items():
        first, second = row.moments[kind : kind + 2]
        n, mean, square = n + k, mean + k * first, square + k * second
        variance += k * (second - first * first)
    return max(1.0, (mean + draw.gauss(0.0, 1.0) * math.sqrt(max(0.0, variance))) / n), square / n

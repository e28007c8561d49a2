"""Requests drawn from the published windows of a production fleet: rates and lengths by client, no requests.

The rates file has, by client and window, requests a second and the distribution of the time between two of
them; the lengths file beside it has quantiles of tokens. What comes out is a sample, and is to be called one.
"""

import bisect
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path

from costwain.sim.arrival import (
    MOST_PER_S,
    MOST_TOKENS,
    Arrival,
    Take,
    TraceError,
    check_listed,
    not_negative,
    number_of,
)
from costwain.sim.text import csv_rows

RATE_COLUMNS = ("client", "t_s", "rate_rps", "pattern", "arg1", "arg2")
QUANTILES = (0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99)
_KINDS = ("input_tokens", "output_tokens")
_LENGTH_COLUMNS = ("client", "t_s", *(f"{kind}_p{round(100 * q)}" for kind in _KINDS for q in QUANTILES))
GAMMA, _WEIBULL = "Gamma", "Weibull"
# Least and most: beyond, a gap is longer than any number, or all are alike and drawing one has no end.
_SHAPES = {GAMMA: (1e-12, 1e9), _WEIBULL: (0.01, 1e4)}
WINDOW_S = 600.0


@dataclass(frozen=True)
class Rate:
    """One client in one window: its requests a second, and the shape of the gaps between them."""

    client: str
    per_s: float
    pattern: str
    shape: float


@dataclass(frozen=True, eq=False)
class Lengths:
    """Token quantiles of one client from `t_s` on, for prompt and answer."""

    t_s: float
    input_tokens: tuple[float, ...]
    output_tokens: tuple[float, ...]

    @cached_property
    def moments(self) -> tuple[float, float, float, float]:
        """Mean and mean square of the prompt, then of the answer."""
        return *_moments(self.input_tokens), *_moments(self.output_tokens)


Table = dict[str, list[Lengths]]


def read(path: Path, take: Take) -> Iterator[Arrival]:
    """A sample of the fleet's requests, drawn window by window; raises TraceError on files that can't be read.

    Every (client, window) has a seed of its own: a stretch holds the same requests however it is cut.
    """
    windows, lengths = read_windows(path, take), lengths_beside(path)
    check_listed(expected(windows, take), str(path))
    for t_s in sorted(windows):
        drawn = [a for rate in windows[t_s] for a in _draw(rate, t_s, lengths, take)]
        drawn.sort(key=lambda a: (a.t_s, a.tenant))
        yield from (a for a in drawn if 0 <= a.t_s < take.end_s - take.start_s)


def read_windows(path: Path, take: Take) -> dict[float, list[Rate]]:
    """The windows of a part by their start, seconds; raises TraceError on a file that can't be read."""
    windows: dict[float, list[Rate]] = defaultdict(list)
    for t_s, rate in _rates(path):
        if t_s + WINDOW_S > take.start_s and t_s < take.end_s:
            windows[t_s].append(rate)
    busiest = max((sum(rate.per_s for rate in rates) for rates in windows.values()), default=0.0)
    take.check_rate(busiest, str(path))
    return windows


def expected(windows: Mapping[float, Sequence[Rate]], take: Take) -> float:
    """How many requests a part has on average."""
    asked_s = {t_s: min(t_s + WINDOW_S, take.end_s) - max(t_s, take.start_s) for t_s in windows}
    return sum(rate.per_s * asked_s[t_s] for t_s, rates in windows.items() for rate in rates) * take.scale


def lengths_beside(path: Path) -> Table:
    """The lengths in the file beside a rates file, by client; raises TraceError where there is none."""
    return _lengths(_lengths_file(path))


def _draw(rate: Rate, t_s: float, lengths: Table, take: Take) -> Iterator[Arrival]:
    """Requests of one client in one window.

    Their number is rate x time (a fraction by chance); the gaps are drawn and stretched to fill the window.
    Drawing gaps alone would miss the rate by far: with a variation of 100 the mean comes out only after months.
    """
    draw = random.Random(f"{take.seed}/{rate.client}/{t_s}")  # noqa: S311
    count = math.floor(rate.per_s * take.scale * WINDOW_S + draw.random())
    if count == 0:
        return
    ends = list(accumulate(gap_of(rate, draw) for _ in range(count + 1)))
    row = row_of(rate.client, t_s, lengths)
    for end in ends[:-1]:
        part = end / ends[-1] if ends[-1] > 0 else 0.0  # every gap of a very small shape may round to 0
        given, made = (quantile(values, draw.random()) for values in (row.input_tokens, row.output_tokens))
        yield Arrival(t_s - take.start_s + part * WINDOW_S, given, made, tenant=f"client-{rate.client}")


def gap_of(rate: Rate, draw: random.Random) -> float:
    """Time between two requests, in a unit of its own."""
    if rate.pattern == GAMMA:
        return draw.gammavariate(rate.shape, 1.0)
    return draw.weibullvariate(1.0, rate.shape)


def quantile(values: tuple[float, ...], chance: float) -> int:
    """Inverse of the distribution of tokens: straight between the quantiles, flat beyond the outermost."""
    if chance <= QUANTILES[0]:
        return max(1, round(values[0]))
    if chance >= QUANTILES[-1]:
        return max(1, round(values[-1]))
    i = bisect.bisect_right(QUANTILES, chance)
    low, high = QUANTILES[i - 1], QUANTILES[i]
    return max(1, round(values[i - 1] + (values[i] - values[i - 1]) * (chance - low) / (high - low)))


def _moments(values: tuple[float, ...]) -> tuple[float, float]:
    """Mean and mean square of what `quantile` draws."""
    first, last = QUANTILES[0], 1 - QUANTILES[-1]
    mean, square = first * values[0] + last * values[-1], first * values[0] ** 2 + last * values[-1] ** 2
    for (p, a), (q, b) in pairwise(zip(QUANTILES, values, strict=True)):
        mean += (q - p) * (a + b) / 2
        square += (q - p) * (a * a + a * b + b * b) / 3
    return mean, square


def row_of(client: str, t_s: float, lengths: Table) -> Lengths:
    """A client's lengths at an instant: the last row that had begun, else its first; without any, another client's."""
    rows = lengths.get(client)
    if rows is None:
        donors = sorted(lengths)
        rows = lengths[donors[random.Random(client).randrange(len(donors))]]  # noqa: S311
    begun = bisect.bisect_right(rows, t_s, key=lambda row: row.t_s)
    return rows[max(0, begun - 1)]


def _rates(path: Path) -> Iterator[tuple[float, Rate]]:
    last: dict[str, float] = {}
    for where, row in csv_rows(path, RATE_COLUMNS):
        t_s, per_s = (not_negative(row[name], where, name) for name in ("t_s", "rate_rps"))
        shape = number_of(row["arg1"], where, "arg1")
        if row["pattern"] not in _SHAPES:
            raise TraceError(where, f"pattern: want {GAMMA} or {_WEIBULL}", repr(row["pattern"]))
        least, most = _SHAPES[row["pattern"]]
        if not least <= shape <= most:
            raise TraceError(where, f"arg1: want a shape of {least:g} to {most:g}", row["arg1"])
        if per_s > MOST_PER_S:
            raise TraceError(where, f"rate_rps: want at most {MOST_PER_S}", row["rate_rps"])
        if t_s <= last.get(row["client"], -1.0):
            raise TraceError(where, f"want ascending windows of client {row['client']}", f"{t_s:g} s")
        last[row["client"]] = t_s
        yield t_s, Rate(row["client"], per_s, row["pattern"], shape)


def _lengths_file(rates: Path) -> Path:
    """The lengths file beside a rates file: the one whose name begins most like it."""
    beside = [p for pattern in ("*lengths.csv.gz", "*lengths.csv") for p in sorted(rates.parent.glob(pattern))]
    if not beside:
        raise TraceError(str(rates.parent), "want a file *lengths.csv or *lengths.csv.gz beside the rates", "none")
    return max(beside, key=lambda p: _common(p.name, rates.name))


def _common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _lengths(path: Path) -> Table:
    table: Table = defaultdict(list)
    for where, row in csv_rows(path, _LENGTH_COLUMNS):
        given, made = (_row_quantiles(row, kind, where) for kind in _KINDS)
        table[row["client"]].append(Lengths(not_negative(row["t_s"], where, "t_s"), given, made))
    if not table:
        raise TraceError(f"{path}:2", "want at least one row", "none")
    return {client: sorted(rows, key=lambda r: r.t_s) for client, rows in table.items()}


def _row_quantiles(row: dict[str, str], kind: str, where: str) -> tuple[float, ...]:
    names = [f"{kind}_p{round(100 * q)}" for q in QUANTILES]
    values = tuple(not_negative(row[name], where, name) for name in names)
    if max(values) > MOST_TOKENS:
        raise TraceError(where, f"{kind}: want at most {MOST_TOKENS} tokens", f"{max(values):g}")
    if list(values) != sorted(values):
        raise TraceError(where, f"{kind}: want ascending quantiles", ", ".join(row[name] for name in names))
    return values

"""Quarters: closed lines of the ledger beyond what it holds one by one, summed so that no budget's period notices.

Hours and days begin at whole quarters of an UTC hour, whatever the time zone, and end after all that is closed. So a
sum that lies within one quarter belongs to the same periods as what it sums.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from costwain.domain.ledger import RECENT_S, Line
from costwain.domain.money import cost_micro

QUARTER_MS = 15 * 60 * 1000
HOUR_MS = 4 * QUARTER_MS

Place = Callable[[Line], Hashable]


class _Piece(NamedTuple):
    """A line's part in one quarter, milliseconds; of the part before all periods that are asked for, in the first."""

    quarter: int
    since_ms: int
    until_ms: int
    amount_micro: int
    uncertain_micro: int
    line: Line


def fewer(lines: Sequence[Line], most: int, now_s: float) -> list[Line]:
    """At most so many closed lines: the older ones summed by quarter, variant, pool and capacity type.

    The younger half of `most` stays as it is, so that this is done seldom. Where even the sums are too many, those of
    a quarter become one and bear the name of the dearest: dollars are kept before names.
    """
    if len(lines) <= most:
        return list(lines)
    ordered = sorted(lines, key=lambda x: (x.until_milliseconds or 0, x.since_milliseconds))
    older, younger = ordered[: len(lines) - most // 2], ordered[len(lines) - most // 2 :]
    first = round((now_s - RECENT_S) * 1000) // QUARTER_MS
    pieces = [piece for line in older for piece in _pieces(line, first)]
    sums = _summed(pieces, _place)
    if len(sums) + len(younger) > most:
        sums = _summed(pieces, lambda _: ())
    return [*sums, *younger]


def _place(line: Line) -> tuple[str, str, str]:
    return line.variant, line.pool, line.capacity_type


def _pieces(line: Line, first: int) -> Iterator[_Piece]:
    """The line cut at the quarters; the pieces together cost what it costs, to the micro-dollar."""
    since, until = line.since_milliseconds, line.until_milliseconds or line.since_milliseconds
    paid, at = 0, since
    while at < until:
        quarter = max(first, at // QUARTER_MS)
        end = min(until, (quarter + 1) * QUARTER_MS)
        so_far = cost_micro(line.hourly_micro, (end - since) / 1000)
        yield _Piece(quarter, at, end, so_far - paid, line.uncertain_micro if end == until else 0, line)
        paid, at = so_far, end


def _summed(pieces: Sequence[_Piece], place: Place) -> list[Line]:
    """One line a quarter and place."""
    ordered = sorted(pieces, key=lambda p: (p.quarter, place(p.line)))
    return [_sum(list(same)) for _, same in groupby(ordered, key=lambda p: (p.quarter, place(p.line)))]


def _sum(pieces: Sequence[_Piece]) -> Line:
    """Its price an hour is such that its time costs the sum: rounded up, by less than a quarter of a micro-dollar."""
    since, until = min(p.since_ms for p in pieces), max(p.until_ms for p in pieces)
    held = sum(_accelerator_ms(p) for p in pieces)
    dearest = max(pieces, key=lambda p: (p.amount_micro, _place(p.line))).line
    return dearest.model_copy(
        update={
            "uid": "",
            "pod": "",
            "accelerators": -(-held // (until - since)),
            "accelerator_milliseconds": held,
            "hourly_micro": -(-sum(p.amount_micro for p in pieces) * HOUR_MS // (until - since)),
            "since_milliseconds": since,
            "until_milliseconds": until,
            "metered_through_milliseconds": until,
            "uncertain_micro": sum(p.uncertain_micro for p in pieces),
        }
    )


def _accelerator_ms(piece: _Piece) -> int:
    """Accelerators x time of a piece; of a sum's, in proportion."""
    line, took = piece.line, piece.until_ms - piece.since_ms
    if line.accelerator_milliseconds is None or line.until_milliseconds is None:
        return line.accelerators * took
    return line.accelerator_milliseconds * took // (line.until_milliseconds - line.since_milliseconds)

"""Traces: requests in the order in which they come, read from a file or drawn from a description.

A trace is named by a path or by `synthetic:...`; every reader yields lazily, so that a week of requests
needs no memory. The same source, part and seed always give the same requests.
"""

import heapq
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

from costwain.sim import servegen, synthetic, trace_formats
from costwain.sim.arrival import WHOLE, Arrival, Take, TraceError
from costwain.sim.text import first_line

__all__ = ["FORMATS", "Arrival", "Take", "TraceError", "read_trace"]

MOST_COPIES = 1000
APART_S = 30.0
Reader = Callable[[Path], Iterator[Arrival]]

_RECORDED: dict[str, Reader] = {
    "azure": trace_formats.azure,
    "mooncake": trace_formats.mooncake,
    "requests": trace_formats.requests,
}
_COLUMNS = {
    "azure": trace_formats.AZURE_COLUMNS,
    "requests": trace_formats.REQUEST_COLUMNS,
    "servegen": servegen.RATE_COLUMNS,
}
FORMATS = (*_RECORDED, "servegen", "synthetic")


def read_trace(source: str, format_: str | None = None, take: Take = WHOLE) -> Iterator[Arrival]:
    """The requests of a trace, in ascending time from 0 on; `format_` None: told from the file's first line.

    Raises TraceError, where its iterator reaches the fault, on a trace that can't be read or holds no request.
    """
    if format_ not in (None, *FORMATS):
        raise TraceError("format", f"want one of {', '.join(FORMATS)}", str(format_))
    if source.startswith(synthetic.PREFIX) and format_ not in (None, "synthetic"):
        raise TraceError("format", "want synthetic, or none, for synthetic:...", str(format_))
    if source.startswith(synthetic.PREFIX) or format_ == "synthetic":
        return _some(source, synthetic.read(source, take))
    path = Path(source)
    kind = format_ or _detect(path)
    if kind == "servegen":
        return _some(source, servegen.read(path, take))
    if take.scale > MOST_COPIES:
        raise TraceError("scale", f"want at most {MOST_COPIES} for the recorded {path.name}", f"{take.scale:g}")
    return _some(source, _part(_RECORDED[kind](path), take))


def is_servegen(source: str, format_: str | None = None) -> bool:
    """Whether a trace is one of rates; raises TraceError on a file that can't be read."""
    if source.startswith(synthetic.PREFIX):
        return False
    return (format_ or _detect(Path(source))) == "servegen"


def _detect(path: Path) -> str:
    line = first_line(path)
    if line.lstrip().startswith("{"):
        return "mooncake"
    header = {column.strip() for column in line.split(",")}
    for kind, columns in _COLUMNS.items():
        if header >= set(columns):
            return kind
    wanted = "; ".join(",".join(columns) for columns in _COLUMNS.values())
    raise TraceError(f"{path}:1", f"want a line of JSON or one of these headers: {wanted}", repr(line[:120]))


def _part(arrivals: Iterator[Arrival], take: Take) -> Iterator[Arrival]:
    """The stretch that is wanted, thinned or multiplied; every request has its own draws, whatever the stretch."""
    for arrival in _scaled(arrivals, take):
        if arrival.t_s >= take.end_s:
            return
        if arrival.t_s >= take.start_s:
            yield arrival if take.start_s == 0 else replace(arrival, t_s=arrival.t_s - take.start_s)


def _scaled(arrivals: Iterator[Arrival], take: Take) -> Iterator[Arrival]:
    if take.scale == 1:
        return arrivals
    draw = random.Random(take.seed)  # noqa: S311
    if take.scale < 1:
        return (arrival for arrival in arrivals if draw.random() < take.scale)
    return _multiplied(arrivals, take.scale, draw)


def _multiplied(arrivals: Iterator[Arrival], scale: float, draw: random.Random) -> Iterator[Arrival]:
    """Every request `scale` times (a fraction by chance): once in its time, its copies within APART_S of it.

    Minutes look as before and bursts of seconds are smoothed, as where more people ask.
    """
    heap, tie = list[tuple[float, int, Arrival]](), count()
    for arrival in arrivals:
        copies = int(scale) - 1 + (draw.random() < scale - int(scale))
        moved = (abs(arrival.t_s + draw.uniform(-APART_S, APART_S)) for _ in range(copies))  # mirrored at the start
        for t_s in (arrival.t_s, *moved):
            heapq.heappush(heap, (t_s, next(tie), arrival))
        while heap[0][0] <= arrival.t_s - APART_S:
            yield _moved(heapq.heappop(heap))
    while heap:
        yield _moved(heapq.heappop(heap))


def _moved(entry: tuple[float, int, Arrival]) -> Arrival:
    return replace(entry[2], t_s=entry[0])


def _some(source: str, arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
    first = next(arrivals, None)
    if first is None:
        raise TraceError(source, "want at least one request in the part that is read", "none")
    yield first
    yield from arrivals

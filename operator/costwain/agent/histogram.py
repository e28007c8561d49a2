"""A histogram as Prometheus has it. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping


class Histogram:
    """Counts by bucket; `bounds` are the buckets' inclusive upper ends, without infinity."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """One more value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add(self, counts: Mapping[int, int], total: float) -> None:
        """Values that were sorted into buckets elsewhere: index -> count, and their sum; raises IndexError."""
        for index, count in counts.items():
            self._counts[index] += count
        self._sum += total

    def lines(self, name: str, labels: str) -> Iterator[str]:
        """Its samples; `labels` is a comma-separated list.

        >>> list(Histogram((0.5,)).lines("wait", 'a="b"'))[0]
        'wait_bucket{a="b",le="0.5"} 0'
        """
        running = 0
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            running += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {running}'
        yield f"{name}_sum{{{labels}}} {self._sum:.6f}"
        yield f"{name}_count{{{labels}}} {running}"

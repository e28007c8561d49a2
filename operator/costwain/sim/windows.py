"""Windows of a budget as they pass: what was spent in each, and by how much that was too much."""

import math
from collections.abc import Callable

from costwain.decide.window import Window, window
from costwain.domain.money import micro_of

Spent = Callable[[float, float], int]
"""Micro-dollars spent from an instant until another."""


class Windows:
    """The windows of one budget since `start_s`; raises ValueError on a time zone that nobody knows."""

    def __init__(self, terms: tuple[str, str, str], start_s: float) -> None:
        """`terms`: amount in decimal dollars, period, time zone."""
        amount, self._period, self._zone = terms
        self._limit = micro_of(amount)
        self._window = self._at(start_s)
        self._spent: list[int] = []

    def _at(self, at_s: float) -> Window:
        return window(self._period, self._zone, at_s)

    def turn(self, spent: Spent, now_s: float) -> None:
        """Closes windows that have ended; spend only grows within one, so its end is its worst instant."""
        while now_s >= self._window.end_s:
            self._spent.append(spent(self._window.start_s, self._window.end_s))
            self._window = self._at(self._window.end_s)

    def close(self, spent: Spent, now_s: float) -> None:
        """Closes the one that is open, where it has begun."""
        if now_s > self._window.start_s:
            self._spent.append(spent(self._window.start_s, now_s))

    def __len__(self) -> int:
        return len(self._spent)

    @property
    def overs(self) -> list[float]:
        """The overspend of each, as a share of the amount."""
        return [self._share(spent - self._limit) for spent in self._spent]

    @property
    def prefix(self) -> float:
        """The most by which the spend since the start exceeded the amounts of all windows begun, as such a share."""
        sums = [sum(self._spent[: i + 1]) - (i + 1) * self._limit for i in range(len(self._spent))]
        return self._share(max(sums, default=0))

    def _share(self, over_micro: int) -> float:
        """Too much as a share of the amount; of nothing, anything is infinitely much."""
        if over_micro <= 0:
            return 0.0
        return over_micro / self._limit if self._limit else math.inf

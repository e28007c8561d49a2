"""Search: whole numbers of a few kinds of replicas, by branch and bound.

It looks at a handful of mixes where trying all would be millions: kinds are taken in the order of their dollars
a request, each from many to few, and a branch is left as soon as the rest of it, were replicas divisible, could
not beat the best mix found so far. Exact, but for hundreds of replicas of many kinds that cost nearly the same a
request: there it stops after STEPS, and the best mix until then is within a replica of the exact one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

STEPS = 1000  # about 2 ms
_EPSILON = 1e-9  # 0.1 * 3 / 0.1 is 3, not 4


@dataclass(frozen=True)
class Kind:
    """One kind of replica: requests/s, micro-dollars an hour, and how many there may be."""

    per_s: float
    hourly_micro: int
    most: int


@dataclass(frozen=True)
class Bounds:
    """What the mix must carry, how many replicas it may have, and what it may cost (micro-dollars an hour)."""

    per_s: float
    least: int
    most: int
    hourly_micro: float


def cover(kinds: Sequence[Kind], bounds: Bounds) -> tuple[int, ...] | None:
    """Counts by kind that carry the demand for the fewest dollars, or None where nothing does."""
    search = _Cover(kinds, bounds)
    search.descend(0, bounds.per_s, bounds.least, bounds.most, 0)
    return search.answer()


def pack(kinds: Sequence[Kind], bounds: Bounds) -> tuple[int, ...]:
    """Counts by kind that carry the most within replicas and dollars, whatever the demand."""
    search = _Pack(kinds, bounds)
    search.descend(0, bounds.most, bounds.hourly_micro, 0.0)
    return search.answer() or (0,) * len(kinds)


class _Ahead:
    """Of kinds in the order of a search, what those from each one on can do."""

    def __init__(self, kinds: tuple[Kind, ...]) -> None:
        rest = [kinds[k:] for k in range(len(kinds) + 1)]
        self.per_s = [sum(x.per_s * x.most for x in r) for r in rest]
        self.fastest = [max((x.per_s for x in r), default=0.0) for r in rest]
        self.micro_per_request = [min((_micro_per_request(x) for x in r), default=math.inf) for r in rest]
        self.cheapest = [min((x.hourly_micro for x in r), default=0) for r in rest]
        self.grain = math.gcd(*(x.hourly_micro for x in kinds)) or 1  # every mix costs a multiple of it


_ahead = lru_cache(maxsize=1 << 13)(_Ahead)  # many demands are tried on the same kinds


class _Search:
    """Kinds in the order of the search, figures of those that are still to come, and the best counts so far."""

    def __init__(self, kinds: Sequence[Kind], order: Sequence[int]) -> None:
        self.order = list(order)
        self.kinds = tuple(kinds[i] for i in order)
        ahead = _ahead(self.kinds)
        self.rest_per_s, self.rest_fastest = ahead.per_s, ahead.fastest
        self.rest_micro_per_request, self.rest_cheapest = ahead.micro_per_request, ahead.cheapest
        self.grain = ahead.grain
        self.chosen = [0] * len(kinds)
        self.best: list[int] | None = None
        self.steps = 0

    def tired(self) -> bool:
        """Counts a step; whether that was one too many."""
        self.steps += 1
        return self.steps > STEPS

    def answer(self) -> tuple[int, ...] | None:
        """The best counts in the caller's order."""
        if self.best is None:
            return None
        return tuple(n for _, n in sorted(zip(self.order, self.best, strict=True)))


class _Cover(_Search):
    """Fewest dollars; of equal ones the first found, which has most on the kind that is cheapest a request."""

    def __init__(self, kinds: Sequence[Kind], bounds: Bounds) -> None:
        super().__init__(kinds, sorted(range(len(kinds)), key=lambda i: (_micro_per_request(kinds[i]), i)))
        self.limit = bounds.hourly_micro + 1  # costs below it are wanted

    def descend(self, k: int, need: float, least: int, room: int, cost: int) -> None:
        """Tries the counts of kind `k` for what is still needed, at the cost so far."""
        if self.tired() or self._hopeless(k, need, least, room, cost):
            return
        if k == len(self.kinds):
            self.limit, self.best = cost, self.chosen.copy()
            return
        kind = self.kinds[k]
        alone = max(_whole(need, kind.per_s), least, 0)
        for n in range(min(kind.most, room, alone), -1, -1):
            self.chosen[k] = n
            self.descend(k + 1, need - n * kind.per_s, least - n, room - n, cost + n * kind.hourly_micro)
            fewer = need - (n - 1) * kind.per_s
            if fewer > 0 and self._bound(k + 1, fewer, cost + (n - 1) * kind.hourly_micro) >= self.limit:
                break  # fewer of this kind only need more of dearer ones
        self.chosen[k] = 0

    def _hopeless(self, k: int, need: float, least: int, room: int, cost: int) -> bool:
        if least > room or need > min(self.rest_per_s[k], room * self.rest_fastest[k]) + _EPSILON * max(need, 1.0):
            return True
        if k == len(self.kinds):
            return least > 0 or cost >= self.limit
        return max(self._bound(k, need, cost), cost + max(least, 0) * self.rest_cheapest[k]) >= self.limit

    def _bound(self, k: int, need: float, cost: int) -> float:
        """The least that a mix with these counts can cost."""
        if k == len(self.kinds) or need <= 0:
            return cost
        steps = (cost + need * self.rest_micro_per_request[k]) / self.grain
        return math.ceil(steps * (1 - _EPSILON)) * self.grain


class _Pack(_Search):
    """Most requests/s; of equal ones the first found."""

    def __init__(self, kinds: Sequence[Kind], bounds: Bounds) -> None:
        def by_speed(i: int) -> tuple[float, float, int]:
            return (-kinds[i].per_s, kinds[i].hourly_micro, i)

        def by_price(i: int) -> tuple[float, float, int]:
            return (_micro_per_request(kinds[i]), 0.0, i)

        super().__init__(
            kinds, sorted(range(len(kinds)), key=by_speed if math.isinf(bounds.hourly_micro) else by_price)
        )
        self.carries = 0.0  # more than this is wanted

    def descend(self, k: int, room: int, money: float, per_s: float) -> None:
        """Tries the counts of kind `k` for the replicas and dollars that are left, with `per_s` carried so far."""
        if per_s > self.carries + _EPSILON:
            self.carries, self.best = per_s, [*self.chosen[:k], *[0] * (len(self.kinds) - k)]
        enough = self.carries * (1 + _EPSILON) + _EPSILON
        if k == len(self.kinds) or self.tired() or per_s + self._more(k, room, money) <= enough:
            return
        kind = self.kinds[k]
        payable = math.floor(money / kind.hourly_micro) if kind.hourly_micro and not math.isinf(money) else room
        for n in range(min(kind.most, room, payable), -1, -1):
            self.chosen[k] = n
            self.descend(k + 1, room - n, money - n * kind.hourly_micro, per_s + n * kind.per_s)
        self.chosen[k] = 0

    def _more(self, k: int, room: int, money: float) -> float:
        """The most that kinds from `k` on can add."""
        most = min(self.rest_per_s[k], room * self.rest_fastest[k])
        price = self.rest_micro_per_request[k]
        return most if price == 0 or math.isinf(money) else min(most, money / price)


def _whole(need: float, per_s: float) -> int:
    return math.ceil(need / per_s - _EPSILON)


def _micro_per_request(kind: Kind) -> float:
    return kind.hourly_micro / kind.per_s

"""Sizing: the cheapest whole numbers of replicas that carry a demand, over the pools of one variant."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from costwain.decide.lasting import obeyed, with_one
from costwain.decide.options import Option
from costwain.decide.search import Bounds, Kind, cover, pack
from costwain.domain.plan import Place

MOVE_SAVES = 0.10  # a mix on other pools must be so much cheaper before running replicas are moved for it
MOVE_MARGIN = 0.10  # and carry as much as they do or so much to spare, or the next breath of the load moves them back


@dataclass(frozen=True)
class Mix:
    """Replicas by place, what they carry (requests/s) and cost (micro-dollars/h); `short`: less than the demand."""

    counts: Mapping[Place, int]
    per_s: float
    hourly_micro: int
    short: bool

    @property
    def replicas(self) -> int:
        return sum(self.counts.values())

    def plus(self, more: "Mix") -> "Mix":
        """Both together, as short as the other is."""
        counts = {
            place: self.counts.get(place, 0) + more.counts.get(place, 0) for place in {*self.counts, *more.counts}
        }
        return Mix(counts, self.per_s + more.per_s, self.hourly_micro + more.hourly_micro, more.short)


@dataclass(frozen=True)
class Want:
    """What a mix must do: carry `per_s` requests/s with `least` to `most` replicas, below `hourly_micro`.

    `lasting`: one replica is to be on capacity that nobody takes away.
    """

    per_s: float
    least: int
    most: int
    hourly_micro: float = math.inf
    lasting: bool = True


def cheapest(options: Sequence[Option], want: Want, running: Mapping[Place, int]) -> Mix:
    """The cheapest mix that carries the demand; where none does, the one that carries most.

    Exact in dollars; of equally cheap mixes the one with most on the pool that is cheapest a request, then by name.
    Replicas that run are moved to other pools only for a saving of a tenth. One replica is on lasting capacity
    (`decide/lasting.py`) unless none has room, or `hourly_micro` doesn't pay a mix with one that carries the demand.
    """
    return _cheapest(tuple(options), want, tuple(sorted(running.items())))


@lru_cache(maxsize=1 << 14)  # a steady fleet asks the same in every turn, and several times in each
def _cheapest(options: tuple[Option, ...], want: Want, run: tuple[tuple[Place, int], ...]) -> Mix:
    running = dict(run)
    usable = sorted((o for o in options if o.per_s > 0 and o.most > 0), key=lambda o: o.place)
    if not want.lasting:
        usable = [replace(o, lasting=True) for o in usable]
    kinds = [Kind(o.per_s, o.hourly_micro, min(o.most, want.most)) for o in usable]
    bounds = Bounds(want.per_s, want.least, want.most, want.hourly_micro)
    best = _cover(usable, kinds, bounds)
    if best is None:
        return _mix(usable, _pack(usable, kinds, bounds), want)
    free = _mix(usable, best, want)
    if not running or free.counts == running:
        return free  # nothing runs that could be kept, or the best is what runs
    found = [counts for counts in (_grown(usable, want, running), _shrunk(usable, want, running)) if counts]
    near = [_mix(usable, counts, want) for counts in found if obeyed(usable, counts) or not obeyed(usable, best)]
    if not near:
        return free
    close = min(near, key=lambda mix: (mix.hourly_micro, mix.replicas, sorted(mix.counts.items())))
    if free.hourly_micro >= (1 - MOVE_SAVES) * close.hourly_micro:
        return close
    per_s = max(want.per_s, min(want.per_s * (1 + MOVE_MARGIN), close.per_s))
    wide = _cover(usable, kinds, Bounds(per_s, want.least, want.most, want.hourly_micro))
    return (
        close
        if wide is None or _cost(kinds, wide) >= (1 - MOVE_SAVES) * close.hourly_micro
        else _mix(usable, wide, want)
    )


def _cover(options: Sequence[Option], kinds: Sequence[Kind], bounds: Bounds) -> tuple[int, ...] | None:
    """Counts that carry the demand for the fewest dollars, one of them lasting."""
    best = cover(kinds, bounds)
    if best is None or obeyed(options, best):
        return best
    found = with_one(options, kinds, bounds, cover)
    if not found and (
        bounds.hourly_micro < math.inf or not any(o.lasting and k.most for o, k in zip(options, kinds, strict=True))
    ):
        return best
    return min(found, key=lambda counts: _cost(kinds, counts), default=None)


def _pack(options: Sequence[Option], kinds: Sequence[Kind], bounds: Bounds) -> tuple[int, ...]:
    """Counts that carry the most; one of them lasting unless it is money that is short."""
    best = pack(kinds, bounds)
    if obeyed(options, best) or bounds.hourly_micro < math.inf:
        return best

    def worth(counts: Sequence[int]) -> tuple[float, int]:
        return sum(kind.per_s * n for kind, n in zip(kinds, counts, strict=True)), -_cost(kinds, counts)

    return max(with_one(options, kinds, bounds, pack), key=worth, default=best)


def _cost(kinds: Sequence[Kind], counts: Sequence[int]) -> int:
    return sum(kind.hourly_micro * n for kind, n in zip(kinds, counts, strict=True))


def _grown(options: Sequence[Option], want: Want, running: Mapping[Place, int]) -> list[int] | None:
    """The cheapest mix that only adds to what runs."""
    low = [running.get(o.place, 0) for o in options]
    if any(n > o.most for n, o in zip(low, options, strict=True)) or sum(low) != sum(running.values()):
        return None
    per_s = sum(o.per_s * n for o, n in zip(options, low, strict=True))
    cost = sum(o.hourly_micro * n for o, n in zip(options, low, strict=True))
    kinds = [Kind(o.per_s, o.hourly_micro, o.most - n) for o, n in zip(options, low, strict=True)]
    rest = Bounds(want.per_s - per_s, want.least - sum(low), want.most - sum(low), want.hourly_micro - cost)
    more = cover(kinds, rest) if any(low) and obeyed(options, low) else _cover(options, kinds, rest)
    return None if more is None else [n + m for n, m in zip(low, more, strict=True)]


def _shrunk(options: Sequence[Option], want: Want, running: Mapping[Place, int]) -> tuple[int, ...] | None:
    """The cheapest mix that only takes from what runs."""
    kinds = [Kind(o.per_s, o.hourly_micro, min(o.most, running.get(o.place, 0))) for o in options]
    return _cover(options, kinds, Bounds(want.per_s, want.least, want.most, want.hourly_micro))


def _mix(options: Sequence[Option], counts: Sequence[int], want: Want) -> Mix:
    pairs = [(o, n) for o, n in zip(options, counts, strict=True) if n]
    per_s = sum((o.per_s * n for o, n in pairs), start=0.0)
    short = per_s < want.per_s * (1 - 1e-6) or sum(counts) < want.least
    return Mix({o.place: n for o, n in pairs}, per_s, sum(o.hourly_micro * n for o, n in pairs), short)

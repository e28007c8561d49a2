"""Sizing: the cheapest whole numbers of replicas that carry a demand, over the pools of one variant."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

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
    """What a mix must do: carry `per_s` requests/s with `least` to `most` replicas, below `hourly_micro`."""

    per_s: float
    least: int
    most: int
    hourly_micro: float = math.inf


def cheapest(options: Sequence[Option], want: Want, running: Mapping[Place, int]) -> Mix:
    """The cheapest mix that carries the demand; where none does, the one that carries most.

    Exact in dollars; of equally cheap mixes the one with most on the pool that is cheapest a request, then by name.
    Replicas that run are moved to other pools only for a saving of a tenth.
    """
    return _cheapest(tuple(options), want, tuple(sorted(running.items())))


@lru_cache(maxsize=1 << 14)  # a steady fleet asks the same in every turn, and several times in each
def _cheapest(options: tuple[Option, ...], want: Want, run: tuple[tuple[Place, int], ...]) -> Mix:
    running = dict(run)
    usable = sorted((o for o in options if o.per_s > 0 and o.most > 0), key=lambda o: o.place)
    kinds = [Kind(o.per_s, o.hourly_micro, min(o.most, want.most)) for o in usable]
    best = cover(kinds, Bounds(want.per_s, want.least, want.most, want.hourly_micro))
    if best is None:
        return _mix(usable, pack(kinds, Bounds(want.per_s, want.least, want.most, want.hourly_micro)), want)
    free = _mix(usable, best, want)
    if not running or free.counts == running:
        return free  # nothing runs that could be kept, or the best is what runs
    near = [mix for mix in (_grown(usable, want, running), _shrunk(usable, want, running)) if mix is not None]
    if not near:
        return free
    close = min(near, key=lambda mix: (mix.hourly_micro, mix.replicas, sorted(mix.counts.items())))
    if free.hourly_micro >= (1 - MOVE_SAVES) * close.hourly_micro:
        return close
    per_s = max(want.per_s, min(want.per_s * (1 + MOVE_MARGIN), close.per_s))
    wide = cover(kinds, Bounds(per_s, want.least, want.most, want.hourly_micro))
    moved = None if wide is None else _mix(usable, wide, want)
    return close if moved is None or moved.hourly_micro >= (1 - MOVE_SAVES) * close.hourly_micro else moved


def _grown(options: Sequence[Option], want: Want, running: Mapping[Place, int]) -> Mix | None:
    """The cheapest mix that only adds to what runs."""
    low = [running.get(o.place, 0) for o in options]
    if any(n > o.most for n, o in zip(low, options, strict=True)) or sum(low) != sum(running.values()):
        return None
    per_s = sum(o.per_s * n for o, n in zip(options, low, strict=True))
    cost = sum(o.hourly_micro * n for o, n in zip(options, low, strict=True))
    kinds = [Kind(o.per_s, o.hourly_micro, o.most - n) for o, n in zip(options, low, strict=True)]
    rest = Bounds(want.per_s - per_s, want.least - sum(low), want.most - sum(low), want.hourly_micro - cost)
    more = cover(kinds, rest)
    return None if more is None else _mix(options, [n + m for n, m in zip(low, more, strict=True)], want)


def _shrunk(options: Sequence[Option], want: Want, running: Mapping[Place, int]) -> Mix | None:
    """The cheapest mix that only takes from what runs."""
    kinds = [Kind(o.per_s, o.hourly_micro, min(o.most, running.get(o.place, 0))) for o in options]
    fewer = cover(kinds, Bounds(want.per_s, want.least, want.most, want.hourly_micro))
    return None if fewer is None else _mix(options, fewer, want)


def _mix(options: Sequence[Option], counts: Sequence[int], want: Want) -> Mix:
    pairs = [(o, n) for o, n in zip(options, counts, strict=True) if n]
    per_s = sum((o.per_s * n for o, n in pairs), start=0.0)
    short = per_s < want.per_s * (1 - 1e-6) or sum(counts) < want.least
    return Mix({o.place: n for o, n in pairs}, per_s, sum(o.hourly_micro * n for o, n in pairs), short)

"""Sizing: the cheapest whole numbers of replicas that carry a demand, over the pools of one variant."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from costwain.decide.options import Option
from costwain.domain.plan import Place

MOVE_SAVES = 0.10  # a mix on other pools must be so much cheaper before running replicas are moved for it


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


@dataclass(frozen=True)
class Want:
    """What a mix must do: carry `per_s` requests/s with `least` to `most` replicas, below `hourly_micro`."""

    per_s: float
    least: int
    most: int
    hourly_micro: float = math.inf


def replicas_for(demand_per_s: float, service_per_s: float) -> int:
    """Replicas whose joint rate meets the demand; a fraction of one is a whole one.

    Units: both requests/s. Source: conservation of work, n x service >= demand.
    Raises ValueError if service_per_s isn't positive.

    >>> replicas_for(8.0, service_per_s=2.5)
    4
    """
    if service_per_s <= 0:
        raise ValueError(f"service_per_s must be positive, found {service_per_s}")
    return math.ceil(demand_per_s / service_per_s - 1e-9)  # 0.1 * 3 / 0.1 is 3, not 4


def cheapest(options: Sequence[Option], want: Want, running: Mapping[Place, int], *, now: bool = False) -> Mix:
    """The cheapest mix that carries the demand; where none does, the one that carries most.

    Exact: every count of every pool but the last is tried. Replicas that run are moved to other pools only
    for a saving of a tenth. `now` takes what is free at once instead of what could be freed.
    """
    limits = {o.place: o.most_now if now else o.most for o in options}
    mixes = [_mix(options, counts, want) for counts in _counts(list(options), want, limits, want.most)]
    within = [m for m in mixes if m.hourly_micro <= want.hourly_micro] or [_mix(options, {}, want)]
    best = min(within, key=_preference)
    near = [m for m in within if _only_adds(running, m.counts) or _only_adds(m.counts, running)]
    if not near:
        return best
    close = min(near, key=_preference)
    return best if close.short or best.hourly_micro < (1 - MOVE_SAVES) * close.hourly_micro else close


def _preference(mix: Mix) -> tuple[bool, float, float, tuple[tuple[Place, int], ...]]:
    """Carries all first, then fewest dollars, then most capacity; ties by name: equal worlds, equal plans."""
    if mix.short:
        return (True, -mix.per_s, mix.hourly_micro, tuple(sorted(mix.counts.items())))
    return (False, mix.hourly_micro, -mix.per_s, tuple(sorted(mix.counts.items())))


def _mix(options: Sequence[Option], counts: Mapping[Place, int], want: Want) -> Mix:
    per_s = sum(o.per_s * counts.get(o.place, 0) for o in options)
    cost = sum(o.hourly_micro * counts.get(o.place, 0) for o in options)
    kept = {place: n for place, n in counts.items() if n}
    short = per_s < want.per_s - 1e-9 or sum(kept.values()) < want.least
    return Mix(kept, per_s, cost, short)


def _counts(options: list[Option], want: Want, limits: Mapping[Place, int], room: int) -> Iterator[dict[Place, int]]:
    """Candidate counts: no pool gets more than could carry the whole demand alone."""
    if not options:
        yield {}
        return
    first, rest = options[0], options[1:]
    alone = max(replicas_for(want.per_s, first.per_s), want.least)
    most = max(0, min(limits[first.place], room, alone))
    if not rest:
        yield from ({first.place: n} for n in range(most + 1))
        return
    for n in range(most + 1):
        for others in _counts(rest, want, limits, room - n):
            yield {first.place: n, **others}


def _only_adds(low: Mapping[Place, int], high: Mapping[Place, int]) -> bool:
    return all(high.get(place, 0) >= n for place, n in low.items())

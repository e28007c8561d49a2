"""Options: what each rung could run on, what that carries and what it costs, or why it can't."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from costwain.decide.capacity import DoesNotFit, RequestShape, Slo, capacity
from costwain.decide.known import COMPILE_S, Known, Site, known
from costwain.decide.lengths import lengths_of, longer
from costwain.decide.parallel import split_refused
from costwain.decide.promise import load_of
from costwain.domain.figures import Figures
from costwain.domain.models import ModelShape
from costwain.domain.once import lazy
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Pool, State
from costwain.domain.variant import Variant


@dataclass(frozen=True)
class Option:
    """One (variant, pool) that would work.

    `per_s` requests a second and `hourly_micro` micro-dollars an hour, of one replica. `most` replicas if the
    fleet moved everything it has on this pool here, `most_now` while its other variants stay. `lasting`: not spot.
    `alone_s`: to the first token and for each after it, where even one request at a time misses the SLO.
    """

    place: Place
    per_s: float
    slots: int
    hourly_micro: int
    accelerators: int
    most: int
    most_now: int
    start_s: float
    lasting: bool = True
    alone_s: tuple[float, float] | None = None

    def __hash__(self) -> int:  # the rest seldom differs, and sizes are looked up by options several times a turn
        return hash((self.place, self.per_s, self.most))


@dataclass(frozen=True)
class Rung:
    """One variant with its options; `barred` says why it must not serve, whatever it costs."""

    variant: Variant
    options: tuple[Option, ...]
    barred: Why | None
    problems: tuple[Why, ...]

    @lazy
    def name(self) -> str:
        return self.variant.name

    @lazy
    def by_place(self) -> Mapping[Place, Option]:
        return {option.place: option for option in self.options}

    @lazy
    def slots(self) -> Mapping[Place, int]:
        """Requests at a time that the gateway is to give a pod, by place."""
        return {option.place: round_slots(option.slots) for option in self.options}

    @lazy
    def start_s(self) -> float:
        """Seconds that its slowest option takes to start."""
        return max((option.start_s for option in self.options), default=COMPILE_S)


def round_slots(slots: int) -> int:
    """Three significant bits: small changes of the mean request don't reprogram the gateway.

    >>> [round_slots(n) for n in (1, 7, 37, 1000)]
    [1, 7, 32, 896]
    """
    shift = max(0, slots.bit_length() - 3)
    return max(1, slots >> shift << shift)


Room = Mapping[str, int]
"""Accelerators that a fleet may hold, by pool."""


def ladder(
    fleet: Fleet, pools: Mapping[str, Pool], request: RequestShape, now_s: float, room: Room | None = None
) -> tuple[Rung, ...]:
    """Every rung, best first, with what it could run on and what bars it; `request` is that of a variant of length 1.

    With `room` the fleet may hold so many accelerators of a pool, whoever holds them now; without, what is free.
    """
    speeds = {(x.variant, x.pool): x.scalar for x in reversed(fleet.memory.learned)}
    refused = {refusal.pool for refusal in fleet.memory.refusals if refusal.until_s > now_s}
    held: dict[str, int] = {}
    for (_, name), n in fleet.accelerators.items():
        held[name] = held.get(name, 0) + n
    rungs, lengths = [], lengths_of(fleet.spec, fleet.memory)
    for one in known(fleet.spec).variants:
        if one.name in fleet.broken:
            why = Why("InvalidEngine", f"{one.name}: {fleet.broken[one.name]}")
            rungs.append(Rung(one.variant, (), one.barred, (why,)))
            continue
        grounds = []
        for site in one.sites:
            pool = pools.get(site.pool)
            speed = speeds.get(site.place, 1.0) if speeds else 1.0
            if pool is None:
                grounds.append(_Ground(None, speed, 0, 0))
                continue
            free, here = pool.free, held.get(site.pool, 0)
            most = min(site.ceiling, (free + here) // site.accelerators)
            if room is not None and site.pool in room:
                most = min(site.ceiling, room[site.pool] // site.accelerators)
                free = min(free, max(0, room[site.pool] - here))
            # What runs may hold another number than the spec asks for now, until the Deployment has replaced it.
            beside = fleet.counts.get(site.place, 0) + free // site.accelerators
            now = min(site.ceiling, beside, (free + fleet.accelerators.get(site.place, 0)) // site.accelerators)
            now = now if room is None else min(now, most)
            if site.pool in refused:
                most = now = min(now, _placed(fleet, site.place))
            grounds.append(_Ground(pool.figures, speed, most, now))
        asked = longer(request, lengths[one.name])
        rungs.append(_rung(one, asked, load_of(fleet.memory, one.name), tuple(grounds)))
    return tuple(rungs)


def _placed(fleet: Fleet, place: Place) -> int:
    """Living replicas there that have a node."""
    return sum(r.place == place and r.state is not State.PENDING for r in fleet.alive)


class _Ground(NamedTuple):
    """What a placement finds on its pool: its figures, the speed measured there, and room in replicas."""

    figures: Figures | None
    speed: float
    most: int
    most_now: int


@lru_cache(maxsize=1 << 14)  # a steady fleet's rung is that of the turn before
def _rung(one: Known, request: RequestShape, load: float, grounds: tuple[_Ground, ...]) -> Rung:
    """A rung; `load` is the share of the modelled rate that its replicas are given."""
    if one.shape is None:
        return Rung(one.variant, (), one.barred, () if one.unshaped is None else (one.unshaped,))
    found = [
        _option(_Offer(one, one.shape, site, request, load), ground)
        for site, ground in zip(one.sites, grounds, strict=True)
    ]
    options = tuple(x for x in found if isinstance(x, Option))
    return Rung(one.variant, options, one.barred, tuple(x for x in found if isinstance(x, Why)))


class _Offer(NamedTuple):
    variant: Known
    shape: ModelShape
    site: Site
    request: RequestShape
    load: float


def _option(offer: _Offer, ground: _Ground) -> Option | Why:
    """The option, or the problem that only a person can mend."""
    variant, site, figures, speed = offer.variant, offer.site, ground.figures, ground.speed
    if figures is None:
        return Why("UnknownPool", f"{variant.name}: there is no AcceleratorPool {site.pool!r}")
    if figures.accelerator is None:
        sentence = f"pool {site.pool}: accelerator {figures.asked!r} isn't in the hardware table, give its figures"
        return Why("UnknownAccelerator", sentence)
    if figures.hourly_micro is None:
        return Why("PriceUnknown", f"pool {site.pool}: no price, so {variant.name} is not placed there")
    if refused := split_refused(offer.shape, figures.accelerator, site.accelerators):
        return Why("CannotSplit", f"{variant.name} on {site.pool}: accelerators: {refused}")
    # What takes 1/speed of the prior's time must be done in speed of the time by the prior.
    slo = Slo(variant.ttft_s * speed, variant.tpot_s * speed, variant.share)
    carries = capacity(offer.shape, figures.accelerator, site.accelerators, offer.request, slo)
    if isinstance(carries, DoesNotFit):
        return Why("DoesNotFit", f"{variant.name} on {site.pool}: {carries.sentence}")
    return Option(
        place=site.place,
        per_s=carries.requests_per_s * speed * offer.load,
        slots=min(carries.slots, variant.engine_slots),
        hourly_micro=figures.hourly_micro * site.accelerators,
        accelerators=site.accelerators,
        most=ground.most,
        most_now=ground.most_now,
        start_s=figures.provisioning_s + variant.load_s + COMPILE_S,
        lasting=not figures.spot,
        alone_s=None if carries.meets_slo else (carries.ttft_s / speed, carries.tpot_s / speed),
    )

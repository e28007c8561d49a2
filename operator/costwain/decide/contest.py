"""Contest: which fleets compete for accelerators, and how many each of them may hold while they do."""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from costwain.decide.budget import Purse, purse
from costwain.decide.case import Case
from costwain.decide.choice import cheapest_a_request, payable
from costwain.decide.claims import best_offer
from costwain.decide.fleetwide import allot
from costwain.decide.known import known
from costwain.decide.options import Option, Rung
from costwain.decide.rivals import Level, Rival, Way
from costwain.decide.split import Key
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Pool

FIRST = 0.001  # of its worth, what the first by rank counts more: what is worth the same to two always goes to it
LEAST_PER_S = 0.1  # what a fleet that nobody asks for just now counts, so that its last replica isn't worth nothing


@dataclass(frozen=True)
class Grant:
    """Accelerators that a fleet may hold by pool, and of those that it could use how many fleets compete for them."""

    room: Mapping[str, int]
    rivals: Mapping[str, int]

    def with_spare(self, spare: Mapping[str, int]) -> dict[str, int]:
        """The room, and what nobody was given."""
        return {pool: n + spare.get(pool, 0) for pool, n in self.room.items()}

    def left_of(self, spare: Mapping[str, int], fleet: Fleet, replicas: Mapping[Place, int]) -> dict[str, int]:
        """What is spare after a fleet asked for so many replicas."""
        asked: dict[str, int] = {}
        sites = known(fleet.spec).sites
        for place, n in replicas.items():
            if place in sites:
                asked[place[1]] = asked.get(place[1], 0) + n * sites[place][1].accelerators
        return {name: n - max(0, asked.get(name, 0) - self.room.get(name, 0)) for name, n in spare.items()}

    def why(self) -> Why:
        """What the fleet was given, in words."""
        told = [
            f"{self.room[pool]} of {pool} ({n} fleet{'' if n == 1 else 's'})" for pool, n in sorted(self.rivals.items())
        ]
        return Why("AcceleratorsContested", f"several fleets want more than there is; granted {', '.join(told)}")


@dataclass(frozen=True)
class Contest:
    """Grants of those that compete, and what is left over by pool; without a contest both are empty.

    `reach`: pools of which more is wanted than there is, and those to which their fleets could turn.
    """

    grants: Mapping[Key, Grant]
    spare: Mapping[str, int]
    reach: Set[str] = frozenset()


def contest(
    cases: Sequence[Case],
    pools: Mapping[str, Pool],
    shared: Mapping[Key, tuple[Purse, ...]],
    beside: Mapping[str, int],
) -> Contest:
    """Settles who may hold how many accelerators, where more are wanted than there are; `cases` by rank.

    `beside`: accelerators by pool that others want, who aren't among the cases.
    """
    moving = [case for case in cases if _moves(case)]
    reach = _contested(moving, pools, beside)
    if not reach:
        return Contest({}, {})
    found = []
    for rank, case in enumerate(moving):
        if not _pools_of(case).isdisjoint(reach):
            rival = _rival(case, shared.get(case.fleet.key, ()), pools, 1 - FIRST * rank / len(moving))
            if rival is not None:
                found.append((case, rival))
    room = {name: pools[name].free + sum(case.fleet.held(name) for case, _ in found) for name in sorted(reach)}
    if len(found) < 2:
        return Contest({}, {}, reach)
    return replace(_settled([rival for _, rival in found], room), reach=reach)


def _settled(rivals: Sequence[Rival], room: Mapping[str, int]) -> Contest:
    spare, grants = dict(room), dict[Key, Grant]()
    wanted = {name: sum(name in _ways_to(rival) for rival in rivals) for name in room}
    for rival, share in zip(rivals, allot(tuple(rivals), tuple(room.items())), strict=True):
        held = dict.fromkeys(room, 0)
        for name, n in share.held(rival):
            held[name] += n
            spare[name] -= n
        grants[rival.key] = Grant(held, {name: wanted[name] for name in _ways_to(rival)})
    return Contest(grants, spare)


def _ways_to(rival: Rival) -> set[str]:
    return {way.pool for level in rival.levels for way in level.ways}


def _moves(case: Case) -> bool:
    """Whether anything is decided on the fleet, and it wants something."""
    scaling = case.fleet.spec.scaling
    asks = not case.expected.idle or scaling.min_replicas > 0
    return scaling.mode != "Paused" and case.fleet.load is not None and bool(case.eligible) and asks


def _pools_of(case: Case) -> set[str]:
    return {option.place[1] for rung in case.eligible for option in rung.options}


def _contested(cases: Sequence[Case], pools: Mapping[str, Pool], beside: Mapping[str, int]) -> set[str]:
    """Pools of which more is wanted than there is, and those to which their fleets could turn instead, and so on."""
    total, short = Counter(beside), set[str]()
    for case in cases:
        total.update(wishes(case))
        short |= _squeezed(case)
    reach = short | {name for name, n in total.items() if name in pools and n > pools[name].free}
    grown = bool(reach)
    while grown:
        before = len(reach)
        for case in cases:
            theirs = _pools_of(case)
            if not theirs.isdisjoint(reach):
                reach |= theirs
        grown = len(reach) > before
    return reach


def wishes(case: Case) -> dict[str, int]:
    """Accelerators by pool that the best offer needs beyond what the fleet holds there, if it wants anything."""
    offer = best_offer(case) if _moves(case) else None
    if offer is None:
        return {}
    beyond = {
        place[1]: n * offer[0].by_place[place].accelerators - case.fleet.accelerators.get(place, 0)
        for place, n in offer[1].counts.items()
    }
    return {name: n for name, n in beyond.items() if n > 0}


def _squeezed(case: Case) -> set[str]:
    """Pools whose room keeps the best rung from carrying the demand."""
    rung = case.eligible[0]
    if not case.mix(rung, case.want).short:
        return set()
    return {o.place[1] for o in rung.options if o.most < _ceiling(case, o.place)}


def _ceiling(case: Case, place: Place) -> int:
    """Replicas there that the spec allows."""
    return known(case.fleet.spec).sites[place][1].ceiling


def _rival(case: Case, shared: tuple[Purse, ...], pools: Mapping[str, Pool], weight: float) -> Rival | None:
    """The fleet in plain numbers, its worth weighed; None where nothing is decided on it after all."""
    try:
        own = purse(case.fleet, case.now_s)
    except ValueError:  # a time zone that nobody knows: it is left as it is
        return None
    purses = shared if own is None else (own, *shared)
    rungs, even = _affordable(case, purses)
    best = max(float(rung.variant.quality) for rung in case.eligible) or 1.0
    levels = []
    for rung in rungs:
        ways = tuple(_way(case, option, pools[option.place[1]], even) for option in rung.options if option.per_s > 0)
        if ways:
            levels.append(Level(weight * max(0.01, float(rung.variant.quality) / best), ways))
    if not levels:
        return None
    scaling = case.fleet.spec.scaling
    per_s = LEAST_PER_S if case.expected.idle else max(LEAST_PER_S, case.want.per_s)
    return Rival(
        key=case.fleet.key,
        priority=case.fleet.spec.priority,
        levels=tuple(levels),
        per_s=per_s,
        coming_per_s=min(per_s, max(LEAST_PER_S, case.least_want.per_s)),
        least=scaling.min_replicas,
        most=scaling.max_replicas,
    )


def _affordable(case: Case, purses: tuple[Purse, ...]) -> tuple[list[Rung], int | None]:
    """Rungs that every purse pays as they would be alone; where none is, the cheapest a request and the rate for it."""
    cases = [case.paid_from(each, purses) for each in purses] or [case]
    paid = [{rung.name for rung, _ in payable(this)} for this in cases]
    rungs = [rung for rung in case.eligible if all(rung.name in names for names in paid)]
    if rungs:
        return rungs, None
    rung = cheapest_a_request(case, case.offers)
    return [rung], min((each.even_micro_per_h for each in purses), default=None)


def _way(case: Case, option: Option, pool: Pool, even_micro_per_h: int | None) -> Way:
    """An option with the most replicas that there could be, whoever holds the pool now."""
    refused = any(r.pool == pool.name and r.until_s > case.now_s for r in case.fleet.memory.refusals)
    most = option.most if refused else min(_ceiling(case, option.place), pool.total // option.accelerators)
    running = case.fleet.counts.get(option.place, 0)
    if even_micro_per_h is not None and option.hourly_micro:
        most = min(most, max(running, even_micro_per_h // option.hourly_micro, 1))
    return Way(pool.name, option.per_s, option.hourly_micro, option.accelerators, most, running, option.lasting)

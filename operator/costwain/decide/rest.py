"""Rest: which fleets a turn leaves as they are, where there are too many to decide on all of them.

A decision takes about half a millisecond, and nearly all of a thousand fleets are as they were a turn ago. One with
nothing to change and money for long rests: it is decided on again as soon as more comes than its pods were counted
for, or its pods or its spec are no longer what they were, and else when its turn comes. With few fleets none rests.

That less comes stirs nobody: replicas are kept for minutes anyhow, and the turn comes before those are over.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from costwain.decide.budget import stopping_s
from costwain.decide.case import DOWN_MARGIN, Case
from costwain.decide.contest import wishes
from costwain.decide.forecast import SLICES, lead_of
from costwain.decide.known import known
from costwain.decide.options import Rung
from costwain.decide.shared import is_member
from costwain.decide.smoothing import smoothed
from costwain.domain.memory import Memory, Rest
from costwain.domain.money import cost_micro
from costwain.domain.once import changed, lazy
from costwain.domain.plan import FleetPlan, Money
from costwain.domain.snapshot import Fleet, Snapshot, State

FEW = 24  # resting fleets that a turn decides on anyhow; so in a cluster of no more, every fleet in every turn
ROUND = 36  # turns, three minutes, in which each of more than that has its own, whatever their number
LONGEST_S = 900.0  # what is remembered of a rest is worth nothing after that, whoever decides then
LASTS_S = 3600.0  # money for less than this, and not to the period's end, is watched in every turn
DRIFT = 0.1  # of the load, for which there is room in every count
SIGMAS = 2.0  # of chance: one that is stirred for nothing costs a decision
CALM = ("Serves", "Idle")


@dataclass(frozen=True)
class Due:
    """The fleets on which a turn decides, those that rest, and what those wish.

    `wanted`: accelerators by pool that they would take beyond their own.
    """

    fleets: Sequence[Fleet]
    resting: Sequence[tuple[Rest, Fleet]] = ()

    @lazy
    def wanted(self) -> Mapping[str, int]:
        found = Counter[str]()
        for rest, _ in self.resting:
            if rest.wants:
                found.update(rest.wants)
        return found

    def with_rivals(self, short: Set[str]) -> "Due":
        """The same with all that may run on these pools, or on those to which one of them could turn, and so on."""
        if not short or not self.resting:
            return self
        reach, before = set(short), -1
        while len(reach) > before:
            before = len(reach)
            for fleet in (*self.fleets, *(fleet for _, fleet in self.resting)):
                if not known(fleet.spec).most.keys().isdisjoint(reach):
                    reach |= known(fleet.spec).most.keys()
        apart = [(rest, fleet) for rest, fleet in self.resting if known(fleet.spec).most.keys().isdisjoint(reach)]
        rivals = [f for _, f in self.resting if not known(f.spec).most.keys().isdisjoint(reach)]
        return Due([*self.fleets, *rivals], apart)


def due(snapshot: Snapshot) -> Due:
    """This turn's fleets: all that have no rest, and those that have rested for longest."""
    if not are_many(snapshot.fleets):
        return Due(snapshot.fleets)
    awake, resting = list[Fleet](), list[tuple[Rest, Fleet]]()
    for fleet in snapshot.fleets:
        rest = fleet.memory.rest
        if rest is None or _stirred(snapshot, fleet, rest):
            awake.append(fleet)
        else:
            resting.append((rest, fleet))
    resting.sort(key=lambda each: (each[0].since_s, each[1].key))
    turns = max(FEW, math.ceil(len(snapshot.fleets) / ROUND))
    return Due([*awake, *(fleet for _, fleet in resting[:turns])], resting[turns:])


def are_many(fleets: Collection[Fleet]) -> bool:
    """Whether there are so many fleets that some may rest."""
    return len(fleets) > FEW


def _stirred(snapshot: Snapshot, fleet: Fleet, rest: Rest) -> bool:
    """Whether a resting fleet is no longer as it was when its rest began.

    Asked of all fleets in every turn, so it looks at plain fields alone: what a fleet works out lazily costs more.
    """
    load, now_s = fleet.load, snapshot.now_s
    if load is None or load.arrivals_per_s is None or any(load.queued.values()):
        return True
    if not rest.since_s <= now_s < rest.until_s or fleet.generation != rest.generation:
        return True
    states = [r.state for r in fleet.replicas]
    if states.count(State.READY) != rest.ready or not len(states) == sum(fleet.deployed.values()) == rest.pods:
        return True
    if sum(load.running.values()) > rest.most_running or (snapshot.budgets and is_member(snapshot, fleet)):
        return True
    fast = load.fast_per_s
    if fast is None and (demand := fleet.memory.demand) is not None:
        fast = smoothed(demand.fast_per_s, load.arrivals_per_s, now_s - demand.at_s)
    return fast is None or not fast <= rest.most_per_s  # not a number is no reason to rest


def awake(memory: Memory) -> Memory:
    """The memory of a fleet that the next turn decides on whatever happens."""
    return memory if memory.rest is None else memory.model_copy(update={"rest": None})


def laid_to_rest(case: Case, plan: FleetPlan, *, may: bool) -> FleetPlan:
    """The plan of a fleet with its rest in the memory, where nothing is to be done until something happens."""
    rest = _rest(case, plan) if may else None
    if rest == plan.memory.rest:
        return plan
    return changed(plan, memory=plan.memory.model_copy(update={"rest": rest}))


def _rest(case: Case, plan: FleetPlan) -> Rest | None:
    fleet, load, scaling = case.fleet, case.fleet.load, case.fleet.spec.scaling
    rung = next((r for r in case.eligible if r.name == plan.target), None)
    if rung is None or load is None or load.arrivals_per_s is None or load.waiting:
        return None
    if plan.reasons[0].code not in CALM or not _stays(fleet, plan) or not _lasts(fleet, plan.money, case.now_s):
        return None
    carried = [rung.by_place[r.place].per_s for r in fleet.ready if r.place in rung.by_place]
    needed = case.expected.now_per_s
    room = sum(carried) - needed
    # Where a replica stands only because more was needed minutes ago, it may go as soon as that is over.
    spare = len(carried) > case.want.least and room - needed * DOWN_MARGIN >= min(carried)
    for_s = scaling.scale_down_stabilization_seconds / SLICES if spare else LONGEST_S
    most, comes = _most_per_s(case, rung, room), case.expected.arriving_per_s
    return Rest(
        since_s=case.now_s,
        until_s=min((case.now_s + for_s, *_ends(case, plan))),
        generation=fleet.generation,
        pods=len(fleet.replicas),
        ready=len(fleet.ready),
        most_per_s=most,
        most_running=_by_chance(load.active * max(1.0, most / comes if comes else 1.0)),
        wants=wishes(case),
    )


def _most_per_s(case: Case, rung: Rung, room_per_s: float) -> float:
    """The fast mean at which the pods that serve no longer carry what is expected; where they don't now, a bit more."""
    demand, lead = case.fleet.memory.demand, lead_of(rung.start_s)
    fast, slow = (demand.fast_per_s, demand.slow_per_s) if demand is not None else (0.0, 0.0)
    if room_per_s <= 0:
        return fast * (1 + DRIFT)
    return max(fast, (case.expected.now_per_s + room_per_s + lead * slow) / (1 + lead))


def _by_chance(mean: float) -> int:
    """So many requests may run where this is the mean of both of two counts."""
    return round(mean + SIGMAS * math.sqrt(max(1.0, 2 * mean)))


def _ends(case: Case, plan: FleetPlan) -> Iterator[float]:
    """Instants at which something else is to be done though nothing happens."""
    if plan.money.end_s is not None:
        yield plan.money.end_s
    scaling, busy_at_s = case.fleet.spec.scaling, plan.memory.busy_at_s
    if busy_at_s is not None and len(case.fleet.replicas) > scaling.min_replicas and not case.expected.idle:
        yield busy_at_s + scaling.scale_to_zero_after_seconds


def _stays(fleet: Fleet, plan: FleetPlan) -> bool:
    """Whether the plan is what is there, and all that is on its way comes by itself."""
    asked = {place: n for place, n in plan.replicas.items() if n}
    return (
        all(r.state in (State.READY, State.STARTING) for r in fleet.replicas)
        and fleet.counts == asked == {place: n for place, n in fleet.deployed.items() if n}
        and plan.shares == fleet.memory.shares == {plan.target: 100}
        and all(variant == plan.target for variant, _ in asked)
        and not (plan.drain or plan.undrain or plan.news)
    )


def _lasts(fleet: Fleet, money: Money, now_s: float) -> bool:
    """Whether what runs can be paid for long, so that a guard of the budget has nothing to do meanwhile."""
    if money.limit_micro is None or money.spent_micro is None or money.end_s is None:
        return True
    for_s = min(money.end_s - now_s, LASTS_S + stopping_s(fleet))
    return money.spent_micro + cost_micro(money.hourly_micro, for_s) <= money.limit_micro

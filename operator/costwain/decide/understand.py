"""Understand: what is asked of a fleet and what could serve it, before any money is counted."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from costwain.decide.case import Case
from costwain.decide.claims import best_offer, claim_of
from costwain.decide.forecast import Replica, forecast, observe_demand, request_shape
from costwain.decide.known import known
from costwain.decide.learning import learn
from costwain.decide.lengths import learn_lengths, lengths_of
from costwain.decide.nodes import refuse_slow_pools
from costwain.decide.options import Room, Rung, ladder
from costwain.decide.promise import keep_promises
from costwain.decide.shared import is_member, with_claim
from costwain.decide.split import Key
from costwain.domain.memory import Memory
from costwain.domain.once import changed
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot


class Understood(NamedTuple):
    """A fleet's case before any money, the fleet as it was before this turn's readings, and the news of them."""

    case: Case
    before: Fleet
    news: tuple[Why, ...]


def asking(snapshot: Snapshot, ordered: Sequence[Fleet]) -> dict[Key, Understood]:
    """What each member of a shared budget would run if it had the dollars, as far as the accelerators go.

    Its claim is in its memory then.
    """
    pools, found = snapshot.pools, dict[Key, Understood]()
    for fleet in ordered:
        if is_member(snapshot, fleet):
            case, _, news = understood(fleet, pools, snapshot.now_s)
            claim, offer = claim_of(case), best_offer(case)
            claiming = changed(case, fleet=with_claim(case.fleet, claim))
            found[fleet.key] = Understood(claiming, with_claim(fleet, claim), news)
            pools = less_claims(pools, fleet, offer[1].counts if offer else {})
    return found


def placed_anew(this: Understood, pools: Mapping[str, Pool], now_s: float, room: Room | None = None) -> Understood:
    """The same on pools as they are left by now: how far the accelerators go changes, and nothing else."""
    case = this.case
    if room is None and _ample(case.fleet, pools):
        return this
    rungs = ladder(case.fleet, pools, request_shape(case.fleet.memory), now_s, room)
    if rungs == case.rungs:
        return this
    return this._replace(case=Case(case.fleet, rungs, case.expected, None, now_s, pools=pools))


def _ample(fleet: Fleet, pools: Mapping[str, Pool]) -> bool:
    """Whether all that the fleet may run has room in each of its pools, so that no room more or less matters."""
    return all(pools[name].free >= most for name, most in known(fleet.spec).most.items() if name in pools)


def understood(fleet: Fleet, pools: Mapping[str, Pool], now_s: float) -> Understood:
    """What is asked of a fleet and what could serve it, before any money; and the news of that."""
    # 1. What is asked: arrivals and the mean request, smoothed, how long each variant's answers are to it, and how fast
    # the pods really are; pools that kept a pod waiting are given a rest.
    memory, news = fleet.memory, list[Why]()
    if fleet.spec.scaling.mode != "Paused":
        memory, news = refuse_slow_pools(fleet, pools, observe_demand(fleet, now_s), now_s)
        memory = learn(fleet, pools, _with_lengths(fleet, pools, memory, now_s), now_s)
    # 2. What could serve it, and what bars it.
    rungs = ladder(fleet.remembering(memory), pools, request_shape(memory), now_s)
    expected, memory = forecast(fleet, memory, now_s, _replica(rungs))
    # Whether the answers were in time says how far replicas are filled from the next turn on.
    if fleet.spec.scaling.mode != "Paused":
        memory = keep_promises(fleet, memory, _given_per_s(fleet, rungs), now_s)
    case = Case(fleet.remembering(memory), rungs, expected, None, now_s, pools=pools)
    return Understood(case, fleet, tuple(news))


def blind(fleet: Fleet) -> Why | None:
    """What isn't known of a fleet and must be before anything of it changes; the first rate comes a turn late."""
    if fleet.load is None:
        what = "no readings from the gateway" if fleet.spec.gateway.is_managed else "an engine can't be read"
    elif fleet.memory.demand is None and fleet.alive:
        what = "nobody knows yet how many requests come"
    else:
        return None
    return Why("Blind", f"{what}: holding every count")


def _replica(rungs: Sequence[Rung]) -> Replica:
    """One of the best variant that could serve, not of the target: that may change now."""
    best = next((r for r in rungs if r.options and r.barred is None), rungs[0])
    return Replica(best.start_s, max((o.per_s for o in best.options), default=1.0))


def _with_lengths(fleet: Fleet, pools: Mapping[str, Pool], memory: Memory, now_s: float) -> Memory:
    """Memory with how long answers are; where a length is another now, its peaks stay as many requests as they were."""
    found = learn_lengths(fleet, memory, now_s)
    if not found.peaks or lengths_of(fleet.spec, found) == lengths_of(fleet.spec, memory):
        return found
    was, now = (_replica(ladder(fleet.remembering(m), pools, request_shape(m), now_s)).per_s for m in (memory, found))
    more = was / now
    peaks = [
        p.model_copy(update={"replicas": p.replicas * more, "came": None if p.came is None else p.came * more})
        for p in found.peaks
    ]
    return found.model_copy(update={"peaks": peaks})


def _given_per_s(fleet: Fleet, rungs: Sequence[Rung]) -> Mapping[str, float]:
    """Requests/s that the ready replicas of each variant are given."""
    return {
        rung.name: sum(option.per_s * sum(r.place == option.place for r in fleet.ready) for option in rung.options)
        for rung in rungs
    }


def less_claims(pools: Mapping[str, Pool], fleet: Fleet, replicas: Mapping[Place, int]) -> Mapping[str, Pool]:
    """Pools after this fleet took what it newly asks for."""
    claims: dict[str, int] = {}
    sites = known(fleet.spec).sites
    for place, n in replicas.items():
        if n and place in sites:
            each = sites[place][1].accelerators  # those that run may hold another number, until they are replaced
            more = max(n * each - fleet.accelerators.get(place, 0), (n - fleet.counts.get(place, 0)) * each)
            if more > 0:
                claims[place[1]] = claims.get(place[1], 0) + more
    if not claims:
        return pools
    return {name: changed(p, used=p.used + claims[name]) if name in claims else p for name, p in pools.items()}

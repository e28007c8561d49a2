"""Placement: the count of each Deployment this turn, and which pods must be drained before theirs goes down."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from costwain.decide.lasting import keep_one, last_one, spot_of
from costwain.decide.options import Option, Rung
from costwain.decide.sizing import Mix
from costwain.domain.plan import Place
from costwain.domain.snapshot import Fleet, Replica, State

# Who goes first: what is furthest from serving, which is also whom Kubernetes deletes first. A ready pod goes last,
# and drains before it does; one that was drained is warm and comes back sooner than a new one loads.
_GOES_FIRST = (State.PENDING, State.STARTING, State.DRAINED, State.DRAINING, State.READY)
ADVICE_S = 5.0  # until a router that isn't ours has read of a step of the shares and sends by it


@dataclass(frozen=True)
class Arrangement:
    """Replicas asked for by place, and the pods to mark for draining or to take back."""

    replicas: Mapping[Place, int]
    drain: tuple[str, ...]
    undrain: tuple[str, ...]


@dataclass(frozen=True)
class Aim:
    """What is to serve: a rung's mix, and the requests a second that come."""

    target: Rung
    mix: Mix
    demand_per_s: float


def wanted(fleet: Fleet, aim: Aim, rungs: Sequence[Rung], now_s: float) -> dict[Place, int]:
    """Replicas by place: the target's mix as far as accelerators are free now, and what the other rungs still serve.

    Another rung keeps what carries its share of the traffic, and its last replica until its queue is empty;
    where nothing is to run, it goes too. Where shares are only advice it keeps all until routers have heard of a step.
    Running replicas of the target beyond its mix stay until the mix carries without them what it is to carry.
    """
    target, mix, demand_per_s = aim.target, aim.mix, aim.demand_per_s
    now = target.by_place
    counts = {place: min(n, now[place].most_now) for place, n in mix.counts.items()}
    _keep_while_needed(fleet, target, counts, min(demand_per_s, mix.per_s))
    for rung in rungs if mix.counts else ():
        if rung.name == target.name:
            continue
        share = fleet.memory.shares.get(rung.name, 0)
        queued = fleet.load.queued.get(rung.name, 0) if fleet.load else 0
        least = len(fleet.ready) if _routers_may_lag(fleet, now_s) else 1 if share or queued else 0
        counts.update(_still_serving(fleet, rung, demand_per_s * share / 100, least))
    keep_one(fleet, rungs, mix.counts, counts)
    return _make_room(fleet, aim, counts, spot_of(rungs))


def arrange(fleet: Fleet, counts: Mapping[Place, int], away: Set[str] = frozenset()) -> Arrangement:
    """Turns counts into what the Deployments ask for: a ready pod is drained before its Deployment shrinks.

    Pods that are `away` go on leaving, beside the counts.
    """
    replicas: dict[Place, int] = {}
    drain: list[str] = []
    undrain: list[str] = []
    places = sorted({*counts, *fleet.deployed, *(r.place for r in fleet.alive)})
    for place in places:
        want = counts.get(place, 0)
        here = [r for r in fleet.alive if r.place == place and r.pod not in away]
        surplus = len(here) - want
        victims = sorted(here, key=_order)[: max(0, surplus)]
        drain += [r.pod for r in victims if r.state is State.READY]
        undrain += [r.pod for r in here if r.state in (State.DRAINING, State.DRAINED) and r not in victims]
        gone = sum(r.state in (State.DRAINED, State.PENDING, State.STARTING) for r in victims)
        replicas[place] = (want if surplus <= 0 else len(here) - gone) + _beside(fleet, place, away, want > 0)
    return Arrangement(replicas, tuple(sorted(drain)), tuple(sorted(undrain)))


def _beside(fleet: Fleet, place: Place, away: Set[str], stays: bool) -> int:
    """Pods that stand on their way out; a drained one too, where Kubernetes might delete a new one in its stead."""
    gone = [r for r in fleet.alive if r.place == place and r.pod in away] if away else []
    return sum(r.state is State.DRAINING or stays for r in gone)


def _order(replica: Replica) -> tuple[int, float, str]:
    """Waiting first, ready last; among equals the youngest, whose cache is the coldest."""
    return _GOES_FIRST.index(replica.state), -replica.since_s, replica.pod


def _routers_may_lag(fleet: Fleet, now_s: float) -> bool:
    """Whether the shares moved so recently that somebody else's router may still send by those before."""
    stepped_at_s = fleet.memory.stepped_at_s
    return not fleet.spec.gateway.is_managed and stepped_at_s is not None and now_s - stepped_at_s < ADVICE_S


def _keep_while_needed(fleet: Fleet, target: Rung, counts: dict[Place, int], demand_per_s: float) -> None:
    """Raises counts to keep ready replicas beyond the mix while the others that are ready don't carry the demand."""
    options = target.by_place
    standing = [r for r in fleet.ready if r.variant == target.name]
    carried = 0.0
    extra: list[Replica] = []
    used: dict[Place, int] = {}
    for replica in sorted(standing, key=lambda r: (r.since_s, r.pod)):
        if used.get(replica.place, 0) < counts.get(replica.place, 0):
            used[replica.place] = used.get(replica.place, 0) + 1
            carried += options[replica.place].per_s if replica.place in options else 0.0
        else:
            extra.append(replica)
    for replica in extra:
        if carried >= demand_per_s - 1e-9:
            return
        counts[replica.place] = counts.get(replica.place, 0) + 1
        carried += options[replica.place].per_s if replica.place in options else 0.0


def _still_serving(fleet: Fleet, rung: Rung, demand_per_s: float, least: int) -> dict[Place, int]:
    """Ready replicas of another rung that its share still needs, the cheapest first."""
    option = rung.by_place
    standing = [r for r in fleet.ready if r.variant == rung.name]
    standing.sort(key=lambda r: (_rate(option, r.place), r.since_s, r.pod))
    kept: dict[Place, int] = {}
    carried = 0.0
    for n, replica in enumerate(standing):
        if n >= least and carried >= demand_per_s - 1e-9:
            break
        kept[replica.place] = kept.get(replica.place, 0) + 1
        carried += option[replica.place].per_s if replica.place in option else 0.0
    return kept


def _rate(option: Mapping[Place, Option], place: Place) -> float:
    return option[place].hourly_micro / option[place].per_s if place in option else float("inf")


def _make_room(fleet: Fleet, aim: Aim, counts: dict[Place, int], spot: Set[str]) -> dict[Place, int]:
    """One other replica makes way where the target can't start at all: its own fleet fills its pools or its ceiling.

    The last one that lasts does so only where no other would make room, or the fleet could never move.
    """
    target, mix = aim.target, aim.mix
    if not mix.counts or any(r.variant == target.name for r in fleet.alive):
        return counts
    others = [place for place in sorted(counts) if counts[place] and place[0] != target.name]
    at_ceiling = sum(counts[place] for place in others) >= fleet.spec.scaling.max_replicas
    if any(counts.get(place) for place in mix.counts) and not at_ceiling:
        return counts
    # Where no accelerator is free for the target, only what goes from its own pools lets it start.
    is_free = any(option.most_now for option in target.options if mix.counts.get(option.place))
    pools = {place[1] for place in (others if at_ceiling and is_free else mix.counts)}
    others = [place for place in others if place[1] in pools]
    stay = sum(counts[place] for place in others)
    if stay < sum(r.pool in pools for r in fleet.replicas):  # something is on its way out there already
        return counts
    last = last_one(fleet, counts, spot)
    for place in sorted(others, key=lambda p: (p == last and counts[p] == 1, p))[:1]:
        counts[place] -= 1
    return counts

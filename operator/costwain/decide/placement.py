"""Placement: the count of each Deployment this turn, and which pods must be drained before theirs goes down."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from costwain.decide.options import Option, Rung
from costwain.decide.sizing import Mix
from costwain.decide.swap import ready
from costwain.domain.plan import Place
from costwain.domain.snapshot import Fleet, Replica, State

# Who goes first: what costs a client nothing. A ready pod goes last, and drains before it does.
_GOES_FIRST = (State.DRAINED, State.PENDING, State.STARTING, State.DRAINING, State.READY)


@dataclass(frozen=True)
class Arrangement:
    """Replicas asked for by place, and the pods to mark for draining or to take back."""

    replicas: Mapping[Place, int]
    drain: tuple[str, ...]
    undrain: tuple[str, ...]


def wanted(fleet: Fleet, target: Rung, mix: Mix, rungs: Iterable[Rung], demand_per_s: float) -> dict[Place, int]:
    """Replicas by place: the target's mix as far as accelerators are free now, and what the other rungs still serve.

    Another rung keeps what carries its share of the traffic, and its last replica until its queue is empty.
    Running replicas of the target beyond its mix stay until the mix carries the demand without them.
    """
    now = {o.place: o.most_now for o in target.options}
    counts = {place: min(n, now[place]) for place, n in mix.counts.items()}
    _keep_while_needed(fleet, target, counts, demand_per_s if mix.counts else 0.0)
    gone = not mix.counts
    for rung in rungs:
        if rung.name == target.name:
            continue
        share = fleet.memory.shares.get(rung.name, 0)
        queued = fleet.load.queued.get(rung.name, 0) if fleet.load else 0
        least = 1 if (share or queued) and not gone else 0
        counts.update(_still_serving(fleet, rung, demand_per_s * share / 100, least))
    return _make_room(fleet, target, mix, counts)


def arrange(fleet: Fleet, counts: Mapping[Place, int]) -> Arrangement:
    """Turns counts into what the Deployments ask for: a ready pod is drained before its Deployment shrinks."""
    replicas: dict[Place, int] = {}
    drain: list[str] = []
    undrain: list[str] = []
    places = sorted({*counts, *fleet.deployed, *(r.place for r in fleet.alive)})
    for place in places:
        want = counts.get(place, 0)
        here = [r for r in fleet.alive if r.place == place]
        surplus = len(here) - want
        if surplus <= 0:
            undrain += [r.pod for r in here if r.state in (State.DRAINING, State.DRAINED)]
            replicas[place] = want
            continue
        victims = sorted(here, key=_order)[:surplus]
        drain += [r.pod for r in victims if r.state is State.READY]
        undrain += [r.pod for r in here if r.state in (State.DRAINING, State.DRAINED) and r not in victims]
        replicas[place] = len(here) - sum(r.state in (State.DRAINED, State.PENDING, State.STARTING) for r in victims)
    return Arrangement(replicas, tuple(sorted(drain)), tuple(sorted(undrain)))


def _order(replica: Replica) -> tuple[int, float, str]:
    """Drained first, ready last; among equals the youngest, whose cache is the coldest."""
    return _GOES_FIRST.index(replica.state), -replica.since_s, replica.pod


def _keep_while_needed(fleet: Fleet, target: Rung, counts: dict[Place, int], demand_per_s: float) -> None:
    """Raises counts to keep ready replicas beyond the mix while the others that are ready don't carry the demand."""
    rates = {o.place: o.per_s for o in target.options}
    standing = [r for r in ready(fleet) if r.variant == target.name]
    carried = 0.0
    extra: list[Replica] = []
    used: dict[Place, int] = {}
    for replica in sorted(standing, key=lambda r: (r.since_s, r.pod)):
        if used.get(replica.place, 0) < counts.get(replica.place, 0):
            used[replica.place] = used.get(replica.place, 0) + 1
            carried += rates.get(replica.place, 0.0)
        else:
            extra.append(replica)
    for replica in extra:
        if carried >= demand_per_s - 1e-9:
            return
        counts[replica.place] = counts.get(replica.place, 0) + 1
        carried += rates.get(replica.place, 0.0)


def _still_serving(fleet: Fleet, rung: Rung, demand_per_s: float, least: int) -> dict[Place, int]:
    """Ready replicas of another rung that its share still needs, the cheapest first."""
    option = {o.place: o for o in rung.options}
    standing = [r for r in ready(fleet) if r.variant == rung.name]
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


def _make_room(fleet: Fleet, target: Rung, mix: Mix, counts: dict[Place, int]) -> dict[Place, int]:
    """Where the target can't start at all since its own fleet fills its pools, one other replica makes way."""
    if any(r.variant == target.name for r in fleet.alive) or any(counts.get(place) for place in mix.counts):
        return counts
    pools = {pool for _, pool in mix.counts}
    others = [place for place in sorted(counts) if counts[place] and place[1] in pools and place[0] != target.name]
    stay = sum(counts[place] for place in others)
    if stay < sum(r.pool in pools for r in fleet.replicas):  # something is on its way out there already
        return counts
    for place in others[:1]:
        counts[place] -= 1
    return counts

"""What the policies of others share: one variant on one pool, a count of replicas, and drains as gentle as ours.

They see what the operator sees. Their pods take as many requests at once as the engine does, for their gateways
know no SLO; they are given our drain handshake, so that none loses a request by scaling down.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

from costwain.decide.capacity import RequestShape
from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.known import ENGINE_SLOTS
from costwain.decide.options import Option, ladder
from costwain.decide.placement import arrange
from costwain.decide.roofline import kv_capacity_tokens
from costwain.decide.shapes import shape_for
from costwain.domain.plan import FleetPlan, Money, Place, Plan
from costwain.domain.snapshot import Fleet, Snapshot, State


@dataclass(frozen=True)
class Facts:
    """What is known of a trace beforehand, for what is sized by hand: requests/s and the mean request."""

    peak_per_s: float
    mean_per_s: float
    mean_input: float
    mean_output: float

    @property
    def shape(self) -> RequestShape:
        return RequestShape(max(1.0, self.mean_input), max(1.0, self.mean_output))


@dataclass(frozen=True)
class View:
    """What a count rests on: living and ready replicas, requests, the best option, and its KV cache in tokens."""

    now_s: float
    replicas: int
    ready: int
    waiting: int
    active: int
    arrivals_per_s: float
    held_tokens: float
    option: Option
    kv_tokens: int
    least: int
    most: int

    @property
    def kv_use(self) -> float:
        """Mean use of the ready replicas' caches, 0 to 1."""
        return min(1.0, self.active * self.held_tokens / max(1, self.ready * self.kv_tokens))


@dataclass
class Peer(ABC):
    """A policy that only counts replicas of the best variant on the pool that is cheapest a request."""

    _place: Place | None = field(default=None, init=False, repr=False)
    _asked_s: float = field(default=-math.inf, init=False, repr=False)
    _count: int = field(default=0, init=False, repr=False)

    interval_s = 15.0

    @abstractmethod
    def desired(self, view: View) -> int:
        """Replicas from now on."""

    def decide(self, snapshot: Snapshot) -> Plan:
        """A plan for the one fleet of the snapshot."""
        (fleet,) = snapshot.fleets
        view = self._view(fleet, snapshot)
        if view is None:
            return Plan(snapshot.now_s, (plan_of(fleet, dict(fleet.deployed), None),))
        if fleet.load is not None and snapshot.now_s - self._asked_s >= self.interval_s - 1e-6:
            self._asked_s = snapshot.now_s
            self._count = min(max(self.desired(view), view.least), view.most)
        return Plan(snapshot.now_s, (plan_of(fleet, {view.option.place: self._count}, None),))

    def shape(self) -> RequestShape:
        """The request by which the pool is chosen."""
        return FIRST_GUESS

    def _view(self, fleet: Fleet, snapshot: Snapshot) -> View | None:
        rungs = ladder(fleet, snapshot.pools, self.shape(), snapshot.now_s)
        options = {o.place: o for o in rungs[0].options}
        if not options:
            return None
        if self._place is None:
            self._place = min(options, key=lambda p: (options[p].hourly_micro / options[p].per_s, p))
        option = options[self._place]
        alive = [r for r in fleet.alive if r.place == self._place and r.state not in (State.DRAINING, State.DRAINED)]
        load, scaling = fleet.load, fleet.spec.scaling
        return View(
            now_s=snapshot.now_s,
            replicas=len(alive),
            ready=sum(r.state is State.READY for r in alive),
            waiting=load.waiting if load else 0,
            active=load.active if load else 0,
            arrivals_per_s=(load.arrivals_per_s if load else None) or 0.0,
            held_tokens=held_tokens(fleet),
            option=option,
            kv_tokens=kv_tokens(fleet, snapshot, self._place),
            least=max(1, scaling.min_replicas),
            most=min(scaling.max_replicas, option.most),
        )


def held_tokens(fleet: Fleet) -> float:
    """Tokens of context that a running request holds on average."""
    given = (fleet.load.input_tokens if fleet.load else None) or FIRST_GUESS.input_tokens
    made = (fleet.load.output_tokens if fleet.load else None) or FIRST_GUESS.output_tokens
    return given + made / 2


def kv_tokens(fleet: Fleet, snapshot: Snapshot, place: Place) -> int:
    """Tokens that the KV cache of one replica of a place holds."""
    variant = next(v for v in fleet.spec.variants if v.name == place[0])
    placement = next(p for p in variant.placements if p.pool == place[1])
    shape, accelerator = shape_for(variant), snapshot.pools[place[1]].accelerator
    assert shape is not None
    assert accelerator is not None
    return kv_capacity_tokens(shape, accelerator, placement.accelerators)


def plan_of(fleet: Fleet, counts: Mapping[Place, int], shares: Mapping[str, int] | None) -> FleetPlan:
    """A plan with these counts; without shares the best variant gets all requests."""
    arrangement = arrange(fleet, counts)
    best = fleet.spec.variants[0].name
    shares = shares or {best: 100}
    return FleetPlan(
        namespace=fleet.namespace,
        name=fleet.name,
        target=max(shares, key=lambda v: (shares[v], v)),
        replicas=arrangement.replicas,
        shares=shares,
        slots=dict.fromkeys(arrangement.replicas, ENGINE_SLOTS),
        memory=fleet.memory,
        money=Money(0),
        drain=arrangement.drain,
        undrain=arrangement.undrain,
    )

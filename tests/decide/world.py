"""A toy world: decide() turn by turn, obeyed by pods that wait, load, drain and go, and paid for to the millisecond.

Requests are a fluid: a rate comes, each rung's queue is worked off at what its ready replicas carry. Between two
turns nothing is kept but what a cluster keeps: pods, Deployments, ledger, and the memory as JSON.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.decide.builders import line

from costwain.decide import decide
from costwain.decide.capacity import Placed, RequestShape, tokens_per_s
from costwain.decide.forecast import request_shape
from costwain.decide.options import Option, ladder
from costwain.decide.shapes import shape_for
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Learned, Memory
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, Load, Pool, Replica, Snapshot, State, Work
from costwain.domain.variant import Variant

LOADS_S, DRAINS_S, ENDS_S = 100.0, 20.0, 10.0  # loading, the last answers, the shutdown
_DELETED_FIRST = (State.PENDING, State.STARTING, State.DRAINED, State.DRAINING, State.READY)  # as Kubernetes does


@dataclass(frozen=True)
class Turn:
    """What one turn saw and decided."""

    at_s: float
    plan: FleetPlan
    spent_micro: int
    hourly_micro: int
    queue: float
    ready: Mapping[tuple[str, str], int]
    pods: int

    @property
    def codes(self) -> list[str]:
        return [why.code for why in self.plan.reasons]


@dataclass
class World:
    """One fleet among pools; `rate` is requests/s by fleet time, `stuck` pools give no node to anybody.

    `speeds`: how fast pools really are, against the prior; `metered`: whether pods say what they did.
    """

    fleet: Fleet
    pools: Mapping[str, Pool]
    now_s: float
    rate: Callable[[float], float]
    turn_s: float = 10.0
    stuck: frozenset[str] = frozenset()
    speeds: Mapping[str, float] = field(default_factory=dict)
    metered: bool = False
    blind: Callable[[float], bool] = lambda _: False
    drains_s: float = DRAINS_S
    ends_s: float = ENDS_S
    queues: dict[str, float] = field(default_factory=dict)
    made: int = 0
    turns: list[Turn] = field(default_factory=list)
    seen: Snapshot | None = None  # of the last turn

    def run(self, duration_s: float) -> list[Turn]:
        """Turns for so long; the turns of this run."""
        before = len(self.turns)
        for _ in range(round(duration_s / self.turn_s)):
            self._turn()
        return self.turns[before:]

    def _turn(self) -> None:
        self.live()
        self.seen = Snapshot(self.now_s, (self.fleet,), self._standing())
        (plan,) = decide(self.seen).fleets
        self.obey(plan)

    def live(self) -> None:
        """What happened since the last turn, up to what this one sees."""
        self._age()
        running = self._serve()
        self._bill()
        seen = None if self.blind(self.now_s) else self._load(running)
        self.fleet = replace(self.fleet, load=seen)

    def obey(self, plan: FleetPlan) -> None:
        """Writes the turn down, and does what it says."""
        start_s = plan.money.start_s or 0.0
        ready: dict[tuple[str, str], int] = {}
        for r in self.fleet.replicas:
            ready[r.place] = ready.get(r.place, 0) + (r.state is State.READY)
        self.turns.append(
            Turn(
                at_s=self.now_s,
                plan=plan,
                spent_micro=self.fleet.ledger.spent_micro(start_s, self.now_s),
                hourly_micro=sum(x.hourly_micro for x in self.fleet.ledger.open),
                queue=sum(self.queues.values()),
                ready={place: n for place, n in ready.items() if n},
                pods=len(self.fleet.alive),
            )
        )
        self._obey(plan)
        self.now_s += self.turn_s

    def _standing(self) -> dict[str, Pool]:
        used = {name: sum(r.accelerators for r in self.fleet.replicas if r.pool == name) for name in self.pools}
        return {name: replace(pool, used=pool.used + used[name]) for name, pool in self.pools.items()}

    def _age(self) -> None:
        lived = [self._lived(r) for r in self.fleet.replicas]
        self.fleet = replace(self.fleet, replicas=tuple(r for r in lived if r is not None))

    def _lived(self, r: Replica) -> Replica | None:
        """A pod after the time since the last turn; None once it is gone."""
        for_s = self.now_s - r.since_s
        if r.state is State.PENDING and r.pool not in self.stuck:
            return replace(r, state=State.STARTING, since_s=self.now_s, bound_s=self.now_s)
        if r.state is State.STARTING and for_s >= LOADS_S:
            return replace(r, state=State.READY, since_s=self.now_s)
        if r.state is State.DRAINING and for_s >= self.drains_s:
            return replace(r, state=State.DRAINED, since_s=self.now_s)
        return None if r.state is State.TERMINATING and for_s >= self.ends_s else r

    def _serve(self) -> dict[str, int]:
        """Requests come and are answered; those that run now, by rung."""
        per_s = self._really()
        shares = self.fleet.memory.shares or {self.fleet.spec.variants[0].name: 100}
        orphans = [n for n in self.queues if n not in shares and not any(_serves(r, n) for r in self.fleet.replicas)]
        for name in orphans:  # the gateway sends them where the traffic goes
            serving = max(shares, key=lambda n: shares[n])
            self.queues[serving] = self.queues.get(serving, 0.0) + self.queues.pop(name)
        running = {}
        for name in sorted({*shares, *self.queues}):
            carries = sum(per_s.get(r.place, 0.0) for r in self.fleet.replicas if _serves(r, name))
            comes = self.rate(self.now_s) * shares.get(name, 0) / 100
            waits = self.queues.get(name, 0.0) + comes * self.turn_s
            answered = min(waits, carries * self.turn_s)
            self.queues[name] = waits - answered
            self._note_work(name, answered / self.turn_s, per_s)
            running[name] = math.ceil(answered / self.turn_s)
        return running

    def _really(self) -> dict[tuple[str, str], float]:
        """What a replica carries in this world, whatever the operator has learned of it."""
        places = [(v.name, p.pool) for v in self.fleet.spec.variants for p in v.placements]
        speeds = [Learned(variant=v, pool=p, at_s=0, scalar=self.speeds.get(p, 1.0)) for v, p in places]
        knowing = replace(self.fleet, memory=self.fleet.memory.model_copy(update={"learned": speeds}))
        request = request_shape(self.fleet.memory)
        rungs = ladder(knowing, self._standing(), request, self.now_s)
        return {o.place: self._full(rung.variant, o, request) for rung in rungs for o in rung.options}

    def _full(self, variant: Variant, option: Option, request: RequestShape) -> float:
        """Requests a second with every slot taken, whether or not all of them are in time."""
        shape, accelerator = shape_for(variant), self.pools[option.place[1]].accelerator
        assert shape is not None
        assert accelerator is not None
        at = Placed(shape, accelerator, option.accelerators, request).at(option.slots)
        return at.requests_per_s * self.speeds.get(option.place[1], 1.0)

    def _note_work(self, name: str, answered_per_s: float, per_s: Mapping[tuple[str, str], float]) -> None:
        """What each replica of a rung did, in proportion to what it carries."""
        carries = sum(per_s.get(r.place, 0.0) for r in self.fleet.replicas if _serves(r, name))
        if not self.metered or not carries:
            return
        mine = {r.pod: answered_per_s * per_s.get(r.place, 0.0) / carries for r in self.fleet.replicas}
        worked = [replace(r, work=self._work(r, mine[r.pod])) if _serves(r, name) else r for r in self.fleet.replicas]
        self.fleet = replace(self.fleet, replicas=tuple(worked))

    def _work(self, r: Replica, per_s: float) -> Work:
        """The mean batch at which the replica gives so many answers a second, and their tokens."""
        variant = next(v for v in self.fleet.spec.variants if v.name == r.variant)
        request, shape = request_shape(self.fleet.memory), shape_for(variant)
        tokens = per_s * request.output_tokens
        accelerator = self.pools[r.pool].accelerator
        assert shape is not None
        assert accelerator is not None
        least, most = 0.1, 1024.0
        for _ in range(40):
            batch = (least + most) / 2
            gives = self.speeds.get(r.pool, 1.0) * tokens_per_s(shape, accelerator, r.accelerators, request, batch)
            least, most = (least, batch) if gives >= tokens else (batch, most)
        return Work(self.now_s, self.turn_s, most, most, tokens)

    def _load(self, running: Mapping[str, int]) -> Load:
        queued = {name: math.floor(n + 1e-6) for name, n in self.queues.items()}
        return Load(self.rate(self.now_s), queued, running, 512.0, 128.0)

    def _bill(self) -> None:
        """Opens a bill for each pod with a node, closes those of pods that are gone."""
        ledger = self.fleet.ledger
        held = {r.uid: r for r in self.fleet.replicas if r.bound_s is not None}
        gone = [x for x in ledger.open if x.uid not in held]
        until = {"until_milliseconds": round(self.now_s * 1000)}
        known = {x.uid for x in ledger.open}
        prices = {name: str((pool.hourly_micro or 0) / 1e6) for name, pool in self.pools.items()}
        opened = [line(prices[r.pool], uid, r.bound_s or 0.0) for uid, r in held.items() if uid not in known]
        self.fleet = replace(
            self.fleet,
            ledger=SpendLedgerSpec(
                open=[*(x for x in ledger.open if x.uid in held), *opened],
                closed=[*ledger.closed, *(x.model_copy(update=until) for x in gone)],
            ),
        )

    def _obey(self, plan: FleetPlan) -> None:
        pods = {r.pod: r for r in self.fleet.replicas}
        for names, state in ((plan.drain, State.DRAINING), (plan.undrain, State.READY)):
            for name in names:
                pods[name] = replace(pods[name], state=state, since_s=self.now_s)
        for place, n in plan.replicas.items():
            here = [r for r in pods.values() if r.place == place and r.state is not State.TERMINATING]
            for _ in range(n - len(here)):
                self.made += 1
                name = f"{'-'.join(place)}-{self.made}"
                pods[name] = Replica(name, name, *place, State.PENDING, self.now_s)
            for r in sorted(here, key=lambda r: (_DELETED_FIRST.index(r.state), -r.since_s))[: max(0, len(here) - n)]:
                pods[r.pod] = replace(r, state=State.TERMINATING, since_s=self.now_s)
        asked = {place: n for place, n in plan.replicas.items() if n}
        remembered = Memory.model_validate_json(plan.memory.model_dump_json())
        standing = tuple(r for r in pods.values() if r.state is not State.TERMINATING or r.bound_s is not None)
        self.fleet = replace(self.fleet, memory=remembered, deployed=asked, replicas=standing)


def _serves(replica: Replica, name: str) -> bool:
    return replica.variant == name and replica.state in (State.READY, State.DRAINING)


def swaps(turns: list[Turn]) -> list[str]:
    """The targets one after another."""
    targets = [turn.plan.target for turn in turns]
    return [now or "" for before, now in zip([None, *targets], targets, strict=False) if now != before]


def starts(turns: list[Turn]) -> int:
    """Pods that were asked for anew, over all turns."""
    return sum(max(0, sum(t.plan.replicas.values()) - t.pods) for t in turns)

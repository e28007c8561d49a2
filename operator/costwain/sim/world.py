"""A fluid world for one fleet: decide() turn by turn, on the same prices and arrivals, without a cluster.

Requests are a rate and a queue, replicas start after their option's own time. It prices a trace under another
policy; it says nothing about latency.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from costwain.decide import decide
from costwain.decide.forecast import request_shape
from costwain.decide.metering import Bill, Watch, meter
from costwain.decide.options import Option, Rung, ladder
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, Load, Pool, Replica, Snapshot, State
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.arrival import Arrival

TURN_S = 10.0
_GOES_FIRST = (State.PENDING, State.DRAINED, State.STARTING, State.DRAINING, State.READY)


@dataclass
class World:
    """The fleet's state between two turns; `queue` in requests, `spent` by the ledger."""

    fleet: Fleet
    pools: Mapping[str, Pool]
    now_s: float
    queue: float = 0.0
    made: int = 0

    def turn(self, arrivals: Sequence[Arrival]) -> FleetPlan:
        """One turn: pods move on, requests are served, the ledger is metered, decide() is asked and obeyed."""
        options = {o.place: o for rung in self._rungs() for o in rung.options}
        self._age(options)
        rate = len(arrivals) / TURN_S
        ready = [r for r in self.fleet.replicas if r.state is State.READY]
        carried = sum(options[r.place].per_s for r in ready if r.place in options)
        served = min(carried, rate + self.queue / TURN_S)
        self.queue = max(0.0, self.queue + (rate - served) * TURN_S)
        self.fleet = replace(self.fleet, load=self._load(rate, served, arrivals), ledger=self._metered())
        plan = decide(Snapshot(self.now_s, (self.fleet,), self._standing())).fleets[0]
        self._obey(plan)
        self.now_s += TURN_S
        return plan

    def _rungs(self) -> tuple[Rung, ...]:
        return ladder(self.fleet, self._standing(), request_shape(self.fleet.memory), self.now_s)

    def _standing(self) -> dict[str, Pool]:
        return {name: replace(pool, used=self.fleet.held(name)) for name, pool in self.pools.items()}

    def _load(self, rate: float, served: float, arrivals: Sequence[Arrival]) -> Load:
        shares = self.fleet.memory.shares
        target = max(shares, key=lambda v: (shares[v], v)) if shares else self.fleet.spec.variants[0].name
        count = len(arrivals)
        return Load(
            arrivals_per_s=rate,
            queued={target: round(self.queue)},
            running={target: round(served * TURN_S)},
            input_tokens=sum(a.input_tokens for a in arrivals) / count if count else None,
            output_tokens=sum(a.output_tokens for a in arrivals) / count if count else None,
        )

    def _age(self, options: Mapping[tuple[str, str], Option]) -> None:
        aged = []
        for r in self.fleet.replicas:
            start_s = options[r.place].start_s if r.place in options else 0.0
            if r.state is State.PENDING:
                aged.append(replace(r, state=State.STARTING, since_s=self.now_s, bound_s=self.now_s))
            elif r.state is State.STARTING and self.now_s - r.since_s >= start_s:
                aged.append(replace(r, state=State.READY, since_s=self.now_s))
            elif r.state is State.DRAINING:
                aged.append(replace(r, state=State.DRAINED, since_s=self.now_s))
            elif r.state is not State.TERMINATING:
                aged.append(r)
        self.fleet = replace(self.fleet, replicas=tuple(aged))

    def _metered(self) -> SpendLedgerSpec:
        bills = [_bill(r, self.pools[r.pool]) for r in self.fleet.replicas if r.bound_s is not None]
        gone = {line.uid: self.now_s for line in self.fleet.ledger.open}
        return meter(self.fleet.ledger, bills, Watch(self.now_s, self.now_s, gone))

    def _obey(self, plan: FleetPlan) -> None:
        pods = {r.pod: r for r in self.fleet.replicas}
        for place, n in plan.replicas.items():
            here = [r for r in pods.values() if r.place == place and r.state is not State.TERMINATING]
            for _ in range(n - len(here)):
                self.made += 1
                name = f"{'-'.join(place)}-{self.made}"
                pods[name] = Replica(name, name, *place, State.PENDING, self.now_s)
            for r in sorted(here, key=lambda r: _GOES_FIRST.index(r.state))[: max(0, len(here) - n)]:
                pods[r.pod] = replace(r, state=State.TERMINATING, since_s=self.now_s)
        for names, state in ((plan.drain, State.DRAINING), (plan.undrain, State.READY)):
            for name in names:
                if pods[name].state is not State.TERMINATING:
                    pods[name] = replace(pods[name], state=state, since_s=self.now_s)
        self.fleet = replace(
            self.fleet, memory=plan.memory, deployed=dict(plan.replicas), replicas=tuple(pods[k] for k in sorted(pods))
        )


def cost_micro(
    spec: ModelDeploymentSpec, pools: Mapping[str, Pool], trace: Sequence[Arrival], start_s: float, tail_s: float = 900
) -> int:
    """Micro-dollars that a trace costs under a spec, from its first arrival until `tail_s` after its last."""
    world = World(Fleet("sim", "sim", "sim", 1, spec), pools, start_s)
    end_s = start_s + (trace[-1].t_s if trace else 0.0) + tail_s
    at = 0
    while world.now_s < end_s:
        until = at
        while until < len(trace) and trace[until].t_s < world.now_s + TURN_S - start_s:
            until += 1
        world.turn(trace[at:until])
        at = until
    return world.fleet.ledger.spent_micro(start_s, world.now_s)


def _bill(replica: Replica, pool: Pool) -> Bill:
    hourly_micro = (pool.hourly_micro or 0) * replica.accelerators
    assert replica.bound_s is not None
    return Bill(
        uid=replica.uid,
        pod=replica.pod,
        variant=replica.variant,
        pool=replica.pool,
        capacity_type=pool.spec.capacity_type,
        accelerators=replica.accelerators,
        hourly_micro=hourly_micro,
        bound_s=replica.bound_s,
    )

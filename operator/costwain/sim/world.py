"""World: one fleet, a market, an engine that serves, and a policy that is asked every turn and obeyed.

Between two turns nothing is kept for the policy but what a cluster keeps: pods, Deployments, ledger, and the memory.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from costwain.decide.capacity import Slo
from costwain.decide.metering import Watch, meter
from costwain.domain.plan import FleetPlan, Place
from costwain.domain.snapshot import Fleet, Load, Pool, Snapshot
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.batches import NOTHING, Batch, batches
from costwain.sim.engine import Engine, Scene, Terms
from costwain.sim.fleet_file import FleetFile
from costwain.sim.fluid import Fluid
from costwain.sim.market import Market
from costwain.sim.pods import Pods
from costwain.sim.policy import Ours, Policy
from costwain.sim.scenario import CALM, Scenario
from costwain.sim.score import Score, Track, total_micro
from costwain.sim.server import Server, servers
from costwain.sim.tally import Tally
from costwain.sim.trace import Arrival

EngineOf = Callable[[Terms], Engine]


@dataclass(frozen=True)
class Setup:
    """What is simulated, and the seed of its chances."""

    fleet: FleetFile
    scenario: Scenario = CALM
    engine: EngineOf = Fluid
    seed: int = 0


class World:
    """One run; `now_s` is the end of the turns that have passed."""

    def __init__(self, setup: Setup, policy: Policy) -> None:
        fleet, self._scenario = setup.fleet, setup.scenario
        turn_s = setup.scenario.turn_seconds
        self._warm_turns = round(setup.scenario.warm_up_seconds / turn_s)
        self._policy, self.now_s = policy, setup.scenario.start_s - self._warm_turns * turn_s
        found = servers(fleet.spec, fleet.pools, setup.scenario)
        self._market = Market(setup.scenario, fleet.pools, found, setup.seed)
        self.tally = Tally({v.name: float(v.quality) for v in fleet.spec.variants})
        self._engine = setup.engine(_terms(fleet.spec, found, self.tally))
        each = {(v.name, p.pool): p.accelerators for v in fleet.spec.variants for p in v.placements}
        self.pods = Pods(self._market, each, self._engine.is_free)
        self.fleet = Fleet(fleet.namespace, fleet.name, fleet.name, 1, fleet.spec, Load(0.0, {}, {}))
        self._plan: FleetPlan | None = None
        self.track = Track(fleet.spec, self.now_s)

    def run(self, load: Sequence[Batch]) -> Score:
        """The whole trace and a tail in which what waits can be answered."""
        self._decide()
        self._warm_up(load)
        for batch in load:
            self.turn(batch)
        self.track.close(self.fleet.ledger, self.now_s)
        for _ in range(round(self._scenario.tail_seconds / self._scenario.turn_seconds)):
            self.turn(NOTHING)
        self._engine.finish()
        return self.track.score(self.tally, self.pods.cold_s)

    def _warm_up(self, load: Sequence[Batch]) -> None:
        """Plays the trace's beginning so that its first request finds a fleet that serves; nothing of it counts."""
        for batch in load[: self._warm_turns]:
            self.turn(batch)
        if self._warm_turns:
            self.tally.forget(self.now_s)
            self.pods.cold_s = 0.0
            self.track = Track(self.fleet.spec, self.now_s, total_micro(self.fleet.ledger, self.now_s))

    def turn(self, batch: Batch) -> FleetPlan:
        """One turn: requests are served, pods move on, the ledger is metered, the policy is asked and obeyed."""
        assert self._plan is not None
        end_s = self.now_s + self._scenario.turn_seconds
        shares = self._plan.shares or {self.fleet.spec.variants[0].name: 100}
        load = self._engine.serve(batch, Scene(self.now_s, end_s, list(self.pods), shares, self._plan.slots))
        self.now_s = end_s
        self.pods.live(end_s)
        blind = any(stretch.holds(end_s - self._scenario.start_s) for stretch in self._scenario.blind)
        self.fleet = replace(self.fleet, load=None if blind else load)
        return self._decide()

    def _decide(self) -> FleetPlan:
        pools = self._market.pools(self.now_s)
        ledger = meter(self.fleet.ledger, self.pods.bills(pools), Watch(self.now_s, self.now_s, self.pods.gone_s))
        self.pods.gone_s.clear()
        replicas = tuple(pod.replica(self._engine.work(pod)) for pod in self.pods)
        self.fleet = replace(self.fleet, ledger=ledger, replicas=replicas)
        snapshot = Snapshot(self.now_s, (self.fleet,), self._standing(pools))
        began = time.perf_counter()
        (plan,) = self._policy.decide(snapshot).fleets
        took_s = time.perf_counter() - began
        self.track.turn(plan, self.fleet, self.now_s, took_s)
        self.pods.obey(plan, self.now_s)
        asked = {place: n for place, n in plan.replicas.items() if n}
        self.fleet = replace(self.fleet, memory=plan.memory, deployed=asked)
        self._plan = plan
        return plan

    def _standing(self, pools: Mapping[str, Pool]) -> dict[str, Pool]:
        held = dict.fromkeys(pools, 0)
        for pod in self.pods:
            held[pod.place[1]] += pod.accelerators
        return {name: replace(pool, used=held[name]) for name, pool in pools.items()}


def _terms(spec: ModelDeploymentSpec, found: Mapping[Place, Server], tally: Tally) -> Terms:
    slo = Slo(spec.slo.time_to_first_token_milliseconds / 1000, spec.slo.time_per_output_token_milliseconds / 1000)
    gateway = spec.gateway
    return Terms(found, slo, gateway.queue_timeout_seconds, gateway.max_queued_requests, tally)


def cost_micro(
    spec: ModelDeploymentSpec, pools: Mapping[str, Pool], trace: Sequence[Arrival], start_s: float, tail_s: float = 900
) -> int:
    """Micro-dollars that a trace costs under a spec, from its first arrival until `tail_s` after its last."""
    start = datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    scenario = CALM.model_copy(update={"tail_seconds": tail_s, "start": start})
    world = World(Setup(FleetFile("sim", "sim", spec, pools), scenario), Ours())
    world.run(batches(trace, scenario.turn_seconds))
    return total_micro(world.fleet.ledger, world.now_s)

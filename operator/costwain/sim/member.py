"""Member: one fleet of a simulation with its pods, the engine that serves it, its ledger and what it remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from costwain.decide.capacity import Slo
from costwain.decide.metering import Watch, meter
from costwain.domain.plan import FleetPlan, Place
from costwain.domain.snapshot import Fleet, Load, Pool
from costwain.sim.batches import Batch
from costwain.sim.engine import Engine, Scene, Terms
from costwain.sim.fleet_file import FleetFile
from costwain.sim.fluid import Fluid
from costwain.sim.market import Market
from costwain.sim.pods import Pods
from costwain.sim.scenario import CALM, Scenario
from costwain.sim.score import Score, Track, total_micro
from costwain.sim.server import Server, servers
from costwain.sim.tally import Tally

EngineOf = Callable[[Terms], Engine]


@dataclass(frozen=True)
class Setup:
    """What is simulated, and the seed of its chances."""

    fleet: FleetFile
    scenario: Scenario = CALM
    engine: EngineOf = Fluid
    seed: int | str = 0


class Member:
    """One fleet from `start_s` on."""

    def __init__(self, setup: Setup, start_s: float) -> None:
        fleet, self._scenario = setup.fleet, setup.scenario
        found = servers(fleet.spec, fleet.pools, setup.scenario)
        self.market = Market(setup.scenario, fleet.pools, found, setup.seed)
        self.tally = Tally({v.name: float(v.quality) for v in fleet.spec.variants})
        self._engine = setup.engine(_terms(setup, found, self.tally))
        each = {(v.name, p.pool): p.accelerators for v in fleet.spec.variants for p in v.placements}
        self.pods = Pods(self.market, each, self._engine.is_free)
        load = Load(0.0, {}, {})
        self.fleet = Fleet(fleet.namespace, fleet.name, fleet.name, 1, fleet.spec, load, labels=fleet.labels)
        self.plan: FleetPlan | None = None
        self.track = Track(fleet.spec, start_s)

    def serve(self, batch: Batch, from_s: float, until_s: float) -> None:
        """Serves the requests of one turn, and lets the pods move on."""
        assert self.plan is not None
        shares = self.plan.shares or {self.fleet.spec.variants[0].name: 100}
        load = self._engine.serve(batch, Scene(from_s, until_s, list(self.pods), shares, self.plan.slots))
        self.pods.live(until_s)
        blind = any(stretch.holds(until_s - self._scenario.start_s) for stretch in self._scenario.blind)
        self.fleet = replace(self.fleet, load=None if blind else load)

    def look(self, pools: Mapping[str, Pool], now_s: float) -> Fleet:
        """The fleet as it is seen: its ledger brought up to now, its pods with what they did."""
        ledger = meter(self.fleet.ledger, self.pods.bills(pools), Watch(now_s, now_s, self.pods.gone_s))
        self.pods.gone_s.clear()
        replicas = tuple(pod.replica(self._engine.work(pod)) for pod in self.pods)
        self.fleet = replace(self.fleet, ledger=ledger, replicas=replicas)
        return self.fleet

    def obey(self, plan: FleetPlan | None, now_s: float, took_s: float) -> None:
        """Does what a plan says, which took so long to decide; without one, what the last one said."""
        plan = plan or self.plan
        assert plan is not None
        self.track.turn(plan, self.fleet, now_s, took_s)
        self.pods.obey(plan, now_s)
        asked = {place: n for place, n in plan.replicas.items() if n}
        self.fleet = replace(self.fleet, memory=plan.memory, deployed=asked)
        self.plan = plan

    def forget(self, now_s: float) -> None:
        """Nothing up to now counts."""
        self.tally.forget(now_s)
        self.pods.cold_s = 0.0
        self.track = Track(self.fleet.spec, now_s, total_micro(self.fleet.ledger, now_s))

    def finish(self) -> Score:
        """What still waits is lost; the score."""
        self._engine.finish()
        return self.track.score(self.tally, self.pods.cold_s)


def _terms(setup: Setup, found: Mapping[Place, Server], tally: Tally) -> Terms:
    spec = setup.fleet.spec
    slo = Slo(spec.slo.time_to_first_token_milliseconds / 1000, spec.slo.time_per_output_token_milliseconds / 1000)
    gateway, lengths = spec.gateway, setup.scenario.lengths_of(spec)
    return Terms(found, slo, gateway.queue_timeout_seconds, gateway.max_queued_requests, tally, lengths)

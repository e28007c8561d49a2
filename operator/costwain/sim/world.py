"""World: one fleet, a market, an engine that serves, and a policy that is asked every turn and obeyed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, Pool
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.batches import Batch, batches
from costwain.sim.fleet_file import FleetFile
from costwain.sim.member import EngineOf, Setup
from costwain.sim.pods import Pods
from costwain.sim.policy import Ours, Policy
from costwain.sim.scenario import CALM
from costwain.sim.score import Score, total_micro
from costwain.sim.tally import Tally
from costwain.sim.town import Town, Watch, unwatched
from costwain.sim.trace import Arrival

__all__ = ["EngineOf", "Setup", "World", "cost_micro"]


class World:
    """A town with one fleet."""

    def __init__(self, setup: Setup, policy: Policy) -> None:
        self._town = Town([setup], policy)
        (self._member,) = self._town.members

    @property
    def now_s(self) -> float:
        """The end of the turns that have passed."""
        return self._town.now_s

    @property
    def fleet(self) -> Fleet:
        """The fleet as the policy saw it last, with what it was told to remember."""
        return self._member.fleet

    @property
    def pods(self) -> Pods:
        """Its pods."""
        return self._member.pods

    @property
    def tally(self) -> Tally:
        """What became of its requests."""
        return self._member.tally

    def run(self, load: Sequence[Batch], watch: Watch = unwatched) -> Score:
        """The whole trace and a tail in which what waits can be answered."""
        (score,) = self._town.run([load], watch)
        return score

    def turn(self, batch: Batch) -> FleetPlan:
        """One turn; the first of a world that isn't run as a whole asks the policy beforehand."""
        if self._member.plan is None:
            self._town.decide()
        self._town.turn([batch])
        assert self._member.plan is not None
        return self._member.plan


def cost_micro(
    spec: ModelDeploymentSpec, pools: Mapping[str, Pool], trace: Sequence[Arrival], start_s: float, tail_s: float = 900
) -> int:
    """Micro-dollars that a trace costs under a spec, from its first arrival until `tail_s` after its last."""
    start = datetime.fromtimestamp(start_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    scenario = CALM.model_copy(update={"tail_seconds": tail_s, "start": start})
    world = World(Setup(FleetFile("sim", "sim", spec, pools), scenario), Ours())
    world.run(batches(trace, scenario.turn_seconds))
    return total_micro(world.fleet.ledger, world.now_s)

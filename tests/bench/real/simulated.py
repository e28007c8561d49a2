"""The simulator's side: the same fleet, requests and start-up times, from one idle ready replica."""

from collections import Counter
from collections.abc import Callable, Sequence

from tests.bench.real.seen import Sample, Seen

from costwain.domain.money import MICRO
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Snapshot, State
from costwain.local.load_report import Slo
from costwain.sim.arrival import Arrival
from costwain.sim.batches import NOTHING, batches
from costwain.sim.engine import Engine, Terms
from costwain.sim.event import Event
from costwain.sim.fleet_file import FleetFile
from costwain.sim.fluid import Fluid
from costwain.sim.policy import Ours
from costwain.sim.replica import Request
from costwain.sim.scenario import Scenario
from costwain.sim.world import Setup, World

STAYS = (State.PENDING, State.STARTING, State.READY)


class Watched(Ours):
    """The operator's own decide, with a note of what it was shown each turn."""

    def __init__(self, zero_s: float) -> None:
        self.samples: list[Sample] = []
        self._zero_s = zero_s

    def decide(self, snapshot: Snapshot) -> Plan:
        replicas = snapshot.fleets[0].replicas
        staying = Counter(r.place for r in replicas if r.state in STAYS)
        ready = sum(r.state is State.READY for r in replicas)
        self.samples.append(Sample(snapshot.now_s - self._zero_s, staying, ready))
        return super().decide(snapshot)


class Timed(Event):
    """The event engine, with a note of each answer's times."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.answers: list[tuple[float, float]] = []

    def _count(self, variant: str, request: Request, at_s: float) -> None:
        first_s = request.first_s if request.first_s is not None else at_s
        self.answers.append((first_s - request.arrived_s, (at_s - first_s) / max(1, request.output_tokens - 1)))
        super()._count(variant, request, at_s)


ENGINES: dict[str, Callable[[Terms], Engine]] = {"event": Timed, "fluid": Fluid}


def play(fleet: FleetFile, scenario: Scenario, requests: Sequence[Arrival], engine: str, idle_s: float) -> Seen:
    """One run; `idle_s` before the first request a replica has started and waits, as on the real side."""
    made: list[Engine] = []

    def engine_of(terms: Terms) -> Engine:
        made.append(ENGINES[engine](terms))
        return made[0]

    idle_turns = round(idle_s / scenario.turn_seconds)
    zero_s = scenario.start_s + idle_turns * scenario.turn_seconds
    policy = Watched(zero_s)
    world = World(Setup(fleet, scenario, engine_of), policy)
    score = world.run([NOTHING] * idle_turns + batches(requests, scenario.turn_seconds))
    ends_s = zero_s + requests[-1].t_s
    answers = made[0].answers if isinstance(made[0], Timed) else None
    return Seen(
        dollars=world.fleet.ledger.spent_micro(zero_s, ends_s) / MICRO,
        requests=score.requests,
        lost=score.lost,
        in_slo=score.attainment,
        answers=answers,
        samples=policy.samples,
    )


def slo_of(fleet: FleetFile) -> Slo:
    """The fleet's SLO in seconds."""
    slo = fleet.spec.slo
    return Slo(slo.time_to_first_token_milliseconds / 1000, slo.time_per_output_token_milliseconds / 1000)

"""The simulator's side: the same fleet, requests and start-up times, from one idle replica on."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
        super().__init__()
        self.samples: list[Sample] = []
        self._zero_s = zero_s

    def decide(self, snapshot: Snapshot) -> Plan:
        replicas = snapshot.fleets[0].replicas
        staying = Counter(r.place for r in replicas if r.state in STAYS)
        ready = sum(r.state is State.READY for r in replicas)
        self.samples.append(Sample(snapshot.now_s - self._zero_s, staying, ready))
        return super().decide(snapshot)


class Timed(Event):
    """The event engine, with a note of each answer: when it was asked for, TTFT, and time per further token."""

    def __init__(self, terms: Terms) -> None:
        super().__init__(terms)
        self.answers: list[tuple[float, float, float]] = []

    def _count(self, variant: str, request: Request, at_s: float) -> None:
        first_s = request.first_s if request.first_s is not None else at_s
        tpot_s = (at_s - first_s) / max(1, request.output_tokens - 1)
        self.answers.append((request.arrived_s, first_s - request.arrived_s, tpot_s))
        super()._count(variant, request, at_s)


ENGINES: dict[str, Callable[[Terms], Engine]] = {"event": Timed, "fluid": Fluid}


@dataclass(frozen=True)
class Play:
    """What is simulated: requests from `warm_s` on count, and come `phase_s` after a turn's beginning."""

    fleet: FleetFile
    scenario: Scenario
    requests: Sequence[Arrival]
    warm_s: float
    idle_s: float


def play(one: Play, engine: str, phase_s: float) -> Seen:
    """One run; for `idle_s` before the first request a replica starts and waits, as on the real side."""
    made: list[Engine] = []

    def engine_of(terms: Terms) -> Engine:
        made.append(ENGINES[engine](terms))
        return made[0]

    turn_s = one.scenario.turn_seconds
    idle_turns = round(one.idle_s / turn_s)
    zero_s = one.scenario.start_s + idle_turns * turn_s + phase_s + one.warm_s
    policy = Watched(zero_s)
    world = World(Setup(one.fleet, one.scenario, engine_of), policy)
    world.tally.forget(zero_s)
    shifted = [replace(r, t_s=r.t_s + phase_s) for r in one.requests]
    world.run([NOTHING] * idle_turns + batches(shifted, turn_s))
    counted = (
        sum(world.tally.answered.values()) + world.tally.lost
    )  # the fluid engine's cohorts don't end with the warm-up
    answers = [a[1:] for a in made[0].answers if a[0] >= zero_s] if isinstance(made[0], Timed) else None
    ends_s = zero_s + one.requests[-1].t_s - one.warm_s
    return Seen(
        dollars=world.fleet.ledger.spent_micro(zero_s, ends_s) / MICRO,
        requests=round(counted),
        lost=world.tally.lost,
        in_slo=sum(world.tally.good.values()) / counted,
        answers=answers,
        samples=policy.samples,
    )


def slo_of(fleet: FleetFile) -> Slo:
    """The fleet's SLO in seconds."""
    slo = fleet.spec.slo
    return Slo(slo.time_to_first_token_milliseconds / 1000, slo.time_per_output_token_milliseconds / 1000)

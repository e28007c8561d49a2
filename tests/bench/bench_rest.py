"""`make bench-rest`: what it costs requests and dollars that fleets rest where there are many.

The same fleets with the same requests twice, in the fluid engine: each decided on in every turn, and with rests as
long as a thousand fleets have them. Each has its own rate and its own order of one trace; a third has a budget that
lasts, and a third one that may not.
"""

import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from tests.bench.report import Figure, options, publish

from costwain.controller.garbage import collect_seldom
from costwain.decide import rest
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Snapshot
from costwain.domain.spec import Budget
from costwain.sim.arrival import Take
from costwain.sim.batches import Batch
from costwain.sim.compare import Trace, load_of
from costwain.sim.fleet_file import read_fleets
from costwain.sim.member import Setup
from costwain.sim.policy import Ours
from costwain.sim.scenario import Scenario
from costwain.sim.score import Score
from costwain.sim.town import Town

FLEETS, SEEDS = 108, 2
NEVER = 1 << 30  # so few fleets that none rests
SCENARIO = {"start": "2026-01-05T00:00:00Z", "turnSeconds": 5, "warmUpSeconds": 1200, "coldStart": {"spread": 0.2}}
AMPLE_USD, SCARCE_USD = 40, 6  # an hour for each request/s that the trace has on average, over its own rate
KIND = Path(__file__).parent / "policy" / "fleet.yaml"
MOST_DEARER, MOST_LATER = 1.0, 0.1  # percent of dollars, points of requests in their SLO


class Timed(Ours):
    """The operator's own decide with the CPU that it took, and on how many fleets it decided."""

    def __init__(self) -> None:
        super().__init__()
        self.cpu_s, self.decided, self.seen = 0.0, 0, 0

    def decide(self, snapshot: Snapshot) -> Plan:
        began_s = time.process_time()
        plan = super().decide(snapshot)
        self.cpu_s += time.process_time() - began_s
        self.decided += len(plan.fleets)
        self.seen += len(snapshot.fleets)
        return plan


@dataclass(frozen=True)
class Run:
    """All fleets of one seed, decided on in one way."""

    scores: Sequence[Score]
    policy: Timed


def drawn(fleets: int, trace: str, seed: int) -> tuple[list[Setup], list[list[Batch]]]:
    """Fleets of the policy benchmark's kind, at a fifth of the trace's rate up to five times it."""
    draw, scenario = random.Random(seed), Scenario.model_validate(SCENARIO)
    (kind,) = read_fleets(KIND, scenario).fleets.values()
    ample = {name: replace(pool, total=100 * fleets) for name, pool in kind.pools.items()}
    setups, loads = list[Setup](), list[list[Batch]]()
    for n in range(fleets):
        scale = min(5.0, max(0.2, draw.lognormvariate(0.0, 0.8)))
        load = load_of(Trace(trace, take=Take(seed=n, scale=scale)), scenario.turn_seconds, (seed, "fluid"))
        shift = draw.randrange(len(load))
        usd = (None, AMPLE_USD, SCARCE_USD)[n % 3]
        budget = None if usd is None else Budget(amount=f"{scale * usd:.2f}", period="Hour")
        file = replace(kind, name=f"chat-{n}", spec=kind.spec.model_copy(update={"budget": budget}), pools=ample)
        setups.append(Setup(file, scenario, seed=f"{seed}/{n}"))
        loads.append([*load[shift:], *load[:shift]])
    return setups, loads


def run(fleets: int, trace: str, seed: int, few: int) -> Run:
    """One hour of all fleets, of which `few` rest no longer."""
    setups, loads = drawn(fleets, trace, seed)
    policy = Timed()
    with patch.object(rest, "FEW", few):
        return Run(Town(setups, policy).run(loads), policy)


def figures(watched: Sequence[Run], rested: Sequence[Run]) -> list[Figure]:
    """What resting changes, fleet by fleet: means and their standard errors."""
    pairs = [each for a, b in zip(watched, rested, strict=True) for each in zip(a.scores, b.scores, strict=True)]
    later = [100 * (a.attainment - b.attainment) for a, b in pairs]
    dearer = [100 * (b.dollars / a.dollars - 1) for a, b in pairs]
    ratio = [b.policy.cpu_s / a.policy.cpu_s for a, b in zip(watched, rested, strict=True)]
    share = [100 * b.policy.decided / b.policy.seen for b in rested]
    return [
        Figure("dollars of a fleet that rests, above those of one that doesn't", *_mean(dearer, "%"), MOST_DEARER),
        Figure("its requests in their SLO, below those of one that doesn't", *_mean(later, "points"), MOST_LATER),
        Figure("fleets decided on in a turn", statistics.mean(share), "%", _range(share, "%")),
        Figure("CPU of deciding, to that on all in every turn", statistics.mean(ratio), "x", _range(ratio, "x")),
    ]


def _mean(values: Sequence[float], unit: str) -> tuple[float, str, str]:
    error = statistics.stdev(values) / len(values) ** 0.5
    return statistics.mean(values), unit, f"+- {error:.2f} over {len(values)} fleets"


def _range(values: Sequence[float], unit: str) -> str:
    return f"{min(values):.2f} to {max(values):.2f} {unit}"


def main() -> None:
    asked = options(__doc__ or "")
    asked.add_argument("--trace", required=True, help="requests of about an hour, such as Azure's public one")
    asked.add_argument("--fleets", type=int, default=FLEETS)
    asked.add_argument("--seeds", type=int, default=SEEDS)
    found = asked.parse_args()
    collect_seldom()  # as the operator does
    watched, rested = list[Run](), list[Run]()
    for seed in range(found.seeds):
        for kept, few in ((watched, NEVER), (rested, max(1, found.fleets // rest.ROUND))):
            kept.append(run(found.fleets, found.trace, seed, few))
        print(f"seed {seed + 1} of {found.seeds}", flush=True)
    publish(figures(watched, rested), found.json)


if __name__ == "__main__":
    main()

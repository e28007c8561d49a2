"""`make bench-decide`: how long decide() takes for a whole cluster of fleets, turn after turn.

The fleets are obeyed: between two turns their pods wait, load, serve, are paid for and go, and their demand moves, so a
turn sees what the operator would see. Loads, shapes and pools are drawn with a fixed seed; a load moves by 2 % a turn
beside chance, as that of Azure's public hour does. Most fleets rest in a turn, but not in an operator's first ones.
Beside that: nothing but time passes; a shared budget spans all; accelerators are short, for some fleets and for all.
"""

import math
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.bench.report import Figure, options, publish
from tests.decide.builders import NOW_S, PRICES, fleet, ledger, load, pool, variant
from tests.decide.shared_world import shared

from costwain.controller.garbage import collect_seldom
from costwain.decide import decide
from costwain.decide.gathered import Unheard, gathered
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, Pool, Replica, SharedBudget, Snapshot, State

TARGET_MS, FLEETS, TURNS, WARM_UP, TURN_S, SEED = 50.0, 1000, 100, 100, 5.0, 7
RIVALS = 32  # in four priority classes
FEW, FIRST = 25, 10  # turns of the cases that aren't judged; an operator's first ones
MODELS = ("Qwen/Qwen3-32B", "Qwen/Qwen3-14B", "Qwen/Qwen3-8B", "Qwen/Qwen3-4B", "Qwen/Qwen3-30B-A3B")
POOLS = ("h100", "mi300x", "l40s")


@dataclass
class Cluster:
    """Many fleets on a few pools, as a cluster keeps them between two turns; `still`: no load changes any more."""

    fleets: list[Fleet]
    pools: dict[str, Pool]
    rates: list[float]
    draw: random.Random
    now_s: float = NOW_S
    budgets: tuple[SharedBudget, ...] = ()
    still: bool = False

    def snapshot(self) -> Snapshot:
        """What the operator would see now."""
        used = dict.fromkeys(self.pools, 0)
        for one in self.fleets:
            for r in one.replicas:
                used[r.pool] += r.accelerators
        standing = {name: replace(p, used=used[name]) for name, p in self.pools.items()}
        return Snapshot(self.now_s, tuple(self.fleets), standing, self.budgets)

    def obey(self, plans: Sequence[FleetPlan]) -> None:
        """A turn passes: counts are as asked, pods age, requests come."""
        told = {p.key: p for p in plans}
        self.now_s += TURN_S
        self.rates = [rate * self.draw.lognormvariate(0.0, 0.02) for rate in self.rates]
        self.fleets = [self._lived_on(f, told.get(f.key), r) for f, r in zip(self.fleets, self.rates, strict=True)]

    def _lived_on(self, one: Fleet, plan: FleetPlan | None, rate: float) -> Fleet:
        if plan is not None:
            one = self._obeyed(one, plan)
        if self.still and one.load is not None:
            return one
        seen = load(self.draw.gauss(rate, rate**0.5 / TURN_S**0.5), running=round(rate * 2),
                    input_tokens=self.draw.gauss(500, 60), output_tokens=self.draw.gauss(130, 20))  # fmt: skip
        return replace(one, load=replace(seen, arrivals_per_s=max(0.0, seen.arrivals_per_s or 0.0)))

    def _obeyed(self, one: Fleet, plan: FleetPlan) -> Fleet:
        pods: list[Replica] = []
        for place, n in plan.replicas.items():
            here = [self._marked(self._lived(r), plan) for r in one.replicas if r.place == place]
            here = sorted(here, key=lambda r: r.state is State.DRAINED)[:n]
            new = [self._started(one, place, i) for i in range(len(here), n)]
            pods += [*here, *new]
        deployed = {place: n for place, n in plan.replicas.items() if n}
        same = tuple(pods) == one.replicas
        bill = one.ledger if same else ledger("0", pods)
        standing = one.replicas if same else tuple(pods)
        return replace(one, replicas=standing, ledger=bill, deployed=deployed, memory=plan.memory)

    def _started(self, one: Fleet, place: tuple[str, str], i: int) -> Replica:
        name = f"{one.name}-{'-'.join(place)}-{self.now_s:.0f}-{i}"
        return Replica(name, name, *place, State.STARTING, self.now_s, bound_s=self.now_s)

    def _marked(self, r: Replica, plan: FleetPlan) -> Replica:
        """What is to be drained is free at once."""
        if r.pod in plan.drain:
            return replace(r, state=State.DRAINED, since_s=self.now_s)
        return replace(r, state=State.READY) if r.pod in plan.undrain else r

    def _lived(self, r: Replica) -> Replica:
        loaded = r.state is State.STARTING and self.now_s - r.since_s > 60
        return replace(r, state=State.READY, since_s=self.now_s) if loaded else r


def cluster(fleets: int) -> Cluster:
    """Ladders of two or three rungs on two or three pools; two thirds of the fleets have a budget, a tenth is idle."""
    draw = random.Random(SEED)
    made, rates = list[Fleet](), list[float]()
    for i in range(fleets):
        models = sorted(draw.sample(range(len(MODELS)), draw.randint(2, 3)))
        rungs = [
            variant(f"rung-{n}", draw.sample(POOLS, draw.randint(2, 3)), quality=str(90 - n),
                    model={"uri": f"hf://{MODELS[n]}"})
            for n in models
        ]  # fmt: skip
        budget = (
            {"amount": str(draw.randint(20, 900)), "period": draw.choice(["Hour", "Day"])}
            if draw.random() < 0.67
            else None
        )
        made.append(fleet(name=f"chat-{i}", uid=f"u-{i}", variants=rungs, budget=budget, priority=draw.randint(0, 3)))
        rates.append(0.0 if draw.random() < 0.1 else draw.lognormvariate(1.5, 1.2))
    total = {name: pool(name, total=20 * fleets, price=PRICES[name]) for name in POOLS}
    return Cluster(made, total, rates, draw)


def scarce(fleets: int) -> Cluster:
    """The same on a quarter of the accelerators that they would take."""
    world = cluster(fleets)
    world.pools = {name: replace(p, total=fleets // 4) for name, p in world.pools.items()}
    return world


def measure(world: Cluster, turns: int, warm_up: int = WARM_UP) -> list[tuple[float, float]]:
    """Milliseconds of each decide() after a warm-up, by the wall and of CPU: on a busy machine they differ."""
    times, standing = list[tuple[float, float]](), world.still
    unheard = dict[str, Unheard]()
    world.still = False
    for turn in range(warm_up + turns):
        world.still = standing and turn >= warm_up // 2
        seen, unheard = gathered(unheard, world.snapshot())
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        plan = decide(seen)
        times.append(((time.perf_counter() - wall_s) * 1000, (time.process_time() - cpu_s) * 1000))
        world.obey(plan.fleets)
    return times[warm_up:]


def figures(name: str, measured: Sequence[tuple[float, float]], target: float | None) -> list[Figure]:
    """Median and tail of one case."""
    wall, cpu = sorted(t for t, _ in measured), sorted(t for _, t in measured)
    spread = f"{wall[0]:.0f} to {wall[-1]:.0f} ms over {len(wall)} turns"
    return [
        Figure(f"{name}: p50", statistics.median(wall), "ms", spread),
        Figure(f"{name}: p99", _p99(wall), "ms", spread, target),
        Figure(f"{name}: p50 of CPU", statistics.median(cpu), "ms", f"{cpu[0]:.0f} to {cpu[-1]:.0f} ms"),
    ]


def main() -> None:
    asked = options(__doc__ or "")
    asked.add_argument("--fleets", type=int, default=FLEETS)
    found = asked.parse_args()
    collect_seldom()  # as the operator does
    n, team = found.fleets, (shared("team", amount=str(found.fleets), sharing="FairShare"),)
    cases = {
        f"{n} fleets, every load changes": (cluster(n), TARGET_MS),
        f"{n} fleets, nothing but time passes": (replace(cluster(n), still=True), TARGET_MS),
        f"{n} fleets under one shared budget": (replace(cluster(n), budgets=team), None),
        f"{RIVALS} fleets that compete for accelerators": (scarce(RIVALS), None),
        f"{n} fleets that compete for accelerators": (scarce(n), None),
    }
    told = [figures(f"{n} fleets, the first {FIRST} turns", measure(cluster(n), FIRST, 0), None)]
    told += [
        figures(name, measure(world, FEW if target is None else TURNS), target)
        for name, (world, target) in cases.items()
    ]
    publish([figure for each in told for figure in each], found.json)


def _p99(ascending: Sequence[float]) -> float:
    return ascending[math.ceil(0.99 * len(ascending)) - 1]


if __name__ == "__main__":
    main()

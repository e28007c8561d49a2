"""Compare: the same requests, cold starts and losses for every policy, seed by seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product, repeat
from pathlib import Path
from typing import TypeVar

from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.options import Option, ladder
from costwain.domain.money import decimal_of, micro_of
from costwain.domain.snapshot import Fleet, Pool
from costwain.domain.spec import Budget, ModelDeploymentSpec
from costwain.sim.arrival import InputError
from costwain.sim.batches import Batch, batches
from costwain.sim.event import Event
from costwain.sim.fleet_file import FleetFile
from costwain.sim.flow import turns
from costwain.sim.fluid import Fluid
from costwain.sim.oracle import Bound, oracle
from costwain.sim.policies import Facts, policy_of
from costwain.sim.scenario import Scenario
from costwain.sim.score import Score
from costwain.sim.town import Watch, unwatched
from costwain.sim.trace import Take, is_servegen, read_trace
from costwain.sim.world import EngineOf, Setup, World

Task = TypeVar("Task")

ENGINES: dict[str, EngineOf] = {"fluid": Fluid, "event": Event}
PEAK_S = 300.0


@dataclass(frozen=True)
class Trace:
    """Where requests come from; its part's seed is the run's."""

    source: str
    format: str | None = None
    take: Take = Take()  # noqa: RUF009  frozen


@dataclass(frozen=True)
class Contest:
    """Who is compared on what. `budgets`: decimal dollars, "" for none, None for the fleet's own."""

    fleet: FleetFile
    scenario: Scenario
    trace: Trace
    policies: Sequence[str]
    budgets: Sequence[str | None] = (None,)
    engine: str = "fluid"
    seeds: int = 1


@dataclass(frozen=True)
class Entry:
    """One run's score; `fleet` where there are several."""

    policy: str
    budget: str | None
    seed: int
    score: Score
    fleet: str | None = None


def check(contest: Contest) -> None:
    """Raises InputError on what would fail later: policies and budgets, before a trace is read."""
    for name in contest.policies:
        policy_of(name, Facts(1.0, 1.0, 512.0, 128.0))
    for amount in contest.budgets:
        _budgeted(contest.fleet.spec, amount)
    can_run(contest.fleet, contest.scenario)


def can_run(fleet: FleetFile, scenario: Scenario) -> None:
    """Raises InputError where no variant could run on any pool, which would lose every request for nothing."""
    later = {name for name, own in scenario.pools.items() if own.prices}  # a pool that gets its price only then
    pools = {n: replace(p, hourly_micro=0) if n in later else p for n, p in fleet.pools.items()}
    rungs = ladder(Fleet(fleet.namespace, fleet.name, "sim", 1, fleet.spec), pools, FIRST_GUESS, scenario.start_s)
    open_to = [option for rung in rungs if rung.barred is None for option in rung.options]
    if not any(option.most for option in open_to):
        whys = [why for rung in rungs for why in (*rung.problems, rung.barred) if why is not None]
        sentences = [*(why.sentence for why in whys), *(_no_room(option, pools) for option in open_to)]
        raise InputError(
            f"ModelDeployment {fleet.name}", "want a variant that could run", "; ".join(dict.fromkeys(sentences))
        )


def _no_room(option: Option, pools: Mapping[str, Pool]) -> str:
    """Why not even one replica may run on an empty pool."""
    (variant, name), has = option.place, pools[option.place[1]].total
    if option.accelerators > has:
        return f"{variant} on {name}: accelerators a replica {option.accelerators}, in the pool {has}"
    return f"{variant} on {name}: maxReplicas is 0"


def entries(contest: Contest, jobs: int = 1, watch: Watch = unwatched) -> Iterator[Entry]:
    """Every run's score, seed by seed; raises InputError on a trace that can't be read."""
    check(contest)
    tasks = [(contest, *each) for each in product(range(contest.seeds), contest.budgets, contest.policies)]
    return spread(_run, tasks, jobs, watch)


def spread(
    run: Callable[[Task, Watch], list[Entry]], tasks: Sequence[Task], jobs: int, watch: Watch
) -> Iterator[Entry]:
    """What every task gives, in their order, from so many processes; each keeps the requests that it read last.

    `watch` is told turn by turn what this process does, and run by run what others do.
    """
    load_of.cache_clear()
    if jobs <= 1 or len(tasks) == 1:
        for n, task in enumerate(tasks):
            yield from run(task, partial(_part, watch, n, len(tasks)))
        return
    with ProcessPoolExecutor(min(jobs, len(tasks))) as pool:
        for n, found in enumerate(pool.map(run, tasks, repeat(unwatched)), start=1):
            watch(n / len(tasks))
            yield from found


def _part(watch: Watch, n: int, total: int, share: float) -> None:
    """Tells of the whole what one task, after n others, tells of itself."""
    watch((n + share) / total)


def bounds(contest: Contest) -> list[tuple[str | None, Bound]]:
    """The oracle's bound for the first seed's requests, by budget; raises ModuleNotFoundError without its solver."""
    load = load_of(contest.trace, contest.scenario.turn_seconds, (0, contest.engine))
    found = []
    for amount in contest.budgets:
        spec = _budgeted(contest.fleet.spec, amount)
        bound = oracle(replace(contest.fleet, spec=spec), contest.scenario, load)
        found.append((spec.budget.amount if spec.budget else None, bound))
    return found


@lru_cache(maxsize=2)
def load_of(trace: Trace, turn_s: float, run: tuple[int, str]) -> list[Batch]:
    """The requests of a run, turn by turn; `run` is its seed and engine."""
    take = replace(trace.take, seed=trace.take.seed + run[0])
    if run[1] == "fluid" and is_servegen(trace.source, trace.format):
        drawn = turns(Path(trace.source), take, turn_s)
        if drawn is not None:
            return drawn
    return batches(read_trace(trace.source, trace.format, take), turn_s)


def _run(task: tuple[Contest, int, str | None, str], watch: Watch) -> list[Entry]:
    contest, seed, amount, name = task
    turn_s = contest.scenario.turn_seconds
    load = load_of(contest.trace, turn_s, (seed, contest.engine))
    spec = _budgeted(contest.fleet.spec, amount)
    setup = Setup(replace(contest.fleet, spec=spec), contest.scenario, ENGINES[contest.engine], seed)
    score = World(setup, policy_of(name, facts_of(load, turn_s))).run(load, watch)
    return [Entry(name, spec.budget.amount if spec.budget else None, seed, score)]


def facts_of(load: Sequence[Batch], turn_s: float) -> Facts:
    """The mean and the busiest five minutes of a trace."""
    n = sum(b.count for b in load)
    wide = max(1, round(PEAK_S / turn_s))
    counts = [b.count for b in load]
    busiest = max(sum(counts[i : i + wide]) for i in range(max(1, len(counts) - wide + 1)))
    return Facts(
        peak_per_s=busiest / (min(wide, len(counts)) * turn_s),
        mean_per_s=n / (len(counts) * turn_s),
        mean_input=sum(b.count * b.mean_input for b in load) / n,
        mean_output=sum(b.count * b.mean_output for b in load) / n,
    )


def _budgeted(spec: ModelDeploymentSpec, amount: str | None) -> ModelDeploymentSpec:
    """The spec with another amount in its budget (a day's, where it has none), or with none."""
    if amount is None:
        return spec
    if amount == "":
        return spec.model_copy(update={"budget": None})
    try:
        text = decimal_of(micro_of(amount))
    except ValueError:
        raise InputError("budget", "want dollars such as 240.00, or none", repr(amount)) from None
    budget = spec.budget.model_copy(update={"amount": text}) if spec.budget else Budget(amount=text)
    return spec.model_copy(update={"budget": budget})

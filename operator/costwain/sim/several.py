"""Several fleets at once: each with its own trace, on shared pools and under the budgets that they share."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from costwain.domain.money import decimal_of, micro_of
from costwain.sim.arrival import InputError
from costwain.sim.compare import ENGINES, Entry, Trace, can_run, facts_of, load_of, spread
from costwain.sim.fleet_file import ALL, FleetsFile
from costwain.sim.member import Setup
from costwain.sim.policies import Facts, policy_for_all
from costwain.sim.scenario import Scenario
from costwain.sim.town import Town, Watch, unwatched

_APART = 1_000_003  # between the seeds of two fleets, so that the same rates give other requests to each


@dataclass(frozen=True)
class Together:
    """Who is compared on what. `traces` by the fleet's name; `budgets` as in a Contest, for the shared budget."""

    file: FleetsFile
    scenario: Scenario
    traces: Mapping[str, Trace]
    policies: Sequence[str]
    budgets: Sequence[str | None] = (None,)
    engine: str = "fluid"
    seeds: int = 1


def check(together: Together) -> None:
    """Raises InputError on what would fail later: policies, budgets and fleets without a trace."""
    facts = dict.fromkeys((f.namespace, f.name) for f in together.file.fleets.values())
    for name in together.policies:
        policy_for_all(name, {key: Facts(1.0, 1.0, 512.0, 128.0) for key in facts})
    for amount in together.budgets:
        _budgeted(together.file, amount)
    for fleet in together.file.fleets.values():
        can_run(fleet, together.scenario)


def entries(together: Together, jobs: int = 1, watch: Watch = unwatched) -> Iterator[Entry]:
    """Every run's score, a fleet and in sum, seed by seed; raises InputError on a trace that can't be read."""
    check(together)
    tasks = [(together, *each) for each in product(range(together.seeds), together.budgets, together.policies)]
    return spread(_run, tasks, jobs, watch)


def _run(task: tuple[Together, int, str | None, str], watch: Watch) -> list[Entry]:
    together, seed, amount, policy = task
    turn_s, file, facts = together.scenario.turn_seconds, _budgeted(together.file, amount), {}
    loads, setups = [], []
    for i, (name, fleet) in enumerate(file.fleets.items()):
        load = load_of(together.traces[name], turn_s, (seed + i * _APART, together.engine))
        facts[fleet.namespace, fleet.name] = facts_of(load, turn_s)
        own = seed if i == 0 else f"{seed}/{name}"
        loads.append(load)
        setups.append(Setup(fleet, together.scenario, ENGINES[together.engine], own))
    town = Town(setups, policy_for_all(policy, facts), file.budgets)
    scores = town.run(loads, watch)
    found = zip((*file.fleets, ALL), (*scores, town.total(scores)), strict=True)
    return [Entry(policy, _told(file, name), seed, score, name) for name, score in found]


def _told(file: FleetsFile, name: str) -> str | None:
    """The amounts by which a row is judged: a fleet's own budget, else the shared ones, which also bind the sum."""
    own = file.fleets[name].spec.budget if name in file.fleets else None
    return own.amount if own else "+".join(b.spec.amount for b in file.budgets) or None


def _budgeted(file: FleetsFile, amount: str | None) -> FleetsFile:
    """The file with another amount in its one shared budget, or with no budget at all, a fleet's own included."""
    if amount is None:
        return file
    if amount == "":
        free = {n: replace(f, spec=f.spec.model_copy(update={"budget": None})) for n, f in file.fleets.items()}
        return FleetsFile(free)
    if len(file.budgets) != 1:
        raise InputError("budget", "want one InferenceBudget in the file, whose amount it is", str(len(file.budgets)))
    try:
        text = decimal_of(micro_of(amount))
    except ValueError:
        raise InputError("budget", "want dollars such as 240.00, or none", repr(amount)) from None
    (budget,) = file.budgets
    return replace(file, budgets=[replace(budget, spec=budget.spec.model_copy(update={"amount": text}))])

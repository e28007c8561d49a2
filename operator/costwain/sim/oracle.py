"""Oracle: what perfect foresight could do, as a mixed integer programme solved by HiGHS. A bound, not a policy.

In every slot of time, whole replicas of each (variant, pool) carry the slot's mean arrivals; one that starts is paid
from its node on and serves once it has loaded. Without a budget the fewest dollars that carry everything with the best
variant; with one the most quality that its windows pay. It knows no queue and no burst within a slot, and takes the
capacity model's own rate, head-room included: its SLO is assumed. Between the best plan found and the dual bound lies
what nobody knows; both are told. Stock-outs and lost nodes are none of its business.
"""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from costwain.decide.capacity import RequestShape
from costwain.decide.options import Option, ladder
from costwain.decide.window import window
from costwain.domain.memory import AnswerLength, Memory
from costwain.domain.money import MICRO, micro_of
from costwain.domain.snapshot import Fleet, Pool
from costwain.sim.arrival import InputError
from costwain.sim.batches import Batch
from costwain.sim.fleet_file import FleetFile
from costwain.sim.scenario import Scenario

MOST_SLOTS = 144
LEAST_SLOT_S = 60.0
TIME_LIMIT_S = 60.0
GAP = 0.01
_LOST_PART = 1e-3  # of the requests, what a plan within the solver's gap may leave although all can be carried
_LOST_USD = 1000.0  # of a request that isn't carried: more than any that is


@dataclass(frozen=True)
class Bound:
    """The best plan found and the bound that no plan beats.

    `dollars` and `quality` (mean over arrivals, the lost worth nothing) of the plan; `bound` is dollars without a
    budget and quality with one, for plans that carry everything, and None where none does.
    """

    dollars: float
    quality: float
    lost: float
    bound: float | None
    slots: int
    solver_s: float


@dataclass(frozen=True)
class _Slot:
    """A stretch of the trace: requests/s, and what each place would carry and cost."""

    start_s: float
    per_s: float
    options: tuple[Option, ...]


@dataclass
class _Programme:
    """Rows of a programme that is still to be solved; a column has a cost, an upper bound and a kind."""

    costs: list[float] = field(default_factory=list)
    uppers: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    rows: list[tuple[float, float, dict[int, float]]] = field(default_factory=list)

    def column(self, cost: float, upper: float, whole: bool = False) -> int:
        """A new column's number."""
        self.costs.append(cost)
        self.uppers.append(upper)
        if whole:
            self.whole.append(len(self.costs) - 1)
        return len(self.costs) - 1

    def row(self, low: float, high: float, terms: dict[int, float]) -> None:
        """low <= terms <= high."""
        self.rows.append((low, high, terms))


def solver() -> Any:
    """The HiGHS bindings; raises ModuleNotFoundError where they aren't installed."""
    return importlib.import_module("highspy")


def oracle(fleet: FleetFile, scenario: Scenario, load: Sequence[Batch]) -> Bound:
    """The bound for a trace; raises ModuleNotFoundError without the solver, InputError where no plan is possible."""
    highs = solver()
    slots, slot_s = _slots(fleet, scenario, load)
    programme, columns = _programme(fleet, slots, slot_s)
    values, dual, took_s = _solved(highs, programme)
    if not math.isfinite(dual):
        wanted = "want dollars and accelerators for the declared minReplicas all the time"
        raise InputError("--oracle", wanted, f"no plan with {fleet.spec.scaling.min_replicas}")
    hours, best = slot_s / 3600, [float(v.quality) for v in fleet.spec.variants]
    quality_of = {v.name: q for v, q in zip(fleet.spec.variants, best, strict=True)}
    dollars = sum(values[n] * o.hourly_micro / MICRO * hours for t in columns for o, n, _ in t)
    carried = sum(values[x] * slot_s for t in columns for _, _, x in t)
    worth = sum(values[x] * slot_s * quality_of[o.place[0]] for t in columns for o, _, x in t)
    asked = sum(s.per_s for s in slots) * slot_s
    lost = max(0.0, asked - carried)
    bound = dual if fleet.spec.budget is None else -dual / asked
    return Bound(dollars, worth / asked, lost, None if lost > _LOST_PART * asked else bound, len(slots), took_s)


def _slots(fleet: FleetFile, scenario: Scenario, load: Sequence[Batch]) -> tuple[list[_Slot], float]:
    turn_s = scenario.turn_seconds
    wide = math.ceil(max(LEAST_SLOT_S, len(load) * turn_s / MOST_SLOTS) / turn_s)
    seeing, found = Fleet("sim", "sim", "sim", 1, fleet.spec, memory=_knowing(fleet, scenario)), []
    for at in range(0, len(load), wide):
        part = [b for b in load[at : at + wide] if b.count]
        n = sum(b.count for b in part)
        shape = RequestShape(
            max(1.0, sum(b.count * b.mean_input for b in part) / max(n, 1)),
            max(1.0, sum(b.count * b.mean_output for b in part) / max(n, 1)),
        )
        pools = _cheapest(fleet, scenario, (at * turn_s, (at + wide) * turn_s))
        rungs = ladder(seeing, pools, shape, scenario.start_s)
        serving = [r for r in rungs if r.barred is None and r.options]
        if fleet.spec.budget is None:
            serving = serving[:1]
        options = tuple(o for r in serving for o in r.options)
        found.append(_Slot(scenario.start_s + at * turn_s, n / (wide * turn_s), options))
    return found, wide * turn_s


def _knowing(fleet: FleetFile, scenario: Scenario) -> Memory:
    """A memory of the true lengths of answers."""
    true = scenario.lengths_of(fleet.spec)
    told = {v.name: float(v.answer_length) for v in fleet.spec.variants}
    return Memory(lengths=[AnswerLength(variant=n, told=told[n], at_s=0, tokens=1, used=true[n]) for n in told])


def _cheapest(fleet: FleetFile, scenario: Scenario, slot: tuple[float, float]) -> dict[str, Pool]:
    """The pools at their lowest price in a slot (seconds since the start): a bound may be too good, never too bad."""
    found = dict(fleet.pools)
    for name, pool in fleet.pools.items():
        changes = sorted(scenario.pools[name].prices, key=lambda p: p.at_seconds) if name in scenario.pools else []
        told = [(-math.inf, pool.hourly_micro), *((p.at_seconds, micro_of(p.amount)) for p in changes)]
        since = max(at_s for at_s, _ in told if at_s <= slot[0])
        known = [price for at_s, price in told if since <= at_s < slot[1] and price is not None]
        found[name] = replace(pool, hourly_micro=min(known, default=None))
    return found


def _programme(
    fleet: FleetFile, slots: Sequence[_Slot], slot_s: float
) -> tuple[_Programme, list[list[tuple[Option, int, int]]]]:
    """The programme, and by slot the columns (option, replicas, requests/s carried)."""
    programme, columns = _Programme(), list[list[tuple[Option, int, int]]]()
    budget, hours = fleet.spec.budget, slot_s / 3600
    quality = {v.name: float(v.quality) for v in fleet.spec.variants}
    before: dict[tuple[str, str], int] = {}
    for slot in slots:
        row = []
        for option in slot.options:
            usd = option.hourly_micro / MICRO * hours
            n = programme.column(usd if budget is None else 1e-6 * usd, option.most, whole=True)
            x = programme.column(0.0 if budget is None else -quality[option.place[0]] * slot_s, slot.per_s)
            starts = programme.column(0.0, option.most)
            loading = min(1.0, option.start_s / slot_s)
            programme.row(-math.inf, 0.0, {x: 1.0, n: -option.per_s, starts: option.per_s * loading})
            if option.place in before:
                programme.row(-math.inf, 0.0, {n: 1.0, before[option.place]: -1.0, starts: -1.0})
            row.append((option, n, x))
        before = {o.place: n for o, n, _ in row}
        lost = programme.column(_LOST_USD * slot_s, slot.per_s)
        programme.row(slot.per_s, slot.per_s, {lost: 1.0, **{x: 1.0 for _, _, x in row}})
        scaling = fleet.spec.scaling
        programme.row(scaling.min_replicas, scaling.max_replicas, {n: 1.0 for _, n, _ in row})
        for name, pool in fleet.pools.items():
            held = {n: float(o.accelerators) for o, n, _ in row if o.place[1] == name}
            if held:
                programme.row(0.0, pool.total, held)
        columns.append(row)
    _windows(fleet, slots, columns, (programme, hours))
    return programme, columns


def _windows(
    fleet: FleetFile,
    slots: Sequence[_Slot],
    columns: Sequence[Sequence[tuple[Option, int, int]]],
    into: tuple[_Programme, float],
) -> None:
    """One row a budget window: what its slots cost stays within the amount."""
    budget, (programme, hours) = fleet.spec.budget, into
    if budget is None:
        return
    terms: dict[float, dict[int, float]] = {}
    for slot, row in zip(slots, columns, strict=True):
        at = terms.setdefault(window(budget.period, budget.time_zone, slot.start_s).start_s, {})
        at.update({n: o.hourly_micro / MICRO * hours for o, n, _ in row})
    for each in terms.values():
        programme.row(-math.inf, micro_of(budget.amount) / MICRO, each)


def _solved(highs: Any, programme: _Programme) -> tuple[Mapping[int, float], float, float]:
    """Values by column, the dual bound, and the solver's seconds."""
    model = highs.highs._Highs()  # the one around it has callbacks, and says its name on standard output
    model.setOptionValue("output_flag", False)
    model.setOptionValue("time_limit", TIME_LIMIT_S)
    model.setOptionValue("mip_rel_gap", GAP)
    for cost, upper in zip(programme.costs, programme.uppers, strict=True):
        model.addVar(0.0, upper)
        model.changeColCost(model.getNumCol() - 1, cost)
    for column in programme.whole:
        model.changeColIntegrality(column, highs.HighsVarType.kInteger)
    for low, high, terms in programme.rows:
        finite = (max(low, -highs.kHighsInf), min(high, highs.kHighsInf))
        model.addRow(*finite, len(terms), list(terms), list(terms.values()))
    model.run()
    return dict(enumerate(model.getSolution().col_value)), model.getInfo().mip_dual_bound, model.getRunTime()

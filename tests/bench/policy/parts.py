"""One part of the policy benchmark: what is run, the table, and how it stands to what was aimed at."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foresight import foresight

from costwain.cli.format import table
from costwain.sim import compare, report, several
from costwain.sim.arrival import Take
from costwain.sim.fleet_file import ALL, FleetsFile, read_fleets
from costwain.sim.report import Row
from costwain.sim.scenario import PoolScenario, Scenario, read_scenario

HERE = Path(__file__).parent
OURS = {"costwain", "no-budget", "no-swap", "one-vendor", "no-forecast", "no-hysteresis"}
Figure = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """How it is run: the folder of the traces, seeds, and processes."""

    traces: Path
    seeds: int
    jobs: int = 1


def measured(part: dict[str, Any], run: Run) -> list[Figure]:
    """Runs a part and prints it; raises InputError where a trace is missing."""
    began_s = time.monotonic()
    engines = ["event", "fluid"] if part.get("engine") == "both" else [part.get("engine", "fluid")]
    found = {engine: list(_entries(part, run, engine)) for engine in engines}
    rows = {engine: report.rows(entries) for engine, entries in found.items()}
    figures = [] if len(engines) == 2 else _figures(part["name"], rows[engines[0]], _bounds(part, run, engines[0]))
    for engine in engines:
        requests = next((e for e in found[engine] if e.fleet == ALL), found[engine][0]).score.requests
        print(f"\n{part['name']}: {engine} engine, {requests} requests, {run.seeds} seeds")
        print("\n".join(table(report.cells(rows[engine]), right=range(1, 20))), flush=True)
    if len(engines) == 2:
        figures = _gaps(part["name"], rows["event"], rows["fluid"])
    elif engines == ["event"]:
        figures += _foreseen(part, run, rows["event"])
    took_s = time.monotonic() - began_s
    figures.append(_entry(f"{part['name']}: time", (took_s, None), "s, all seeds and policies", None))
    for each in figures:
        spread = f" ±{each['spread']:.4g}" if each["spread"] else ""
        aim = "" if each["holds"] is None else f", aim {each['aim']}: {'holds' if each['holds'] else 'falls short'}"
        print(f"  {each['name']}: {each['value']:.4g}{spread} {each['unit']}{aim}", flush=True)
    return figures


def contest_of(part: dict[str, Any], run: Run, engine: str) -> compare.Contest | several.Together:
    """What is compared in a part; raises InputError on files that can't be used."""
    scenario = read_scenario(HERE / part.get("scenario", "scenario.yaml"))
    file = read_fleets(HERE / part.get("fleet", "fleet.yaml"), scenario)
    file, scenario = _many(file, scenario, part["many"]) if "many" in part else (file, scenario)
    common: dict[str, Any] = {
        "scenario": scenario,
        "policies": part["policies"],
        "budgets": ["" if amount == "none" else amount for amount in part["budgets"]],
        "engine": engine,
        "seeds": run.seeds,
    }
    if "traces" in part:
        traces = {name: _trace(each, run) for name, each in part["traces"].items()}
        return several.Together(file=file, traces=traces, **common)
    (fleet,) = file.fleets.values()
    return compare.Contest(fleet=fleet, trace=_trace(part, run), **common)


def _many(file: FleetsFile, scenario: Scenario, most: int) -> tuple[FleetsFile, Scenario]:
    """The same with so many accelerators in every pool, and as many replicas allowed."""
    fleets = {}
    for name, fleet in file.fleets.items():
        scaling = fleet.spec.scaling.model_copy(update={"max_replicas": most})
        pools = {pool: replace(each, total=most) for pool, each in fleet.pools.items()}
        fleets[name] = replace(fleet, spec=fleet.spec.model_copy(update={"scaling": scaling}), pools=pools)
    pool = PoolScenario(accelerators=most)
    names = {name for fleet in fleets.values() for name in fleet.pools}
    return replace(file, fleets=fleets), scenario.model_copy(update={"pools": dict.fromkeys(sorted(names), pool)})


def _trace(part: dict[str, Any], run: Run) -> compare.Trace:
    take = Take(0, part.get("scale", 1.0), part.get("start", 0.0), part.get("duration"))
    return compare.Trace(str(run.traces / part["trace"]), None, take)


def _entries(part: dict[str, Any], run: Run, engine: str) -> Iterator[compare.Entry]:
    """Every run, with a line on stderr after each."""
    contest, began_s = contest_of(part, run, engine), time.monotonic()
    entries = compare.entries if isinstance(contest, compare.Contest) else several.entries
    for entry in entries(contest, run.jobs):  # type: ignore[arg-type]
        if entry.fleet in (None, ALL):
            where = f"{part['name']}: {engine} engine, seed {entry.seed + 1} of {run.seeds}"
            what = f"{entry.policy}, budget {entry.budget or 'none'}"
            print(f"{where}, {what}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
        yield entry


def _bounds(part: dict[str, Any], run: Run, engine: str) -> dict[str | None, Any]:
    contest = contest_of(part, run, engine)
    if not isinstance(contest, compare.Contest):
        return {}
    try:
        bounds = dict(compare.bounds(contest))
    except ModuleNotFoundError:
        print("  no oracle: highspy isn't installed")
        return {}
    for budget, bound in bounds.items():
        print("  " + report.bound_line(budget, bound))
    return bounds


def _foreseen(part: dict[str, Any], run: Run, rows: list[Row]) -> Iterator[Figure]:
    """Dollars against those of somebody who knew every request and kept the SLO, where there is no budget."""
    contest, row = contest_of(part, run, "event"), next((r for r in rows if r.policy == "costwain"), None)
    if row is None or row.budget is not None or not isinstance(contest, compare.Contest):
        return
    dollars = foresight(contest)
    if dollars is not None:
        name = f"{part['name']}, budget none: dollars over those of foresight, ${dollars:.2f}"
        yield _entry(name, (_mean(row, "dollars") / dollars, None), "ratio", ("<=", 1.10))


def _gaps(part: str, event: list[Row], fluid: list[Row]) -> list[Figure]:
    """How far the fluid engine is from the event engine, policy by policy; seeds are the same."""
    figures = []
    for exact, rough in zip(event, fluid, strict=True):
        name = f"{part}, {exact.policy}: fluid against event"
        dollars = 100 * (_mean(rough, "dollars") / _mean(exact, "dollars") - 1)
        points = 100 * (_mean(rough, "attainment") - _mean(exact, "attainment"))
        figures.append(_entry(f"{name}, dollars", (dollars, None), "%", None))
        figures.append(_entry(f"{name}, in SLO", (points, None), "points", None))
    return figures


def _figures(part: str, rows: list[Row], bounds: dict[str | None, Any]) -> list[Figure]:
    """What the design aims at, and whether it holds; of several fleets in sum."""
    figures = []
    rows = [r for r in rows if r.fleet in (None, ALL)]
    for row in (r for r in rows if r.policy == "costwain"):
        name, bound = f"{part}, budget {row.budget or 'none'}", bounds.get(row.budget)
        if row.budget is None:
            figures += [_figure(f"{name}: in SLO", row, "attainment", "share", (">=", 0.99))]
            if bound and bound.bound is not None:
                ratio = _mean(row, "dollars") / bound.bound
                figures.append(_entry(f"{name}: dollars over the oracle's", (ratio, None), "ratio", ("<=", 1.10)))
            figures += _against_peers(name, row, [r for r in rows if r.policy not in OURS and r.budget is None])
        else:
            figures += [_figure(f"{name}: largest prefix overspend", row, "prefix_overspend", "share", ("<=", 0.004))]
            figures += [_figure(f"{name}: lost", row, "lost", "requests", ("<=", 0.0))]
            if bound and bound.bound is not None:
                ratio = _mean(row, "effective_quality") / bound.bound
                told = f"{name}: effective quality over the oracle's bound"
                figures.append(_entry(told, (ratio, None), "ratio", (">=", 0.98)))
        figures += [
            _figure(f"{name}: swaps", row, "swaps", "a run", ("<=", 4.0)),
            _figure(f"{name}: flaps", row, "flaps", "a run", ("<=", 0.0)),
        ]
    return figures


def _against_peers(name: str, row: Row, peers: list[Row]) -> list[Figure]:
    """Dollars against the cheapest peer that serves no worse."""
    equal = [r for r in peers if _mean(r, "attainment") >= _mean(row, "attainment")]
    if not equal:
        return []
    best = min(equal, key=lambda r: _mean(r, "dollars"))
    ratio = _mean(row, "dollars") / _mean(best, "dollars")
    return [_entry(f"{name}: dollars over those of {best.policy}", (ratio, None), "ratio", ("<=", 0.80))]


def _mean(row: Row, field: str) -> float:
    return row.figures[field].mean


def _figure(name: str, row: Row, field: str, unit: str, aim: tuple[str, float]) -> Figure:
    found = row.figures[field]
    return _entry(name, (found.mean, found.spread), unit, aim)


def _entry(name: str, value: tuple[float, float | None], unit: str, aim: tuple[str, float] | None) -> Figure:
    """A figure as it is written; without an aim it is only reported."""
    told: Figure = {"name": name, "value": value[0], "spread": value[1], "unit": unit}
    if aim is None:
        return {**told, "target": None, "aim": None, "holds": None}
    sign, target = aim
    holds = value[0] <= target if sign == "<=" else value[0] >= target
    return {**told, "target": target, "aim": f"{sign} {target:g}", "holds": holds}

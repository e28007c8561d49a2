"""The policy benchmark: every part of bench.yaml, its table, and how it stands to what was aimed at.

It exits 0 when it has measured, whatever came out; 2 where a trace is missing.
"""

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

import yaml

from costwain.cli.format import table
from costwain.sim import compare, report
from costwain.sim.arrival import InputError, Take
from costwain.sim.fleet_file import read_fleet
from costwain.sim.report import Row
from costwain.sim.scenario import read_scenario

HERE = Path(__file__).parent
OURS = {"costwain", "no-budget", "no-swap", "one-vendor", "no-hysteresis"}


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path, help="folder of the traces")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", action="append", help="only this part; may be repeated")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    plan = yaml.safe_load((HERE / "bench.yaml").read_text(encoding="utf-8"))
    figures: list[dict[str, Any]] = []
    try:
        for part in plan["parts"]:
            if asked.part is None or part["name"] in asked.part:
                figures += _part(part, asked.traces, asked.seeds or plan["seeds"], asked.jobs)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    if asked.json:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        told = {"machine": machine, "command": " ".join(sys.argv), "figures": figures}
        asked.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _part(part: dict[str, Any], traces: Path, seeds: int, jobs: int) -> list[dict[str, Any]]:
    scenario = read_scenario(HERE / part.get("scenario", "scenario.yaml"))
    take = Take(0, part.get("scale", 1.0), part.get("start", 0.0), part.get("duration"))
    contest = compare.Contest(
        fleet=read_fleet(HERE / "fleet.yaml", scenario),
        scenario=scenario,
        trace=compare.Trace(str(traces / part["trace"]), None, take),
        policies=part["policies"],
        budgets=["" if amount == "none" else amount for amount in part["budgets"]],
        engine=part.get("engine", "fluid"),
        seeds=seeds,
    )
    found = list(compare.entries(contest, jobs))
    rows = report.rows(found)
    print(f"\n{part['name']}: {contest.engine} engine, {found[0].score.requests} requests, {seeds} seeds")
    print("\n".join(table(report.cells(rows), right=range(1, 20))), flush=True)
    bounds = _bounds(contest)
    figures = _figures(part["name"], rows, bounds)
    for each in figures:
        spread = f" ±{each['spread']:.4g}" if each["spread"] else ""
        print(f"  {each['name']}: {each['value']:.4g}{spread} {each['unit']}, aim {each['target']}: {each['verdict']}")
    return figures


def _bounds(contest: compare.Contest) -> dict[str | None, Any]:
    try:
        bounds = dict(compare.bounds(contest))
    except ModuleNotFoundError:
        print("  no oracle: highspy isn't installed")
        return {}
    for budget, bound in bounds.items():
        print("  " + report.bound_line(budget, bound))
    return bounds


def _figures(part: str, rows: list[Row], bounds: dict[str | None, Any]) -> list[dict[str, Any]]:
    """What the design aims at, and whether it holds."""
    figures = []
    for row in (r for r in rows if r.policy == "costwain"):
        name = f"{part}, budget {row.budget or 'none'}"
        bound = bounds.get(row.budget)
        if row.budget is None:
            figures += [_figure(f"{name}: in SLO", row, "attainment", "share", 0.99)]
            if bound:
                figures.append(_ratio(f"{name}: dollars over the oracle's", _mean(row, "dollars") / bound.bound, 1.10))
            figures += _against_peers(name, row, [r for r in rows if r.policy not in OURS and r.budget is None])
        else:
            figures += [_figure(f"{name}: largest prefix overspend", row, "prefix_overspend", "share", -0.004)]
            figures += [_figure(f"{name}: lost", row, "lost", "requests", -0.0)]
            if bound:
                ratio = _mean(row, "effective_quality") / bound.bound
                figures.append(_ratio(f"{name}: effective quality over the oracle's bound", ratio, -0.98))
        figures += [
            _figure(f"{name}: swaps", row, "swaps", "a run", -4),
            _figure(f"{name}: flaps", row, "flaps", "a run", -0.0),
        ]
    return figures


def _against_peers(name: str, row: Row, peers: list[Row]) -> list[dict[str, Any]]:
    """Dollars against the cheapest peer that serves no worse."""
    equal = [r for r in peers if _mean(r, "attainment") >= _mean(row, "attainment")]
    if not equal:
        return []
    best = min(equal, key=lambda r: _mean(r, "dollars"))
    return [
        _ratio(f"{name}: dollars over those of {best.policy}", _mean(row, "dollars") / _mean(best, "dollars"), 0.80)
    ]


def _mean(row: Row, field: str) -> float:
    return row.figures[field].mean


def _figure(name: str, row: Row, field: str, unit: str, target: float) -> dict[str, Any]:
    """A figure; a target that is negative or -0.0 is a ceiling, else a floor."""
    found = row.figures[field]
    ceiling = str(target).startswith("-")
    holds = found.mean <= abs(target) if ceiling else found.mean >= target
    return _entry(name, (found.mean, found.spread), unit, (f"{'<=' if ceiling else '>='} {abs(target):g}", holds))


def _ratio(name: str, value: float, target: float) -> dict[str, Any]:
    """A ratio; a negative target is a floor."""
    holds = value >= -target if target < 0 else value <= target
    return _entry(name, (value, None), "ratio", (f"{'>=' if target < 0 else '<='} {abs(target):g}", holds))


def _entry(name: str, value: tuple[float, float | None], unit: str, target: tuple[str, bool]) -> dict[str, Any]:
    return {
        "name": name, "value": value[0], "spread": value[1], "unit": unit, "target": target[0], "holds": target[1],
        "verdict": "holds" if target[1] else "falls short",
    }  # fmt: skip


if __name__ == "__main__":
    main()

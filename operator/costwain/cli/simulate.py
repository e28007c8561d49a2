"""`costwain simulate`: what a trace would cost, and how well it would be served, under one policy or several."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import reduce
from pathlib import Path
from typing import Any

import click

from costwain.cli.format import table
from costwain.cli.outputs import Told
from costwain.domain.money import decimal_of, micro_of
from costwain.sim import compare, report, several
from costwain.sim.arrival import InputError, Take
from costwain.sim.fleet_file import ALL, FleetsFile, read_fleets
from costwain.sim.oracle import Bound
from costwain.sim.plot import svg
from costwain.sim.policies import POLICIES
from costwain.sim.scenario import CALM, read_scenario
from costwain.sim.trace import FORMATS

Contest = compare.Contest | several.Together

_POSITIVE = click.FloatRange(min=0, min_open=True)
_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS = (
    click.option(
        "--trace",
        "traces",
        required=True,
        multiple=True,
        help="File, or synthetic:burst,rate=1,peak=8,duration=600; with several fleets NAME=TRACE for each.",
    ),
    click.option("--format", "format_", type=click.Choice(FORMATS), help="Form of the trace; default by its header."),
    click.option("--scale", type=_POSITIVE, default=1.0, show_default=True, help="Share of the trace's load."),
    click.option("--start", type=click.FloatRange(min=0), default=0.0, help="Second of the trace to start at."),
    click.option("--duration", type=_POSITIVE, help="Seconds of the trace to take; default all."),
    click.option("--scenario", type=_FILE, help="YAML: cold starts, spot losses, stock-outs, prices, capacity error."),
    click.option("--policy", "policies", multiple=True, help="Policy, as NAME or NAME:SETTING=VALUE; may be repeated."),
    click.option("--budget", "budgets", multiple=True, help="Dollars in the budget's stead, or none; may be repeated."),
    click.option("--engine", type=click.Choice(list(compare.ENGINES)), default="fluid", show_default=True),
    click.option("--seeds", type=click.IntRange(1, 1000), default=1, show_default=True, help="Runs, each its seed."),
    click.option("--seed", type=int, default=0, show_default=True, help="First seed."),
    click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."),
    click.option("--oracle", "with_oracle", is_flag=True, help="Also the bound of perfect foresight (wants highspy)."),
    click.option("--json", "json_path", type=_FILE, help="Write everything here."),
    click.option("--plot", "plot_path", type=_FILE, help="Draw dollars against SLO and quality here, as SVG."),
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


def _epilog() -> str:
    return "\b\nPolicies:\n" + "\n".join(f"  {name:14} {entry.what}" for name, entry in POLICIES.items())


@click.command(epilog=_epilog())
@click.argument("fleet", type=_FILE)
@_with_options
def simulate(fleet: Path, **options: Any) -> None:
    """Play a trace against FLEET, a YAML file with ModelDeployments, AcceleratorPools and InferenceBudgets.

    Nothing is started: pods, queue and bill are computed. Exit code 2 on input that can't be used.
    """
    try:
        told = Told.checked(options["json_path"], options["plot_path"])
        contest = _contest(fleet, options)
        bounds = _bounds(contest) if options["with_oracle"] else []
        found = _entries(contest, options["jobs"])
    except InputError as error:
        raise click.UsageError(str(error)) from None
    except ModuleNotFoundError as error:
        raise click.ClickException(f"--oracle: the Python package {error.name!r} is wanted (found none)") from None
    for line in table(report.cells(report.rows(found)), right=range(1, 20)):
        click.echo(line)
    for budget, bound in bounds:
        click.echo(report.bound_line(budget, bound))
    click.echo(_footnote(contest, found))
    about = {**_about(fleet, options), "oracle": [{"budget": b, **asdict(bound)} for b, bound in bounds]}
    told.write(
        lambda: json.dumps(report.as_json(found, about), indent=1, allow_nan=False) + "\n",
        lambda: svg([row for row in report.rows(found) if row.fleet in (None, ALL)]),
    )


def _contest(fleet: Path, options: dict[str, Any]) -> Contest:
    scenario = read_scenario(options["scenario"]) if options["scenario"] else CALM
    take = Take(options["seed"], options["scale"], options["start"], options["duration"])
    budgets = _each_once("--budget", [_amount(text) for text in options["budgets"]])
    common: dict[str, Any] = {
        "scenario": scenario,
        "policies": _each_once("--policy", options["policies"]) or ("costwain",),
        "budgets": budgets or (None,),
        "engine": options["engine"],
        "seeds": options["seeds"],
    }
    file = read_fleets(fleet, scenario)
    sources = _sources(file, options["traces"])
    traces = {name: compare.Trace(source, options["format_"], take) for name, source in sources.items()}
    if file.is_one:
        ((name, one),) = file.fleets.items()
        return compare.Contest(fleet=one, trace=traces[name], **common)
    return several.Together(file=file, traces=traces, **common)


def _amount(text: str) -> str:
    """The budget as a contest takes it: dollars as they are told, or nothing for `none`; raises InputError."""
    if text == "none":
        return ""
    try:
        return decimal_of(micro_of(text))
    except ValueError:
        raise InputError("--budget", "want dollars such as 240.00, or none", repr(text)) from None


def _each_once(option: str, given: Sequence[str]) -> Sequence[str]:
    """What was given, where nothing comes twice: two equal rows would look like two seeds of one."""
    if twice := [text for text, n in Counter(given).items() if n > 1]:
        raise InputError(option, "want each once", twice[0] or "none")
    return given


def _sources(file: FleetsFile, given: tuple[str, ...]) -> dict[str, str]:
    """Every fleet's trace; the only fleet's needs no name."""
    if len(file.fleets) == 1 and len(given) == 1:
        (name,) = file.fleets
        source = given[0].removeprefix(f"{name}=")
        if not source:
            raise InputError("--trace", "want a file or synthetic:...", repr(given[0]))
        return {name: source}
    found: dict[str, str] = {}
    for each in given:
        name, _, source = each.partition("=")
        if name not in file.fleets or name in found or not source:
            wanted = f"want NAME=TRACE once for each of {', '.join(file.fleets)}"
            raise InputError("--trace", wanted, repr(each))
        found[name] = source
    if missing := [name for name in file.fleets if name not in found]:
        raise InputError("--trace", f"want NAME=TRACE for {', '.join(missing)} as well", ", ".join(given))
    return found


def _entries(contest: Contest, jobs: int) -> list[compare.Entry]:
    """Every run's score, with a bar on a terminal."""
    with click.progressbar(length=100, label="simulating", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def watch(share: float) -> None:
            if (percent := int(100 * share)) > bar.pos:
                bar.update(percent - bar.pos)

        if isinstance(contest, compare.Contest):
            return list(compare.entries(contest, jobs, watch))
        return list(several.entries(contest, jobs, watch))


def _bounds(contest: Contest) -> list[tuple[str | None, Bound]]:
    if not isinstance(contest, compare.Contest):
        raise InputError("--oracle", "want one ModelDeployment and no InferenceBudget", ", ".join(contest.file.fleets))
    return compare.bounds(contest)


def _footnote(contest: Contest, found: list[compare.Entry]) -> str:
    requests = next((e for e in found if e.fleet == ALL), found[0]).score.requests
    seeds = f"{contest.seeds} seed{'' if contest.seeds == 1 else 's'}"
    spread = "; ± is half a 95 % interval over them" if contest.seeds > 1 else ""
    estimate = "an estimate by cohorts" if contest.engine == "fluid" else "counted request by request"
    return f"{requests} requests, {seeds}{spread}; in SLO: {estimate}; effective: late or lost is worth nothing"


def _about(fleet: Path, options: dict[str, Any]) -> dict[str, Any]:
    given = {
        k: str(v) if isinstance(v, Path) else v
        for k, v in options.items()
        if k not in ("json_path", "plot_path", "jobs")
    }
    if len(options["traces"]) == 1:
        given["trace"] = given.pop("traces")[0]
    return {"fleet": str(fleet), **{k: list(v) if isinstance(v, tuple) else v for k, v in given.items()}}

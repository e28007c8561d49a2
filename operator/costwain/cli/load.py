"""`costwain load`: a trace against an OpenAI endpoint, with every request accounted for."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from costwain.adapters.clock import Clock
from costwain.local.load import Load, LoadResult, Pace, Slo, Target
from costwain.local.load_report import duration, lines_of
from costwain.sim.trace import FORMATS, Arrival, Take, TraceError, read_trace

_PROGRESS_S = 5.0
_POSITIVE = click.FloatRange(min=0, min_open=True)
_OPTIONS = (
    click.option("--url", required=True, help="Endpoint, such as http://127.0.0.1:8080."),
    click.option("--model", required=True, help="Name that the requests ask for."),
    click.option("--trace", required=True, help="File, or synthetic:burst,rate=1,peak=8,duration=600."),
    click.option("--format", "format_", type=click.Choice(FORMATS), help="Form of the trace; default by its header."),
    click.option("--speed", type=_POSITIVE, help="Fleet seconds a second; default COSTWAIN_CLOCK's, else 1."),
    click.option("--scale", type=_POSITIVE, default=1.0, show_default=True, help="Share of the trace's load."),
    click.option("--seed", type=int, default=0, show_default=True, help="Decides every draw."),
    click.option("--start", type=click.FloatRange(min=0), default=0.0, help="Second of the trace to start at."),
    click.option("--duration", type=_POSITIVE, help="Seconds of the trace to send; default all."),
    click.option("--api", type=click.Choice(["chat", "completions"]), default="chat", show_default=True),
    click.option("--stream", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Share of streams."),
    click.option("--timeout", type=_POSITIVE, default=1800.0, show_default=True, help="Fleet seconds a request."),
    click.option("--retry", is_flag=True, help="Obey a Retry-After instead of counting a loss."),
    click.option("--slo-ttft-ms", type=_POSITIVE, help="First token within; with --slo-tpot-ms."),
    click.option("--slo-tpot-ms", type=_POSITIVE, help="Each further token within."),
    click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), help="Write all of it here."),
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


@click.command()
@_with_options
def load(**options: Any) -> None:
    """Send a trace's requests when they are due; exit code 1 if any had no complete answer.

    An API key is taken from COSTWAIN_API_KEY.
    """
    if (options["slo_ttft_ms"] is None) != (options["slo_tpot_ms"] is None):
        raise click.UsageError("--slo-ttft-ms and --slo-tpot-ms go together")
    try:
        take = Take(options["seed"], options["scale"], options["start"], options["duration"])
        arrivals = read_trace(options["trace"], options["format_"], take)
        result = asyncio.run(_run(_load_of(options), arrivals))
    except TraceError as error:
        raise click.ClickException(str(error)) from None
    for line in lines_of(result.summary()):
        click.echo(line)
    if options["json_path"]:
        _write(result, options["json_path"])
    sys.exit(1 if result.summary().lost else 0)


def _load_of(options: dict[str, Any]) -> Load:
    try:
        pace = Pace(options["speed"] or Clock.from_env(os.environ).factor)
        target = Target(
            options["url"],
            options["model"],
            options["api"],
            options["stream"],
            options["timeout"],
            options["retry"],
            os.environ.get("COSTWAIN_API_KEY") or None,  # no option: arguments are visible to others
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    ttft_ms, tpot_ms = options["slo_ttft_ms"], options["slo_tpot_ms"]
    return Load(target, pace, None if ttft_ms is None else Slo(ttft_ms / 1000, tpot_ms / 1000))


async def _run(running: Load, arrivals: Iterable[Arrival]) -> LoadResult:
    """Runs it with a progress line; Ctrl-C ends the sending, and what is under way is still counted."""
    loop = asyncio.get_running_loop()
    for signal_ in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_, running.stop)
    progress = asyncio.create_task(_progress(running))
    try:
        return await running.run(arrivals)
    finally:
        progress.cancel()


async def _progress(running: Load) -> None:
    while True:
        await asyncio.sleep(_PROGRESS_S)
        counters = running.counters
        ttft = running.so_far().summary().ttft_s
        first = "" if ttft.p50 is None or ttft.p99 is None else f"{duration(ttft.p50)}, p99 {duration(ttft.p99)}"
        click.echo(
            f"sent {counters.sent}  under way {counters.in_flight}  done {counters.done}  lost {counters.lost}"
            + (f"  first token p50 {first}" if first else ""),
            err=True,
        )


def _write(result: LoadResult, path: Path) -> None:
    try:
        result.write(path)
    except OSError as error:
        raise click.ClickException(f"{path}: can't be written (found {error.strerror})") from None

"""`costwain demo`: the whole story on this machine."""

import asyncio
import sys
from itertools import islice
from pathlib import Path

import click
from rich.console import Console

from costwain.local import cluster, demo, demo_fleet
from costwain.local.errors import LocalError
from costwain.local.view_end import final_table, lines_of
from costwain.sim.arrival import Arrival, TraceError
from costwain.sim.trace import Take, read_trace

NAME = "demo"
MOST_S = 6300.0  # a longer trace is cut: the demo is minutes, not days
MOST_PER_S = 0.7  # of the fleet's seconds, of which thirty pass in one of ours
SAMPLE = 10_000  # requests from which its rate is told


@click.command(name="demo")
@click.option("--keep", is_flag=True, help="Leave everything running, and say how kubectl reaches it.")
@click.option("--trace", help="Replay this trace instead of the seeded one.")
@click.option("--dir", "directory", type=click.Path(path_type=Path, file_okay=False), help="Folder of its state.")
def demo_command(keep: bool, trace: str | None, directory: Path | None) -> None:
    """Run a fleet on a real control plane: from zero, over two vendors, through a budget and back.

    Exit code 0 only if no request was lost and the budget held.
    """
    try:
        arrivals = _arrivals(trace)
        running, clock = demo.start(NAME, directory, click.echo)
        try:
            ended = asyncio.run(demo.play(running, clock, arrivals, click.echo))
        finally:
            if keep:
                click.echo(f"export KUBECONFIG={running.kubeconfig}    # `costwain local down --name {NAME}` ends it")
            else:
                cluster.down(NAME, directory, lambda _: None)
    except TraceError as error:
        raise click.UsageError(str(error)) from None
    except LocalError as error:
        raise click.ClickException(str(error)) from None
    console = Console()
    if console.is_terminal:
        console.print(final_table(ended))
    else:
        click.echo("\n".join(lines_of(ended)))
    sys.exit(0 if ended.good else 1)


def _arrivals(trace: str | None) -> list[Arrival]:
    """The seeded trace, or the user's own: its first hours, thinned to what a small machine can play."""
    if trace is None:
        return demo_fleet.seeded_trace()
    sample = list(islice(read_trace(trace, take=Take(duration_s=MOST_S)), SAMPLE))
    per_s = len(sample) / max(sample[-1].t_s, 1.0)
    scale = min(1.0, MOST_PER_S / per_s)
    if scale < 1:
        click.echo(f"{trace}: {per_s:.2f} requests/s, thinned to {MOST_PER_S:g}")
    return list(read_trace(trace, take=Take(duration_s=MOST_S, scale=scale)))

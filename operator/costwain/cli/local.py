"""`costwain local`: a control plane that is up while you need it and leaves nothing behind."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click

from costwain.cli.node import node
from costwain.local import build, cluster, paths
from costwain.local.errors import LocalError

_MIB = 1 << 20


@click.group()
def local() -> None:
    """A real Kubernetes control plane on this machine's loopback, without root or containers."""


def which_cluster(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say which cluster is meant: `name` and `directory`."""
    name = click.option("--name", default=paths.DEFAULT_NAME, show_default=True, help="Name of the cluster.")
    directory = click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"Folder of its state.  [default: {paths.state_root()}/NAME]",
    )
    return name(directory(command))


local.add_command(node)


@local.command()
@which_cluster
def up(name: str, directory: Path | None) -> None:
    """Start it, and build it first where that was never done (about 6 minutes)."""
    with _told_as_error(), _terminated_like_interrupted():
        found = cluster.up(name, directory, _say)
    click.echo(f"kubectl: {found.kubectl}", err=True)
    click.echo(f"export KUBECONFIG={found.kubeconfig}")


@local.command()
@which_cluster
def down(name: str, directory: Path | None) -> None:
    """End every process and delete every file of it."""
    with _told_as_error():
        was_there = cluster.down(name, directory, _say)
    _say(f"cluster {name} is gone" if was_there else f"cluster {name} is not there: nothing to do")


@local.command()
@which_cluster
def status(name: str, directory: Path | None) -> None:
    """Show its processes; exit code 0 if all of them run, else 1."""
    with _told_as_error():
        rows = cluster.status(name, directory)
    width = max((len(row.name) for row in rows), default=9)
    click.echo(f"{'COMPONENT':{width}}  {'PID':>7}  {'STATE':7}  {'ADDRESS':15}  {'MEMORY':>8}")
    for row in rows:
        memory = "-" if row.memory_bytes is None else f"{row.memory_bytes / _MIB:.0f} MiB"
        state = "running" if row.runs else "stopped"
        click.echo(f"{row.name:{width}}  {row.pid or '-':>7}  {state:7}  {row.address or '-':15}  {memory:>8}")
    sys.exit(0 if rows and all(row.runs for row in rows) else 1)


@local.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@which_cluster
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(name: str, directory: Path | None, arguments: tuple[str, ...]) -> None:
    """Call the kubectl that was built, on this cluster: `costwain local kubectl -- get nodes`."""
    with _told_as_error():
        found = cluster.find(name, directory)
        command = str(found.kubectl)
    os.execve(command, [command, *arguments], {**os.environ, "KUBECONFIG": str(found.kubeconfig)})  # noqa: S606


@local.command("build")
def build_() -> None:
    """Build the binaries alone, and print their folder."""
    with _told_as_error(), _terminated_like_interrupted():
        click.echo(build.ensure(_say))


def _say(line: str) -> None:
    click.echo(line, err=True)  # so that `eval $(costwain local up)` sees only the export line


@contextmanager
def _told_as_error() -> Iterator[None]:
    try:
        yield
    except LocalError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM (a CI job that is cancelled) cleans up just as Ctrl-C does."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

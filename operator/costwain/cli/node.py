"""`costwain local node`: nodes whose pods run as processes of this machine."""

import asyncio
import logging
import os
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path

import click

from costwain.adapters.kube import Kube
from costwain.local.errors import LocalError
from costwain.local.node import ImageCommand, NodeManager, NodeNameTakenError, NodeSpec, default_images, parse_taint
from costwain.local.node.reporter import API_TROUBLE
from costwain.local.node.switches import FOLDER, obey


def _pairs(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Reads `key=value` texts."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"want key=value, found {text!r}", ctx, parameter)
        found[key] = value
    return found


@click.command()
@click.option("--name", "node_names", multiple=True, required=True, help="Name of a node; one process serves many.")
@click.option("--label", "labels", multiple=True, callback=_pairs, help="key=value, for every node named.")
@click.option("--taint", "taints", multiple=True, help="key[=value]:Effect, for every node named.")
@click.option("--capacity", multiple=True, callback=_pairs, help="resource=quantity, such as nvidia.com/gpu=8.")
@click.option("--image-map", "images", multiple=True, callback=_pairs, help="image='command with arguments'.")
@click.option("--kubeconfig", type=click.Path(dir_okay=False), help="[default: KUBECONFIG, then ~/.kube/config]")
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of its state."
)
def node(
    node_names: tuple[str, ...], directory: Path, kubeconfig: str | None, images: dict[str, str], **shape: object
) -> None:
    """Serve nodes whose pods run as processes of this machine, until interrupted.

    An image is a name for a command: costwain/stub, costwain/operator and haproxy are known, --image-map
    adds others. Output of containers lies under DIR/logs, `kubectl logs` can't reach it. A file DIR/lost/NODE
    takes that node away at once, with its processes; removing the file brings it back.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    specs = _specs(node_names, **shape)
    commands = {**default_images(), **{image: _command(image, text) for image, text in images.items()}}
    try:
        asyncio.run(_serve(specs, commands, directory, kubeconfig))
    except (LocalError, NodeNameTakenError, *API_TROUBLE) as error:
        raise click.ClickException(str(error)) from None


def _specs(node_names: tuple[str, ...], labels: object, taints: object, capacity: object) -> list[NodeSpec]:
    assert isinstance(labels, Mapping)
    assert isinstance(taints, tuple)
    assert isinstance(capacity, Mapping)
    try:
        parsed = tuple(parse_taint(text) for text in taints)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--taint") from None
    return [NodeSpec(name, labels, parsed, capacity) for name in node_names]


def _command(image: str, text: str) -> ImageCommand:
    words = shlex.split(text)
    if not words:
        raise click.BadParameter(f"want {image}='command with arguments', found no command", param_hint="--image-map")
    return ImageCommand(tuple(words))


async def _serve(
    specs: list[NodeSpec], images: dict[str, ImageCommand], directory: Path, kubeconfig: str | None
) -> None:
    async with await Kube.connect(kubeconfig) as kube:
        manager = NodeManager(kube, specs, images, directory)
        running = asyncio.create_task(manager.run())
        helpers = [asyncio.create_task(manager.ready()), asyncio.create_task(obey(manager, directory / FOLDER))]
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, manager.request_stop)
        try:
            await asyncio.wait([running, helpers[0]], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                click.echo(f"{len(specs)} nodes are ready (process {os.getpid()})")
            await running
        finally:
            for helper in helpers:
                helper.cancel()


if __name__ == "__main__":
    node()

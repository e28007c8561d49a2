"""`costwain local node`: nodes whose pods run as processes of this machine."""

import logging
import shlex
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from costwain.local.errors import LocalError


def _pairs(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Reads `key=value` texts."""
    found = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"want key=value, found {text!r}", ctx, parameter)
        found[key] = value
    return found


_OPTIONS = (
    click.option("--name", "names", multiple=True, required=True, help="Name of a node; one process serves many."),
    click.option("--label", "labels", multiple=True, callback=_pairs, help="key=value, for every node named."),
    click.option("--taint", "taints", multiple=True, help="key[=value]:Effect, for every node named."),
    click.option("--capacity", multiple=True, callback=_pairs, help="resource=quantity, such as nvidia.com/gpu=8."),
    click.option("--image-map", "images", multiple=True, callback=_pairs, help="image='command with arguments'."),
    click.option("--kubeconfig", type=click.Path(dir_okay=False), help="[default: KUBECONFIG, then ~/.kube/config]"),
    click.option(
        "--dir",
        "directory",
        type=click.Path(path_type=Path, file_okay=False),
        required=True,
        help="Folder of its state, for this process alone.",
    ),
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    return reduce(lambda wrapped, option: option(wrapped), reversed(_OPTIONS), command)


@click.command()
@_with_options
def node(**options: Any) -> None:
    """Serve nodes whose pods run as processes of this machine, until interrupted.

    An image is a name for a command: costwain/stub, costwain/operator and haproxy are known, --image-map
    adds others. Output of containers lies under DIR/logs, `kubectl logs` can't reach it. A file DIR/lost/NODE
    takes that node away at once, with its processes; removing the file brings it back.
    """
    # Imported here, since every `costwain local` command would pay the 0.4 s that it takes.
    from costwain.local.node import ImageCommand, NodeSpec, default_images, parse_taint
    from costwain.local.node.serve import serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        taints = tuple(parse_taint(text) for text in options["taints"])
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--taint") from None
    specs = [NodeSpec(name, options["labels"], taints, options["capacity"]) for name in options["names"]]
    images = {image: ImageCommand(_command(image, text)) for image, text in options["images"].items()}
    try:
        serve(specs, {**default_images(), **images}, options["directory"], options["kubeconfig"], click.echo)
    except LocalError as error:
        raise click.ClickException(str(error)) from None


def _command(image: str, text: str) -> tuple[str, ...]:
    words = shlex.split(text)
    if not words:
        raise click.BadParameter(f"want {image}='command with arguments', found no command", param_hint="--image-map")
    return tuple(words)

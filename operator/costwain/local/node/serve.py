"""Serving nodes as a whole process does: until a signal comes, and with switches to lose a node by hand."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kubernetes.aio.config import ConfigException

from costwain.adapters.kube import Kube
from costwain.local.errors import LocalError
from costwain.local.node.manager import NodeManager
from costwain.local.node.registration import NodeNameTakenError
from costwain.local.node.reporter import API_TROUBLE
from costwain.local.node.specs import ImageCommand, NodeSpec
from costwain.local.node.switches import FOLDER, obey


def serve(
    specs: Sequence[NodeSpec],
    images: Mapping[str, ImageCommand],
    directory: Path,
    kubeconfig: str | None,
    say: Callable[[str], None],
) -> None:
    """Serves until SIGINT or SIGTERM; `say` hears when the nodes are ready. Raises LocalError."""
    try:
        asyncio.run(_serve(specs, images, directory, kubeconfig, say))
    except (NodeNameTakenError, ConfigException, *API_TROUBLE) as error:
        raise LocalError(f"process nodes: {str(error) or repr(error)}") from None


async def _serve(
    specs: Sequence[NodeSpec],
    images: Mapping[str, ImageCommand],
    directory: Path,
    kubeconfig: str | None,
    say: Callable[[str], None],
) -> None:
    async with await Kube.connect(kubeconfig) as kube:
        manager = NodeManager(kube, specs, images, directory)
        running = asyncio.create_task(manager.run())
        others = [asyncio.create_task(manager.ready()), asyncio.create_task(obey(manager, directory / FOLDER))]
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, manager.request_stop)
        try:
            await asyncio.wait([running, others[0]], return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                say(f"{len(specs)} nodes are ready (process {os.getpid()})")
            await running
        finally:
            for task in others:
                task.cancel()

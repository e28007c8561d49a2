"""Losing a node by hand from another process: a file of its name in a folder means that the machine is gone."""

import asyncio
import logging
from pathlib import Path

from costwain.local.node.manager import NodeManager
from costwain.local.node.reporter import API_TROUBLE

_log = logging.getLogger(__name__)
FOLDER = "lost"
_POLL_S = 0.5


async def obey(manager: NodeManager, folder: Path) -> None:
    """Loses each node that has a file in `folder` and restores it when the file is gone; runs until cancelled."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    lost: set[str] = set()
    while True:
        wanted = _names(folder) & manager.node_names
        for name in wanted - lost:
            _log.info("node %s is lost", name)
            await manager.lose_node(name)
            lost.add(name)
        for name in lost - wanted:
            _log.info("node %s is back", name)
            try:
                await manager.restore(name)
            except API_TROUBLE as error:  # tried again at the next look
                _log.warning("restoring node %s: %s", name, error)
                continue
            lost = lost - {name}
        await asyncio.sleep(_POLL_S)


def _names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}

"""The cluster as the agent needs it: pods and one ConfigMap, followed; pods, marked."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import PODS, Resource
from costwain.agent.marks import Mark
from costwain.domain import names

Object = dict[str, Any]
UNREACHABLE = (ApiError, aiohttp.ClientError, OSError, TimeoutError, ValueError)  # ValueError: a line cut short
_RETRY_S = (0.2, 0.5, 1, 2, 5)
_log = logging.getLogger(__name__)


class Cluster(Protocol):
    """Where pods and the program come from, and where marks go to."""

    async def list(self, resource: Resource) -> tuple[list[Object], str]:
        """The fleet's objects of a kind, and the version from which a watch goes on."""

    def watch(self, resource: Resource, version: str) -> AsyncIterator[tuple[str, Object]]:
        """Changes after a version, until the server ends the watch."""

    async def mark(self, mark: Mark) -> None:
        """Writes one mark on its pod."""


class KubeCluster:
    """A fleet's part of a real API server."""

    def __init__(self, kube: Kube, namespace: str, fleet: str) -> None:
        self._kube, self._namespace = kube, namespace
        self._selector = f"{names.FLEET}={fleet}"

    async def list(self, resource: Resource) -> tuple[list[Object], str]:
        return await self._kube.list(resource, self._namespace, self._selector)

    def watch(self, resource: Resource, version: str) -> AsyncIterator[tuple[str, Object]]:
        return self._kube.watch(resource, version, self._namespace, self._selector)

    async def mark(self, mark: Mark) -> None:
        if mark.metadata is not None:
            await self._kube.merge(PODS, mark.pod, {"metadata": mark.metadata}, namespace=self._namespace)
        if mark.condition is not None:
            condition = {
                "type": names.IN_GATEWAY,
                "status": str(mark.condition),
                "reason": "Serving" if mark.condition else "Drained",
                "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
            await self._kube.patch_status(PODS, mark.pod, self._namespace, {"status": {"conditions": [condition]}})


class Follower:
    """The last known objects of one kind; they stay as they are while the API server is away."""

    def __init__(self, cluster: Cluster, resource: Resource, on_change: Callable[[], None]) -> None:
        self._cluster, self._resource, self._on_change = cluster, resource, on_change
        self.objects: dict[str, Object] = {}
        self.synced = False

    async def run(self) -> None:
        """Lists, watches, and lists again, until it is cancelled; failures are logged and tried again."""
        failures = 0
        while True:
            try:
                await self._list()
                failures = 0
                await self._watch()
            except UNREACHABLE as error:
                wait_s = _RETRY_S[min(failures, len(_RETRY_S) - 1)]
                failures += 1
                _log.warning("%s: %s: again in %s s", self._resource.plural, str(error) or type(error).__name__, wait_s)
                await asyncio.sleep(wait_s)

    async def _list(self) -> None:
        objects, self._version = await self._cluster.list(self._resource)
        self.objects = {item["metadata"]["name"]: item for item in objects}
        self.synced = True
        self._on_change()

    async def _watch(self) -> None:
        async for kind, item in self._cluster.watch(self._resource, self._version):
            name = item["metadata"].get("name", "")
            if kind == "DELETED":
                self.objects.pop(name, None)
            elif kind in ("ADDED", "MODIFIED"):
                self.objects[name] = item
            self._on_change()


def program_source(followed: Follower, name: str) -> str | None:
    """The text of program.json in the gateway's ConfigMap, or None while there is none."""
    data = followed.objects.get(name, {}).get("data") or {}
    return data.get("program.json")

"""Writes a pod's status: only when it differs from what was written, and until the API server has taken it."""

import asyncio
import logging
from collections.abc import Callable

import aiohttp

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import PODS
from costwain.local.node.status import as_patch

_log = logging.getLogger(__name__)
API_TROUBLE = (ApiError, aiohttp.ClientError, TimeoutError)


class Reporter:
    """`compute` gives the status as of now, from the conditions last written."""

    def __init__(self, kube: Kube, pod: Object, compute: Callable[[list[Object]], Object], retry_s: float) -> None:
        self._kube, self._compute, self._retry_s = kube, compute, retry_s
        self._pod = pod
        self._conditions: list[Object] = pod.get("status", {}).get("conditions", [])
        self._written: Object | None = None
        self._written_version = 0
        self._dirty = asyncio.Event()
        self._writing = asyncio.Lock()
        self.pod_is_gone = False

    def poke(self) -> None:
        """Says that the status may have changed."""
        self._dirty.set()

    def seen(self, pod: Object) -> None:
        """Takes a newer state of the pod: where someone else changed our conditions, they are written again.

        The node lifecycle controller does so when a heartbeat came late.
        """
        self._pod = pod
        theirs = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", ())}
        differs = any(theirs.get(c["type"]) != c["status"] for c in (self._written or {}).get("conditions", ()))
        if differs and int(pod["metadata"]["resourceVersion"]) > self._written_version:
            self._written = None
        self.poke()

    async def run(self) -> None:
        """Writes whenever poked, until cancelled."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self.flush()

    async def flush(self) -> None:
        """Writes the status as of now if it is new; tries until it is taken or the pod is gone."""
        async with self._writing:
            while not self.pod_is_gone:
                status = self._compute(self._conditions)
                if status == self._written:
                    return
                try:
                    await self._write(status)
                except API_TROUBLE as error:
                    if isinstance(error, ApiError) and (error.is_not_found or error.is_conflict):
                        self.pod_is_gone = True  # a conflict: the name belongs to another pod now
                        return
                    _log.warning("status of pod %s: %s", self._pod["metadata"]["name"], error)
                    await asyncio.sleep(self._retry_s)

    async def _write(self, status: Object) -> None:
        metadata = self._pod["metadata"]
        patch = as_patch(self._pod, status)
        answer = await self._kube.patch_status(PODS, metadata["name"], metadata["namespace"], patch)
        self._written, self._conditions = status, status["conditions"]
        self._written_version = int(answer["metadata"]["resourceVersion"])

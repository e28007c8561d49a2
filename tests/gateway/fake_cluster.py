"""Pods and ConfigMaps of a gateway's tests, without an API server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from costwain.adapters.resources import CONFIG_MAPS, PODS, Resource
from costwain.agent.marks import Mark
from costwain.domain import names

Object = dict[str, Any]
FLEET, POOL = "chat", "spot"


class FakeCluster:
    """Pods and ConfigMaps in memory, listed and watched like an API server's; `away` makes every call fail."""

    def __init__(self) -> None:
        self.objects: dict[Resource, dict[str, Object]] = {PODS: {}, CONFIG_MAPS: {}}
        self.away = False
        self._watchers: list[tuple[Resource, asyncio.Queue[tuple[str, Object]]]] = []

    async def list(self, resource: Resource) -> tuple[list[Object], str]:
        self._refuse_while_away()
        return list(self.objects[resource].values()), "1"

    async def watch(self, resource: Resource, version: str) -> AsyncIterator[tuple[str, Object]]:
        self._refuse_while_away()
        queue: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()
        self._watchers.append((resource, queue))
        while True:
            yield await queue.get()

    async def mark(self, mark: Mark) -> None:
        self._refuse_while_away()
        pod = self.objects[PODS][mark.pod]
        for kind in ("labels", "annotations"):
            have = pod["metadata"].setdefault(kind, {})
            for key, value in (mark.metadata or {}).get(kind, {}).items():
                if value is None:
                    have.pop(key, None)
                else:
                    have[key] = value
        if mark.condition is not None:
            set_condition(pod, names.IN_GATEWAY, mark.condition)
        self.put(PODS, pod)

    def put(self, resource: Resource, item: Object) -> None:
        self.objects[resource][item["metadata"]["name"]] = item
        self._tell(resource, "MODIFIED", item)

    def remove(self, resource: Resource, name: str) -> None:
        self._tell(resource, "DELETED", self.objects[resource].pop(name))

    def _tell(self, resource: Resource, kind: str, item: Object) -> None:
        for of, queue in self._watchers:
            if of == resource and not self.away:
                queue.put_nowait((kind, item))

    def _refuse_while_away(self) -> None:
        if self.away:
            raise ConnectionRefusedError("the API server is away")


def set_condition(pod: Object, kind: str, value: bool) -> None:
    conditions = pod["status"].setdefault("conditions", [])
    conditions[:] = [item for item in conditions if item["type"] != kind]
    conditions.append({"type": kind, "status": str(value)})


def gateway_object(name: str) -> Object:
    labels = {names.FLEET: FLEET, names.ROLE: names.ROLE_GATEWAY}
    running = {"name": "haproxy", "state": {"running": {}}}
    pod: Object = {"metadata": {"name": name, "labels": labels}, "status": {"containerStatuses": [running]}}
    set_condition(pod, "ContainersReady", True)
    set_condition(pod, "Ready", True)
    return pod


def pod_object(name: str, variant: str, address: str, ready: bool = True) -> Object:
    labels = {names.FLEET: FLEET, names.ROLE: names.ROLE_MODEL, names.VARIANT: variant, names.POOL: POOL}
    pod: Object = {"metadata": {"name": name, "labels": labels}, "status": {"phase": "Running", "podIP": address}}
    set_condition(pod, "ContainersReady", ready)
    return pod

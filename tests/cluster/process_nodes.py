"""A world of process nodes for one test: two nodes with two GPUs each, and pods that only they may run."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support import eventually_async

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import NODES, PODS
from costwain.local.node import ImageCommand, NodeManager, NodeSpec, Timing

IMAGES = {"test/sh": ImageCommand(("/bin/sh", "-c")), "test/python": ImageCommand((sys.executable,))}
FAST = Timing(back_off_s=0.2, back_off_cap_s=1, heartbeat_s=2, retry_s=0.2)
_LABEL = "costwain.test/world"


@dataclass
class World:
    """`manager` is replaced by those tests that let it die."""

    kube: Kube
    namespace: str
    root: Path
    manager: NodeManager
    kubeconfig: str

    @property
    def nodes(self) -> list[str]:
        return [f"{self.namespace}-a", f"{self.namespace}-b"]

    def pod(self, name: str, container: Object, **spec: Any) -> Object:
        """A pod of one container, `c`, with a grace period of 2 s."""
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": self.pod_spec(container, **spec),
        }

    def pod_spec(self, container: Object, **spec: Any) -> Object:
        return {
            "containers": [{"name": "c", "image": "test/sh", **container}],
            "terminationGracePeriodSeconds": 2,
            "nodeSelector": {_LABEL: self.namespace},
            "tolerations": [{"operator": "Exists", "effect": "NoSchedule"}],
            **spec,
        }

    async def until(self, name: str, holds: Callable[[Object], Any], what: str, timeout_s: float = 20) -> Object:
        """The pod, once `holds` is true of it."""

        async def found() -> Object | None:
            pod = await self.kube.get(PODS, name, self.namespace)
            return pod if pod is not None and holds(pod) else None

        pod = await eventually_async(found, timeout_s, f"pod {name}: {what}")
        assert pod is not None
        return pod

    async def until_gone(self, name: str, timeout_s: float = 20) -> None:
        async def gone() -> bool:
            return await self.kube.get(PODS, name, self.namespace) is None

        await eventually_async(gone, timeout_s, f"pod {name} is gone")

    async def node(self, name: str) -> Object:
        found = await self.kube.get(NODES, name)
        assert found is not None, f"node {name} is not there"
        return found

    def log(self, pod: Object, restart: int = 0, container: str = "c") -> str:
        """What a container has said so far in that run of it."""
        metadata = pod["metadata"]
        folder = f"{metadata['namespace']}_{metadata['name']}_{metadata['uid'][:8]}"
        path = self.root / "logs" / folder / container / f"{restart}.log"
        return path.read_text() if path.exists() else ""

    async def until_said(self, pod: Object, words: str, restart: int = 0, container: str = "c") -> None:
        async def said() -> bool:
            return words in self.log(pod, restart, container)

        await eventually_async(said, 20, f"{container} says {words!r} in run {restart}")

    def volume(self, pod: Object, name: str) -> Path:
        """The folder that stands for a volume."""
        return self.root / "p" / pod["metadata"]["uid"][:13] / "v" / name

    def records(self, pod: Object) -> list[Object]:
        lines = (self.root / "pods.jsonl").read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["uid"] == pod["metadata"]["uid"]]


@contextlib.asynccontextmanager
async def world(kube: Kube, kubeconfig: str, namespace: str, root: Path) -> AsyncIterator[World]:
    """Two nodes, `<namespace>-a` and `-b`, each with 2 nvidia.com/gpu; they end with the block."""
    manager = new_manager(kube, namespace, root)
    async with running(manager):
        yield World(kube, namespace, root, manager, kubeconfig)


def new_manager(kube: Kube, namespace: str, root: Path) -> NodeManager:
    taint = {"key": _LABEL, "value": namespace, "effect": "NoSchedule"}
    specs = [
        NodeSpec(f"{namespace}-{letter}", {_LABEL: namespace}, (taint,), {"nvidia.com/gpu": "2"}) for letter in "ab"
    ]
    return NodeManager(kube, specs, IMAGES, root, FAST)


@contextlib.asynccontextmanager
async def running(manager: NodeManager) -> AsyncIterator["asyncio.Task[None]"]:
    """Runs a manager, and stops it at the end if it still runs."""
    task = asyncio.create_task(manager.run())
    ready = asyncio.create_task(manager.ready())
    await asyncio.wait([task, ready], timeout=30, return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    if task.done():
        task.result()
    try:
        yield task
    finally:
        if not task.done():
            await asyncio.wait_for(manager.stop(), 30)
            await task


def condition(pod: Object, kind: str) -> Object:
    """The condition of that type, empty where there is none."""
    found = [c for c in pod.get("status", {}).get("conditions", ()) if c["type"] == kind]
    return found[0] if found else {}


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def container_status(pod: Object, name: str = "c") -> Object:
    """The status of one container, empty before the node has written one."""
    statuses = pod.get("status", {}).get("containerStatuses", ())
    return next((status for status in statuses if status["name"] == name), {"state": {}, "restartCount": 0})


def state(pod: Object, kind: str) -> Object:
    """The container's state of that kind: waiting, running or terminated; empty where it is another."""
    found: Object = container_status(pod)["state"].get(kind, {})
    return found


async def until_dead(pid: int) -> None:
    """Waits until there is no process of that id."""
    proc = Path("/proc") / str(pid)

    async def dead() -> bool:
        return not await asyncio.to_thread(proc.exists)

    await eventually_async(dead, 10, f"process {pid} is gone")

"""All process nodes of one manager: their Node objects, their heartbeats, and which pods are theirs."""

import asyncio
import contextlib
import fcntl
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import PODS
from costwain.local.errors import LocalError
from costwain.local.node import guard
from costwain.local.node.addresses import Addresses
from costwain.local.node.context import Services
from costwain.local.node.mirror import Change, Mirror
from costwain.local.node.process import MARK, Guard
from costwain.local.node.registration import Registration
from costwain.local.node.reporter import API_TROUBLE
from costwain.local.node.roster import Roster
from costwain.local.node.sources import MirroredSources
from costwain.local.node.specs import ImageCommand, NodeSpec, Timing

_log = logging.getLogger(__name__)


@dataclass
class _Node:
    spec: NodeSpec
    registration: Registration
    lost: bool = False
    heartbeat: "asyncio.Task[None] | None" = None

    def start_heartbeat(self) -> None:
        self.heartbeat = asyncio.get_running_loop().create_task(self.registration.keep_alive())

    def stop_heartbeat(self) -> None:
        if self.heartbeat is not None:
            self.heartbeat.cancel()


class NodeManager:
    """Use `run()` as a task; `ready()` waits until the nodes are registered, `stop()` ends it cleanly.

    `root` is its folder: `p/` pods while they run, `logs/` their output, `pods.jsonl` their lifetimes. It
    belongs to one manager at a time. The processes die with the manager, in whatever way it ends.
    """

    def __init__(
        self,
        kube: Kube,
        specs: Sequence[NodeSpec],
        images: Mapping[str, ImageCommand],
        root: Path,
        timing: Timing | None = None,
    ) -> None:
        self._kube, self._specs, self._root, self._timing = kube, specs, root.resolve(), timing or Timing()
        self._nodes: dict[str, _Node] = {}
        self._addresses = Addresses(self._root)
        self._sources = MirroredSources(kube, self._on_source, self._timing.retry_s)
        self._roster = Roster(Services(kube, self._sources, images, self._timing, self._root), self._addresses)
        self._pods = Mirror(kube, PODS, self._on_pod, self._timing.retry_s)
        self._ready, self._stopping, self._stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @property
    def node_names(self) -> set[str]:
        """Names of the nodes that are registered."""
        return set(self._nodes)

    async def ready(self) -> None:
        """Waits until every node is registered and its pods are known."""
        await self._ready.wait()

    async def run(self) -> None:
        """Serves the nodes until stop() or cancellation.

        Raises LocalError where another manager has the folder, NodeNameTakenError, and what the API server
        raises while the nodes are first registered.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        with self._alone():
            await asyncio.to_thread(guard.kill_marked, MARK, str(self._root))  # of a manager that died
            keeper = Guard(self._root)
            try:
                await self._register_all()
                async with asyncio.TaskGroup() as tasks:
                    await self._serve(tasks)
            finally:
                for node in self._nodes.values():
                    node.stop_heartbeat()
                    await self._roster.lose(node.spec.name, for_good=True)
                self._addresses.close()
                keeper.close()
                self._stopped.set()

    def request_stop(self) -> None:
        """Lets run() end: every process is killed, the Node objects are removed."""
        self._stopping.set()

    async def stop(self) -> None:
        """Requests the stop and waits for run() to end."""
        self.request_stop()
        await self._stopped.wait()

    async def lose_node(self, name: str) -> None:
        """The machine is gone: no heartbeat, no word about its pods, its processes dead at once."""
        node = self._nodes[name]
        node.lost = True
        node.stop_heartbeat()
        await self._roster.lose(name, for_good=False)

    async def restore(self, name: str) -> None:
        """The machine is back, with none of its processes: its pods start again by their restart policy.

        Raises ValueError for a node that isn't lost, and what the API server raises.
        """
        node = self._nodes[name]
        if not node.lost:
            raise ValueError(f"node {name!r} is not lost")
        self._roster.forget(name)
        await node.registration.register()
        node.lost = False
        node.start_heartbeat()
        for pod in self._pods.objects():
            self._on_pod("changed", pod)

    async def _register_all(self) -> None:
        for spec in self._specs:
            registration = Registration(self._kube, spec, spec.address or self._addresses.take(), self._timing)
            await registration.register()
            self._nodes[spec.name] = _Node(spec, registration)
            self._nodes[spec.name].start_heartbeat()

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        background = [tasks.create_task(mirror.run()) for mirror in self._sources.mirrors]
        background.append(tasks.create_task(self._follow_pods()))
        await self._stopping.wait()
        for task in background:
            task.cancel()
        for node in self._nodes.values():
            await self.lose_node(node.spec.name)
            try:
                await node.registration.deregister()
            except API_TROUBLE as error:  # no server to tell: its node lifecycle controller will find out
                _log.warning("removing node %s: %s", node.spec.name, error)

    async def _follow_pods(self) -> None:
        """Pods come last, so that the first of them finds its ConfigMaps and Secrets."""
        for mirror in self._sources.mirrors:
            await mirror.complete()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pods.run())
            await self._pods.complete()
            self._ready.set()

    def _on_pod(self, change: Change, pod: Object) -> None:
        if change == "deleted":
            self._roster.object_gone(pod)
            return
        node = self._nodes.get(pod["spec"].get("nodeName", ""))
        if node is not None and not node.lost:
            self._roster.seen(pod, node.spec, node.registration.address)

    def _on_source(self, namespace: str) -> None:
        self._roster.sources_changed(namespace)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Holds the folder; the kernel lets go of it when this process ends."""
        with (self._root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LocalError(f"{self._root}: another node manager uses this folder") from None
            yield

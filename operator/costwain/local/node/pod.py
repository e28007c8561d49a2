"""One pod on a process node, from the moment it is bound until its object is gone."""

import asyncio
import contextlib
import logging
import shutil
import time
from collections.abc import Callable

from costwain.adapters.kube import ApiError, Object
from costwain.adapters.resources import PODS
from costwain.local.node.container import Container
from costwain.local.node.context import PodContext
from costwain.local.node.environment import MissingError
from costwain.local.node.instants import now_text
from costwain.local.node.reporter import API_TROUBLE, Reporter
from costwain.local.node.status import PodFacts, pod_status
from costwain.local.node.timing import DEFAULT_GRACE_S, Grace

_log = logging.getLogger(__name__)
_TOKEN_CHECK_S = 60


class PodWorker:
    """Runs one pod and keeps its status true."""

    def __init__(self, context: PodContext) -> None:
        self.context = context
        services, pod = context.services, context.pod
        self._reporter = Reporter(services.kube, pod, self._status, services.timing.retry_s)
        context.changed = self._reporter.poke
        self._started_at = pod.get("status", {}).get("startTime") or now_text()
        self._init, self._main = self._containers()
        self._mounted = self._stopped = False
        self._leaving, self._gone, self._sources_changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._grace: Grace | None = None
        self.update(pod)

    def _containers(self) -> tuple[list[Container], list[Container]]:
        """The init and the other containers, going on from what an earlier manager left in the status."""
        spec, status = self.context.pod["spec"], self.context.pod.get("status", {})
        policy = spec.get("restartPolicy", "Always")
        known = {entry["name"]: entry for entry in status.get("containerStatuses", ())}
        init_policy = "Never" if policy == "Never" else "OnFailure"
        # A machine that comes back has new sandboxes, so init containers run again.
        init = [
            Container(manifest, self.context, manifest.get("restartPolicy", init_policy), None)
            for manifest in spec.get("initContainers", ())
        ]
        main = [
            Container(manifest, self.context, policy, known.get(manifest["name"])) for manifest in spec["containers"]
        ]
        return init, main

    def _status(self, before: list[Object]) -> Object:
        facts = PodFacts(
            address=self.context.address,
            host_address=self.context.host_address,
            started_at=self._started_at,
            mounted=self._mounted,
            init=[container.view().as_init() for container in self._init],
            main=[container.view() for container in self._main],
            stopped=self._stopped,
        )
        return pod_status(self.context.pod, facts, before, now_text())

    def update(self, pod: Object) -> None:
        """Takes what the API server says now."""
        self.context.pod = pod
        if "deletionTimestamp" in pod["metadata"]:
            grace_s = pod["metadata"].get("deletionGracePeriodSeconds", DEFAULT_GRACE_S)
            self._grace = self._grace or Grace(time.monotonic(), grace_s)
            self._grace.shorten(grace_s)
            self._leaving.set()
        self._reporter.seen(pod)

    def sources_changed(self) -> None:
        """A ConfigMap or Secret of the pod's namespace changed."""
        self._sources_changed.set()

    def object_gone(self) -> None:
        """The pod's object was removed: by us, or by force, and then nothing is left to wait for."""
        self._gone.set()
        self._leaving.set()

    def kill(self) -> None:
        """SIGKILL to everything now."""
        for container in (*self._init, *self._main):
            container.kill()

    async def run(self, on_stopped: Callable[[], None]) -> None:
        """The whole life; cancelling it kills the processes and leaves the API server alone.

        `on_stopped` is called when the last process has ended.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                reporter = tasks.create_task(self._reporter.run())
                life = tasks.create_task(self._live())
                await self._leaving.wait()
                if not self._gone.is_set():
                    stopping, gone = tasks.create_task(self._stop()), tasks.create_task(self._gone.wait())
                    await asyncio.wait([stopping, gone], return_when=asyncio.FIRST_COMPLETED)
                    stopping.cancel()
                    gone.cancel()
                self.kill()
                life.cancel()
                await self._settle(life)
                on_stopped()
                reporter.cancel()
                if not self._gone.is_set():
                    await self._say_goodbye()
        finally:
            self.kill()
            on_stopped()
            shutil.rmtree(self.context.folder, ignore_errors=True)

    async def _live(self) -> None:
        """Volumes, init containers in order, then all others together."""
        if self.context.pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return
        await self._mount()
        async with asyncio.TaskGroup() as tasks:
            refresher = tasks.create_task(self._refresh())
            if not all(container.finished for container in self._main) and await self._initialize(tasks):
                await self._run_main()
            for sidecar in reversed([container for container in self._init if container.is_sidecar]):
                await sidecar.stop(Grace(time.monotonic(), self._grace_s()))
            refresher.cancel()

    async def _initialize(self, tasks: asyncio.TaskGroup) -> bool:
        """Whether every init container succeeded; sidecars among them go on in `tasks`."""
        for container in self._init:
            if container.is_sidecar:
                tasks.create_task(container.run())
                await container.started()
            else:
                await container.run()
                if not container.succeeded:
                    return False
        return True

    async def _run_main(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for container in self._main:
                tasks.create_task(container.run())

    def _grace_s(self) -> float:
        return float(self.context.pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_S))

    async def _mount(self) -> None:
        """Tries until every volume is there; the containers are ContainerCreating meanwhile."""
        while not self._mounted:
            try:
                await self.context.volumes.refresh(self.context.located)
                self._mounted = True
            except (MissingError, *API_TROUBLE) as error:
                _log.info("volumes of pod %s: %s", self.context.pod["metadata"]["name"], error)
                await asyncio.sleep(self.context.services.timing.retry_s)
        self.context.changed()

    async def _refresh(self) -> None:
        """Keeps volumes current: when a source changed, and in time for tokens."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TOKEN_CHECK_S):
                    await self._sources_changed.wait()
            self._sources_changed.clear()
            try:
                await self.context.volumes.refresh(self.context.located)
            except (MissingError, *API_TROUBLE) as error:  # what is mounted stays, as on a real node
                _log.warning("volumes of pod %s: %s", self.context.pod["metadata"]["name"], error)

    async def _stop(self) -> None:
        """All containers at once, sidecars after them."""
        assert self._grace is not None
        first = [c for c in (*self._main, *self._init) if not c.is_sidecar]
        await asyncio.gather(*(container.stop(self._grace) for container in first))
        for container in reversed([c for c in self._init if c.is_sidecar]):
            await container.stop(self._grace)

    async def _settle(self, life: "asyncio.Task[None]") -> None:
        await asyncio.wait([life])
        for container in self._main:
            container.mark_lost()
        self._stopped = True

    async def _say_goodbye(self) -> None:
        """The last status, then the object itself, unless the name has passed to another pod."""
        await self._reporter.flush()
        metadata = self.context.pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        path = PODS.path(metadata["namespace"], metadata["name"])
        while not self._gone.is_set():
            try:
                await self.context.services.kube.request("DELETE", path, body)
                return
            except API_TROUBLE as error:
                if isinstance(error, ApiError) and (error.is_not_found or error.is_conflict):
                    return
                _log.warning("deleting pod %s: %s", metadata["name"], error)
                await asyncio.sleep(self.context.services.timing.retry_s)

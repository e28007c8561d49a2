"""The pods of one manager: a worker for each, kept until the pod's object is gone."""

import asyncio
import logging
from dataclasses import dataclass

from costwain.adapters.kube import Object
from costwain.local.node.addresses import Addresses
from costwain.local.node.context import PodContext, Services
from costwain.local.node.pod import PodWorker
from costwain.local.node.record import FILE, PodRecord
from costwain.local.node.specs import NodeSpec

_log = logging.getLogger(__name__)


@dataclass
class _Entry:
    worker: PodWorker
    record: PodRecord
    node: str
    task: "asyncio.Task[None] | None" = None


class Roster:
    """A pod stays listed after its processes have ended, so that nothing is ever run twice."""

    def __init__(self, services: Services, addresses: Addresses) -> None:
        self._services, self._addresses = services, addresses
        self._entries: dict[str, _Entry] = {}

    def seen(self, pod: Object, node: NodeSpec, host_address: str) -> None:
        """Takes a new state of a pod of ours, or begins to run it."""
        known = self._entries.get(pod["metadata"]["uid"])
        if known is not None:
            known.worker.update(pod)
            return
        record = PodRecord(self._services.root / FILE, pod, node.labels)
        entry = _Entry(self._worker(pod, host_address), record, node.name)
        self._entries[pod["metadata"]["uid"]] = entry
        record.bound()
        entry.task = asyncio.get_running_loop().create_task(self._supervise(entry))

    def object_gone(self, pod: Object) -> None:
        """The pod's object is gone; what still runs of it is killed."""
        entry = self._entries.get(pod["metadata"]["uid"])
        if entry is not None and entry.task is not None:
            entry.record.object_gone()
            entry.worker.object_gone()
            entry.task.add_done_callback(lambda _: self._drop(entry))

    def sources_changed(self, namespace: str) -> None:
        """A ConfigMap or Secret of that namespace changed."""
        for entry in self._entries.values():
            if entry.worker.context.pod["metadata"]["namespace"] == namespace:
                entry.worker.sources_changed()

    async def lose(self, node: str, *, for_good: bool) -> None:
        """Kills all that runs on a node and says nothing to the API server.

        The kills are done when this first waits. `for_good`: the node won't be back, so its pods have left.
        """
        entries = [entry for entry in self._entries.values() if entry.node == node]
        for entry in entries:
            entry.worker.kill()
        tasks = [entry.task for entry in entries if entry.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for entry in entries:
            if for_good:
                entry.record.object_gone()
                self._drop(entry)

    def forget(self, node: str) -> None:
        """Lets the pods of a node that was lost be run anew; their bound times go on."""
        for entry in [entry for entry in self._entries.values() if entry.node == node]:
            self._release(entry)

    async def _supervise(self, entry: _Entry) -> None:
        """The outermost loop of a pod: a fault of ours costs that pod its processes, never the node."""
        while True:
            try:
                await entry.worker.run(entry.record.ended)
            except Exception:
                pod = entry.worker.context.pod
                _log.exception("pod %s failed inside the node, it starts anew", pod["metadata"]["name"])
                await asyncio.sleep(self._services.timing.retry_s)
                if entry.record.gone_s is not None:
                    return
                self._addresses.give_back(entry.worker.context.address)
                entry.worker = self._worker(pod, entry.worker.context.host_address)
            else:
                return

    def _worker(self, pod: Object, host_address: str) -> PodWorker:
        address = host_address if pod["spec"].get("hostNetwork") else self._addresses.take()
        return PodWorker(PodContext(self._services, pod, address, host_address))

    def _drop(self, entry: _Entry) -> None:
        entry.record.write()
        self._release(entry)

    def _release(self, entry: _Entry) -> None:
        self._entries.pop(entry.record.pod["metadata"]["uid"], None)
        if entry.worker.context.address != entry.worker.context.host_address:
            self._addresses.give_back(entry.worker.context.address)

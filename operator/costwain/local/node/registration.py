"""The Node object of one process node, and the heartbeats that keep it Ready."""

import asyncio
import logging
import os
import platform

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import LEASES, NODES
from costwain.domain import names
from costwain.local.node.instants import now_micro_text, now_text
from costwain.local.node.reporter import API_TROUBLE
from costwain.local.node.specs import NodeSpec, Timing

_log = logging.getLogger(__name__)
OURS = f"{names.GROUP}/process-node"  # a Node without this label is none of ours
_LEASE_NAMESPACE = "kube-node-lease"
_LEASE_S = 40
_STATUS_EVERY_S = 300  # a status that says nothing new is for readers only; the Lease is the heartbeat
_VERSION = "v1.36.3+process"
_CONDITIONS = {  # by type: status, reason, message
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "no limits are enforced"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "no limits are enforced"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "no limits are enforced"),
    "Ready": ("True", "KubeletReady", "process node is running"),
}


class NodeNameTakenError(Exception):
    """A Node of that name exists which is not a process node."""


class Registration:
    """One node's presence in the API server."""

    def __init__(self, kube: Kube, spec: NodeSpec, address: str, timing: Timing) -> None:
        self._kube, self._spec, self._timing, self.address = kube, spec, timing, address
        self._since = now_text()

    async def register(self) -> None:
        """Creates the Node, or takes over one that an earlier manager left; raises NodeNameTakenError."""
        name, known = self._spec.name, await self._kube.get(NODES, self._spec.name)
        if known is not None and known["metadata"].get("labels", {}).get(OURS) != "true":
            raise NodeNameTakenError(f"Node {name!r} exists and has no label {OURS}=true: choose another name")
        manifest = self._manifest()
        if known is None:
            await self._kube.create(manifest)
        else:
            labels, taints = manifest["metadata"]["labels"], manifest["spec"]["taints"]
            await self._kube.merge(NODES, name, {"metadata": {"labels": labels}, "spec": {"taints": taints}})
        await self._beat(whole=True)

    async def keep_alive(self) -> None:
        """Heartbeats until cancelled; trouble is logged and tried again at the next beat."""
        beats = 0
        while True:
            await asyncio.sleep(self._timing.heartbeat_s)
            beats += 1
            try:
                await self._beat(whole=beats * self._timing.heartbeat_s % _STATUS_EVERY_S < self._timing.heartbeat_s)
            except API_TROUBLE as error:
                _log.warning("heartbeat of node %s: %s", self._spec.name, error)
                if isinstance(error, ApiError) and error.is_not_found:
                    await self._register_again()

    async def deregister(self) -> None:
        """Removes the Node and its Lease."""
        await self._kube.delete(NODES, self._spec.name)
        await self._kube.delete(LEASES, self._spec.name, _LEASE_NAMESPACE)

    async def _register_again(self) -> None:
        try:
            await self.register()
        except API_TROUBLE as error:
            _log.warning("registering node %s: %s", self._spec.name, error)

    async def _beat(self, whole: bool) -> None:
        """Renews the Lease; `whole` writes the node's status too, as after an absence."""
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._spec.name, "namespace": _LEASE_NAMESPACE},
            "spec": {
                "holderIdentity": self._spec.name,
                "leaseDurationSeconds": _LEASE_S,
                "renewTime": now_micro_text(),
            },
        }
        await self._kube.apply(lease, manager=f"{names.FIELD_MANAGER}-node")
        if whole:
            await self._kube.patch_status(NODES, self._spec.name, None, {"status": self._status()})

    def _manifest(self) -> Object:
        spec = self._spec
        base = {"kubernetes.io/hostname": spec.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": _arch()}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": spec.name, "labels": {**base, **spec.labels, OURS: "true"}},
            "spec": {"taints": list(spec.taints)},
            "status": self._status(),
        }

    def _status(self) -> Object:
        now, capacity = now_text(), self._spec.whole_capacity
        conditions = [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": self._since,
            }
            for kind, (status, reason, message) in _CONDITIONS.items()
        ]
        return {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": self.address},
                {"type": "Hostname", "address": self._spec.name},
            ],
            "nodeInfo": _node_info(self._spec.name),
        }


def _arch() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _node_info(name: str) -> Object:
    return {
        "machineID": name,
        "systemUUID": name,
        "bootID": f"{name}-{os.getpid()}",
        "kernelVersion": platform.release(),
        "osImage": "processes of this machine",
        "containerRuntimeVersion": "process://1",
        "kubeletVersion": _VERSION,
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": _arch(),
    }

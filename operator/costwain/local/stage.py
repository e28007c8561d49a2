"""A stage: manifests on a control plane of this machine, with the operator and one process node a pool."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from costwain.adapters.clock import Clock
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import CRDS, PODS, SPEND_LEDGERS
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.local import cluster
from costwain.local.errors import LocalError
from costwain.local.store import Task
from costwain.render.crd import KINDS, crd

SYSTEM = "costwain-system"
READY_S = 60.0
IMAGE = {"COSTWAIN_IMAGE": "costwain/operator:demo"}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """What is to run. `capacity`: extended resources of each pool's node; `settings`: the operator's environment."""

    manifests: Sequence[dict[str, Any]]
    capacity: Mapping[str, Mapping[str, str]]
    clock: Clock
    settings: Mapping[str, str] = field(default_factory=dict)


def start(name: str, directory: Path | None, stage: Stage, say: Say) -> cluster.Cluster:
    """A control plane with all of the stage; where that fails, nothing of it stays. Raises LocalError."""
    running = cluster.up(name, directory, say)
    with ExitStack() as unless_it_stands:
        unless_it_stands.callback(cluster.down, name, directory, say)
        _start(running, stage)
        unless_it_stands.pop_all()
    return running


def _start(running: cluster.Cluster, stage: Stage) -> None:
    """Starts nodes and operator as the cluster's tasks, with one clock for all."""
    env = {"KUBECONFIG": str(running.kubeconfig), **stage.clock.to_env()}
    command = [sys.executable, "-m", "costwain.cli.main"]
    for pool, capacity in stage.capacity.items():
        amounts = [f"--capacity={resource}={n}" for resource, n in capacity.items()]
        label = f"--label={names.GROUP}/pool={pool}"
        argv = ["local", "node", f"--name={pool}-node", label, *amounts, f"--dir={running.dir / f'node-{pool}'}"]
        running.start(Task(f"node-{pool}", [*command, *argv], env=env))
    asyncio.run(_install(running.kubeconfig, stage.manifests))
    running.start(Task("operator", [*command, "operator"], env={**env, **IMAGE, **stage.settings}))


async def _install(kubeconfig: Path, manifests: Sequence[dict[str, Any]]) -> None:
    """CRDs, the operator's namespace, pools and fleet."""
    async with await Kube.connect(str(kubeconfig)) as kube:
        for kind in KINDS:
            await kube.apply(crd(kind))
        for kind in KINDS:
            await within(READY_S, f"CRD {kind.crd_name} to be served", partial(_established, kube, kind.crd_name))
        await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        for manifest in manifests:
            await kube.apply(manifest)


async def _established(kube: Kube, name: str) -> bool:
    found = await kube.get(CRDS, name) or {}
    conditions = found.get("status", {}).get("conditions") or []  # null until the server has looked at it
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def gateway_url(kube: Kube, namespace: str, fleet: str) -> str:
    """Where the fleet's gateway is, once it is ready; raises LocalError after a minute."""

    async def ready() -> str:
        pods, _ = await kube.list(PODS, namespace, f"{names.FLEET}={fleet},{names.ROLE}={names.ROLE_GATEWAY}")
        return next((f"http://{p['status']['podIP']}:{names.GATEWAY_PORT}" for p in pods if is_ready(p)), "")

    return str(await within(READY_S, "the gateway to be ready", ready))


async def model_pods(kube: Kube, namespace: str, fleet: str) -> list[dict[str, Any]]:
    """The fleet's model pods."""
    return (await kube.list(PODS, namespace, f"{names.FLEET}={fleet},{names.ROLE}={names.ROLE_MODEL}"))[0]


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether its Ready condition holds."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))


async def ledger_of(kube: Kube, namespace: str, fleet: str) -> SpendLedgerSpec:
    """The fleet's ledger; an empty one before the first is written."""
    ledger = await kube.get(SPEND_LEDGERS, fleet, namespace)
    return SpendLedgerSpec() if ledger is None else SpendLedgerSpec.model_validate(ledger["spec"])


async def within(limit_s: float, what: str, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Asks until the answer is true; raises LocalError after `limit_s` wall seconds."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        try:
            if answer := await ask():
                return answer
        except ApiError:
            pass  # asked too early; the deadline counts
        await asyncio.sleep(0.2)
    raise LocalError(f"waited {limit_s:.0f} s for {what}; the logs of the operator and the nodes say why")

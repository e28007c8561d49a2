"""The chart's account at work: the operator under it, the agent under the one that the operator makes.

A process node runs what they wish for: the gateway comes up, a model pod gets into it, and all of it goes with its
fleet. Nobody is refused anything by the API server.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.charts import in_force, install, kubeconfig_of, rendered
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.lease import LEASE_NAME
from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    DEPLOYMENTS,
    LEASES,
    MODEL_DEPLOYMENTS,
    SPEND_LEDGERS,
)
from costwain.local import cluster
from costwain.local.cluster import Cluster
from costwain.local.store import Task

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

SAMPLES = Path(__file__).parents[2] / "crds" / "samples" / "local"
SYSTEM = "costwain-system"
USER = f"system:serviceaccount:{SYSTEM}:costwain"
COSTWAIN = (sys.executable, "-m", "costwain.cli.main")


@pytest.fixture
def alone(folder: Path) -> Iterator[Cluster]:
    """A control plane of its own: an operator acts on every fleet in its cluster."""
    yield cluster.up("rights", folder / "c")
    cluster.down("rights", folder / "c")


@pytest.fixture
async def admin(alone: Cluster, folder: Path) -> AsyncIterator[Kube]:
    """The administrator; one node has eight H100."""
    node = ["local", "node", "--name=gpu", "--label=costwain.dev/pool=h100", "--capacity=nvidia.com/gpu=8"]
    node.append(f"--dir={folder / 'node'}")
    alone.start(Task("node", [*COSTWAIN, *node], env={"KUBECONFIG": str(alone.kubeconfig)}))
    async with await Kube.connect(str(alone.kubeconfig)) as kube:
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        yield kube


async def installed(kube: Kube, pool: str) -> None:
    """Installs the chart, its pod bound to the nodes of a pool."""
    await install(kube, rendered({"nodeSelector": {"costwain.dev/pool": pool}}, "costwain", SYSTEM))
    await eventually_async(partial(in_force, kube, USER, SYSTEM), 30, "roles and kinds count")


@pytest.fixture
async def operator_log(alone: Cluster, admin: Kube, folder: Path) -> Path:
    """The log of an operator with the token of the chart's account; the chart's own pod finds no node."""
    await installed(admin, "elsewhere")
    kubeconfig = await kubeconfig_of(admin, (SYSTEM, "costwain"), alone.kubeconfig, folder / "operator.kubeconfig")
    env = {"KUBECONFIG": str(kubeconfig), "COSTWAIN_NAMESPACE": SYSTEM, "COSTWAIN_TURN_SECONDS": "1"}
    alone.start(Task("operator", [*COSTWAIN, "operator"], env=env))
    return alone.logs / "operator.log"


def refusals(folder: Path, operator_log: Path) -> list[str]:
    """What the API server refused, by the logs of the operator and of every container."""
    logs = {path.parent.name: path for path in (folder / "node" / "logs").rglob("*.log")} | {"operator": operator_log}
    assert {"operator", "agent", "haproxy", "engine"} <= logs.keys()
    lines = [(name, line) for name, path in logs.items() for line in path.read_text(errors="replace").splitlines()]
    return [f"{name}: {line}" for name, line in lines if "orbidden" in line]


def sample(name: str) -> list[Any]:
    return list(yaml.safe_load_all((SAMPLES / name).read_text(encoding="utf-8")))


async def test_pod_of_the_chart_comes_up_by_its_probes(admin: Kube) -> None:
    await installed(admin, "h100")

    async def is_available() -> bool:
        deployment = await admin.get(DEPLOYMENTS, "costwain", SYSTEM) or {}
        return bool(deployment.get("status", {}).get("availableReplicas"))

    await eventually_async(is_available, 60, "the operator is up")
    assert await admin.get(LEASES, LEASE_NAME, SYSTEM)


async def test_fleet_is_made_with_the_rights_of_the_chart(admin: Kube, operator_log: Path, folder: Path) -> None:
    for pool in sample("pools.yaml"):
        pool["spec"]["podDefaults"]["env"].append({"name": "COSTWAIN_STUB_STARTUP_SECONDS", "value": "1"})
        await admin.apply(pool, manager="user")
    (fleet,) = sample("modeldeployment.yaml")
    fleet["metadata"]["namespace"] = "default"
    fleet["spec"]["scaling"] = {"minReplicas": 1}
    await admin.apply(fleet, manager="user")
    await eventually_async(partial(is_ready, admin), 90, "the fleet is Ready")
    ledger, lease = await admin.get(SPEND_LEDGERS, "chat", "default"), await admin.get(LEASES, LEASE_NAME, SYSTEM)
    pool = await admin.get(ACCELERATOR_POOLS, "h100")
    assert ledger
    assert lease
    assert pool
    assert len(ledger["spec"]["open"]) == 1
    assert pool["status"]["accelerators"]["used"] == 1
    await admin.delete(MODEL_DEPLOYMENTS, "chat", "default")

    async def gone() -> bool:
        return not (await admin.list(DEPLOYMENTS, "default"))[0]

    await eventually_async(gone, 60, "what belonged to the fleet goes with it")
    assert await admin.get(SPEND_LEDGERS, "chat", "default"), "the ledger outlives the fleet"
    assert refusals(folder, operator_log) == []


async def is_ready(kube: Kube) -> bool:
    fleet = await kube.get(MODEL_DEPLOYMENTS, "chat", "default") or {}
    conditions = {c["type"]: c["status"] for c in fleet.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"

"""Two fleets under one InferenceBudget on the real API server: who shares, what is spent, and what was by whom.

Fleet time runs twenty times as fast, so that cents move. A process node runs the gateways and the stand-ins for vLLM.
"""

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import INFERENCE_BUDGETS, MODEL_DEPLOYMENTS, SPEND_LEDGERS
from costwain.domain import names
from costwain.domain.money import micro_of
from costwain.local import cluster
from costwain.local.cluster import Cluster
from costwain.local.store import Task
from costwain.render.crd import KINDS, crd

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

POOLS = Path(__file__).parents[2] / "crds" / "samples" / "local" / "pools.yaml"
COSTWAIN = (sys.executable, "-m", "costwain.cli.main")
SYSTEM = "costwain-system"


@pytest.fixture
def alone(folder: Path) -> Iterator[Cluster]:
    """A control plane of its own: an operator acts on every fleet in its cluster."""
    yield cluster.up("shared", folder / "c")
    cluster.down("shared", folder / "c")


@pytest.fixture
async def admin(alone: Cluster, folder: Path) -> AsyncIterator[Kube]:
    """The administrator, with the operator at work and a node of eight H100."""
    env = {"KUBECONFIG": str(alone.kubeconfig), "COSTWAIN_CLOCK": f"20@{time.time():.0f}"}
    node = ["local", "node", "--name=gpu", "--label=costwain.dev/pool=h100", "--capacity=nvidia.com/gpu=8"]
    async with await Kube.connect(str(alone.kubeconfig)) as kube:
        for kind in KINDS:
            await kube.apply(crd(kind), manager="user")
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        alone.start(Task("node", [*COSTWAIN, *node, f"--dir={folder / 'node'}"], env=env))
        alone.start(Task("operator", [*COSTWAIN, "operator"], env={**env, "COSTWAIN_TURN_SECONDS": "1"}))
        yield kube


def fleet(name: str, priority: int) -> dict[str, Any]:
    """A member with one replica at least."""
    variant = {
        "name": "only",
        "model": {"uri": "hf://Qwen/Qwen3-4B"},
        "quality": "50",
        "placements": [{"pool": "h100"}],
        "engine": {"shutdownTimeoutSeconds": 1},
    }
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": "default", "labels": {"team": "blue"}},
        "spec": {
            "priority": priority,
            "variants": [variant],
            "scaling": {"minReplicas": 1, "maxReplicas": 2},
            "gateway": {"replicas": 1},
        },
    }


def budget(**spec: Any) -> dict[str, Any]:
    whole = {"amount": "480.00", "selector": {"matchLabels": {"team": "blue"}}, **spec}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "InferenceBudget",
        "metadata": {"name": "team-blue"},
        "spec": whole,
    }


async def told(kube: Kube, ready: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
    """The budget's status once it is as it should be."""

    async def status() -> dict[str, Any]:
        found = await kube.get(INFERENCE_BUDGETS, "team-blue") or {}
        said: dict[str, Any] = found.get("status", {})
        return said if said and ready(said) else {}

    return await eventually_async(status, 120, what)


def verdict(status: dict[str, Any], kind: str) -> tuple[str, str]:
    return next((c["status"], c["reason"]) for c in status["conditions"] if c["type"] == kind)


async def test_two_fleets_share_a_budget_and_its_status_says_what_they_spent(admin: Kube) -> None:
    for pool in yaml.safe_load_all(POOLS.read_text(encoding="utf-8")):
        pool["spec"]["podDefaults"]["env"].append({"name": "COSTWAIN_STUB_STARTUP_SECONDS", "value": "1"})
        await admin.apply(pool, manager="user")
    await admin.apply(budget(), manager="user")
    empty = await told(admin, lambda said: said["members"] == 0, "the budget is seen")
    assert verdict(empty, "Ready") == ("False", "NoMembers")
    for name, priority in (("gold", 10), ("bronze", 0)):
        await admin.apply(fleet(name, priority), manager="user")

    both = await told(
        admin,
        lambda said: sum(micro_of(x["spent"]) > 0 for x in said["shares"]) == 2,
        "both members are on the bill",
    )
    assert both["members"] == 2
    assert [(x["namespace"], x["name"]) for x in both["shares"]] == [("default", "bronze"), ("default", "gold")]
    assert (verdict(both, "Ready"), verdict(both, "WithinBudget")) == (("True", "Shared"), ("True", "WithinBudget"))
    spent, left = (sum(micro_of(x[what]) for x in both["shares"]) for what in ("spent", "left"))
    assert abs(micro_of("480.00") - spent - left) <= 20_000  # shares are shown to the cent
    assert micro_of(both["spent"]) < micro_of(both["forecast"])

    async def knows_its_budget() -> bool:
        gold = await admin.get(MODEL_DEPLOYMENTS, "gold", "default") or {}
        return bool(gold.get("status", {}).get("cost", {}).get("sharedBudget") == "team-blue")

    await eventually_async(knows_its_budget, 60, "a member's status names the budget that binds")

    await admin.delete(MODEL_DEPLOYMENTS, "bronze", "default")
    after = await told(admin, lambda said: said["members"] == 1, "the deleted one is no member")
    (only,) = after["shares"]
    assert micro_of(after["spent"]) - micro_of(only["spent"]) >= micro_of(both["shares"][0]["spent"]) > 0
    ledger = await admin.get(SPEND_LEDGERS, "bronze", "default")
    assert ledger
    assert ledger["spec"]["labelled"] == [{"sinceMilliseconds": 0, "labels": {"team": "blue"}}]

    await admin.apply(budget(timeZone="Mars/Base"), manager="user")
    odd = await told(admin, lambda said: verdict(said, "Ready")[0] == "False", "the clock that nobody knows is seen")
    assert verdict(odd, "Ready") == ("False", "InvalidBudget")
    assert odd["observedGeneration"] == 2

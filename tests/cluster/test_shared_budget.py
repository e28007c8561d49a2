"""Two fleets under one InferenceBudget on the real API server: who shares, what is spent, and what was by whom.

Fleet time runs twenty times as fast, so that cents move. A process node runs the gateways and the stand-ins for vLLM.
"""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import INFERENCE_BUDGETS, MODEL_DEPLOYMENTS, SPEND_LEDGERS
from costwain.domain import names
from costwain.domain.money import micro_of

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]


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

"""So many fleets on the real API server that most rest: one that is asked for wakes at once."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.specs import model_deployment, variant
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import MODEL_DEPLOYMENTS, PODS
from costwain.decide.rest import FEW
from costwain.domain import names

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

SPACE, MANY = "default", FEW + 4
LAST = f"chat-{MANY - 1:02}"


def fleet(name: str) -> dict[str, Any]:
    """One variant, nothing of it running until somebody asks."""
    rung = variant(model={"uri": "hf://Qwen/Qwen3-4B"}, engine={"shutdownTimeoutSeconds": 1})
    scaling = {"minReplicas": 0, "maxReplicas": 2}
    spec = model_deployment(variants=[rung], scaling=scaling, gateway={"replicas": 1})
    metadata = {"name": name, "namespace": SPACE}
    return {"apiVersion": names.API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


async def memories(kube: Kube) -> dict[str, dict[str, Any]]:
    """What the status of each fleet says that it remembers."""
    found, _ = await kube.list(MODEL_DEPLOYMENTS, SPACE)
    return {fleet["metadata"]["name"]: (fleet.get("status") or {}).get("memory", {}) for fleet in found}


async def test_one_of_many_that_rest_serves_its_first_request(admin: Kube) -> None:
    for n in range(MANY):
        await admin.apply(fleet(f"chat-{n:02}"), manager="user")

    async def all_rest() -> bool:
        told = await memories(admin)
        return len(told) == MANY and all("rest" in memory for memory in told.values())

    await eventually_async(all_rest, 240, f"{MANY} fleets rest at zero")
    pods, _ = await admin.list(PODS, SPACE, f"{names.FLEET}={LAST}")
    (gateway,) = (pod["status"]["podIP"] for pod in pods)
    body = {"model": LAST, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
    async with aiohttp.ClientSession() as session, asyncio.timeout(60):
        url = f"http://{gateway}:{names.GATEWAY_PORT}/v1/chat/completions"
        async with session.post(url, json=body) as response:
            assert response.status == 200, await response.text()

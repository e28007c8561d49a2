"""A fleet without a gateway on the real API server: found by its Services, sized by vLLM's own numbers, mode by mode.

Process nodes have loopback addresses, which endpoints refuse, so a router of a few lines follows a Service as the
endpoint controller would: the ready pods that its selector names and that nobody deletes.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import pytest
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MODEL_DEPLOYMENTS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from costwain.domain import names

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

NAME, SPACE = "chat", "default"
BODY = {"model": NAME, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8}
GATEWAYS_OWN = (DEPLOYMENTS, CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS)


def service_of(variant: str) -> str:
    return f"{NAME}-{variant}-engines"


def fleet(mode: str, floor: int, ladder: Sequence[str] = ("only",), serves: str = "only") -> dict[str, Any]:
    """At most two replicas, each with room for four requests at a time, and in no hurry to shrink for a load."""
    variants = [
        {
            "name": name,
            "model": {"uri": "hf://Qwen/Qwen3-4B"},
            "quality": str(50 - rung),
            "placements": [{"pool": "h100"}],
            "engine": {"shutdownTimeoutSeconds": 1, "args": {"max-num-seqs": "4"}},
        }
        for rung, name in enumerate(ladder)
    ]
    spec = {
        "variants": variants,
        "scaling": {"minReplicas": floor, "maxReplicas": 2, "scaleDownStabilizationSeconds": 0},
        "swap": {"mode": "Manual", "variant": serves},
        "gateway": {"mode": mode, "replicas": 1},
    }
    metadata = {"name": NAME, "namespace": SPACE}
    return {"apiVersion": names.API_VERSION, "kind": "ModelDeployment", "metadata": metadata, "spec": spec}


async def endpoints(kube: Kube, variant: str = "only") -> list[str]:
    """Addresses behind the variant's Service."""
    service = await kube.get(SERVICES, service_of(variant), SPACE)
    if service is None:
        return []
    selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
    pods, _ = await kube.list(PODS, SPACE, selector)
    ready = [p for p in pods if _is_true(p, "Ready") and "deletionTimestamp" not in p["metadata"]]
    return sorted(pod["status"]["podIP"] for pod in ready)


async def ask(session: aiohttp.ClientSession, address: str, **how: Any) -> int:
    """The status of one request; 0 for a connection that broke."""
    try:
        async with session.post(f"http://{address}/v1/chat/completions", json={**BODY, **how}) as response:
            await response.read()
            return response.status
    except aiohttp.ClientError:
        return 0


@contextlib.asynccontextmanager
async def router(kube: Kube, choose: Callable[[Kube], Awaitable[list[str]]] = endpoints) -> AsyncIterator[Counter[int]]:
    """Somebody else's router: one request after another to whom it chooses; counts what came of them."""
    seen, stop = Counter[int](), asyncio.Event()

    async def route() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            while not stop.is_set():
                for address in await choose(kube):
                    seen[await ask(session, f"{address}:{names.MODEL_PORT}")] += 1
                await asyncio.sleep(0.05)

    task = asyncio.create_task(route())
    try:
        yield seen
    finally:
        stop.set()
        await task


async def many(kube: Kube, count: int) -> None:
    """So many replicas are behind the Service."""
    await until(lambda: _has(endpoints(kube), count), f"{count} replicas behind the Service")


async def until(fn: Callable[[], Awaitable[Any]], what: str) -> None:
    await eventually_async(fn, 90, what)


async def _has(found: Awaitable[list[str]], count: int) -> bool:
    return len(await found) == count


def _is_true(obj: dict[str, Any], kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in obj.get("status", {}).get("conditions", []))


async def gateways_own(kube: Kube) -> list[str]:
    """What of a gateway there is."""
    found = [(await kube.list(kind, SPACE, f"{names.ROLE}={names.ROLE_GATEWAY}"))[0] for kind in GATEWAYS_OWN]
    return [item["metadata"]["name"] for items in found for item in items]


async def test_a_fleet_without_a_gateway_grows_and_shrinks_by_vllms_own_numbers(admin: Kube) -> None:
    await admin.apply(fleet("None", floor=1), manager="user")
    await many(admin, 1)
    (first,) = await endpoints(admin)
    said = (await admin.get(MODEL_DEPLOYMENTS, NAME, SPACE) or {})["status"]
    assert said["variants"][0]["url"] == f"http://{service_of('only')}.{SPACE}.svc"
    reasons = {c["type"]: c["reason"] for c in said["conditions"]}
    assert (reasons["GatewayManaged"], reasons["Stalled"]) == ("NoGateway", "NoProblem")
    assert await gateways_own(admin) == []
    assert await admin.get(SERVICES, NAME, SPACE) is None

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        engine = f"{first}:{names.MODEL_PORT}"
        assert await ask(session, engine) == 200
        crowd = [asyncio.create_task(ask(session, engine, max_tokens=2000, ignore_eos=True)) for _ in range(600)]
        async with router(admin) as seen:
            await many(admin, 2)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
            await many(admin, 1)
            pods, _ = await admin.list(PODS, SPACE, f"{names.DRAIN}=true")
            assert [pod["metadata"]["labels"][names.SERVES] for pod in pods] == ["false"]

            async def one_left() -> bool:
                deployment = await admin.get(DEPLOYMENTS, "chat-only-h100", SPACE) or {}
                return bool(deployment["status"].get("replicas") == 1)

            await until(one_left, "the one that drained is gone")
        assert set(seen) == {200}


async def test_from_mode_to_mode_the_pods_keep_answering(admin: Kube) -> None:
    await admin.apply(fleet("None", floor=2), manager="user")
    await many(admin, 2)
    async with router(admin) as seen:
        await admin.apply(fleet("Managed", floor=2), manager="user")

        async def services_are_gone() -> bool:
            return await admin.get(SERVICES, service_of("only"), SPACE) is None

        await until(services_are_gone, "the gateway has taken over")
    assert set(seen) == {200}
    gateways, _ = await admin.list(PODS, SPACE, f"{names.ROLE}={names.ROLE_GATEWAY}")
    async with aiohttp.ClientSession() as session:
        (gateway,) = (f"{pod['status']['podIP']}:{names.GATEWAY_PORT}" for pod in gateways)
        assert await ask(session, gateway) == 200
        async with router(admin) as seen:
            held = [asyncio.create_task(ask(session, gateway, max_tokens=400, ignore_eos=True)) for _ in range(40)]
            await admin.apply(fleet("None", floor=2), manager="user")

            async def gateway_is_gone() -> bool:
                return await gateways_own(admin) == [] and await admin.get(SERVICES, NAME, SPACE) is None

            await until(gateway_is_gone, "nothing of the gateway is left")
            assert Counter(await asyncio.gather(*held)) == {200: 40}
            await many(admin, 2)
        assert set(seen) == {200}


class Follower:
    """A router's choice by `sharePercent`: a variant by dice, then all behind its Service; 503 where nobody is."""

    def __init__(self) -> None:
        self._dice, self.asked, self.refused = random.Random(1), Counter[str](), 0

    async def choose(self, kube: Kube) -> list[str]:
        said = (await kube.get(MODEL_DEPLOYMENTS, NAME, SPACE) or {})["status"]["variants"]
        (variant,) = self._dice.choices([v["name"] for v in said], [v.get("sharePercent", 0) for v in said])
        found = await endpoints(kube, variant)
        self.asked[variant] += len(found)
        self.refused += not found
        return found


async def in_line(kube: Kube) -> list[str]:
    """A router's choice by order: the first Service that has anybody behind it."""
    return await endpoints(kube, "full") or await endpoints(kube, "small")


async def test_a_swap_loses_nothing_by_shares_nor_by_whoever_is_there(admin: Kube) -> None:
    def serving(variant: str) -> dict[str, Any]:
        return fleet("None", floor=1, ladder=("full", "small"), serves=variant)

    async def only(variant: str, other: str) -> bool:
        return bool(await endpoints(admin, variant)) and not await endpoints(admin, other)

    await admin.apply(serving("full"), manager="user")
    await until(lambda: only("full", "small"), "full serves")
    follower = Follower()
    async with router(admin, follower.choose) as followed, router(admin, in_line) as by_order:
        await admin.apply(serving("small"), manager="user")
        await until(lambda: only("small", "full"), "small serves alone")
        await admin.apply(serving("full"), manager="user")
        await until(lambda: only("full", "small"), "full serves alone again")
    assert (set(followed), set(by_order)) == ({200}, {200})
    assert (min(follower.asked["full"], follower.asked["small"]) > 0, follower.refused) == (True, 0)

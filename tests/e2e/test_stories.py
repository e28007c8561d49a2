"""Short stories on the real parts: a pool that is full, specs that only a person can mend, a fleet that goes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import pytest
from tests.e2e.ledgers import independent_micro, ledger_of
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    MODEL_DEPLOYMENTS,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SCALERS,
    SERVICE_ACCOUNTS,
    SERVICES,
    SPEND_LEDGERS,
)
from costwain.domain import names
from costwain.local import cluster, demo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
T = TypeVar("T")
SMALL = "hf://Qwen/Qwen3-4B"
OF_A_FLEET = (PODS, DEPLOYMENTS, CONFIG_MAPS, SERVICES, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    folder = tmp_path_factory.mktemp("stories") / "c"
    started, _ = demo.start("stories", folder, lambda _: None)
    try:
        yield started
    finally:
        cluster.down("stories", folder, lambda _: None)


def fleet(name: str, *pools: str, uri: str = SMALL, floor: int = 1, **engine: Any) -> dict[str, Any]:
    variant = {
        "name": "only",
        "model": {"uri": uri},
        "quality": "50",
        "placements": [{"pool": p} for p in pools],
        "engine": {"shutdownTimeoutSeconds": 1, **engine},
    }
    spec = {"variants": [variant], "scaling": {"minReplicas": floor, "maxReplicas": 2}}
    return _manifest("ModelDeployment", name, spec) | {"metadata": {"name": name, "namespace": "default"}}


def pool(name: str, **spec: Any) -> dict[str, Any]:
    calm = {
        "vendor": "nvidia",
        "accelerator": "h100",
        "nodeSelector": {f"{names.GROUP}/pool": "h100"},
        "image": "costwain/stub:demo",
        "price": {"amount": "1.00"},
    }
    return _manifest("AcceleratorPool", name, {**calm, **spec})


def _manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_a_full_nvidia_pool_sends_the_next_fleet_to_amd(running: cluster.Cluster) -> None:
    async def story(kube: Kube) -> None:
        await kube.apply(pool("one-card", maxAccelerators=1))
        await kube.apply(fleet("first", "one-card"))
        assert await eventually_async(lambda: _ready_on(kube, "first"), 60, "the first fleet to serve") == ["one-card"]
        await kube.apply(fleet("second", "one-card", "mi300x"))
        assert await eventually_async(lambda: _ready_on(kube, "second"), 60, "the second fleet to serve") == ["mi300x"]
        for name in ("first", "second"):
            await kube.delete(MODEL_DEPLOYMENTS, name, "default")

    _play(running, story)


PROBLEMS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a pool that doesn't exist": (
        fleet("nowhere", "h900"),
        "UnknownPool",
        "only: there is no AcceleratorPool 'h900'",
    ),
    "a price that is missing": (
        fleet("unpriced", "free-lunch"),
        "PriceUnknown",
        "pool free-lunch: no price, so only is not placed there",
    ),
    "a model too large for its accelerator": (
        fleet("large", "h100", uri="hf://meta-llama/Llama-3.1-70B-Instruct"),
        "DoesNotFit",
        "only on h100: llama-3.1-70b-instruct needs 141.2 GB of weights plus 2.0 GB a device, "
        "1 x h100 has 77.3 GB usable",
    ),
    "an engine argument that vLLM doesn't know": (
        fleet("misspelt", "h100", args={"max-modle-len": "8192"}),
        "InvalidEngine",
        'only: engine.args.max-modle-len: unknown vLLM 0.33.0 argument (found "8192"); did you mean max-model-len?',
    ),
}


@pytest.mark.parametrize(("manifest", "reason", "sentence"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_only_a_person_can_mend_stalls_with_the_sentence(
    running: cluster.Cluster, manifest: dict[str, Any], reason: str, sentence: str
) -> None:
    async def story(kube: Kube) -> None:
        unpriced = pool("free-lunch")
        del unpriced["spec"]["price"]
        await kube.apply(unpriced)
        await kube.apply(manifest)
        name = manifest["metadata"]["name"]
        found = await eventually_async(lambda: _condition(kube, name, "Stalled"), 30, "the condition")
        assert (found["reason"], found["message"]) == (reason, sentence)
        calm = await _condition(kube, demo.FLEET, "Stalled", "False")
        assert calm["reason"] == "NoProblem"
        await kube.delete(MODEL_DEPLOYMENTS, name, "default")

    _play(running, story)


def test_a_deleted_fleet_leaves_its_ledger_and_nothing_else(running: cluster.Cluster) -> None:
    async def story(kube: Kube) -> None:
        await kube.apply(fleet("leaving", "mi300x"))
        await eventually_async(lambda: _ready_on(kube, "leaving"), 60, "the fleet to serve")

        async def gone() -> bool:
            selector = f"{names.FLEET}=leaving"
            rest = [(await kube.list(kind, "default", selector))[0] for kind in OF_A_FLEET]
            return not any(rest)

        assert not await gone()
        await kube.delete(MODEL_DEPLOYMENTS, "leaving", "default")
        await eventually_async(gone, 90, "pods, Deployments and all of the gateway to go")

        async def closed() -> bool:
            ledger = await kube.get(SPEND_LEDGERS, "leaving", "default") or {}
            return bool(ledger.get("spec", {}).get("closed")) and not ledger["spec"].get("open")

        await eventually_async(closed, 30, "the bill to be closed")

    _play(running, story)


def test_another_autoscaler_is_named_and_one_that_is_gone_is_forgotten(running: cluster.Cluster) -> None:
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "rival", "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"apiVersion": names.API_VERSION, "kind": "ModelDeployment", "name": demo.FLEET},
            "maxReplicas": 3,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                }
            ],
        },
    }

    async def story(kube: Kube) -> None:
        await kube.apply(scaler)
        found = await eventually_async(lambda: _condition(kube, demo.FLEET, "ScalerConflict"), 60, "the condition")
        assert found["message"].startswith("HorizontalPodAutoscaler rival sets replicas of this fleet too")
        await kube.delete(SCALERS, "rival", "default")
        calm = await eventually_async(lambda: _condition(kube, demo.FLEET, "ScalerConflict", "False"), 60, "its end")
        assert calm["reason"] == "Alone"

    _play(running, story)


def test_the_bill_of_two_minutes_is_right_to_a_thousandth(running: cluster.Cluster) -> None:
    async def story(kube: Kube) -> None:
        await kube.apply(fleet("steady", "mi300x"))
        await eventually_async(lambda: _ready_on(kube, "steady"), 60, "the fleet to serve")
        ends_s = time.monotonic() + 120

        async def over() -> bool:
            return time.monotonic() >= ends_s

        await eventually_async(over, 130, "two minutes to pass")
        await kube.delete(MODEL_DEPLOYMENTS, "steady", "default")

        async def closed() -> bool:
            ledger = await ledger_of(running, "steady")
            return bool(ledger.closed) and not ledger.open

        await eventually_async(closed, 60, "the bill to be closed")
        metered_micro = (await ledger_of(running, "steady")).spent_micro(0.0, 1e12)
        assert metered_micro == pytest.approx(independent_micro(running, "steady"), rel=1e-3)

    _play(running, story)


def test_a_pool_says_how_much_of_it_is_free(running: cluster.Cluster) -> None:
    async def story(kube: Kube) -> None:
        async def told() -> dict[str, Any]:
            found = await kube.get(ACCELERATOR_POOLS, "h100") or {}
            return dict(found.get("status", {}).get("accelerators", {}))

        assert (await eventually_async(told, 30, "the pool's status"))["total"] == 4

    _play(running, story)


def _play(running: cluster.Cluster, story: Callable[[Kube], Awaitable[None]]) -> None:
    async def play() -> None:
        async with await Kube.connect(str(running.kubeconfig)) as kube:
            await story(kube)

    asyncio.run(play())


async def _ready_on(kube: Kube, name: str) -> list[str]:
    """Pools of the fleet's ready pods."""
    pods, _ = await kube.list(PODS, "default", f"{names.FLEET}={name},{names.ROLE}={names.ROLE_MODEL}")
    return [p["metadata"]["labels"][names.POOL] for p in pods if _true(p, "Ready")]


def _true(obj: dict[str, Any], kind: str) -> bool:
    return any(c["type"] == kind and c["status"] == "True" for c in obj.get("status", {}).get("conditions", []))


async def _condition(kube: Kube, name: str, kind: str, status: str = "True") -> dict[str, Any]:
    found = await kube.get(MODEL_DEPLOYMENTS, name, "default") or {}
    conditions = found.get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind and c["status"] == status), {})

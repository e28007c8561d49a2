"""The gateway's manifests as they are, on process nodes under a real control plane."""

import asyncio
import secrets
import shutil
import ssl
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from tests.gateway.client import Client, gather, lost
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import DEPLOYMENTS, NAMESPACES, PODS, SERVICES
from costwain.domain import names
from costwain.domain.gateway import Tenant
from costwain.local import pki
from costwain.local.node import ImageCommand, NodeManager, NodeSpec, Timing
from costwain.local.node.specs import default_images
from costwain.render.gateway import GatewaySpec, gateway_manifests, program

pytestmark = [pytest.mark.gateway, pytest.mark.cluster, pytest.mark.anyio]
_STUB = Path(__file__).with_name("stub_pod.py")
_IMAGES = {**default_images(), "test/stub": ImageCommand((sys.executable, str(_STUB)))}
_TIMING = Timing(back_off_s=0.2, back_off_cap_s=1, heartbeat_s=2, retry_s=0.2)
_GATEWAYS = f"{names.FLEET}=chat,{names.ROLE}={names.ROLE_GATEWAY}"


@pytest.fixture
async def kube(control_plane):
    async with await Kube.connect(str(control_plane.kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(kube):
    name = f"gateway-{secrets.token_hex(4)}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await kube.delete(NAMESPACES, name)


@pytest.fixture
async def node(kube, namespace):
    """One process node, under a short path: its pods have sockets."""
    root = Path(tempfile.mkdtemp(prefix="gw-"))
    manager = NodeManager(kube, [NodeSpec(f"{namespace}-node")], _IMAGES, root, _TIMING)
    task = asyncio.create_task(manager.run())
    try:
        async with asyncio.timeout(30):
            await manager.ready()
        yield manager
    finally:
        async with asyncio.timeout(60):
            await manager.stop()
            await task
        shutil.rmtree(root, ignore_errors=True)


async def _apply_gateway(kube, namespace, **differs):
    spec = GatewaySpec(
        fleet="chat",
        namespace=namespace,
        owner_uid="none",
        served_model_name="chat-model",
        ladder=("full", "small"),
        replicas=2,
        max_queued_requests=2000,
        queue_timeout_s=60,
        max_request_bytes=1 << 20,
        haproxy_image="haproxy:3.2",
        operator_image="costwain/operator:test",
        grace_s=60,
    )
    spec = replace(spec, **differs)
    for manifest in gateway_manifests(spec, program(spec, {"full": 100}, {"full": {"spot": 8}})):
        del manifest["metadata"]["ownerReferences"]  # there is no ModelDeployment: it would be garbage
        await kube.apply(manifest)


async def _ready_gateways(kube, namespace, count):
    async def ready():
        deployment = await kube.get(DEPLOYMENTS, "chat-gateway", namespace)
        return deployment["status"].get("readyReplicas", 0) == count

    await eventually_async(ready, 90, f"{count} gateway pods Ready")
    pods, _ = await kube.list(PODS, namespace, _GATEWAYS)
    return sorted((pod["metadata"]["name"], pod["status"]["podIP"]) for pod in pods)


def _model_pod(namespace, name):
    labels = {names.FLEET: "chat", names.ROLE: names.ROLE_MODEL, names.VARIANT: "full", names.POOL: "spot"}
    probe = {"tcpSocket": {"port": names.MODEL_PORT}, "periodSeconds": 1}
    container = {"name": "engine", "image": "test/stub:1", "args": ["0.0.0.0"], "readinessProbe": probe}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "containers": [container],
            "readinessGates": [{"conditionType": names.IN_GATEWAY}],
            "terminationGracePeriodSeconds": 2,
        },
    }


async def _metrics(address):
    url = f"http://{address}:{names.AGENT_PORT}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


async def _is_ready(kube, namespace, name):
    pod = await kube.get(PODS, name, namespace)
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


async def test_two_gateways_hold_share_drain_and_leave_without_a_loss(kube, namespace, node):
    await _apply_gateway(kube, namespace)
    (_, first), (second_name, second) = await _ready_gateways(kube, namespace, 2)
    async with Client(f"http://{first}:8080") as at_first, Client(f"http://{second}:8080") as at_second:
        held = [asyncio.create_task(client.ask(f"q {i}")) for i in range(20) for client in (at_first, at_second)]

        async def all_held():
            texts = [await _metrics(address) for address in (first, second)]
            return all('queue_depth{variant="full"} 20\n' in text for text in texts)

        await eventually_async(all_held, 20, "20 held in each gateway")
        await kube.create(_model_pod(namespace, "model-a"))
        await eventually_async(lambda: _is_ready(kube, namespace, "model-a"), 30, "the pod's gate is open")
        assert lost(await gather(held)) == []
        for address in (first, second):
            assert 'slots{variant="full",pool="spot"} 4\n' in await _metrics(address)

        stream = asyncio.create_task(at_second.ask(stream=True, chunks=60, gap_ms=100))

        async def open_stream():
            return 'in_flight{variant="full",pool="spot"} 1\n' in await _metrics(second)

        await eventually_async(open_stream, 10, "a stream through the second gateway")
        await kube.delete(PODS, second_name, namespace)
        assert lost(await gather([stream])) == []

        await kube.create(_model_pod(namespace, "model-b"))
        await eventually_async(lambda: _is_ready(kube, namespace, "model-b"), 30, "the second pod's gate is open")
        await kube.merge(PODS, "model-a", {"metadata": {"labels": {names.DRAIN: "true"}}}, namespace=namespace)

        async def drained():
            pod = await kube.get(PODS, "model-a", namespace)
            return pod["metadata"]["labels"].get(names.DRAINED) == "true"

        await eventually_async(drained, 40, "every gateway has let go of the pod")
        assert lost(await gather(at_first.ask(f"q {i}") for i in range(20))) == []


async def test_the_certificate_of_a_secret_is_awaited_and_renewed_under_way(kube, namespace, node, tmp_path):
    await _apply_gateway(kube, namespace, replicas=1, tls_secret="chat-tls")
    pki.write_all(tmp_path, datetime.now(UTC))
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    trusted.check_hostname = False

    async def write(name):
        pki.issue(tmp_path, name, pki.Authority.load(tmp_path), pki.Subject("chat", serves=["chat"]), datetime.now(UTC))
        pair = {f"tls.{kind}": (tmp_path / f"{name}.{kind}").read_text() for kind in ("crt", "key")}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chat-tls", "namespace": namespace}}
        await kube.apply(secret | {"type": "kubernetes.io/tls", "stringData": pair})

    async def serial(address):
        _, writer = await asyncio.open_connection(address, names.GATEWAY_PORT, ssl=trusted)
        found = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return found

    await write("first")
    ((_, address),) = gateways = await _ready_gateways(kube, namespace, 1)
    first = await serial(address)
    await write("second")

    async def renewed():
        return await serial(address) != first

    await eventually_async(renewed, 30, "the renewed certificate")
    assert await _ready_gateways(kube, namespace, 1) == gateways  # the same pod
    service = await kube.get(SERVICES, "chat", namespace)
    assert [(port["name"], port["port"]) for port in service["spec"]["ports"]] == [("https", 443)]


async def test_keys_of_a_secret_open_the_gateway_and_rotate_under_way(kube, namespace, node):
    tenants = (Tenant(name="blue", max_concurrent_requests=100),)
    await _apply_gateway(kube, namespace, api_keys_secret="chat-keys", tenants=tenants)
    gateways = await _ready_gateways(kube, namespace, 2)
    old, new = "sk-old-0123456789", "sk-new-0123456789"

    async def write(*keys):
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chat-keys", "namespace": namespace}}
        await kube.apply(secret | {"stringData": {"blue": "\n".join(keys)}})

    async def statuses(key):
        found = []
        for _, address in gateways:
            async with Client(f"http://{address}:8080") as client:
                found.append((await client.get("/v1/models", {"authorization": f"Bearer {key}"})).status)
        return found

    async def answers(key, status):
        return await statuses(key) == [status, status]

    assert await statuses(old) == [401, 401]  # no Secret: nobody gets in
    await write(old)
    await eventually_async(lambda: answers(old, 200), 30, "the key opens both gateways")
    await write(old, new)
    await eventually_async(lambda: answers(new, 200), 30, "the new key does too")
    assert await statuses(old) == [200, 200]
    await write(new)
    await eventually_async(lambda: answers(old, 401), 30, "the old key does no more")
    assert await _ready_gateways(kube, namespace, 2) == gateways  # the same pods

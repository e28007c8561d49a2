"""The gateway's manifests as they are, on process nodes under a real control plane."""

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from tests.gateway.client import Client, gather, lost
from tests.gateway.on_nodes import apply_gateway, metrics, process_node, ready_gateways, start_model_pod
from tests.support import eventually_async

from costwain.adapters.resources import PODS, SERVICES
from costwain.domain import names
from costwain.domain.gateway import Tenant
from costwain.local import pki

pytestmark = [pytest.mark.gateway, pytest.mark.cluster, pytest.mark.anyio]


@pytest.fixture
async def node(kube, namespace):
    async with process_node(kube, f"{namespace}-node") as manager:
        yield manager


async def test_two_gateways_hold_share_drain_and_leave_without_a_loss(kube, namespace, node):
    await apply_gateway(kube, namespace)
    (_, first), (second_name, second) = await ready_gateways(kube, namespace, 2)
    async with Client(f"http://{first}:8080") as at_first, Client(f"http://{second}:8080") as at_second:
        held = [asyncio.create_task(client.ask(f"q {i}")) for i in range(20) for client in (at_first, at_second)]

        async def all_held():
            texts = [await metrics(address) for address in (first, second)]
            return all('queue_depth{variant="full"} 20\n' in text for text in texts)

        await eventually_async(all_held, 20, "20 held in each gateway")
        await start_model_pod(kube, namespace, "model-a")
        assert lost(await gather(held)) == []
        for address in (first, second):
            assert 'slots{variant="full",pool="spot"} 4\n' in await metrics(address)

        stream = asyncio.create_task(at_second.ask(stream=True, chunks=60, gap_ms=100))

        async def open_stream():
            return 'in_flight{variant="full",pool="spot"} 1\n' in await metrics(second)

        await eventually_async(open_stream, 10, "a stream through the second gateway")
        await kube.delete(PODS, second_name, namespace)
        assert lost(await gather([stream])) == []

        await start_model_pod(kube, namespace, "model-b")
        await kube.merge(PODS, "model-a", {"metadata": {"labels": {names.DRAIN: "true"}}}, namespace=namespace)

        async def drained():
            pod = await kube.get(PODS, "model-a", namespace)
            return pod["metadata"]["labels"].get(names.DRAINED) == "true"

        await eventually_async(drained, 40, "every gateway has let go of the pod")
        assert lost(await gather(at_first.ask(f"q {i}") for i in range(20))) == []


async def test_the_certificate_of_a_secret_is_awaited_and_renewed_under_way(kube, namespace, node, tmp_path):
    await apply_gateway(kube, namespace, replicas=1, tls_secret="chat-tls")
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
    ((_, address),) = gateways = await ready_gateways(kube, namespace, 1)
    first = await serial(address)
    await write("second")

    async def renewed():
        return await serial(address) != first

    await eventually_async(renewed, 30, "the renewed certificate")
    assert await ready_gateways(kube, namespace, 1) == gateways  # the same pod
    service = await kube.get(SERVICES, "chat", namespace)
    assert [(port["name"], port["port"]) for port in service["spec"]["ports"]] == [("https", 443)]


async def test_keys_of_a_secret_open_the_gateway_and_rotate_under_way(kube, namespace, node):
    tenants = (Tenant(name="blue", max_concurrent_requests=100),)
    await apply_gateway(kube, namespace, api_keys_secret="chat-keys", tenants=tenants)
    gateways = await ready_gateways(kube, namespace, 2)
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
    assert await ready_gateways(kube, namespace, 2) == gateways  # the same pods

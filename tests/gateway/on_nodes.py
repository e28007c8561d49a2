"""A gateway's manifests on process nodes: to apply them, to find their pods, and the processes that these are."""

import asyncio
import shutil
import sys
import tempfile
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
from tests.support import eventually_async

from costwain.adapters.resources import DEPLOYMENTS, PODS
from costwain.domain import names
from costwain.local.node import ImageCommand, NodeManager, NodeSpec, Timing
from costwain.local.node.specs import default_images
from costwain.render.gateway import GatewaySpec, gateway_files, gateway_manifests, program

GATEWAYS = f"{names.FLEET}=chat,{names.ROLE}={names.ROLE_GATEWAY}"
_STUB = Path(__file__).with_name("stub_pod.py")
_IMAGES = {**default_images(), "test/stub": ImageCommand((sys.executable, str(_STUB)))}
_TIMING = Timing(back_off_s=0.2, back_off_cap_s=1, heartbeat_s=2, retry_s=0.2)


@asynccontextmanager
async def process_node(kube, name):
    """One process node, under a short path: its pods have sockets."""
    root = Path(tempfile.mkdtemp(prefix="gw-"))
    manager = NodeManager(kube, [NodeSpec(name)], _IMAGES, root, _TIMING)
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


async def apply_gateway(kube, namespace, **differs):
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
    files = gateway_files(spec, program(spec, {"full": 100}, {"full": {"spot": 8}}))
    for manifest in (files, *gateway_manifests(spec)):
        del manifest["metadata"]["ownerReferences"]  # there is no ModelDeployment: it would be garbage
        await kube.apply(manifest)


async def ready_gateways(kube, namespace, count):
    """Names and addresses of the gateway pods, once so many are Ready and no other is there."""

    async def ready():
        deployment = await kube.get(DEPLOYMENTS, "chat-gateway", namespace)
        return deployment["status"].get("readyReplicas", 0) == count

    await eventually_async(ready, 90, f"{count} gateway pods Ready")
    pods, _ = await kube.list(PODS, namespace, GATEWAYS)
    return sorted((pod["metadata"]["name"], pod["status"]["podIP"]) for pod in pods)


def model_pod(namespace, name):
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


async def start_model_pod(kube, namespace, name):
    """Makes a pod and waits until the gateway has it."""
    await kube.create(model_pod(namespace, name))
    await eventually_async(lambda: is_ready(kube, namespace, name), 30, f"{name}'s gate is open")


async def metrics(address):
    """The agent's page."""
    url = f"http://{address}:{names.AGENT_PORT}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


async def is_ready(kube, namespace, name):
    pod = await kube.get(PODS, name, namespace)
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))


def process_ids(word, address):
    """Processes of the gateway pod at an address that were started with this word."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and f"BIND={address}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found += [int(folder.name)] if any(w.endswith(word.encode()) for w in words) else []
    return found

"""`costwain local` against the real thing: what it starts works, and what it ends is gone."""

import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml
from tests.support import eventually, eventually_async

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import NAMESPACES, NODES, PODS, SERVICE_ACCOUNTS
from costwain.local import cluster, process
from costwain.local.cluster import Cluster
from costwain.local.errors import LocalError
from costwain.local.store import Task

pytestmark = pytest.mark.cluster


def costwain(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as a user calls it, in a process of its own."""
    command = [sys.executable, "-m", "costwain.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def throwaway(tmp_path: Path) -> Iterator[Cluster]:
    """A control plane that a test may break."""
    directory = tmp_path / "state"
    yield cluster.up("throwaway", directory)
    cluster.down("throwaway", directory)


@pytest.fixture
async def gpu_node(kube: Kube, namespace: str) -> AsyncIterator[str]:
    """The name of a Ready node with two NVIDIA GPUs that no kubelet backs."""
    name = f"gpu-{namespace}"
    labels = {"kubernetes.io/hostname": name}
    await kube.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "10", "nvidia.com/gpu": "2"}
    ready = {"type": "Ready", "status": "True", "reason": "Test", "message": "ready"}
    status = {"capacity": capacity, "allocatable": capacity, "conditions": [ready]}
    await kube.patch_status(NODES, name, None, {"status": status})
    yield name
    await kube.delete(NODES, name)


def pod_with_gpus(namespace: str, name: str, gpus: int, node: str) -> Object:
    """A pod that may only run on that node (it is not the only one on the shared control plane)."""
    container = {"name": "engine", "image": "costwain/stub", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": node}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


async def connect_as(cluster_: Cluster, token: str, folder: Path) -> Kube:
    """A client that has nothing but a ServiceAccount's token."""
    config = yaml.safe_load(cluster_.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    file = folder / "token.kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return await Kube.connect(str(file))


@pytest.mark.anyio
async def test_the_api_server_of_the_pinned_version_is_ready(kube: Kube) -> None:
    version = await kube.request("GET", "/version")
    assert version["gitVersion"] == "v1.36.3"
    checks = await kube.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
    assert checks["metadata"]["name"] == "default"


@pytest.mark.anyio
async def test_a_service_account_without_rights_gets_403(
    control_plane: Cluster, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "poor", "namespace": namespace}}
    await kube.create(account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    granted = await kube.request("POST", SERVICE_ACCOUNTS.path(namespace, "poor", "token"), request)
    async with await connect_as(control_plane, granted["status"]["token"], tmp_path) as poor:
        with pytest.raises(ApiError) as refused:
            await poor.list(PODS, namespace)
    assert refused.value.status == 403
    assert f"system:serviceaccount:{namespace}:poor" in refused.value.message


@pytest.mark.anyio
async def test_the_scheduler_places_a_pod_on_the_node_that_has_the_gpus(
    kube: Kube, namespace: str, gpu_node: str
) -> None:
    await kube.create(pod_with_gpus(namespace, "fits", 2, gpu_node))

    async def node_of_pod() -> str | None:
        pod = await kube.get(PODS, "fits", namespace)
        return pod and pod["spec"].get("nodeName")

    assert await eventually_async(node_of_pod, 30, "the pod is bound") == gpu_node


@pytest.mark.anyio
async def test_a_pod_that_wants_too_many_gpus_waits_and_says_why(kube: Kube, namespace: str, gpu_node: str) -> None:
    await kube.create(pod_with_gpus(namespace, "too-big", 3, gpu_node))

    async def verdict() -> str | None:
        pod = await kube.get(PODS, "too-big", namespace)
        conditions = (pod or {})["status"].get("conditions", [])
        return next((c["message"] for c in conditions if "nvidia.com/gpu" in c.get("message", "")), None)

    assert "Insufficient nvidia.com/gpu" in str(await eventually_async(verdict, 30, "the scheduler's verdict"))


def test_up_twice_then_down_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    where = ("--name", "story", "--dir", str(tmp_path / "state"))
    first = costwain("local", "up", *where)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"export KUBECONFIG={tmp_path}/state/kubeconfig\n"
    identity = cluster.find("story", tmp_path / "state").state().identity

    again = costwain("local", "up", *where)
    assert again.stdout == first.stdout
    assert "cluster story runs already" in again.stderr
    assert len(process.marked(cluster.MARK, identity)) == 4
    assert costwain("local", "status", *where).returncode == 0
    assert costwain("local", "kubectl", *where, "--", "get", "--raw", "/readyz").stdout == "ok"

    assert costwain("local", "down", *where).returncode == 0
    assert process.marked(cluster.MARK, identity) == []
    assert list(tmp_path.iterdir()) == []
    assert costwain("local", "status", *where).returncode == 1


def test_down_also_ends_what_the_clusters_processes_left_behind(tmp_path: Path) -> None:
    started = cluster.up("orphans", tmp_path / "state")
    identity = started.state().identity
    started.start(Task("node", ["/bin/sh", "-c", "sleep 300 & sleep 300"]))
    strays = eventually(lambda: process.marked(cluster.MARK, identity)[6:], 5, "a node with its two children")
    os.kill(started.status()[-1].pid or 0, signal.SIGKILL)
    cluster.down("orphans", tmp_path / "state")
    assert strays
    assert process.marked(cluster.MARK, identity) == []


def test_an_interrupt_during_up_leaves_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "costwain.cli.main", "local", "up", "--dir", str(tmp_path / "state")]
    # What a shell starts in the background ignores interrupts, and so would all that it starts.
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=heard) as up:
        assert up.stderr
        eventually(lambda: "kube-apiserver" in (up.stderr.readline() if up.stderr else ""), 60, "the start")
        up.send_signal(signal.SIGINT)
        _, said = up.communicate(timeout=60)
    assert up.returncode == 130
    assert said.endswith("interrupted\n")
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_up_brings_back_a_component_that_died(throwaway: Cluster) -> None:
    scheduler = throwaway.status()[-1]
    assert scheduler.name == "kube-scheduler"
    os.kill(scheduler.pid or 0, signal.SIGKILL)
    eventually(lambda: not throwaway.status()[-1].runs, 5, "status tells that it died")
    before = throwaway.status()[:-1]
    cluster.up("throwaway", throwaway.dir)
    assert throwaway.status()[-1].runs
    assert [row.pid for row in throwaway.status()[:-1]] == [row.pid for row in before]


def test_a_component_that_cant_start_is_told_with_the_end_of_its_log(throwaway: Cluster) -> None:
    throwaway.stop("kube-scheduler")
    address = ("127.0.0.1", throwaway.state().ports["kube-scheduler"])
    with socket.create_server(address), pytest.raises(LocalError) as failed:
        cluster.up("throwaway", throwaway.dir)
    text = str(failed.value)
    assert text.startswith("kube-scheduler: ended before kube-scheduler was ready; the end of ")
    assert "kube-scheduler.log" in text
    assert "address already in use" in text


@pytest.mark.anyio
async def test_objects_outlive_a_restart_of_api_server_and_etcd(throwaway: Cluster) -> None:
    async with await Kube.connect(str(throwaway.kubeconfig)) as client:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})
    for name in ("kube-apiserver", "etcd"):
        throwaway.restart(name)
    throwaway.wait_ready()
    async with await Kube.connect(str(throwaway.kubeconfig)) as client:
        assert await client.get(NAMESPACES, "kept")

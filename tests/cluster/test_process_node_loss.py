"""Process nodes that vanish, come back, restart, are killed, and are shared with nobody."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cluster.process_nodes import (
    World,
    condition,
    container_status,
    is_ready,
    new_manager,
    running,
    state,
    until_dead,
    world,
)
from tests.support import eventually_async

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import LEASES, NODES, PODS
from costwain.local.cluster import Cluster
from costwain.local.errors import LocalError
from costwain.local.node import NodeNameTakenError

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]
SAY_PID = {"args": ["echo $$$$; exec sleep 600"]}
_NOTICED_S = 60  # the node lifecycle controller's grace period, and then some


@pytest.fixture
async def here(kube: Kube, namespace: str, control_plane: Cluster, tmp_path: Path) -> AsyncIterator[World]:
    async with world(kube, str(control_plane.kubeconfig), namespace, tmp_path / "n") as made:
        yield made


async def ready_pod(here: World, name: str, **spec: object) -> Object:
    """A pod on the first node that says its process id."""
    await here.kube.create(here.pod(name, SAY_PID, nodeName=here.nodes[0], **spec))
    pod = await here.until(name, is_ready, "is Ready")
    await here.until_said(pod, "\n")
    return pod


def pid_of(here: World, pod: Object) -> int:
    return int(here.log(pod))


async def test_a_registered_node_shows_what_it_is(here: World) -> None:
    node = await here.node(here.nodes[0])
    assert condition(node, "Ready")["status"] == "True"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"
    assert node["metadata"]["labels"]["costwain.test/world"] == here.namespace
    assert "costwain.test/world" in [taint["key"] for taint in node["spec"]["taints"]]
    assert node["status"]["addresses"][0]["address"].startswith("127.")


async def test_a_lost_node_goes_not_ready_and_its_pods_return_with_it(here: World) -> None:
    pod = await ready_pod(here, "p")
    await here.manager.lose_node(here.nodes[0])
    await until_dead(pid_of(here, pod))

    async def noticed() -> bool:
        return condition(await here.node(here.nodes[0]), "Ready")["status"] == "Unknown"

    await eventually_async(noticed, _NOTICED_S, "the node lifecycle controller has noticed")
    await here.until("p", lambda p: not is_ready(p), "is not Ready any more")
    await here.manager.restore(here.nodes[0])
    back = await here.until("p", lambda p: is_ready(p) and container_status(p)["restartCount"] == 1, "is back")
    assert container_status(back)["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert condition(await here.node(here.nodes[0]), "Ready")["status"] == "True"


async def test_a_pod_deleted_while_its_node_is_lost_stays_until_the_node_is_back(here: World) -> None:
    await ready_pod(here, "p")
    await here.manager.lose_node(here.nodes[0])
    await here.kube.delete(PODS, "p", here.namespace)
    kept = await here.until("p", lambda p: "deletionTimestamp" in p["metadata"], "is marked")
    assert state(kept, "running"), "nobody is there to say that it ended"
    await here.manager.restore(here.nodes[0])
    await here.until_gone("p")


async def test_a_pod_on_a_node_of_somebody_else_is_left_alone(here: World) -> None:
    await here.kube.create(here.pod("foreign", SAY_PID, nodeName="no-such-node"))
    await ready_pod(here, "mine")  # created later, so the first one has been seen by now
    foreign = await here.until("foreign", lambda p: True, "is there")
    assert foreign["status"]["phase"] == "Pending"
    assert "containerStatuses" not in foreign["status"]
    await here.kube.delete(PODS, "foreign", here.namespace, grace_s=0)


async def test_a_clean_stop_kills_the_pods_and_removes_the_nodes(here: World) -> None:
    pod = await ready_pod(here, "p")
    await asyncio.wait_for(here.manager.stop(), 20)
    await until_dead(pid_of(here, pod))
    assert await here.kube.get(NODES, here.nodes[0]) is None
    assert await here.kube.get(LEASES, here.nodes[0], "kube-node-lease") is None
    assert here.records(pod)[-1]["gone_s"] is not None


async def test_the_next_manager_restarts_what_the_last_one_ran(
    kube: Kube, namespace: str, control_plane: Cluster, tmp_path: Path
) -> None:
    """Cancelled, a manager says nothing to the API server: as if it had crashed."""
    manager = new_manager(kube, namespace, tmp_path / "n")
    here = World(kube, namespace, tmp_path / "n", manager, str(control_plane.kubeconfig))
    async with running(manager) as task:
        pod = await ready_pod(here, "always")
        await kube.create(here.pod("never", SAY_PID, nodeName=here.nodes[0], restartPolicy="Never"))
        await here.until("never", is_ready, "is Ready")
        task.cancel()
        await asyncio.wait([task], timeout=20)
    await until_dead(pid_of(here, pod))
    async with running(new_manager(kube, namespace, tmp_path / "n")):
        await here.until("always", lambda p: is_ready(p) and container_status(p)["restartCount"] == 1, "runs again")
        failed = await here.until("never", lambda p: p["status"]["phase"] == "Failed", "has failed")
        assert state(failed, "terminated")["exitCode"] == 137


async def test_a_folder_serves_one_manager_at_a_time(here: World) -> None:
    with pytest.raises(LocalError, match="another node manager uses this folder"):
        await new_manager(here.kube, here.namespace, here.root).run()


async def test_a_node_that_is_no_process_node_is_not_taken_over(kube: Kube, namespace: str, tmp_path: Path) -> None:
    name = f"{namespace}-a"
    await kube.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
    try:
        with pytest.raises(NodeNameTakenError, match=f"Node '{name}' exists"):
            await new_manager(kube, namespace, tmp_path / "n").run()
    finally:
        await kube.delete(NODES, name)


async def start_command(here: World, root: Path, name: str) -> asyncio.subprocess.Process:
    """The command line's own node, in a process of its own, once it says that it is ready."""
    options = ["--name", name, "--kubeconfig", here.kubeconfig, "--dir", str(root), "--capacity", "amd.com/gpu=8"]
    options += ["--image-map", "test/sh=/bin/sh -c", "--taint", "test=cli:NoSchedule"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "costwain.cli.main", "local", "node", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 30)
    assert b"1 nodes are ready" in line
    return process


async def test_the_command_serves_a_node_and_its_sigkill_leaves_no_process(here: World, tmp_path: Path) -> None:
    name = f"{here.namespace}-cli"
    process = await start_command(here, tmp_path / "cli", name)
    elsewhere = World(here.kube, here.namespace, tmp_path / "cli", here.manager, here.kubeconfig)
    assert (await here.node(name))["status"]["capacity"]["amd.com/gpu"] == "8"
    await here.kube.create(here.pod("p", SAY_PID, nodeName=name))
    pod = await here.until("p", is_ready, "is Ready")
    await elsewhere.until_said(pod, "\n")
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await until_dead(pid_of(elsewhere, pod))
    await here.kube.delete(NODES, name)
    await here.kube.delete(PODS, "p", here.namespace, grace_s=0)


async def test_a_file_takes_a_node_of_the_command_away(here: World, tmp_path: Path) -> None:
    name = f"{here.namespace}-cli"
    process = await start_command(here, tmp_path / "cli", name)
    elsewhere = World(here.kube, here.namespace, tmp_path / "cli", here.manager, here.kubeconfig)
    await here.kube.create(here.pod("p", SAY_PID, nodeName=name))
    pod = await here.until("p", is_ready, "is Ready")
    await elsewhere.until_said(pod, "\n")
    switch = tmp_path / "cli" / "lost" / name
    switch.touch()
    await until_dead(pid_of(elsewhere, pod))
    switch.unlink()
    await here.until("p", lambda p: is_ready(p) and container_status(p)["restartCount"] == 1, "is back")
    process.terminate()
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert await here.kube.get(NODES, name) is None
    await here.kube.delete(PODS, "p", here.namespace, grace_s=0)

"""Pods of several containers on a process node: sidecars, and what happens to the others when one ends."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cluster.process_nodes import World, condition, container_status, is_ready, state, world

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import PODS
from costwain.local.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]
FOREVER = "exec sleep 600"


@pytest.fixture
async def here(kube: Kube, namespace: str, control_plane: Cluster, tmp_path: Path) -> AsyncIterator[World]:
    async with world(kube, str(control_plane.kubeconfig), namespace, tmp_path / "n") as made:
        yield made


def sidecar(script: str, **more: object) -> Object:
    return {"name": "side", "image": "test/sh", "args": [script], "restartPolicy": "Always", **more}


async def test_the_others_wait_until_a_sidecar_has_started(here: World) -> None:
    probe = {"exec": {"command": ["test", "-e", "/w/up"]}, "periodSeconds": 1, "failureThreshold": 60}
    mounts = [{"name": "w", "mountPath": "/w"}]
    side = sidecar(FOREVER, startupProbe=probe, volumeMounts=mounts)
    volumes = [{"name": "w", "emptyDir": {}}]
    await here.kube.create(here.pod("p", {"args": [FOREVER]}, initContainers=[side], volumes=volumes))
    waiting = await here.until(
        "p", lambda p: p["status"].get("initContainerStatuses", [{"state": {}}])[0]["state"].get("running"), "side runs"
    )
    assert condition(waiting, "Initialized")["message"] == "containers with incomplete status: [side]"
    assert state(waiting, "waiting")
    (here.volume(waiting, "w") / "up").touch()
    ready = await here.until("p", is_ready, "is Ready")
    assert ready["status"]["initContainerStatuses"][0]["started"] is True


async def test_a_sidecar_is_stopped_after_the_others(here: World) -> None:
    keep = here.root / "kept"
    keep.mkdir()
    mounts = [{"name": "out", "mountPath": "/out"}]
    script = "trap 'echo WHO >> /out/order; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    main = {"args": [script.replace("WHO", "main")], "volumeMounts": mounts}
    side = sidecar(script.replace("WHO", "side"), volumeMounts=mounts)
    volumes = [{"name": "out", "hostPath": {"path": str(keep)}}]
    await here.kube.create(here.pod("p", main, initContainers=[side], volumes=volumes))
    pod = await here.until("p", is_ready, "is Ready")
    await here.until_said(pod, "up")
    await here.until_said(pod, "up", container="side")
    await here.kube.delete(PODS, "p", here.namespace)
    await here.until_gone("p")
    assert (keep / "order").read_text().split() == ["main", "side"]


async def test_a_sidecar_does_not_keep_a_finished_job_alive(here: World) -> None:
    await here.kube.create(
        here.pod("job", {"args": ["exit 0"]}, initContainers=[sidecar(FOREVER)], restartPolicy="Never")
    )
    job = await here.until("job", lambda p: p["status"]["phase"] == "Succeeded", "has succeeded")
    assert container_status(job)["state"]["terminated"]["exitCode"] == 0


async def test_one_container_restarts_alone_and_the_pod_is_not_ready_meanwhile(here: World) -> None:
    """Exit 0 as well: an engine that dies may end with success."""
    pod = here.pod("pair", {"args": [FOREVER]})
    pod["spec"]["containers"].append({"name": "dies", "image": "test/sh", "args": ["exit 0"]})
    await here.kube.create(pod)
    found = await here.until("pair", lambda p: container_status(p, "dies")["restartCount"] >= 2, "restarted twice")
    assert container_status(found)["restartCount"] == 0
    assert container_status(found, "dies")["lastState"]["terminated"]["exitCode"] == 0
    unready = await here.until("pair", lambda p: container_status(p, "dies")["state"].get("waiting"), "backs off")
    assert condition(unready, "ContainersReady")["message"] == "containers with unready status: [dies]"
    assert unready["status"]["phase"] == "Running"


async def test_a_pod_that_backs_off_can_be_deleted_at_once(here: World) -> None:
    await here.kube.create(here.pod("loop", {"args": ["exit 1"]}, terminationGracePeriodSeconds=60))
    await here.until("loop", lambda p: state(p, "waiting").get("reason") == "CrashLoopBackOff", "backs off")
    asked_s = time.monotonic()
    await here.kube.delete(PODS, "loop", here.namespace)
    await here.until_gone("loop")
    assert time.monotonic() - asked_s < 10


async def test_a_second_delete_shortens_the_grace_period(here: World) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    await here.kube.create(here.pod("slow", {"args": [script]}, terminationGracePeriodSeconds=120))
    pod = await here.until("slow", is_ready, "is Ready")
    await here.until_said(pod, "up")
    await here.kube.delete(PODS, "slow", here.namespace)
    await here.until("slow", lambda p: "deletionTimestamp" in p["metadata"], "is leaving")
    asked_s = time.monotonic()
    await here.kube.delete(PODS, "slow", here.namespace, grace_s=1)
    await here.until_gone("slow")
    assert time.monotonic() - asked_s < 20

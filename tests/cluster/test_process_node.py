"""Process nodes against the real control plane: one story for each fact of a pod's life."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tests.cluster.process_nodes import World, condition, container_status, is_ready, state, until_dead, world
from tests.support import eventually_async

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import DEPLOYMENTS, PODS
from costwain.local.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]
GATE = "costwain.dev/in-gateway"
SLEEP = {"args": ["exec sleep 600"]}


@pytest.fixture
async def here(kube: Kube, namespace: str, control_plane: Cluster, tmp_path: Path) -> AsyncIterator[World]:
    async with world(kube, str(control_plane.kubeconfig), namespace, tmp_path / "n") as made:
        yield made


async def start(here: World, pod: Object, what: str = "runs") -> Object:
    """Creates a pod and waits until its container runs."""
    await here.kube.create(pod)
    return await here.until(pod["metadata"]["name"], lambda p: state(p, "running"), what)


async def open_gate(here: World, name: str, status: str = "True") -> None:
    patch = {"status": {"conditions": [{"type": GATE, "status": status}]}}
    await here.kube.patch_status(PODS, name, here.namespace, patch)


async def test_a_web_pod_is_ready_at_its_own_address_and_leaves_when_deleted(here: World) -> None:
    container = {
        "image": "test/python:3",
        "args": ["-m", "http.server", "--bind", "0.0.0.0", "8000"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"port": "http", "path": "/"}, "periodSeconds": 1},
    }
    await here.kube.create(here.pod("web", container))
    pod = await here.until("web", is_ready, "is Ready")
    async with aiohttp.ClientSession() as session, session.get(f"http://{pod['status']['podIP']}:8000/") as answer:
        assert answer.status == 200
    assert pod["status"]["phase"] == "Running"
    await here.kube.delete(PODS, "web", here.namespace)
    await here.until_gone("web")


async def test_a_pod_waits_for_its_readiness_gate(here: World) -> None:
    await start(here, here.pod("gated", SLEEP, readinessGates=[{"conditionType": GATE}]))
    waiting = await here.until("gated", lambda p: condition(p, "ContainersReady").get("status") == "True", "is up")
    assert condition(waiting, "Ready")["reason"] == "ReadinessGatesNotReady"
    await open_gate(here, "gated")
    await here.until("gated", is_ready, "is Ready once its gate is open")
    await open_gate(here, "gated", "False")
    await here.until("gated", lambda p: not is_ready(p), "is not Ready once its gate is shut")


async def test_a_crash_loop_counts_restarts_and_keeps_the_exit_code(here: World) -> None:
    await here.kube.create(here.pod("crash", {"args": ["exit 3"]}))
    pod = await here.until("crash", lambda p: container_status(p)["restartCount"] >= 3, "restarted three times")
    pod = await here.until("crash", lambda p: state(p, "waiting"), "waits before the next try")
    assert state(pod, "waiting")["reason"] == "CrashLoopBackOff"
    last = container_status(pod)["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")
    assert last["finishedAt"] >= last["startedAt"]
    assert not is_ready(pod)


async def test_a_pod_that_ends_well_and_may_not_restart_has_succeeded(here: World) -> None:
    await here.kube.create(here.pod("job", {"args": ["exit 0"]}, restartPolicy="Never"))
    pod = await here.until("job", lambda p: p["status"]["phase"] == "Succeeded", "has succeeded")
    assert state(pod, "terminated")["reason"] == "Completed"
    assert condition(pod, "Ready")["reason"] == "PodCompleted"


async def test_a_program_that_does_not_exist_is_a_start_error(here: World) -> None:
    await here.kube.create(here.pod("bad", {"command": ["/no/such"]}, restartPolicy="Never"))
    pod = await here.until("bad", lambda p: p["status"]["phase"] == "Failed", "has failed")
    assert (state(pod, "terminated")["exitCode"], state(pod, "terminated")["reason"]) == (128, "StartError")


async def test_an_image_without_a_command_waits_as_if_it_could_not_be_pulled(here: World) -> None:
    await here.kube.create(here.pod("nope", {"image": "registry.example/unknown:1"}))
    pod = await here.until("nope", lambda p: state(p, "waiting").get("reason") == "ErrImagePull", "waits")
    assert "no command for image 'registry.example/unknown:1'" in state(pod, "waiting")["message"]
    assert pod["status"]["phase"] == "Pending"
    await here.kube.delete(PODS, "nope", here.namespace)
    await here.until_gone("nope")


async def test_sigterm_is_obeyed_within_the_grace_period(here: World) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    pod = await start(here, here.pod("polite", {"args": [script]}, terminationGracePeriodSeconds=30))
    await here.until_said(pod, "up")
    asked_s = time.monotonic()
    await here.kube.delete(PODS, "polite", here.namespace)
    await here.until_gone("polite")
    assert time.monotonic() - asked_s < 10
    assert here.log(pod).splitlines() == ["up", "bye"]


async def test_who_ignores_sigterm_is_killed_when_the_grace_period_ends(here: World) -> None:
    script = "trap 'echo no' TERM; echo up; while :; do sleep 0.05; done"
    pod = await start(here, here.pod("stubborn", {"args": [script]}, terminationGracePeriodSeconds=3))
    await here.until_said(pod, "up")
    asked_s = time.monotonic()
    await here.kube.delete(PODS, "stubborn", here.namespace)
    await here.until_gone("stubborn")
    assert 2.5 < time.monotonic() - asked_s < 10
    assert "no" in here.log(pod)


async def test_pre_stop_runs_to_its_end_before_sigterm(here: World) -> None:
    script = "trap 'echo term >> /out/order; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    hook = {"preStop": {"exec": {"command": ["/bin/sh", "-c", "sleep 0.5; echo hook >> /out/order"]}}}
    container = {"args": [script], "lifecycle": hook, "volumeMounts": [{"name": "out", "mountPath": "/out"}]}
    keep = here.root / "kept"
    keep.mkdir()
    volumes = [{"name": "out", "hostPath": {"path": str(keep)}}]
    pod = await start(here, here.pod("hooked", container, volumes=volumes, terminationGracePeriodSeconds=10))
    await here.until_said(pod, "up")
    await here.kube.delete(PODS, "hooked", here.namespace)
    await here.until_gone("hooked")
    assert (keep / "order").read_text().split() == ["hook", "term"]


async def test_pre_stop_that_takes_too_long_is_cut_off_by_the_grace_period(here: World) -> None:
    container = {**SLEEP, "lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}
    await start(here, here.pod("slow", container, terminationGracePeriodSeconds=60))
    asked_s = time.monotonic()
    await here.kube.delete(PODS, "slow", here.namespace, grace_s=1)
    await here.until_gone("slow", timeout_s=15)
    assert 0.5 < time.monotonic() - asked_s < 15


async def test_a_forced_deletion_kills_at_once(here: World) -> None:
    script = "trap '' TERM; echo $$$$; while :; do sleep 0.05; done"
    pod = await start(here, here.pod("forced", {"args": [script]}))
    await here.until_said(pod, "\n")
    pid = int(here.log(pod))
    asked_s = time.monotonic()
    await here.kube.delete(PODS, "forced", here.namespace, grace_s=0)

    await until_dead(pid)
    assert time.monotonic() - asked_s < 10


async def test_init_containers_run_in_order_before_the_others(here: World) -> None:
    mounts = [{"name": "w", "mountPath": "/w"}]
    init = [
        {"name": f"i{n}", "image": "test/sh", "args": [f"echo {n} >> /w/x"], "volumeMounts": mounts} for n in (1, 2)
    ]
    main = {"args": ["cat /w/x; exec sleep 600"], "volumeMounts": mounts}
    volumes = [{"name": "w", "emptyDir": {}}]
    pod = await start(here, here.pod("inits", main, initContainers=init, volumes=volumes))
    await here.until_said(pod, "1\n2\n")
    assert condition(pod, "Initialized")["status"] == "True"
    assert [status["ready"] for status in pod["status"]["initContainerStatuses"]] == [True, True]


async def test_a_startup_probe_holds_back_the_others_and_a_failed_liveness_probe_restarts(here: World) -> None:
    exists = {"exec": {"command": ["test", "-e", "/w/up"]}}
    container = {
        "args": ["echo run; exec sleep 600"],
        "volumeMounts": [{"name": "w", "mountPath": "/w"}],
        "startupProbe": {**exists, "periodSeconds": 1, "failureThreshold": 30},
        "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 60},
        "livenessProbe": {**exists, "periodSeconds": 1, "failureThreshold": 1},
    }
    pod = await start(here, here.pod("probed", container, volumes=[{"name": "w", "emptyDir": {}}]))
    assert (container_status(pod)["started"], container_status(pod)["ready"]) == (False, False)
    mark = here.volume(pod, "w") / "up"
    mark.touch()
    await here.until("probed", is_ready, "is Ready as soon as it has started, not a period later")
    mark.unlink()
    await here.until("probed", lambda p: container_status(p)["restartCount"] == 1, "was restarted")
    await here.until_said(pod, "run", restart=1)


async def test_five_pods_want_gpus_where_four_are(here: World) -> None:
    labels = {"app": "gpu"}
    spec = here.pod_spec({**SLEEP, "resources": {"limits": {"nvidia.com/gpu": "1"}}})
    template = {"metadata": {"labels": labels}, "spec": spec}
    metadata = {"name": "gpu", "namespace": here.namespace}
    deployment_spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    await here.kube.create(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment_spec}
    )

    async def ready_count() -> int:
        found = await here.kube.get(DEPLOYMENTS, "gpu", here.namespace)
        return 0 if found is None else int(found.get("status", {}).get("readyReplicas", 0))

    async def three() -> bool:
        return await ready_count() == 3

    async def the_one_that_waits() -> Object | None:
        pods, _ = await here.kube.list(PODS, here.namespace, "app=gpu")
        waiting = [pod for pod in pods if condition(pod, "PodScheduled").get("status") == "False"]
        return waiting[0] if len(pods) == 5 and len(waiting) == 1 and await ready_count() == 4 else None

    await eventually_async(three, 30, "three are ready")
    await here.kube.merge(DEPLOYMENTS, "gpu", {"spec": {"replicas": 5}}, namespace=here.namespace)
    waiting = await eventually_async(the_one_that_waits, 30, "four are ready and one waits")
    assert waiting is not None
    assert "Insufficient nvidia.com/gpu" in condition(waiting, "PodScheduled")["message"]
    await here.kube.merge(DEPLOYMENTS, "gpu", {"spec": {"replicas": 0}}, namespace=here.namespace)


async def test_the_record_tells_when_a_pod_came_and_went(here: World) -> None:
    before_s = time.time()
    pod = await start(here, here.pod("noted", SLEEP))
    (here_since,) = here.records(pod)
    assert before_s <= here_since["bound_s"] <= time.time()
    assert here_since["gone_s"] is None
    await here.kube.delete(PODS, "noted", here.namespace)
    await here.until_gone("noted")

    async def both() -> bool:
        return len(here.records(pod)) == 2

    await eventually_async(both, 5, "a second line is written")
    left = here.records(pod)[1]
    assert left["bound_s"] <= left["ended_s"] <= left["gone_s"] <= time.time()

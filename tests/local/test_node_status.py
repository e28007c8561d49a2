"""Phase and conditions of a pod, from what its containers do."""

from dataclasses import replace
from typing import Any

import pytest

from costwain.adapters.kube import Object
from costwain.local.node.states import ContainerView, Running, Terminated, Waiting, seed
from costwain.local.node.status import PodFacts, as_patch, pod_status

NOW, EARLIER = "2026-01-31T12:00:00Z", "2026-01-31T11:00:00Z"
UP = ContainerView("c", "i", Running(EARLIER, "process://1"), ready=True, started=True)
UNREADY = replace(UP, ready=False)
NEW = ContainerView("c", "i", Waiting("ContainerCreating"))
DONE, FAILED = (ContainerView("c", "i", Terminated(code, "Error", finished_at=NOW)) for code in (0, 3))
CRASHING = replace(NEW, state=Waiting("CrashLoopBackOff"), last=Terminated(3, "Error"), restarts=2)


def pod(policy: str = "Always", gates: tuple[str, ...] = (), **status: Any) -> Object:
    spec = {"restartPolicy": policy, "readinessGates": [{"conditionType": gate} for gate in gates]}
    return {"metadata": {"name": "p", "namespace": "ns", "uid": "u", "generation": 1}, "spec": spec, "status": status}


def facts(*main: ContainerView, init: tuple[ContainerView, ...] = (), stopped: bool = False) -> PodFacts:
    return PodFacts("127.9.9.2", "127.9.9.1", EARLIER, mounted=True, init=init, main=main, stopped=stopped)


PHASES = {  # story: (restart policy, facts, phase)
    "not started": ("Always", facts(NEW), "Pending"),
    "one of two not started": ("Always", facts(UP, NEW), "Pending"),
    "running": ("Always", facts(UP), "Running"),
    "between two crashes it counts as running": ("Always", facts(CRASHING), "Running"),
    "ended, will be restarted": ("Always", facts(DONE), "Running"),
    "a job that ended well": ("Never", facts(DONE), "Succeeded"),
    "a job that failed": ("Never", facts(FAILED), "Failed"),
    "a job that failed and is retried": ("OnFailure", facts(FAILED), "Running"),
    "one failed, another still runs": ("Never", facts(FAILED, UP), "Running"),
    "init still runs": ("Always", facts(NEW, init=(UP,)), "Pending"),
    "init failed and may not be retried": ("Never", facts(NEW, init=(FAILED,)), "Failed"),
    "init failed and will be retried": ("Always", facts(NEW, init=(FAILED,)), "Pending"),
    "init done": ("Always", facts(UP, init=(DONE,)), "Running"),
    "a sidecar is up": ("Always", facts(UP, init=(replace(UP, sidecar=True),)), "Running"),
    "a sidecar restarts while the rest runs": (
        "Always",
        facts(UP, init=(replace(UP, sidecar=True, started=False),)),
        "Running",
    ),
    "a sidecar is still starting": ("Always", facts(NEW, init=(replace(UP, sidecar=True, started=False),)), "Pending"),
    "deleted, all ended well": ("Always", facts(DONE, stopped=True), "Succeeded"),
    "deleted, one was killed": ("Always", facts(DONE, FAILED, stopped=True), "Failed"),
}


@pytest.mark.parametrize(("policy", "found", "wanted"), PHASES.values(), ids=PHASES)
def test_phase(policy: str, found: PodFacts, wanted: str) -> None:
    assert pod_status(pod(policy), found, [], NOW)["phase"] == wanted


def test_a_finished_phase_is_never_left() -> None:
    assert pod_status(pod("Never", phase="Failed"), facts(UP), [], NOW)["phase"] == "Failed"


GATE = "costwain.dev/in-gateway"
NO_GATE = f'corresponding condition of pod readiness gate "{GATE}" does not exist.'
SHUT_GATE = f'the status of pod readiness gate "{GATE}" is not "True", but False'
READY = {  # story: (gates, condition of the gate, container, Ready, reason, message)
    "no gates, container ready": ((), None, UP, "True", None, None),
    "container not ready": ((), None, UNREADY, "False", "ContainersNotReady", "containers with unready status: [c]"),
    "gate without a condition": ((GATE,), None, UP, "False", "ReadinessGatesNotReady", NO_GATE),
    "gate is False": ((GATE,), "False", UP, "False", "ReadinessGatesNotReady", SHUT_GATE),
    "gate is True": ((GATE,), "True", UP, "True", None, None),
    "an open gate doesn't help an unready container": (
        (GATE,), "True", UNREADY, "False", "ContainersNotReady", "containers with unready status: [c]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("gates", "gate", "container", "ready", "reason", "message"), READY.values(), ids=READY)
def test_ready(
    gates: tuple[str, ...],
    gate: str | None,
    container: ContainerView,
    ready: str,
    reason: str | None,
    message: str | None,
) -> None:
    conditions = [] if gate is None else [{"type": GATE, "status": gate}]
    status = pod_status(pod(gates=gates, conditions=conditions), facts(container), [], NOW)
    (found,) = [condition for condition in status["conditions"] if condition["type"] == "Ready"]
    assert (found["status"], found["reason"], found["message"]) == (ready, reason, message)


def test_the_gates_own_condition_is_left_to_its_owner() -> None:
    status = pod_status(pod(gates=(GATE,), conditions=[{"type": GATE, "status": "True"}]), facts(UP), [], NOW)
    assert GATE not in [condition["type"] for condition in status["conditions"]]


def test_transition_times_change_only_with_the_status() -> None:
    before = pod_status(pod(), facts(UNREADY), [], EARLIER)["conditions"]
    after = {c["type"]: c["lastTransitionTime"] for c in pod_status(pod(), facts(UP), before, NOW)["conditions"]}
    assert after == {
        "PodReadyToStartContainers": EARLIER,
        "Initialized": EARLIER,
        "Ready": NOW,
        "ContainersReady": NOW,
        "PodScheduled": EARLIER,
    }


def test_nothing_new_gives_the_very_same_status() -> None:
    first = pod_status(pod(), facts(UP), [], EARLIER)
    assert pod_status(pod(), facts(UP), first["conditions"], NOW) == first


def test_a_patch_carries_the_uid_and_replaces_addresses() -> None:
    patch = as_patch(pod(), pod_status(pod(), facts(UP), [], NOW))
    assert patch["metadata"] == {"uid": "u"}
    assert patch["status"]["podIPs"] == [{"$patch": "replace"}, {"ip": "127.9.9.2"}]


def test_a_container_between_two_crashes_shows_its_last_run() -> None:
    status = CRASHING.status()
    assert status["state"] == {"waiting": {"reason": "CrashLoopBackOff"}}
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert (status["restartCount"], status["ready"], status["started"]) == (2, False, False)


def test_a_run_whose_process_vanished_with_its_node_counts_as_killed() -> None:
    state, last, count = seed(replace(UP, restarts=1).status(), NOW)
    assert isinstance(state, Terminated)
    assert (state.exit_code, state.reason, state.started_at, state.finished_at) == (
        137,
        "ContainerStatusUnknown",
        EARLIER,
        NOW,
    )
    assert (last, count) == (None, 1)


def test_an_ended_run_is_read_back_as_it_was() -> None:
    assert seed(FAILED.status(), EARLIER)[0] == FAILED.state


def test_a_crash_loop_keeps_its_count_over_a_restart_of_the_node() -> None:
    state, last, count = seed(CRASHING.status(), NOW)
    assert (type(state), last, count) == (Waiting, CRASHING.last, 2)

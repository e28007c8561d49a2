"""A pod's status from what its containers do, by a kubelet's rules. Pure; instants are RFC 3339 texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costwain.adapters.kube import Object
from costwain.local.node.states import ContainerView, Terminated


@dataclass(frozen=True)
class PodFacts:
    """What the node knows about a pod at one moment."""

    address: str | None
    host_address: str
    started_at: str
    mounted: bool  # volumes and address are there, containers may start
    init: Sequence[ContainerView]
    main: Sequence[ContainerView]
    stopped: bool = False  # deleted, and every process has ended

    @property
    def initialized(self) -> bool:
        """Also once a main container has run: a sidecar that restarts later changes nothing."""
        return all(view.init_done for view in self.init) or any(view.ever_ran for view in self.main)


def pod_status(pod: Object, facts: PodFacts, before: Sequence[Object], now: str) -> Object:
    """The status to write; `before` are the conditions last written, which keep their transition times."""
    phase = _phase(pod, facts)
    done = phase in ("Succeeded", "Failed")
    status: Object = {
        "phase": phase,
        "observedGeneration": pod["metadata"].get("generation"),
        "startTime": facts.started_at,
        "hostIP": facts.host_address,
        "hostIPs": [{"ip": facts.host_address}],
        "conditions": [_dated(condition, before, now) for condition in _conditions(pod, facts, done)],
        "containerStatuses": [view.status() for view in facts.main],
    }
    if facts.init:
        status["initContainerStatuses"] = [view.status() for view in facts.init]
    if facts.address is not None:
        status |= {"podIP": facts.address, "podIPs": [{"ip": facts.address}]}
    return status


def as_patch(pod: Object, status: Object) -> Object:
    """A strategic merge patch of that status; the uid makes it fail on a successor of the same name.

    Lists of addresses would be merged, so that an old one stayed: the directive replaces them.
    """
    patch = dict(status)
    for key in ("hostIPs", "podIPs"):
        if key in patch:
            patch[key] = [{"$patch": "replace"}, *patch[key]]
    return {"metadata": {"uid": pod["metadata"]["uid"]}, "status": patch}


def ready_condition(pod: Object, containers_ready: Object) -> Object:
    """Ready: all containers are, and every readiness gate's condition is True."""
    if containers_ready["status"] != "True":
        return {**containers_ready, "type": "Ready"}
    conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", ())}
    problems = []
    for gate in pod["spec"].get("readinessGates", ()):
        kind = gate["conditionType"]
        if kind not in conditions:
            problems.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif conditions[kind] != "True":
            found = conditions[kind]
            problems.append(f'the status of pod readiness gate "{kind}" is not "True", but {found}')
    if problems:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(problems))
    return _condition("Ready", True)


def _phase(pod: Object, facts: PodFacts) -> str:
    """A finished phase is never left; the rest follows the containers and the restart policy."""
    known = pod.get("status", {}).get("phase")
    if known in ("Succeeded", "Failed"):
        return str(known)
    policy = pod["spec"].get("restartPolicy", "Always")
    if facts.stopped:
        return "Succeeded" if all(view.exit_code == 0 for view in facts.main) else "Failed"
    if policy == "Never" and any(view.exit_code not in (None, 0) for view in facts.init if not view.sidecar):
        return "Failed"
    if not facts.initialized or not all(view.ever_ran for view in facts.main):
        return "Pending"
    if policy == "Always" or not all(isinstance(view.state, Terminated) for view in facts.main):
        return "Running"
    if all(view.exit_code == 0 for view in facts.main):
        return "Succeeded"
    return "Failed" if policy == "Never" else "Running"


def _conditions(pod: Object, facts: PodFacts, done: bool) -> list[Object]:
    incomplete = [] if facts.initialized else [view.name for view in facts.init if not view.init_done]
    unready = [view.name for view in (*facts.main, *(v for v in facts.init if v.sidecar)) if not view.ready]
    if done:
        containers_ready = _condition("ContainersReady", False, "PodCompleted")
    elif unready:
        message = f"containers with unready status: [{' '.join(unready)}]"
        containers_ready = _condition("ContainersReady", False, "ContainersNotReady", message)
    else:
        containers_ready = _condition("ContainersReady", True)
    initialized = _condition("Initialized", True)
    if incomplete:
        message = f"containers with incomplete status: [{' '.join(incomplete)}]"
        initialized = _condition("Initialized", False, "ContainersNotInitialized", message)
    return [
        _condition("PodReadyToStartContainers", facts.mounted and not facts.stopped),
        initialized,
        ready_condition(pod, containers_ready),
        containers_ready,
        _condition("PodScheduled", True),
    ]


def _condition(kind: str, holds: bool, reason: str | None = None, message: str | None = None) -> Object:
    # None removes what an earlier status said: a merge patch keeps a field that isn't named.
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}


def _dated(condition: Object, before: Sequence[Mapping[str, object]], now: str) -> Object:
    same = [
        c["lastTransitionTime"]
        for c in before
        if c["type"] == condition["type"] and c["status"] == condition["status"] and c.get("lastTransitionTime")
    ]
    return {**condition, "lastTransitionTime": same[0] if same else now}

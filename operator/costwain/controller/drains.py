"""Pods on their way out: the operator asks, the gateway's agent answers, and without a gateway the operator does."""

from collections.abc import Collection, Mapping
from typing import Any

from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import PODS
from costwain.controller.hands import Hands
from costwain.controller.pods import unix_s
from costwain.domain import names
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet
from costwain.render.conditions import rfc3339

Object = dict[str, Any]
Patch = Mapping[str, str | None]
SETTLE_S = 5.0  # wall seconds until every router has heard that a pod takes no more, as before a pod's SIGTERM
_FIRST_TO_GO = "-1000"
_GRACE_S = 30.0  # Kubernetes' own, where a pod names none
UNSTARTED_GRACE_S = 5  # for a pod that never served: nobody waits for it, and a loading vLLM doesn't hear SIGTERM


async def mark(hands: Hands, fleet: Fleet, plan: FleetPlan, wall_s: float) -> None:
    """Asks that pods get nothing new, or takes that back; without a gateway their Service lets go of them at once."""
    going: Patch = {names.DRAIN: "true", names.SERVES: "false"}
    staying: Patch = {names.DRAIN: None, names.DRAINED: None, names.SERVES: "true"}
    for pod in plan.drain:
        marks = {names.DELETION_COST: _FIRST_TO_GO, names.DRAIN_SINCE: rfc3339(wall_s)}
        await _patch(hands.kube, fleet, pod, going, marks)
    for pod in plan.undrain:
        await _patch(hands.kube, fleet, pod, staying, {names.DELETION_COST: None, names.DRAIN_SINCE: None})
    if not fleet.spec.gateway.is_managed:
        await _confirm(hands, fleet, wall_s)


async def hasten(hands: Hands, fleet: Fleet) -> None:
    """Cuts the grace period of pods that go before they served; they are on the bill until they are gone."""
    for pod in hands.cache.of(PODS, fleet.key):
        if goes_unstarted(pod):
            await hands.kube.delete(PODS, pod["metadata"]["name"], fleet.namespace, UNSTARTED_GRACE_S)


def goes_unstarted(pod: Object) -> bool:
    """Whether a pod of the fleet's engines is terminating, has long to go, and never passed its startup probe."""
    metadata = pod["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("labels", {}).get(names.ROLE) != names.ROLE_MODEL:
        return False
    engines = pod.get("status", {}).get("containerStatuses", [])
    started = any(one.get("started") or one.get("restartCount") for one in engines)
    return not started and metadata.get("deletionGracePeriodSeconds", 0) > UNSTARTED_GRACE_S


async def _confirm(hands: Hands, fleet: Fleet, wall_s: float) -> None:
    """In place of an agent: says of pods that they have let go."""
    for pod in hands.cache.of(PODS, fleet.key):
        if has_let_go(pod, hands.loads.idle, wall_s):
            await _patch(hands.kube, fleet, pod["metadata"]["name"], {names.DRAINED: "true"}, {})


def has_let_go(pod: Object, idle: Collection[str], wall_s: float) -> bool:
    """Whether a pod that drains without an agent is free: its engine has nothing left, or its grace period is over.

    `idle`: addresses whose engines said in this turn that nothing runs or waits. One that never said since when it
    drains was asked by an operator of another time, so its grace period is over.
    """
    metadata, labels = pod["metadata"], pod["metadata"].get("labels", {})
    if labels.get(names.DRAIN) != "true" or labels.get(names.DRAINED) == "true":
        return False
    since = metadata.get("annotations", {}).get(names.DRAIN_SINCE)
    drained_for_s = wall_s - (unix_s(since) if since else 0.0)
    if drained_for_s >= pod["spec"].get("terminationGracePeriodSeconds", _GRACE_S):
        return True
    return drained_for_s >= SETTLE_S and pod.get("status", {}).get("podIP") in idle


async def _patch(kube: Kube, fleet: Fleet, pod: str, labels: Patch, annotations: Patch) -> None:
    patch = {"metadata": {"labels": dict(labels), "annotations": dict(annotations)}}
    try:
        await kube.merge(PODS, pod, patch, namespace=fleet.namespace)
    except ApiError as error:
        if not error.is_not_found:  # gone by itself
            raise

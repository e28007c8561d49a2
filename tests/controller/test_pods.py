"""Pods as the operator sees them: state, instants and what they hold."""

from typing import Any

import pytest

from costwain.adapters.clock import Clock
from costwain.adapters.resources import PODS
from costwain.controller.cache import Cache
from costwain.controller.pods import accelerators_of, bound_wall_s, replica_of
from costwain.domain import names
from costwain.domain.snapshot import State

CREATED, BOUND, READY = "2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z", "2026-01-01T00:01:00Z"


def pod(node: str | None = "n1", ready: str = "False", labels: dict[str, str] | None = None, **meta: Any) -> Any:
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": READY}]
    if node:
        conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": BOUND})
    limits = {"nvidia.com/gpu": "2", "cpu": "4"}
    return {
        "metadata": {
            "name": "p",
            "namespace": "d",
            "uid": "u",
            "creationTimestamp": CREATED,
            "labels": {names.VARIANT: "full", names.POOL: "h100", **(labels or {})},
            **meta,
        },
        "spec": {"containers": [{"resources": {"limits": limits}}], **({"nodeName": node} if node else {})},
        "status": {"conditions": conditions, "phase": "Running" if node else "Pending"},
    }


STATES = {
    "no node yet": (pod(node=None), State.PENDING),
    "on a node, loading": (pod(), State.STARTING),
    "serving": (pod(ready="True"), State.READY),
    "asked to go": (pod(ready="True", labels={names.DRAIN: "true"}), State.DRAINING),
    "the gateway has let go": (pod(labels={names.DRAIN: "true", names.DRAINED: "true"}), State.DRAINED),
    "deleted, still on its node": (pod(deletionTimestamp=READY), State.TERMINATING),
    "deleted before it got a node": (pod(node=None, deletionTimestamp=READY), None),
}


@pytest.mark.parametrize(("obj", "want"), STATES.values(), ids=STATES)
def test_where_a_pod_stands(obj: Any, want: State | None) -> None:
    found = replica_of(obj, 2, Cache(), Clock())
    assert (found.state if found else None) is want


def test_a_pod_that_has_ended_is_no_replica() -> None:
    ended = pod()
    ended["status"]["phase"] = "Failed"
    assert replica_of(ended, 1, Cache(), Clock()) is None


BOUND_S = 1767225610.0
BINDINGS = {
    "seen within the written second: what was seen counts": (BOUND_S + 0.25, BOUND_S + 0.25),
    "seen just after the written second: it was at the latest at its end": (BOUND_S + 1.04, BOUND_S + 1),
    "seen later, after a restart: what was written counts": (BOUND_S + 30, BOUND_S),
    "never seen: what was written counts": (None, BOUND_S),
}


@pytest.mark.parametrize(("seen_s", "want_s"), BINDINGS.values(), ids=BINDINGS)
def test_when_the_bill_begins(seen_s: float | None, want_s: float) -> None:
    cache = Cache()
    if seen_s is not None:
        cache.put(PODS, pod(), seen_s)
    assert bound_wall_s(pod(), cache) == want_s


def test_accelerators_are_the_pools_resource_or_any_device() -> None:
    assert accelerators_of(pod(), "nvidia.com/gpu") == 2
    assert accelerators_of(pod(), "cpu") == 4
    assert accelerators_of(pod(), None) == 2
    assert accelerators_of(pod(), "amd.com/gpu") == 1


def test_a_deleted_pod_is_noted_with_its_instant_and_forgotten_on_demand() -> None:
    cache = Cache()
    cache.put(PODS, pod(), 5.0)
    cache.drop(PODS, pod(), 9.0)
    assert (cache.all(PODS), cache.gone_wall_s) == ({}, {"u": 9.0})
    cache.forget(["u"])
    assert cache.gone_wall_s == {}


def test_a_deleted_pod_leaves_since_its_deletion_not_since_the_end_of_its_grace() -> None:
    found = replica_of(pod(deletionTimestamp=READY, deletionGracePeriodSeconds=35), 1, Cache(), Clock())
    assert found is not None
    assert found.since_s == 1767225660.0 - 35

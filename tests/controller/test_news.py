"""What of all that the watches tell brings the next turn forward."""

import copy
from typing import Any, cast

import pytest

from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    DEPLOYMENTS,
    INFERENCE_BUDGETS,
    MODEL_DEPLOYMENTS,
    NODES,
    PODS,
    Resource,
)
from costwain.controller.cache import Cache, Key, key_of
from costwain.controller.handlers import hear
from costwain.domain import names

METADATA = {"name": "x", "namespace": "a", "uid": "u", "generation": 1, "resourceVersion": "1", "labels": {"l": "1"}}
CONDITION = {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-05T00:00:00Z"}
BEFORE: dict[str, dict[str, Any]] = {
    "ModelDeployment": {"spec": {"variants": []}, "status": {"cost": {"hourly": "1.00"}}},
    "Node": {"spec": {}, "status": {"allocatable": {"nvidia.com/gpu": "8"}, "conditions": [CONDITION], "images": []}},
    "Pod": {"spec": {}, "status": {"phase": "Pending"}},
    "Deployment": {"spec": {"replicas": 1}, "status": {"readyReplicas": 0}},
}
Change = dict[str, Any]
NEWS: dict[str, tuple[Resource, Change]] = {
    "a spec was changed": (MODEL_DEPLOYMENTS, {"metadata": {**METADATA, "generation": 2}}),
    "a label was changed": (MODEL_DEPLOYMENTS, {"metadata": {**METADATA, "labels": {"l": "2"}}}),
    "a fleet is being deleted": (MODEL_DEPLOYMENTS, {"metadata": {**METADATA, "deletionTimestamp": "now"}}),
    "another one has the name": (MODEL_DEPLOYMENTS, {"metadata": {**METADATA, "uid": "v"}}),
    "a node has lost an accelerator": (NODES, {"status": {"allocatable": {"nvidia.com/gpu": "7"}}}),
    "a node isn't ready any more": (NODES, {"status": {"conditions": [{**CONDITION, "status": "False"}]}}),
    "a node is cordoned": (NODES, {"spec": {"unschedulable": True}}),
    "a pod runs": (PODS, {"status": {"phase": "Running"}}),
    "a pod is drained": (PODS, {"metadata": {**METADATA, "labels": {"costwain.dev/drained": "true"}}}),
    "a gateway is ready": (DEPLOYMENTS, {"status": {"readyReplicas": 1}}),
    "somebody scaled": (DEPLOYMENTS, {"spec": {"replicas": 5}}),
}
NO_NEWS: dict[str, tuple[Resource, Change]] = {
    "our own status comes back": (MODEL_DEPLOYMENTS, {"status": {"cost": {"hourly": "1.01"}}}),
    "nothing but its version": (PODS, {"metadata": {**METADATA, "resourceVersion": "2"}}),
    "a heartbeat": (NODES, {"status": {"conditions": [{**CONDITION, "lastHeartbeatTime": "2026-01-05T00:05:00Z"}]}}),
    "a node has another image": (NODES, {"status": {"images": [{"names": ["vllm"]}]}}),
}


class Listener:
    """A loop that only listens."""

    def __init__(self) -> None:
        self.cache, self.woken = Cache(), 0
        self.of: Key | None = ("", "nobody")

    def wake(self, of: Key | None = None) -> None:
        self.woken += 1
        self.of = of


def told(resource: Resource, change: Change) -> tuple[Listener, dict[str, Any]]:
    """A listener that knows an object and is told a change of it."""
    loop, before = Listener(), {"metadata": METADATA, **BEFORE[resource.kind]}
    hear(cast(Any, loop), resource, None, before)
    loop.woken = 0
    after = copy.deepcopy(before)
    for field, value in change.items():
        after[field] = {**after[field], **value}
    hear(cast(Any, loop), resource, "MODIFIED", after)
    return loop, after


@pytest.mark.parametrize(("resource", "change"), NEWS.values(), ids=NEWS)
def test_what_a_turn_reads_brings_it_forward(resource: Resource, change: Change) -> None:
    loop, after = told(resource, change)
    assert loop.woken == 1
    assert loop.cache.all(resource)[key_of(after)] == after


@pytest.mark.parametrize(("resource", "change"), NO_NEWS.values(), ids=NO_NEWS)
def test_what_no_turn_reads_is_kept_and_wakes_nobody(resource: Resource, change: Change) -> None:
    loop, after = told(resource, change)
    assert loop.woken == 0
    assert loop.cache.all(resource)[key_of(after)] == after


def test_what_comes_and_what_goes_is_news() -> None:
    loop, obj = Listener(), {"metadata": METADATA, **BEFORE["Pod"]}
    hear(cast(Any, loop), PODS, "ADDED", obj)
    hear(cast(Any, loop), PODS, "DELETED", obj)
    assert loop.woken == 2
    assert dict(loop.cache.all(PODS)) == {}


WHOSE: dict[str, tuple[Resource, dict[str, str], Key | None]] = {
    "its own": (MODEL_DEPLOYMENTS, {}, ("a", "x")),
    "of the fleet whose pod it is": (PODS, {names.FLEET: "chat"}, ("a", "chat")),
    "of the fleet whose Deployment it is": (DEPLOYMENTS, {names.FLEET: "chat"}, ("a", "chat")),
    "nobody's": (NODES, {}, ("a", "")),
    "everybody's, of a pool": (ACCELERATOR_POOLS, {}, None),
    "everybody's, of a budget": (INFERENCE_BUDGETS, {}, None),
}


@pytest.mark.parametrize(("resource", "labels", "fleet"), WHOSE.values(), ids=WHOSE)
def test_it_is_told_whose_news_it_is(resource: Resource, labels: dict[str, str], fleet: Key | None) -> None:
    loop = Listener()
    hear(
        cast(Any, loop),
        resource,
        "ADDED",
        {"metadata": {**METADATA, "labels": labels}, **BEFORE.get(resource.kind, {})},
    )
    assert loop.of == fleet

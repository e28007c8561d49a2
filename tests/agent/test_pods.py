"""What a raw pod says about itself."""

import pytest

from costwain.agent.pods import Pod, drained_annotation, pod_of
from costwain.domain import names


def _object(role=names.ROLE_MODEL, conditions=(), metadata=None, **status):
    labels = {names.ROLE: role, names.VARIANT: "full", names.POOL: "spot", **(metadata or {}).pop("labels", {})}
    return {
        "metadata": {"name": "a", "labels": labels, **(metadata or {})},
        "status": {"conditions": [{"type": t, "status": s} for t, s in conditions], **status},
    }


def _pod(**differs):
    plain = {"address": None, "ready": False, "draining": False, "leaving": False}
    return Pod("a", "full", "spot", **{**plain, **differs})


CASES = {  # story: (object, pod wanted)
    "a new pod has no address": (_object(), _pod()),
    "a pod is ready when its containers are, whatever its gates say": (
        _object(conditions=[("ContainersReady", "True"), ("Ready", "False")], podIP="127.0.0.7"),
        _pod(address="127.0.0.7:8000", ready=True)),
    "a gate that nobody has set is unknown": (_object(conditions=[("Ready", "False")]), _pod(in_gateway=None)),
    "a gate that is shut is not": (_object(conditions=[(names.IN_GATEWAY, "False")]), _pod(in_gateway=False)),
    "the operator asks by a label": (_object(metadata={"labels": {names.DRAIN: "true"}}), _pod(draining=True)),
    "a pod that is deleted is on its way out": (
        _object(metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"}), _pod(leaving=True)),
    "so is one that was evicted": (_object(phase="Failed"), _pod(leaving=True)),
    "who has let go of it stands in its annotations": (
        _object(metadata={"annotations": {drained_annotation("chat-gateway-x"): "true", "other": "1"}}),
        _pod(drained_in=frozenset({"chat-gateway-x"}))),
    "a gateway is no model pod": (_object(role=names.ROLE_GATEWAY), None),
}  # fmt: skip


@pytest.mark.parametrize(("item", "want"), CASES.values(), ids=CASES)
def test_pod_of(item, want):
    assert pod_of(item) == want


def test_an_annotation_has_at_most_63_characters_after_its_prefix():
    key = drained_annotation("a-fleet-with-a-name-as-long-as-it-may-be-gateway-7c9d8b6f5-abcde")
    assert len(key.partition("/")[2]) <= 63
    assert key.endswith("-gateway-7c9d8b6f5-abcde")

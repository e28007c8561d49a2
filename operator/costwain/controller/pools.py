"""Pools as they stand: accelerators on their nodes, how many are held, and the price."""

from collections.abc import Iterable, Sequence
from typing import Any

from costwain.controller.pods import accelerators_of
from costwain.domain import names
from costwain.domain.figures import accelerator_of
from costwain.domain.hardware import VENDORS
from costwain.domain.money import micro_of
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Pool

Object = dict[str, Any]


def pool_of(name: str, spec: AcceleratorPoolSpec, nodes: Sequence[Object], pods: Iterable[Object]) -> Pool:
    """The pool; `used` counts the model pods of every fleet that name it and are not gone."""
    resource = resource_of(spec)
    total = sum(_allocatable(node, resource, spec) for node in nodes if belongs(node, spec))
    if spec.max_accelerators is not None:
        elastic = spec.provisioning_seconds is not None  # an autoscaler adds nodes up to the ceiling
        total = spec.max_accelerators if elastic else min(total, spec.max_accelerators)
    held = [p for p in pods if p["metadata"]["labels"].get(names.POOL) == name and _holds(p)]
    return Pool(
        name=name,
        spec=spec,
        accelerator=accelerator_of(spec),
        total=total,
        used=sum(accelerators_of(p, resource) for p in held),
        hourly_micro=None if spec.price is None else micro_of(spec.price.amount),
    )


def resource_of(spec: AcceleratorPoolSpec) -> str:
    """The extended resource that the pool's pods ask for."""
    return spec.resource_name or VENDORS[spec.vendor].resource


def belongs(node: Object, spec: AcceleratorPoolSpec) -> bool:
    """Whether a node carries every label of the pool's selector and takes pods."""
    labels = node["metadata"].get("labels", {})
    selected = all(labels.get(key) == value for key, value in spec.node_selector.items())
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", [])}
    return selected and conditions.get("Ready") == "True" and not node.get("spec", {}).get("unschedulable")


def _allocatable(node: Object, resource: str, spec: AcceleratorPoolSpec) -> int:
    if "/" not in resource:  # plain cores: the pool says how many accelerators a node counts for
        return spec.accelerators_per_node
    return int(node.get("status", {}).get("allocatable", {}).get(resource, 0))


def _holds(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")

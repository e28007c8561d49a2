"""Pools as they stand: accelerators on their nodes, how many are held, and the price."""

from collections.abc import Iterable, Sequence
from typing import Any

from costwain.controller.pods import accelerators_of
from costwain.domain import names
from costwain.domain.hardware import ACCELERATORS, VENDORS, Accelerator
from costwain.domain.money import micro_of
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Pool

Object = dict[str, Any]
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


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


def accelerator_of(spec: AcceleratorPoolSpec) -> Accelerator | None:
    """The record of the hardware table, or one made of the pool's own figures, or None."""
    if spec.memory is None or spec.memory_bandwidth_gbps is None or spec.bf16_tflops is None:
        return ACCELERATORS.get(spec.accelerator)
    return Accelerator(
        name=spec.accelerator,
        vendor=VENDORS[spec.vendor],
        memory_bytes=bytes_of(spec.memory),
        memory_bandwidth_bytes_per_s=spec.memory_bandwidth_gbps * 1e9,
        bf16_flops_per_s=spec.bf16_tflops * 1e12,
        fp8_flops_per_s=None if spec.fp8_tflops is None else spec.fp8_tflops * 1e12,
    )


def belongs(node: Object, spec: AcceleratorPoolSpec) -> bool:
    """Whether a node carries every label of the pool's selector and takes pods."""
    labels = node["metadata"].get("labels", {})
    selected = all(labels.get(key) == value for key, value in spec.node_selector.items())
    conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", [])}
    return selected and conditions.get("Ready") == "True" and not node.get("spec", {}).get("unschedulable")


def bytes_of(quantity: str) -> int:
    """Bytes of a Kubernetes quantity.

    >>> bytes_of("80Gi"), bytes_of("2G")
    (85899345920, 2000000000)
    """
    for suffix, factor in _BINARY.items():
        if quantity.endswith(suffix):
            return int(float(quantity[:-2]) * factor)
    digits = quantity.rstrip("kMGTP")
    return int(float(digits) * _UNITS[quantity[len(digits) :]])


def _allocatable(node: Object, resource: str, spec: AcceleratorPoolSpec) -> int:
    if "/" not in resource:  # plain cores: the pool says how many accelerators a node counts for
        return spec.accelerators_per_node
    return int(node.get("status", {}).get("allocatable", {}).get(resource, 0))


def _holds(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")

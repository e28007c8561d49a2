"""Figures of a pool's accelerator: the record of the hardware table, or what the pool itself says."""

from dataclasses import dataclass
from functools import lru_cache

from costwain.domain.hardware import ACCELERATORS, VENDORS, Accelerator
from costwain.domain.pool import AcceleratorPoolSpec

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


@dataclass(frozen=True, eq=False)
class Figures:
    """A pool's accelerator, price and seconds until a new node is there; equal ones are one object."""

    asked: str
    accelerator: Accelerator | None
    hourly_micro: int | None
    provisioning_s: int
    spot: bool


@lru_cache(maxsize=1 << 10)
def figures_of(spec: "Asked", accelerator: Accelerator | None, hourly_micro: int | None) -> Figures:
    """The one object with these figures."""
    return Figures(spec[0], accelerator, hourly_micro, spec[1], spec[2])


Asked = tuple[str, int, bool]
"""The accelerator that a pool names, seconds until a new node is there, and whether it is spot capacity."""


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

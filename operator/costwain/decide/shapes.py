"""Shapes: what the capacity model knows of a variant's model."""

from dataclasses import replace

from costwain.domain.api import count_of
from costwain.domain.models import ModelShape, shape_of
from costwain.domain.variant import Shape, Variant


def shape_for(variant: Variant) -> ModelShape | None:
    """The variant's own shape, else that of a known model, else None; raises ValueError for an impossible one."""
    shape = shape_of(variant.model.uri) if variant.shape is None else own_shape(variant.name, variant.shape)
    kept = variant.engine.args.get("kv-cache-dtype", "auto")
    if shape is None or kept == "auto":
        return shape
    return replace(shape, kv_element_bytes=2 if kept in ("bfloat16", "float16") else 1)  # of 4 bits: an upper bound


def own_shape(name: str, own: Shape) -> ModelShape:
    """The shape that a user wrote; raises ValueError for an impossible one."""
    total = count_of(own.parameters)
    return ModelShape(
        name=name,
        parameters=total,
        active_parameters=count_of(own.active_parameters) if own.active_parameters else total,
        layers=own.layers,
        kv_heads=own.kv_heads,
        head_dim=own.head_dim,
        precision=own.precision,
    )

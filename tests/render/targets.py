"""A calm model Deployment, and builders that name only what differs from it."""

from dataclasses import replace
from typing import Any

from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.variant import Variant
from costwain.render.deployment import ModelTarget, model_deployment

ACCELERATOR = {"nvidia": "h100", "amd": "mi300x", "cpu": "cpu"}


def pool(vendor: str = "nvidia", **differs: Any) -> AcceleratorPoolSpec:
    return AcceleratorPoolSpec.model_validate(
        {"vendor": vendor, "accelerator": ACCELERATOR.get(vendor, "other"), "price": {"amount": "2.50"}, **differs}
    )


def variant(uri: str = "hf://Qwen/Qwen3-32B", model: dict[str, Any] | None = None, **engine: Any) -> Variant:
    return Variant.model_validate(
        {
            "name": "qwen3-32b",
            "model": {"uri": uri, **(model or {})},
            "quality": "72.7",
            "placements": [{"pool": "any"}],
            "engine": engine,
        }
    )


def target(**differs: Any) -> ModelTarget:
    calm = ModelTarget(
        namespace="shop",
        fleet="chat",
        owner_uid="0f0e",
        served_model_name="chat",
        variant=variant(),
        pool_name="h100",
        pool=pool(),
        accelerators=1,
        replicas=2,
    )
    return replace(calm, **differs)


def pod(of: ModelTarget) -> dict[str, Any]:
    return model_deployment(of)["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def container(of: ModelTarget) -> dict[str, Any]:
    return pod(of)["containers"][0]  # type: ignore[no-any-return]


def env(of: ModelTarget) -> dict[str, Any]:
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in container(of)["env"]}

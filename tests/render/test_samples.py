"""The samples: each is a valid object, its models, pools and arguments exist, the full one leaves nothing out."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from costwain.domain.api import Api
from costwain.domain.hardware import ACCELERATORS, VENDORS
from costwain.domain.models import KNOWN_MODELS
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.spec import ModelDeploymentSpec
from costwain.render.crd import KINDS
from costwain.render.structural import VALIDATIONS, Schema, structural
from costwain.render.vllm_args import check_args

SAMPLES = Path(__file__).parents[2] / "crds" / "samples"
SPECS = {kind.name: kind.spec for kind in KINDS}


def objects() -> dict[str, dict[str, Any]]:
    """Every object of every sample, by file and kind."""
    found = {}
    for path in sorted(SAMPLES.rglob("*.yaml")):
        for value in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            found[f"{path.relative_to(SAMPLES)}: {value['kind']} {value['metadata']['name']}"] = value
    return found


OBJECTS = objects()
FLEETS = {name: value for name, value in OBJECTS.items() if value["kind"] == "ModelDeployment"}
POOLS = {name: value for name, value in OBJECTS.items() if value["kind"] == "AcceleratorPool"}


def spec_of(value: dict[str, Any]) -> Api:
    return SPECS[value["kind"]].model_validate(value["spec"])


@pytest.mark.parametrize("value", OBJECTS.values(), ids=OBJECTS)
def test_sample_is_valid(value: dict[str, Any]) -> None:
    assert value["apiVersion"] == "costwain.dev/v1alpha1"
    assert spec_of(value)


@pytest.mark.parametrize("value", FLEETS.values(), ids=FLEETS)
def test_fleet_refers_to_what_exists(value: dict[str, Any]) -> None:
    fleet = spec_of(value)
    assert isinstance(fleet, ModelDeploymentSpec)
    pools = {pool["metadata"]["name"] for pool in POOLS.values()}
    for variant in fleet.variants:
        assert {placement.pool for placement in variant.placements} <= pools
        assert variant.shape or variant.model.uri.removeprefix("hf://") in KNOWN_MODELS
        assert check_args(variant.engine.args) == []


@pytest.mark.parametrize("value", FLEETS.values(), ids=FLEETS)
def test_ladder_goes_down_and_its_gates_let_every_rung_serve(value: dict[str, Any]) -> None:
    fleet = spec_of(value)
    assert isinstance(fleet, ModelDeploymentSpec)
    scores = [float(variant.quality) for variant in fleet.variants]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] >= float(fleet.swap.min_quality or 0)
    assert {variant.license for variant in fleet.variants} <= {*fleet.swap.allowed_licenses, None}


@pytest.mark.parametrize("value", POOLS.values(), ids=POOLS)
def test_pool_has_a_price_and_a_known_accelerator(value: dict[str, Any]) -> None:
    pool = spec_of(value)
    assert isinstance(pool, AcceleratorPoolSpec)
    assert pool.price is not None
    assert ACCELERATORS[pool.accelerator].vendor == VENDORS[pool.vendor]


def acting(schema: Schema) -> set[str]:
    """Paths of a spec's fields, without those that a rule refuses as not supported yet."""
    refused = {
        rule["rule"].removeprefix("!has(self.").removesuffix(")")
        for rule in schema.get(VALIDATIONS, [])
        if rule.get("message", "").endswith("not supported yet") and rule["rule"].startswith("!has(self.")
        if "||" not in rule["rule"]
    }
    paths = set()
    for name, child in schema.get("properties", {}).items():
        if name not in refused:
            below = acting(child.get("items", child))
            paths |= {f"{name}.{path}" for path in below} or {name}
    return paths


def written(value: Any) -> set[str]:
    """Paths of the fields that a value has, list positions left out."""
    if isinstance(value, list):
        return set().union(*(written(item) for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    return {f"{key}.{path}" if path else key for key, child in value.items() for path in written(child) or {""}}


def test_full_sample_leaves_no_acting_field_out() -> None:
    (value,) = (value for name, value in FLEETS.items() if name.startswith("modeldeployment-full.yaml"))
    got = written(value["spec"])
    absent = {path for path in acting(structural(ModelDeploymentSpec, defaults=True)) if not _has(got, path)}
    # Allowed alone: an image of one's own, ephemeral storage, and a variant by hand, which dollars exclude.
    assert absent == {
        "swap.variant",
        "variants.engine.image",
        "variants.engine.resources.requests.ephemeral-storage",
        "variants.engine.resources.limits.ephemeral-storage",
        "variants.engine.resources.limits.cpu",
    }


def _has(paths: set[str], wanted: str) -> bool:
    return any(path == wanted or path.startswith(f"{wanted}.") for path in paths)

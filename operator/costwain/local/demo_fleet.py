"""What the demo runs: its manifests, its nodes, its seeded trace, and the same fleet without swaps."""

import random
from collections.abc import Mapping
from importlib import resources
from typing import Any

import yaml

from costwain.domain.hardware import ACCELERATORS, VENDORS
from costwain.domain.money import micro_of
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Pool
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.arrival import Arrival
from costwain.sim.world import cost_micro

Manifest = dict[str, Any]
ACCELERATORS_BY_POOL = {"h100": 4, "mi300x": 2}
SEED = 7
# Long documents, short answers: few requests keep expensive accelerators busy, so a small machine can play them.
INPUT_TOKENS, OUTPUT_TOKENS = (9_000, 15_000), (80, 220)
# (until, requests/s at its end): a quiet start, a busy first hour, a calmer second one; fleet seconds.
_CURVE = ((400.0, 0.22), (800.0, 0.70), (3200.0, 0.70), (3300.0, 0.30), (6300.0, 0.30))
_PEAK_PER_S = 0.70


def manifests() -> list[Manifest]:
    """The pools and the fleet, in the order in which to apply them."""
    text = resources.files("costwain.local").joinpath("demo.yaml").read_text(encoding="utf-8")
    return list(yaml.safe_load_all(text))


def node_capacity() -> Mapping[str, dict[str, str]]:
    """Extended resources of the one node that each pool gets."""
    return {
        pool["metadata"]["name"]: {
            VENDORS[pool["spec"]["vendor"]].resource: str(ACCELERATORS_BY_POOL[pool["metadata"]["name"]])
        }
        for pool in manifests()
        if pool["kind"] == "AcceleratorPool"
    }


def seeded_trace(seed: int = SEED) -> list[Arrival]:
    """Poisson arrivals along the demo's curve, by thinning; the same seed gives the same requests."""
    draw = random.Random(seed)  # noqa: S311  a load, not a secret
    at_s, arrivals = 0.0, list[Arrival]()
    while True:
        at_s += draw.expovariate(_PEAK_PER_S)
        if at_s >= _CURVE[-1][0]:
            return arrivals
        if draw.random() < _rate(at_s) / _PEAK_PER_S:
            arrivals.append(Arrival(at_s, draw.randint(*INPUT_TOKENS), draw.randint(*OUTPUT_TOKENS)))


def limit_micro() -> int:
    """The fleet's budget an hour."""
    return micro_of(next(m for m in manifests() if m["kind"] == "ModelDeployment")["spec"]["budget"]["amount"])


def without_swap_micro(trace: list[Arrival], start_s: float) -> int:
    """Micro-dollars of the same trace for the best variant alone: the same decide in the simulator's fluid world."""
    pools, spec = {}, None
    for manifest in manifests():
        if manifest["kind"] == "ModelDeployment":
            spec = ModelDeploymentSpec.model_validate(manifest["spec"])
            continue
        name, pool = manifest["metadata"]["name"], AcceleratorPoolSpec.model_validate(manifest["spec"])
        price = None if pool.price is None else micro_of(pool.price.amount)
        pools[name] = Pool(name, pool, ACCELERATORS[pool.accelerator], ACCELERATORS_BY_POOL[name], 0, price)
    assert spec is not None
    best_alone = spec.model_copy(update={"budget": None, "swap": spec.swap.model_copy(update={"mode": "Off"})})
    return cost_micro(best_alone, pools, trace, start_s)


def _rate(at_s: float) -> float:
    """Requests/s: straight lines between the points of the curve."""
    before_s, before = 0.0, _CURVE[0][1]
    for until_s, rate in _CURVE:
        if at_s < until_s:
            return before + (rate - before) * (at_s - before_s) / (until_s - before_s)
        before_s, before = until_s, rate
    return 0.0

"""Small fleets and steady loads for stories in the simulator."""

from collections.abc import Mapping, Sequence
from typing import Any

from costwain.decide.capacity import RequestShape
from costwain.decide.options import ladder
from costwain.domain.figures import accelerator_of
from costwain.domain.money import micro_of
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Fleet, Pool
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.arrival import Arrival
from costwain.sim.batches import Batch, batches
from costwain.sim.fleet_file import FleetFile
from costwain.sim.scenario import Scenario
from costwain.sim.world import Setup

INPUT, OUTPUT = 512, 128
PRICES = {"h100": "4.00", "mi300x": "3.00"}
VENDOR = {"h100": "nvidia", "mi300x": "amd"}


def pool(name: str = "h100", total: int = 8, **change: Any) -> Pool:
    """A pool whose accelerator has its name."""
    price = {"amount": PRICES[name], "source": "owned"}
    spec = AcceleratorPoolSpec.model_validate({"vendor": VENDOR[name], "accelerator": name, "price": price, **change})
    return Pool(name, spec, accelerator_of(spec), total, 0, micro_of(PRICES[name]))


def fleet_file(pools: Sequence[Pool] = (), **change: Any) -> FleetFile:
    """Two rungs on the given pools (default: h100 alone), one replica at least."""
    found = {p.name: p for p in (pools or (pool(),))}
    rungs = [("full", "hf://Qwen/Qwen3-32B", "72.7"), ("small", "hf://Qwen/Qwen3-8B", "64.3")]
    spec = {
        "variants": [
            {"name": name, "model": {"uri": uri}, "quality": quality, "placements": [{"pool": p} for p in found]}
            for name, uri, quality in rungs
        ],
        "scaling": {"minReplicas": 1, "maxReplicas": 8},
        **change,
    }
    return FleetFile("default", "chat", ModelDeploymentSpec.model_validate(spec), found)


def setup(pools: Sequence[Pool] = (), scenario: Mapping[str, Any] | None = None, **change: Any) -> Setup:
    """A simulation of it; `engine` and `seed` may be given."""
    own = {name: change.pop(name) for name in ("engine", "seed") if name in change}
    return Setup(fleet_file(pools, **change), Scenario.model_validate(scenario or {}), **own)


def carries(setup: Setup, variant: str = "full", pool: str = "h100") -> float:
    """Requests a second that the capacity model gives one replica."""
    fleet = Fleet("default", "chat", "u", 1, setup.fleet.spec)
    rungs = ladder(fleet, setup.fleet.pools, RequestShape(INPUT, OUTPUT), 0.0)
    return next(o.per_s for r in rungs for o in r.options if o.place == (variant, pool))


def steady(per_s: float, duration_s: float, turn_s: float = 10.0) -> list[Batch]:
    """Equal requests at equal distances."""
    n = round(per_s * duration_s)
    return batches((Arrival(i / per_s, INPUT, OUTPUT) for i in range(n)), turn_s)

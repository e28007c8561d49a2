"""The fleet of a simulation: the same kinds as in a cluster, from a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from costwain.domain.figures import accelerator_of
from costwain.domain.money import micro_of
from costwain.domain.names import API_VERSION
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Pool
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.arrival import InputError
from costwain.sim.documents import documents, validated
from costwain.sim.scenario import Scenario


@dataclass(frozen=True)
class FleetFile:
    """One ModelDeployment and the pools that it may use."""

    namespace: str
    name: str
    spec: ModelDeploymentSpec
    pools: Mapping[str, Pool]


def read_fleet(path: Path, scenario: Scenario) -> FleetFile:
    """The fleet in a file, its pools as large as the scenario has them.

    Raises InputError on a file that can't be read, unless it holds one ModelDeployment, and on a pool that the
    fleet or the scenario names and the file doesn't have.
    """
    fleets: list[FleetFile] = []
    pools: dict[str, AcceleratorPoolSpec] = {}
    for each in documents(path):
        kind, name = str(each.get("kind")), str((each.get("metadata") or {}).get("name"))
        where = f"{path}: {kind} {name}: spec"
        if each.get("apiVersion") != API_VERSION:
            raise InputError(f"{path}: {kind} {name}", f"want apiVersion {API_VERSION}", repr(each.get("apiVersion")))
        if kind == "AcceleratorPool":
            pools[name] = validated(AcceleratorPoolSpec, each.get("spec"), where)
        elif kind == "ModelDeployment":
            namespace = str((each.get("metadata") or {}).get("namespace", "default"))
            fleets.append(FleetFile(namespace, name, validated(ModelDeploymentSpec, each.get("spec"), where), {}))
        else:
            raise InputError(str(path), "want ModelDeployment and AcceleratorPool", repr(kind))
    if len(fleets) != 1:
        raise InputError(str(path), "want one ModelDeployment", str(len(fleets)))
    (fleet,) = fleets
    _known(path, fleet.spec, pools, scenario)
    return replace(fleet, pools={name: _pool(name, spec, fleet.spec, scenario) for name, spec in pools.items()})


def _known(path: Path, spec: ModelDeploymentSpec, pools: Mapping[str, AcceleratorPoolSpec], scenario: Scenario) -> None:
    names = ", ".join(sorted(pools)) or "none"
    for variant in spec.variants:
        for placement in variant.placements:
            if placement.pool not in pools:
                where = f"{path}: variant {variant.name}: placements"
                raise InputError(where, f"want an AcceleratorPool of the file: {names}", repr(placement.pool))
    for name in scenario.pools:
        if name not in pools:
            raise InputError(f"scenario: pools.{name}", f"want an AcceleratorPool of the fleet: {names}", repr(name))


def _pool(name: str, spec: AcceleratorPoolSpec, fleet: ModelDeploymentSpec, scenario: Scenario) -> Pool:
    """The pool with the scenario's accelerators, else the pool's own ceiling, else all that the fleet may ever ask."""
    own = scenario.pools.get(name)
    total = own.accelerators if own is not None else None
    if total is None:
        total = spec.max_accelerators
    if total is None:
        each = [p.accelerators for v in fleet.variants for p in v.placements if p.pool == name]
        total = fleet.scaling.max_replicas * max(each, default=1)
    price = None if spec.price is None else micro_of(spec.price.amount)
    return Pool(name, spec, accelerator_of(spec), total, 0, price)

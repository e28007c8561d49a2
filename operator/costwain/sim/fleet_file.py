"""The fleets of a simulation: the same kinds as in a cluster, from a YAML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from costwain.decide.window import window
from costwain.domain.figures import accelerator_of
from costwain.domain.money import micro_of
from costwain.domain.names import API_VERSION
from costwain.domain.pool import AcceleratorPoolSpec, InferenceBudgetSpec
from costwain.domain.snapshot import Pool, SharedBudget
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.arrival import InputError
from costwain.sim.documents import documents, validated
from costwain.sim.scenario import Scenario

ALL = "all"  # the row of several fleets in sum
_OF_THE_CLUSTER = ("AcceleratorPool", "InferenceBudget")
_KINDS = ("ModelDeployment", *_OF_THE_CLUSTER)


@dataclass(frozen=True)
class FleetFile:
    """One ModelDeployment and the pools that it may use."""

    namespace: str
    name: str
    spec: ModelDeploymentSpec
    pools: Mapping[str, Pool]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetsFile:
    """All of a file: fleets by a name that is theirs alone, and the budgets that they share."""

    fleets: Mapping[str, FleetFile]
    budgets: Sequence[SharedBudget] = ()

    @property
    def is_one(self) -> bool:
        """Whether it is one fleet with nobody to share a budget with."""
        return len(self.fleets) == 1 and not self.budgets


def read_fleets(path: Path, scenario: Scenario) -> FleetsFile:
    """What a file holds, its pools as large as the scenario has them.

    Raises InputError on a file that can't be read, holds no ModelDeployment or an object twice, on a pool that a
    fleet or the scenario names, or a variant that the scenario names, and the file doesn't have, and on a pool that
    the scenario gives away.
    """
    fleets, budgets = list[FleetFile](), list[SharedBudget]()
    specs: dict[str, AcceleratorPoolSpec] = {}
    objects = [(_kind(each, path), _metadata(each, path), each) for each in documents(path)]
    for kind, metadata, each in objects:
        name = metadata["name"]
        where = f"{path}: {kind} {name}"
        if each.get("apiVersion") != API_VERSION:
            raise InputError(where, f"want apiVersion {API_VERSION}", repr(each.get("apiVersion")))
        if kind == "AcceleratorPool":
            specs[name] = validated(AcceleratorPoolSpec, each.get("spec"), f"{where}: spec")
        elif kind == "ModelDeployment":
            fleets.append(_fleet(metadata, validated(ModelDeploymentSpec, each.get("spec"), f"{where}: spec"), where))
        else:
            budgets.append(_budget(name, validated(InferenceBudgetSpec, each.get("spec"), f"{where}: spec"), where))
    _once(path, [(k, "" if k in _OF_THE_CLUSTER else m["namespace"], m["name"]) for k, m, _ in objects])
    if not fleets:
        raise InputError(str(path), "want a ModelDeployment", "0")
    _known(path, fleets, specs, scenario)
    _paid(specs, scenario)
    pools = {name: _pool(name, spec, fleets, scenario) for name, spec in specs.items()}
    names = Counter(fleet.name for fleet in fleets)
    own = {f.name if names[f.name] == 1 else f"{f.namespace}/{f.name}": replace(f, pools=pools) for f in fleets}
    found = FleetsFile(own, budgets)
    if ALL in own and not found.is_one:
        raise InputError(
            f"{path}: ModelDeployment {ALL}", "want another name, for the row in sum has this one", repr(ALL)
        )
    return found


def read_fleet(path: Path, scenario: Scenario) -> FleetFile:
    """The one fleet of a file; raises InputError as `read_fleets` does, and unless it holds one ModelDeployment."""
    found = read_fleets(path, scenario)
    if len(found.fleets) != 1:
        raise InputError(str(path), "want one ModelDeployment", str(len(found.fleets)))
    return next(iter(found.fleets.values()))


def _kind(each: Mapping[str, Any], path: Path) -> str:
    kind = str(each.get("kind"))
    if kind not in _KINDS:
        raise InputError(str(path), f"want {', '.join(_KINDS[:-1])} and {_KINDS[-1]}", repr(kind))
    return kind


def _metadata(each: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """An object's metadata with its name and a namespace, `default` where none is said; raises InputError."""
    found, where = each.get("metadata") or {}, f"{path}: {each['kind']}: metadata"
    if not isinstance(found, dict):
        raise InputError(where, "want a mapping", repr(found)[:80])
    if found.get("namespace") is None:
        found = {**found, "namespace": "default"}
    for naming in ("name", "namespace"):
        if not isinstance(found.get(naming), str) or not found[naming]:
            raise InputError(f"{where}.{naming}", "want a text", repr(found.get(naming)))
    return found


def _fleet(metadata: Mapping[str, Any], spec: ModelDeploymentSpec, where: str) -> FleetFile:
    labels = metadata.get("labels") or {}
    if not isinstance(labels, dict) or not all(isinstance(text, str) for text in (*labels, *labels.values())):
        raise InputError(f"{where}: metadata.labels", "want a mapping of texts", repr(labels)[:80])
    if spec.budget is not None:
        _zone(spec.budget.period, spec.budget.time_zone, f"{where}: spec.budget.timeZone")
    return FleetFile(metadata["namespace"], metadata["name"], spec, {}, labels)


def _budget(name: str, spec: InferenceBudgetSpec, where: str) -> SharedBudget:
    _zone(spec.period, spec.time_zone, f"{where}: spec.timeZone")
    return SharedBudget(name, spec)


def _zone(period: str, zone: str, where: str) -> None:
    try:
        window(period, zone, 0.0)
    except ValueError:
        raise InputError(where, "want a time zone such as Europe/Berlin", repr(zone)) from None


def _once(path: Path, objects: Sequence[tuple[str, object, object]]) -> None:
    twice = [each for each, n in Counter((k, str(s), str(n)) for k, s, n in objects).items() if n > 1]
    if twice:
        kind, namespace, name = twice[0]
        raise InputError(str(path), "want every object once", f"{kind} {namespace}{'/' * bool(namespace)}{name} again")


def _known(
    path: Path, fleets: Sequence[FleetFile], pools: Mapping[str, AcceleratorPoolSpec], scenario: Scenario
) -> None:
    names = ", ".join(sorted(pools)) or "none"
    for variant in (variant for fleet in fleets for variant in fleet.spec.variants):
        for placement in variant.placements:
            if placement.pool not in pools:
                where = f"{path}: variant {variant.name}: placements"
                raise InputError(where, f"want an AcceleratorPool of the file: {names}", repr(placement.pool))
    variants = sorted({variant.name for fleet in fleets for variant in fleet.spec.variants})
    for name in scenario.answer_lengths:
        if name not in variants:
            wanted = f"want a variant of the fleet: {', '.join(variants)}"
            raise InputError(f"scenario: answerLengths.{name}", wanted, repr(name))
    for name in scenario.pools:
        if name not in pools:
            raise InputError(f"scenario: pools.{name}", f"want an AcceleratorPool of the fleet: {names}", repr(name))


def _paid(pools: Mapping[str, AcceleratorPoolSpec], scenario: Scenario) -> None:
    """A price of 0 is free only where the pool's own might be."""
    for name, own in scenario.pools.items():
        price = pools[name].price
        owned = price is not None and price.source == "owned"
        for i, change in enumerate(own.prices):
            if not owned and not micro_of(change.amount):
                where = f"scenario: pools.{name}.prices.{i}.amount"
                wanted = "want more than 0, which is free only where the pool's price has the source 'owned'"
                raise InputError(where, wanted, repr(change.amount))


def _pool(name: str, spec: AcceleratorPoolSpec, fleets: Sequence[FleetFile], scenario: Scenario) -> Pool:
    """The pool with the scenario's accelerators, else the pool's own ceiling, else all that the fleets may ever ask."""
    own = scenario.pools.get(name)
    total = own.accelerators if own is not None else None
    if total is None:
        total = spec.max_accelerators
    if total is None:
        total = sum(_most(name, fleet.spec) for fleet in fleets)
    price = None if spec.price is None else micro_of(spec.price.amount)
    return Pool(name, spec, accelerator_of(spec), total, 0, price)


def _most(pool: str, spec: ModelDeploymentSpec) -> int:
    each = [p.accelerators for v in spec.variants for p in v.placements if p.pool == pool]
    return spec.scaling.max_replicas * max(each, default=1)

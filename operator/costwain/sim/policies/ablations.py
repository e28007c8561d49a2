"""Ablations: the operator's own decide with one of its parts taken away."""

from abc import ABC, abstractmethod
from dataclasses import replace

from costwain.domain.memory import Memory
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Fleet, Pool, Snapshot
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.policy import Ours


class _Changed(ABC):
    """decide() on a spec that isn't the fleet's own."""

    def __init__(self) -> None:
        self._specs: dict[int, ModelDeploymentSpec] = {}
        self._ours = Ours()

    def decide(self, snapshot: Snapshot) -> Plan:
        """The plan that the changed spec brings."""
        return self._ours.decide(
            replace(snapshot, fleets=tuple(self._fleet(f, snapshot.pools) for f in snapshot.fleets))
        )

    @abstractmethod
    def changed(self, spec: ModelDeploymentSpec, pools: dict[str, Pool]) -> ModelDeploymentSpec:
        """The spec to decide on."""

    def _fleet(self, fleet: Fleet, pools: object) -> Fleet:
        assert isinstance(pools, dict)
        if id(fleet.spec) not in self._specs:
            self._specs[id(fleet.spec)] = self.changed(fleet.spec, pools)
        return replace(fleet, spec=self._specs[id(fleet.spec)])


class NoBudget(_Changed):
    """Dollars are no matter."""

    def decide(self, snapshot: Snapshot) -> Plan:
        """Shared budgets are none either."""
        return super().decide(replace(snapshot, budgets=()))

    def changed(self, spec: ModelDeploymentSpec, pools: dict[str, Pool]) -> ModelDeploymentSpec:
        return spec.model_copy(update={"budget": None})


class NoSwap(_Changed):
    """The best variant serves, whatever it costs; the budget bounds how many replicas of it."""

    def changed(self, spec: ModelDeploymentSpec, pools: dict[str, Pool]) -> ModelDeploymentSpec:
        return spec.model_copy(update={"swap": spec.swap.model_copy(update={"mode": "Off"})})


class OneVendor(_Changed):
    """Only the pools of the vendor of the first pool by name; a variant that has none there is left out."""

    def changed(self, spec: ModelDeploymentSpec, pools: dict[str, Pool]) -> ModelDeploymentSpec:
        used = sorted({p.pool for v in spec.variants for p in v.placements})
        vendor = pools[used[0]].spec.vendor
        kept = []
        for variant in spec.variants:
            placements = [p for p in variant.placements if pools[p.pool].spec.vendor == vendor]
            if placements:
                kept.append(variant.model_copy(update={"placements": placements}))
        return spec.model_copy(update={"variants": kept})


class NoHysteresis(_Changed):
    """Every turn stands for itself: no dwell time, no stabilisation window, no steps of the traffic."""

    def changed(self, spec: ModelDeploymentSpec, pools: dict[str, Pool]) -> ModelDeploymentSpec:
        swap = spec.swap.model_copy(update={"min_dwell_seconds": 0, "step_percents": [100], "step_seconds": 0})
        scaling = spec.scaling.model_copy(update={"scale_down_stabilization_seconds": 0})
        return spec.model_copy(update={"swap": swap, "scaling": scaling})


class NoForecast:
    """What comes now is all that is ever expected: no rise is followed, no burst and no usual hour remembered."""

    def __init__(self) -> None:
        self._ours = Ours()

    def decide(self, snapshot: Snapshot) -> Plan:
        """The plan of fleets that remember of their load where it stands, and nothing else."""
        fleets = tuple(fleet.remembering(_of_now(fleet.memory)) for fleet in snapshot.fleets)
        return self._ours.decide(replace(snapshot, fleets=fleets))


def _of_now(memory: Memory) -> Memory:
    if memory.demand is None:
        return memory
    level = memory.demand.model_copy(update={"slow_per_s": memory.demand.fast_per_s, "variance": 0.0})
    return memory.model_copy(update={"demand": level, "season": None})

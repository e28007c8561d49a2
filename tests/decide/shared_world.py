"""Several toy worlds under shared budgets: one decision for all of them, one set of accelerators."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.decide.world import World

from costwain.decide import decide
from costwain.domain.plan import BudgetPlan
from costwain.domain.pool import InferenceBudgetSpec
from costwain.domain.snapshot import Pool, SharedBudget, Snapshot, Undecided


def shared(name: str = "team", **spec: object) -> SharedBudget:
    """An InferenceBudget, of an hour unless it is said otherwise."""
    return SharedBudget(name, InferenceBudgetSpec.model_validate({"period": "Hour", **spec}))


@dataclass
class SharedWorld:
    """Fleets by name; `deleted` are those whose pods are gone and whose bills are left."""

    worlds: dict[str, World]
    pools: Mapping[str, Pool]
    budgets: tuple[SharedBudget, ...]
    deleted: tuple[Undecided, ...] = ()
    told: list[tuple[float, BudgetPlan]] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        return next(iter(self.worlds.values())).now_s

    def run(self, duration_s: float) -> None:
        """Turns for so long."""
        turn_s = next(iter(self.worlds.values())).turn_s
        for _ in range(round(duration_s / turn_s)):
            for world in self.worlds.values():
                world.live()
            plan = decide(self.snapshot())
            self.told += [(self.now_s, budget) for budget in plan.budgets]
            for one in plan.fleets:
                self.worlds[one.name].obey(one)

    def snapshot(self) -> Snapshot:
        """What a turn sees."""
        fleets = tuple(world.fleet for world in self.worlds.values())
        held = [r for fleet in fleets for r in fleet.replicas]
        pools = {
            name: replace(pool, used=pool.used + sum(r.accelerators for r in held if r.pool == name))
            for name, pool in self.pools.items()
        }
        return Snapshot(self.now_s, fleets, pools, self.budgets, self.deleted)

    def delete(self, name: str) -> None:
        """The fleet is gone at once; what it spent stays in its ledger."""
        fleet = self.worlds.pop(name).fleet
        until = {"until_milliseconds": round(self.now_s * 1000)}
        closed = [*fleet.ledger.closed, *(x.model_copy(update=until) for x in fleet.ledger.open)]
        ledger = fleet.ledger.model_copy(update={"open": [], "closed": closed})
        self.deleted = (*self.deleted, Undecided(fleet.namespace, name, ledger))

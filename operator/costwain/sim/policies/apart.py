"""Apart: a policy for one fleet, run once for each, as autoscalers that know nothing of one another."""

from collections.abc import Mapping
from dataclasses import replace

from costwain.domain.plan import FleetPlan, Plan
from costwain.domain.snapshot import Fleet, Pool, Snapshot
from costwain.sim.policy import Policy


class Apart:
    """One policy a fleet, by its key; who is asked first takes what is free."""

    def __init__(self, each: Mapping[tuple[str, str], Policy]) -> None:
        self._each = each

    def decide(self, snapshot: Snapshot) -> Plan:
        """The plans of all; none knows of a shared budget."""
        pools, plans = dict(snapshot.pools), list[FleetPlan]()
        for fleet in snapshot.fleets:
            (plan,) = self._each[fleet.key].decide(Snapshot(snapshot.now_s, (fleet,), pools)).fleets
            pools = _less(pools, fleet, plan)
            plans.append(plan)
        return Plan(snapshot.now_s, tuple(plans))


def _less(pools: dict[str, Pool], fleet: Fleet, plan: FleetPlan) -> dict[str, Pool]:
    """The pools after a fleet took what it newly asks for."""
    each = {(v.name, p.pool): p.accelerators for v in fleet.spec.variants for p in v.placements}
    found = dict(pools)
    for place, n in plan.replicas.items():
        more = n * each.get(place, 0) - fleet.accelerators.get(place, 0)
        if more > 0:
            found[place[1]] = replace(found[place[1]], used=found[place[1]].used + more)
    return found

"""What pods do reaches decide as in a cluster, so a pool that is slower or faster than the model says is found out."""

import pytest
from tests.sim.worlds import carries, setup

from costwain.sim.batches import batches
from costwain.sim.compare import ENGINES
from costwain.sim.policy import Ours
from costwain.sim.trace import read_trace
from costwain.sim.world import World

pytestmark = pytest.mark.long

HOUR_S = 3600.0


def world(engine: str, factor: float) -> World:
    """Two hours of a load that three replicas carry on a pool of such a speed."""
    scenario = {"pools": {"h100": {"capacityFactor": factor}}, "turnSeconds": 15}
    scaling = {"minReplicas": 3, "maxReplicas": 8}
    given = setup(engine=ENGINES[engine], scenario=scenario, swap={"mode": "Off"}, scaling=scaling)
    per_s = 2.1 * carries(given)
    load = read_trace(f"synthetic:step,rate={per_s},peak={per_s},duration={2 * HOUR_S}")
    found = World(given, Ours())
    found.run(batches(load, 15.0))
    return found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
def test_the_operator_learns_how_fast_the_pool_really_is(engine: str, factor: float) -> None:
    (learned,) = world(engine, factor).fleet.memory.learned
    assert (learned.variant, learned.pool) == ("full", "h100")
    assert learned.ratio == pytest.approx(factor, abs=0.12)  # the prior still counts a little


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pod_tells_nothing_before_it_was_read_twice(engine: str) -> None:
    given = setup(engine=ENGINES[engine])
    found = World(given, Ours())
    load = batches(read_trace("synthetic:step,rate=5,peak=5,duration=900"), 10.0)
    seen = []
    for batch in load:
        found.turn(batch)
        seen.append([replica.work for replica in found.fleet.replicas])
    first = next(works for works in seen if works)
    assert first == [None] * len(first)
    works = [work for works in seen for work in works if work is not None]
    assert works
    assert all(work.over_s == 10.0 and work.tokens_per_s > 0 for work in works)

"""The end of a load, told in the toy world: after the windows exactly the floor runs, whatever ran before."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.decide.builders import HOUR_S, NOW_S, PRICES, fleet, pool, variant
from tests.decide.fleets import POOLS, ladders
from tests.decide.rules import may_serve
from tests.decide.world import DRAINS_S, ENDS_S, LOADS_S, World

from costwain.domain.snapshot import State

pytestmark = pytest.mark.long

IDLE_S, STABLE_S, STEP_S, TURN_S = 300.0, 120.0, 20.0, 20.0
# A replica of the floor moves once: it loads and takes the traffic by three steps, what it leaves drains and ends.
# A turn for each to be noticed.
MOVE_S = LOADS_S + 3 * STEP_S + DRAINS_S + ENDS_S + 4 * TURN_S


def half_an_hour(before: float, after: float) -> Callable[[float], float]:
    """Two levels of requests/s, a quarter of an hour each, and then nobody."""
    return lambda now_s: before if now_s < NOW_S + 900 else after if now_s < NOW_S + 1800 else 0.0


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A new fleet with room on every pool, under a load of two levels that ends after half an hour."""
    least = draw(st.integers(0, 2))
    scaling: dict[str, Any] = {
        "minReplicas": least, "maxReplicas": max(1, least + draw(st.sampled_from([0, 2, 12]))),
        "scaleToZeroAfterSeconds": int(IDLE_S), "scaleDownStabilizationSeconds": int(STABLE_S),
    }  # fmt: skip
    swap = {"minDwellSeconds": draw(st.sampled_from([0, 300])), "stepSeconds": int(STEP_S)}
    of = fleet(variants=draw(ladders()), scaling=scaling, swap=swap)
    spot = draw(st.sampled_from([None, *POOLS]))
    where = {
        name: pool(
            name, draw(st.integers(6, 16)), price=PRICES[name], capacityType="Spot" if name == spot else "OnDemand"
        )
        for name in POOLS
    }
    before, after = draw(st.sampled_from([0.3, 4.0, 33.0])), draw(st.sampled_from([0.3, 4.0, 33.0, 90.0]))
    return World(of, where, NOW_S, half_an_hour(before, after), TURN_S)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(worlds())
def test_once_the_load_has_ended_exactly_the_floor_runs(this: World) -> None:
    busy = this.run(1800)
    assume("NoVariant" not in busy[0].codes)
    assert busy[-1].pods >= 1
    assert pods_after_the_windows(this) == {this.fleet.spec.scaling.min_replicas}
    assert all(r.state is State.READY and may_serve(this.fleet.spec, r.variant) for r in this.fleet.replicas)


@pytest.mark.parametrize("levels", [(0.3, 33.0), (33.0, 90.0)])
def test_room_for_bursts_that_were_does_not_keep_two_variants_where_one_is_the_floor(
    levels: tuple[float, float],
) -> None:
    """The swap back up began after the last request, and had to carry what nobody asked for before it could go on."""
    scaling = {"minReplicas": 1, "maxReplicas": 3, "scaleToZeroAfterSeconds": 300, "scaleDownStabilizationSeconds": 120}
    ladder = [variant("full", ("h100",)), variant("small", ("h100",))]
    of = fleet(variants=ladder, scaling=scaling, swap={"minDwellSeconds": 0, "stepSeconds": int(STEP_S)})
    this = World(of, {"h100": pool("h100", 6)}, NOW_S, half_an_hour(*levels), TURN_S)
    this.run(1800)
    assert pods_after_the_windows(this) == {this.fleet.spec.scaling.min_replicas}
    assert all(r.state is State.READY and may_serve(this.fleet.spec, r.variant) for r in this.fleet.replicas)


def pods_after_the_windows(this: World) -> set[int]:
    """Runs on from the last request; how many pods there are in each turn once the windows are over."""
    while this.run(TURN_S)[0].queue:  # what could not be served in time is served first
        assert this.now_s < NOW_S + 4 * HOUR_S
    least = this.fleet.spec.scaling.min_replicas
    this.run(max(IDLE_S, STABLE_S) + max(1, least) * MOVE_S)  # at the ceiling one after the other
    last = this.run(600)
    assert all(sum(turn.ready.values()) >= least - 1 for turn in last)  # one may be making way for a cheaper one
    return {turn.pods for turn in last}

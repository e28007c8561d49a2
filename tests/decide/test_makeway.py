"""Making way: at maxReplicas a dearer pool is left one replica at a time, and no oftener than that brings something."""

from itertools import pairwise
from typing import Any

import pytest
from tests.decide.builders import HOUR_S, NOW_S, fleet, pool, pools, variant
from tests.decide.world import Turn, World

from costwain.domain.plan import Why

H100, L40S = ("small", "h100"), ("small", "l40s")

pytestmark = pytest.mark.long


def world(per_s: float, most: int, **change: Any) -> World:
    """One variant on a dear and on a cheap pool, of which the cheap one gives no node yet."""
    this = fleet(
        variants=[variant("small", pools=("h100", "l40s"))],
        **{"scaling": {"minReplicas": 1, "maxReplicas": most}, **change},
    )
    where = pools(pool("h100", price="2.40"), pool("l40s", price="0.90"))
    return World(this, where, NOW_S, lambda _: per_s, turn_s=20.0, stuck=frozenset({"l40s"}))


def leavers(turns: list[Turn]) -> list[float]:
    """When one made way, seconds from the beginning."""
    return [t.at_s - NOW_S for t in turns if "MakesWay" in t.codes]


def notes(turns: list[Turn], code: str) -> list[Why]:
    return [why for t in turns for why in t.plan.reasons if why.code == code]


def test_a_lone_replica_at_the_ceiling_leaves_the_dearer_pool_once() -> None:
    this = world(1.0, 1)
    before = this.run(1800)
    assert before[-1].ready == {H100: 1}
    assert notes(before, "MoveWaits")[-1].sentence == (
        "small still runs on 1 x h100 for $2.40/h: maxReplicas 1 leaves no slot for l40s"
    )
    this.stuck, made = frozenset(), this.made
    after = this.run(HOUR_S)
    assert len(leavers(after)) == 1
    (leaves,) = notes(after, "MakesWay")
    assert leaves.sentence == "small-h100-2 makes way: maxReplicas 1 leaves no slot for l40s"
    assert after[-1].ready == {L40S: 1}
    assert max(t.pods for t in after) == 1
    assert this.made == made + 1
    assert after[-1].queue == 0


def test_two_replicas_leave_it_while_one_serves_and_never_pass_the_ceiling() -> None:
    this = world(10.0, 2)
    assert this.run(1800)[-1].ready.get(H100)
    this.stuck = frozenset()
    after = this.run(2 * HOUR_S)
    assert after[-1].ready == {L40S: 2}
    assert len(leavers(after)) == 1
    assert max(t.pods for t in after) == 2
    assert all(sum(t.ready.values()) for t in after)


def test_a_pool_that_gives_no_node_is_tried_less_and_less_often() -> None:
    tries = leavers(world(1.0, 1).run(8 * HOUR_S))
    apart = [b - a for a, b in pairwise(tries)]
    assert len(tries) == 4
    assert [round(for_s / HOUR_S, 1) for for_s in apart[:3]] == [0.6, 1.0, 2.0]


@pytest.mark.parametrize(("per_s", "most"), [(5.0, 1), (12.0, 2)], ids=["alone", "one of two"])
def test_where_the_queue_of_a_move_would_bring_the_dear_one_back_it_stays(per_s: float, most: int) -> None:
    this = world(per_s, most)
    this.run(1800)
    this.stuck = frozenset()
    after = this.run(HOUR_S)
    assert leavers(after) == []
    assert after[-1].ready[H100] == 1
    assert "MoveWaits" in after[-1].codes


def test_without_a_gateway_nobody_would_hold_what_arrives_so_a_lone_one_stays() -> None:
    this = world(1.0, 1, gateway={"mode": "None"})
    this.run(1800)
    this.stuck = frozenset()
    assert leavers(this.run(HOUR_S)) == []

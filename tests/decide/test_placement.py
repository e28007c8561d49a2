"""Placement: what each Deployment asks for, who makes way, and who is drained before anything shrinks."""

import pytest
from tests.decide.builders import NOW_S, fleet, load, option, pool, pools, replica, replicas, rung, serving, snapshot
from tests.decide.fleets import only

from costwain.decide.options import Rung
from costwain.decide.placement import Aim, Arrangement, arrange, wanted
from costwain.decide.sizing import Mix
from costwain.domain.memory import Demand
from costwain.domain.plan import Place
from costwain.domain.snapshot import Fleet, Replica, State

PENDING, STARTING, READY = State.PENDING, State.STARTING, State.READY
DRAINING, DRAINED, GOING = State.DRAINING, State.DRAINED, State.TERMINATING
FULL = rung(option("full/h100", 10.0), option("full/mi300x", 10.0))
SMALL = rung(option("small/h100", 40.0), option("small/mi300x", 40.0, "2.00"))
HERE = ("full", "h100")


def mix(place: str, n: int, per_s: float = 10.0, short: bool = False) -> Mix:
    name, _, pool = place.partition("/")
    return Mix({(name, pool): n} if n else {}, n * per_s, 0, short)


def counts(of: Fleet, target: Rung, to: Mix, per_s: float, *ladder: Rung, now_s: float = 0.0) -> dict[str, int]:
    found = wanted(of, Aim(target, to, per_s), ladder or (FULL, SMALL), now_s)
    return {"/".join(place): n for place, n in found.items() if n}


def test_a_mix_is_started_as_far_as_accelerators_are_free_now() -> None:
    crowded = rung(option("full/h100", most=4, most_now=1))
    assert counts(fleet(), crowded, mix("full/h100", 3), 30.0) == {"full/h100": 1}


def test_a_ready_replica_stays_until_the_others_carry_its_load() -> None:
    moving = (replica("full/h100"), replica("full/mi300x", STARTING))
    assert counts(fleet(*moving), FULL, mix("full/mi300x", 1), 9.0) == {"full/h100": 1, "full/mi300x": 1}
    moved = (replica("full/h100"), replica("full/mi300x"))
    assert counts(fleet(*moved), FULL, mix("full/mi300x", 1), 9.0) == {"full/mi300x": 1}


def test_a_mix_that_money_keeps_short_takes_replicas_away_although_they_are_needed() -> None:
    of = fleet(*replicas("full/h100", 3))
    assert counts(of, FULL, mix("full/h100", 2, short=True), 30.0) == {"full/h100": 2}


def test_the_old_rung_keeps_what_its_share_needs_on_the_cheapest_pools() -> None:
    pods = (*replicas("full/h100", 1), *replicas("small/h100", 1), *replicas("small/mi300x", 2))
    of = fleet(*pods, memory=serving("full", shares={"full": 25, "small": 75}))
    found = counts(of, FULL, mix("full/h100", 4), 40.0)
    assert found == {"full/h100": 4, "small/mi300x": 1}


@pytest.mark.parametrize(
    ("mode", "after_s", "left"),
    [
        pytest.param("Managed", 0.0, 0, id="our gateway moves the traffic in the same turn"),
        pytest.param("None", 4.9, 2, id="another router may still send by the shares before"),
        pytest.param("None", 5.0, 0, id="another router has read of the step"),
    ],
)
def test_the_old_rung_stays_until_every_router_has_heard_of_the_step(mode: str, after_s: float, left: int) -> None:
    pods = (*replicas("full/h100", 1), *replicas("small/h100", 2))
    memory = serving("full", shares={"full": 100}, stepped_at_s=100.0)
    of = fleet(*pods, memory=memory, gateway={"mode": mode}, scaling={"minReplicas": 1})
    found = counts(of, FULL, mix("full/h100", 1), 5.0, now_s=100.0 + after_s)
    assert found.get("small/h100", 0) == left


def test_the_old_rung_keeps_its_last_replica_until_its_queue_is_empty() -> None:
    pods = (*replicas("full/h100", 1), *replicas("small/h100", 2))
    memory = serving("full", shares={"full": 100})
    waits = fleet(*pods, memory=memory, load=load(1.0, queued={"small": 3}))
    empty = fleet(*pods, memory=memory, load=load(1.0, queued={"small": 0}))
    assert counts(waits, FULL, mix("full/h100", 1), 5.0) == {"full/h100": 1, "small/h100": 1}
    assert counts(empty, FULL, mix("full/h100", 1), 5.0) == {"full/h100": 1}


def test_nothing_to_serve_with_is_nothing_at_all() -> None:
    of = fleet(*replicas("small/h100", 2), memory=serving("small"), load=load(1.0, queued={"small": 3}))
    assert counts(of, FULL, mix("full/h100", 0), 5.0) == {}


ROOM: dict[str, tuple[tuple[Replica, ...], int, dict[str, int]]] = {
    # story: (pods, maxReplicas, wanted); the target is small on h100, where nothing is free, full has all traffic
    "one makes way where the target finds no accelerator": (replicas("full/h100", 3), 8, {"full/h100": 2}),
    "one is on its way out already": (
        (*replicas("full/h100", 2), replica("full/h100#3", DRAINING)), 8, {"full/h100": 2},
    ),
    "one is nearly gone": ((*replicas("full/h100", 2), replica("full/h100#3", GOING)), 8, {"full/h100": 2}),
    "the target has one that waits": (
        (*replicas("full/h100", 3), replica("small/h100", PENDING)), 8, {"full/h100": 3, "small/h100": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pods", "most", "want"), ROOM.values(), ids=ROOM)
def test_room_for_a_target_whose_pool_its_own_fleet_fills(
    pods: tuple[Replica, ...], most: int, want: dict[str, int]
) -> None:
    waits = sum(r.variant == "small" for r in pods)
    target = rung(option("small/h100", 40.0, most_now=waits))
    of = fleet(*pods, memory=serving("full"), scaling={"maxReplicas": most})
    assert counts(of, target, mix("small/h100", 1, 40.0), 30.0, FULL, target) == want


def test_room_for_a_target_when_the_fleet_stands_at_its_ceiling() -> None:
    of = fleet(*replicas("full/h100", 2), memory=serving("full"), scaling={"maxReplicas": 2})
    assert counts(of, SMALL, mix("small/mi300x", 1, 40.0), 20.0) == {"full/h100": 1, "small/mi300x": 1}


def arranged(want: int, *pods: Replica) -> Arrangement:
    return arrange(fleet(*pods), {HERE: want})


N1, N2, N3 = "chat-full-h100-1", "chat-full-h100-2", "chat-full-h100-3"
STORIES: dict[str, tuple[int, tuple[Replica, ...], int, tuple[str, ...], tuple[str, ...]]] = {
    # story: (wanted, pods, replicas asked for, drained, taken back); of equals #1 is the oldest
    "from nothing": (2, (), 2, (), ()),
    "as it is": (2, replicas("full/h100", 2), 2, (), ()),
    "the youngest ready one is drained first, and its Deployment waits": (
        1, replicas("full/h100", 2), 2, (N2,), (),
    ),
    "it is being drained": (
        1, (replica("full/h100#1"), replica("full/h100#2", DRAINING)), 2, (), (),
    ),
    "it is drained, so the Deployment shrinks": (
        1, (replica("full/h100#1"), replica("full/h100#2", DRAINED)), 1, (), (),
    ),
    "needed again before it was gone": (
        2, (replica("full/h100#1"), replica("full/h100#2", DRAINED)), 2, (), (N2,),
    ),
    "a pod that waits for a node goes first": (
        1, (replica("full/h100#1"), replica("full/h100#2", PENDING)), 1, (), (),
    ),
    "a warm pod comes back before a new one is loaded": (
        1, (replica("full/h100#1", DRAINED), replica("full/h100#2", STARTING)), 1, (), (N1,),
    ),
    "a pod that answers still comes back before one that waits for a node": (
        1, (replica("full/h100#1", DRAINING), replica("full/h100#2", PENDING)), 1, (), (N1,),
    ),
    "two too many, one of them waiting": (
        1, (*replicas("full/h100", 2), replica("full/h100#3", PENDING)), 2, (N2,), (),
    ),
    "what is deleted counts no more": (1, (replica("full/h100#1"), replica("full/h100#2", GOING)), 1, (), ()),
    "everything goes": (0, replicas("full/h100", 2), 2, (N1, N2), ()),
    "everything has gone": (0, (), 0, (), ()),
}  # fmt: skip


@pytest.mark.parametrize(("want", "pods", "asked", "drain", "undrain"), STORIES.values(), ids=STORIES)
def test_arrange(
    want: int, pods: tuple[Replica, ...], asked: int, drain: tuple[str, ...], undrain: tuple[str, ...]
) -> None:
    assert arranged(want, *pods) == Arrangement({HERE: asked}, drain, undrain)


def test_a_deployment_that_nobody_wants_any_more_is_asked_for_nothing() -> None:
    asked: dict[Place, int] = dict(arrange(fleet(deployed={("old", "h100"): 2}), {}).replicas)
    assert asked == {("old", "h100"): 0}


def test_pods_of_a_variant_that_the_ladder_no_longer_has_are_drained() -> None:
    """The gateway gives them no new request, so they would only cost."""
    of = fleet(replica("old/h100"), memory=serving("old"))
    found = wanted(of, Aim(FULL, mix("full/mi300x", 1), 5.0), (FULL, SMALL), 0.0)
    assert arrange(of, found).drain == ("chat-old-h100-1",)


MOVES = {  # story: (requests/s, who makes way at maxReplicas 2, where small holds the one h100 and one on spot)
    "a target that may begin on spot does, beside the one that lasts": (8.0, "chat-small-mi300x-1"),
    "one that fits the h100 alone takes its place, and spot serves until it is there": (4.0, "chat-small-h100-1"),
}


@pytest.mark.parametrize(("per_s", "leaves"), MOVES.values(), ids=MOVES)
def test_the_last_one_that_lasts_makes_way_only_where_no_other_would_help(per_s: float, leaves: str) -> None:
    these = (*replicas("small/h100", 1), *replicas("small/mi300x", 1))
    asks = Demand(at_s=NOW_S - 5, fast_per_s=per_s, slow_per_s=per_s, input_tokens=512, output_tokens=128)
    memory = serving("full", shares={"small": 100}, demand=asks)
    of = fleet(*these, load=load(per_s, running=3), scaling={"maxReplicas": 2}, memory=memory)
    spot = pool("mi300x", price="1.00", capacityType="Spot")
    assert only(snapshot(of, where=pools(pool("h100", total=1), spot, using=these))).drain == (leaves,)

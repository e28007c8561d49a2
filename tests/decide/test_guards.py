"""Guards: bounds and hard budget stand above every choice; a pool that keeps a pod waiting is given a rest."""

import pytest
from tests.decide.builders import NOW_S, fleet, load, pool, pools, purse, replica, replicas, serving

from costwain.decide.budget import Purse
from costwain.decide.guards import Draft, Facts, guarded
from costwain.decide.nodes import kept_waiting, refuse_slow_pools
from costwain.domain.memory import Memory, Refusal
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Load, Pool, Replica, State

FULL, SMALL = ("full", "h100"), ("small", "h100")
PENDING, STARTING, DRAINING = State.PENDING, State.STARTING, State.DRAINING

BOUNDS: dict[str, tuple[int, tuple[Replica, ...], dict[Place, int], dict[Place, int]]] = {
    # story: (maxReplicas, pods, wanted, allowed); full is the target
    "within": (4, (), {FULL: 4}, {FULL: 4}),
    "capped": (3, (), {FULL: 5}, {FULL: 3}),
    "what serves already goes before what would be started": (
        3, replicas("small/h100", 2), {FULL: 3, SMALL: 2}, {FULL: 1, SMALL: 2},
    ),
    "a lower ceiling takes from the rung that is left": (
        2, (*replicas("full/h100", 2), *replicas("small/h100", 2)), {FULL: 2, SMALL: 2}, {FULL: 2, SMALL: 0},
    ),
    "a lower ceiling takes from the target where nothing else is": (
        2, replicas("full/h100", 3), {FULL: 3}, {FULL: 2},
    ),
    "what is draining still counts, so nothing starts in its place": (
        2, (*replicas("small/h100", 1), replica("small/h100#2", DRAINING)), {FULL: 1, SMALL: 1}, {FULL: 0, SMALL: 1},
    ),
    "what is to be drained this turn still counts": (
        2, replicas("small/h100", 2), {FULL: 1, SMALL: 1}, {FULL: 0, SMALL: 1},
    ),
    "what goes at once makes room at once": (
        2, (*replicas("small/h100", 1), replica("small/h100#2", PENDING)), {FULL: 1, SMALL: 1}, {FULL: 1, SMALL: 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("most", "pods", "want", "allowed"), BOUNDS.values(), ids=BOUNDS)
def test_bounds(most: int, pods: tuple[Replica, ...], want: dict[Place, int], allowed: dict[Place, int]) -> None:
    this = fleet(*pods, scaling={"maxReplicas": most}, memory=serving("full"))
    got = guarded(Draft(dict(want)), Facts(this, (), dict))
    assert got.counts == allowed
    assert got.reasons == (() if want == allowed else (Why("AtMaxReplicas", f"capped at maxReplicas {most}"),))


FLOOR = Why("BudgetFloor", "$0.39 is left: only the declared floor stays, above the budget")
SPENT: dict[str, tuple[str, dict[Place, int], dict[Place, int], tuple[Why, ...]]] = {
    # story: (dollars left of an hour, floor, what stays of two replicas at $4 an hour, reasons)
    "enough": ("1.00", {}, {FULL: 2}, ()),
    "the last moment, no floor": (
        "0.39", {}, {}, (Why("BudgetExhausted", "$0.39 is left in this period: nothing runs until the next one"),),
    ),
    "the last moment, a floor": (
        "0.39", {FULL: 1}, {FULL: 1}, (FLOOR,),
    ),
    "the floor is another rung's": (
        "0.39", {SMALL: 1}, {SMALL: 1}, (FLOOR,),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("left", "floor", "stays", "reasons"), SPENT.values(), ids=SPENT)
def test_hard_budget(left: str, floor: dict[Place, int], stays: dict[Place, int], reasons: tuple[Why, ...]) -> None:
    money: Purse = purse(left)
    got = guarded(Draft({FULL: 2}), Facts(fleet(*replicas("full/h100", 2)), (money,), lambda: floor))
    assert {place: n for place, n in got.counts.items() if n} == stays
    assert got.reasons == reasons


def test_a_floor_that_is_yet_to_start_waits_for_the_ceiling() -> None:
    this = fleet(*replicas("full/h100", 1), scaling={"maxReplicas": 1})
    got = guarded(Draft({FULL: 1}), Facts(this, (purse("0"),), lambda: {SMALL: 1}))
    assert got.counts == {FULL: 0, SMALL: 0}
    assert [w.code for w in got.reasons] == ["BudgetFloor", "AtMaxReplicas"]


WAITS = pools(pool("h100", pendingTimeoutSeconds=300), pool("mi300x", pendingTimeoutSeconds=900))


def test_a_pool_that_keeps_a_pod_waiting_is_given_a_rest() -> None:
    this = fleet(replica("full/h100", PENDING, 301), replica("full/h100#2", PENDING, 400))
    memory, news = refuse_slow_pools(this, WAITS, Memory(), NOW_S)
    assert memory.refusals == [Refusal(pool="h100", until_s=NOW_S + 300)]
    assert news == [Why("PoolUnavailable", "chat-full-h100-2 waited 400 s for a node of pool h100: trying other pools")]


PATIENCE = {
    "it waits for no longer than it may": (replica("full/h100", PENDING, 300), Memory()),
    "it has a node, and loads": (replica("full/h100", STARTING, 5000), Memory()),
    "its pool is resting already": (
        replica("full/h100", PENDING, 500), Memory(refusals=[Refusal(pool="h100", until_s=NOW_S + 1)]),
    ),
    "its pool is gone": (replica("full/gone", PENDING, 5000), Memory()),
}  # fmt: skip


@pytest.mark.parametrize(("pod", "memory"), PATIENCE.values(), ids=PATIENCE)
def test_nothing_new_is_refused(pod: Replica, memory: Memory) -> None:
    assert refuse_slow_pools(fleet(pod), WAITS, memory, NOW_S) == (memory, [])


ELASTIC = pools(pool("h100", provisioningSeconds=150), pool("mi300x"))
TAKEN = pools(pool("h100", provisioningSeconds=150), pool("mi300x", used=8))
HURRY = {
    "a node takes twice as long as usual and requests wait": (301, load(2.0, queued=9), ELASTIC, True),
    "a node takes as long as it may": (300, load(2.0, queued=9), ELASTIC, False),
    "nobody waits for it": (301, load(2.0), ELASTIC, False),
    "nothing is known of the load": (301, None, ELASTIC, False),
    "there is no room elsewhere": (301, load(2.0, queued=9), TAKEN, False),
    "nodes that are there already would have it by now": (61, load(2.0, queued=9), pools(), True),
    "nodes that are there already were just asked": (60, load(2.0, queued=9), pools(), False),
}


@pytest.mark.parametrize(("waited_s", "asked", "standing", "refused"), HURRY.values(), ids=HURRY)
def test_while_requests_wait_a_pod_waits_for_twice_the_usual_time(
    waited_s: float, asked: Load | None, standing: dict[str, Pool], refused: bool
) -> None:
    this = fleet(replica("full/h100", PENDING, waited_s), load=asked)
    memory, _ = refuse_slow_pools(this, standing, Memory(), NOW_S)
    assert [r.pool for r in memory.refusals] == (["h100"] if refused else [])


NOWHERE = {
    "the other pool is full": (TAKEN, Memory()),
    "the other pool rests": (ELASTIC, Memory(refusals=[Refusal(pool="mi300x", until_s=NOW_S + 500)])),
    "the other pool has no price": (pools(pool("h100"), pool("mi300x", price=None)), Memory()),
    "the other pool is gone": ({"h100": pool("h100")}, Memory()),
}


@pytest.mark.parametrize(("standing", "memory"), NOWHERE.values(), ids=NOWHERE)
def test_a_pod_that_can_go_nowhere_else_keeps_its_turn_and_says_so(standing: dict[str, Pool], memory: Memory) -> None:
    this = fleet(replica("full/h100", PENDING, 5000), load=load(2.0, queued=9))
    assert refuse_slow_pools(this, standing, memory, NOW_S) == (memory, [])
    sentence = "chat-full-h100-1 has waited 5000 s for a node of pool h100: no other has room"
    assert kept_waiting(this, standing, NOW_S) == Why("WaitsForNode", sentence)


def test_who_has_not_waited_for_long_or_is_leaving_says_nothing() -> None:
    this = fleet(replica("full/h100", PENDING, 900), replica("full/mi300x", STARTING, 5000))
    assert kept_waiting(this, ELASTIC, NOW_S) is None
    left = fleet(replica("full/h100", PENDING, 901), memory=Memory(refusals=[Refusal(pool="h100", until_s=NOW_S + 9)]))
    assert kept_waiting(left, ELASTIC, NOW_S) is None


def test_a_rest_ends() -> None:
    memory = Memory(refusals=[Refusal(pool="h100", until_s=NOW_S)])
    assert refuse_slow_pools(fleet(), WAITS, memory, NOW_S) == (Memory(), [])

"""Turns of the operator's own loop: what they write, and what keeps them from it."""

import asyncio
from collections import Counter
from typing import Any
from unittest.mock import AsyncMock

import pytest
from tests.controller.turn_world import NAMESPACE, World, loop_on, world_of

from costwain.adapters.kube import ApiError
from costwain.adapters.resources import MODEL_DEPLOYMENTS
from costwain.controller.act import act
from costwain.controller.hands import Hands
from costwain.controller.loop import Loop
from costwain.decide import decide
from costwain.decide.rest import FEW
from costwain.domain.plan import FleetPlan, Plan
from costwain.domain.snapshot import Fleet, Snapshot

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def turns(loop: Any, n: int) -> None:
    for _ in range(n):
        await loop.turn(lambda: True, 1)


def statuses(world: World) -> set[str]:
    """Fleets whose status was written."""
    return {name for kind, name in world.written if kind == "ModelDeployment"}


async def test_a_settled_world_costs_no_write_though_every_load_moves() -> None:
    loop, world, _ = world_of(fleets=3)
    await turns(loop, 12)
    kept = [what for what in world.written if what[0] != "ConfigMap"]  # room of a pod, as the mean request settles
    world.written.clear()
    await turns(loop, 6)
    assert kept
    assert [what for what in world.written if what[0] != "ConfigMap"] == []


async def test_a_successor_writes_only_the_gateways_programs_where_all_is_as_it_was_left() -> None:
    loop, world, requests = world_of(fleets=3)
    requests.still = True
    await turns(loop, 12)
    world.written.clear()
    successor = loop_on(world, requests, COSTWAIN_TURN_SECONDS="0.01")
    await successor.run(lambda: len(world.written) < 3, 2, None)
    assert Counter(kind for kind, _ in world.written) == {"ConfigMap": 3}


async def test_a_write_that_hangs_keeps_its_own_fleet_waiting_and_no_other() -> None:
    loop, world, _ = world_of(fleets=12)
    released, others = world.hold("Deployment", "chat-0-gateway"), asyncio.Event()
    world.on_write = lambda: others.set() if len(statuses(world)) == 11 else None
    turn = asyncio.create_task(loop.turn(lambda: True, 1))
    async with asyncio.timeout(30):
        await others.wait()
    assert "chat-0" not in statuses(world)
    released.set()
    await turn
    assert len(statuses(world)) == 12


async def test_who_loses_the_lease_in_a_turn_writes_no_further_fleet() -> None:
    loop, world, _ = world_of(fleets=40)
    await loop.turn(lambda: len(world.written) < 20, 1)
    assert 0 < len(statuses(world)) < 40


async def test_a_fleet_that_is_deleted_while_the_turn_is_decided_is_left_alone() -> None:
    loop, world, _ = world_of(fleets=2)
    gone = world.cache.all(MODEL_DEPLOYMENTS)[NAMESPACE, "chat-1"]
    world.on_write = lambda: world.cache.drop(MODEL_DEPLOYMENTS, gone, 0.0)
    await loop.turn(lambda: True, 1)
    assert statuses(world) == {"chat-0"}


async def test_what_is_odd_about_one_fleet_is_told_and_ends_no_other_ones_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop, world, _ = world_of(fleets=12)

    def break_on_one() -> None:
        if world.written[-1] == ("Deployment", "chat-3-gateway"):
            raise AttributeError("nobody thought of this")

    world.on_write = break_on_one
    await turns(loop, 2)
    assert statuses(world) == {f"chat-{n}" for n in range(12) if n != 3}
    assert "default/chat-3: unexpected error, going on with the others" in caplog.text
    assert "nobody thought of this" in caplog.text


async def decided(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Fleets on which a turn acts."""
    seen = set[str]()

    async def note(hands: Hands, fleet: Fleet, plan: FleetPlan, snapshot: Snapshot, wall_s: float) -> None:
        seen.add(fleet.name)
        await act(hands, fleet, plan, snapshot, wall_s)

    with monkeypatch.context() as patch:
        patch.setattr("costwain.controller.loop.act", note)
        await turns(loop, 1)
    return seen


MANY, LAST = 3 * FEW, f"chat-{3 * FEW - 1}"  # the last one's turn is far away


async def resting() -> Loop:
    """A loop whose fleets are so many that most rest by now."""
    loop, _, requests = world_of(fleets=MANY, nodes=MANY)
    requests.still = True
    await turns(loop, 20)
    return loop


async def test_with_many_fleets_a_turn_acts_on_some_and_at_once_on_one_of_which_something_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = await resting()
    assert len(await decided(loop, monkeypatch)) < 2 * FEW
    before = await decided(loop, monkeypatch)
    loop.wake((NAMESPACE, LAST))
    assert LAST in await decided(loop, monkeypatch) - before
    assert LAST not in await decided(loop, monkeypatch)


async def test_a_fleet_whose_write_failed_is_tried_again_in_the_next_turn_though_it_might_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = await resting()
    loop.wake((NAMESPACE, LAST))
    with monkeypatch.context() as patch:
        patch.setattr("costwain.controller.loop.act", AsyncMock(side_effect=ApiError(500, "Internal", "etcd is away")))
        await turns(loop, 1)
    assert LAST in await decided(loop, monkeypatch)


async def test_what_came_while_a_fleet_rested_is_told_when_it_is_decided_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = await resting()
    shown = list[Snapshot]()

    def note(snapshot: Snapshot) -> Plan:
        shown.append(snapshot)
        return decide(snapshot)

    monkeypatch.setattr("costwain.controller.loop.decide", note)
    await turns(loop, 3)
    told = [f.load for snapshot in shown for f in snapshot.fleets if f.name == LAST]
    gathered = [one for one in told if one is not None and one.fast_per_s is not None]
    assert gathered  # it rested in some of them


@pytest.mark.parametrize(("turn_s", "told"), [("0.000001", True), ("600", False)])
async def test_a_turn_that_took_longer_than_turns_are_apart_is_told(
    turn_s: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    loop, world, _ = world_of(fleets=2, COSTWAIN_TURN_SECONDS=turn_s)
    loop.wake()
    await loop.run(lambda: "chat-1" not in statuses(world), 1, None)
    assert ("for 2 fleets, where one is due every" in caplog.text) is told

"""The Lease: at most one leads, whatever the clocks and the API server do."""

import asyncio
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.adapters.lease_world import WALL_S, Object, World

from costwain.adapters.lease import Lease, Timings
from costwain.adapters.resources import Resource


def attempt(lease: Lease) -> bool:
    return asyncio.run(lease.attempt())


def overtaken(world: World) -> tuple[Lease, Lease]:
    """One that led until another took over."""
    first, second = world.contender("a"), world.contender("b")
    assert (attempt(first), attempt(second)) == (True, False)
    world.now_s += 15
    assert attempt(second)
    return first, second


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_one_makes_the_lease_and_leads(world: World) -> None:
    first = world.contender("a")
    assert attempt(first)
    assert first.is_leader()
    assert (first.epoch, first.last_renewed_wall_s) == (0, None)
    assert world.spec == {
        "holderIdentity": first.identity,
        "leaseDurationSeconds": 15,
        "acquireTime": "2023-11-14T22:15:00.000000Z",
        "renewTime": "2023-11-14T22:15:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_process_that_comes_back_under_its_old_name_is_another_holder(world: World) -> None:
    assert attempt(world.contender("costwain-0"))
    again = world.contender("costwain-0")
    assert not attempt(again)


def test_who_saw_no_renewal_for_the_whole_duration_takes_over(world: World) -> None:
    first, second = world.contender("a"), world.contender("b")
    attempt(first)
    world.now_s += 1
    assert not attempt(second)
    world.now_s += 14.9
    assert not attempt(second)
    world.now_s += 0.1
    assert attempt(second)
    assert (second.epoch, second.last_renewed_wall_s) == (1, WALL_S + 100)
    assert (first.is_leader(), second.is_leader()) == (False, True)


def test_a_renewal_starts_the_wait_anew(world: World) -> None:
    first, second = world.contender("a"), world.contender("b")
    attempt(first)
    attempt(second)
    world.now_s += 9
    attempt(first)
    world.now_s += 6
    assert not attempt(second)
    world.now_s += 14
    assert not attempt(second)
    world.now_s += 1
    assert attempt(second)


def test_a_wall_clock_that_is_hours_off_changes_nothing(world: World) -> None:
    first, second = world.contender("a", ahead_s=-7200), world.contender("b", ahead_s=7200)
    attempt(first)
    assert not attempt(second)
    world.now_s += 14
    assert not attempt(second)


def test_the_belief_ends_before_another_may_take_over(world: World) -> None:
    first = world.contender("a")
    attempt(first)
    world.now_s += 9.9
    assert first.is_leader()
    world.now_s += 0.1
    assert not first.is_leader()


def test_the_belief_counts_from_before_the_request_was_sent(world: World) -> None:
    first = world.contender("a")
    world.script = [1.0, 3.0]
    attempt(first)
    world.now_s += 6
    assert not first.is_leader()


def test_renewals_keep_epoch_and_acquire_time(world: World) -> None:
    first = world.contender("a")
    attempt(first)
    world.now_s += 5
    attempt(first)
    assert (first.epoch, world.spec["acquireTime"]) == (0, "2023-11-14T22:15:00.000000Z")
    assert world.spec["renewTime"] == "2023-11-14T22:15:05.000000Z"


def test_of_two_that_see_a_free_lease_one_gets_it(world: World) -> None:
    first, second = world.contender("a"), world.contender("b")
    attempt(first)
    asyncio.run(first.release())

    class Overtaken(World):
        async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
            found = copy.deepcopy(world.stored)
            await second.attempt()
            return found

        async def replace(self, manifest: Object, subresource: str | None = None) -> Object:
            return await world.replace(manifest)

    late = Overtaken().contender("c")
    assert not attempt(late)
    assert (second.is_leader(), late.is_leader()) == (True, False)


TROUBLE = {  # story: (what goes wrong on the way to a takeover, attempts until it leads)
    "all goes well": ([], 1),
    "the API server is away for two tries": (["down", "down"], 3),
    "the write is done but its answer is lost": ([None, "lost"], 2),
    "the write never arrives": ([None, "down"], 2),
}


@pytest.mark.parametrize(("script", "tries"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_on_the_way_delays_a_takeover_but_loses_nothing(
    world: World, script: list[str | float | None], tries: int
) -> None:
    first, second = world.contender("a"), world.contender("b")
    attempt(first)
    attempt(second)
    world.now_s += 20
    world.script = script
    assert [attempt(second) for _ in range(tries)] == [False] * (tries - 1) + [True]
    assert (second.epoch, second.last_renewed_wall_s) == (1, WALL_S + 100)


def test_holding_ends_when_the_api_server_stays_away(world: World) -> None:
    first = world.contender("a")
    attempt(first)
    world.script = ["down"] * 100
    asyncio.run(first.hold())
    assert not first.is_leader()
    assert world.now_s == 110


def test_holding_goes_on_through_a_short_outage(world: World) -> None:
    first = world.contender("a")
    attempt(first)
    world.script = ["down", "down", "down", None, None, *["down"] * 100]
    asyncio.run(first.hold())
    assert world.now_s == 118


def test_a_frozen_process_wakes_without_the_lease(world: World) -> None:
    async def freeze(_: float) -> None:
        world.now_s += 26

    first = world.contender("a", sleep=freeze)
    attempt(first)
    asyncio.run(first.hold())
    assert not first.is_leader()


def test_who_was_overtaken_knows_it_at_the_next_try(world: World) -> None:
    first, _ = overtaken(world)
    assert not attempt(first)
    assert not first.is_leader()


def test_a_released_lease_is_taken_at_once_and_its_mark_is_the_release(world: World) -> None:
    first, second = world.contender("a"), world.contender("b")
    attempt(first)
    world.now_s += 4
    asyncio.run(first.release())
    assert not first.is_leader()
    assert "holderIdentity" not in world.spec
    assert attempt(second)
    assert (second.epoch, second.last_renewed_wall_s) == (1, WALL_S + 104)


def test_releasing_what_another_holds_changes_nothing(world: World) -> None:
    first, _ = overtaken(world)
    before = copy.deepcopy(world.stored)
    asyncio.run(first.release())
    assert world.stored == before


def test_a_release_that_fails_is_no_error(world: World) -> None:
    first = world.contender("a")
    attempt(first)
    world.script = ["down"] * 10
    asyncio.run(first.release())
    assert not first.is_leader()


def test_acquiring_waits_as_long_as_another_renews(world: World) -> None:
    first, second = world.contender("a"), world.contender("b")
    attempt(first)
    asyncio.run(second.acquire())
    assert second.is_leader()
    assert 115 <= world.now_s <= 117


@pytest.mark.parametrize(("duration_s", "deadline_s", "retry_s"), [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_timings_without_a_gap_are_refused(duration_s: int, deadline_s: float, retry_s: float) -> None:
    with pytest.raises(ValueError, match=r"lease timings: want 0 < retry_s < renew_deadline_s < duration_s \(found"):
        Timings(duration_s, deadline_s, retry_s)


MOVES = st.tuples(
    st.integers(0, 2),  # who
    st.sampled_from([*["attempt"] * 9, "release"]),
    st.sampled_from([0.1, 1.0, 3.0, 6.0, 12.0]),  # seconds that pass before
    st.lists(st.sampled_from([*[None] * 6, "down", "lost", 0.5, 4.0]), max_size=2),
)


@given(st.lists(MOVES, min_size=10, max_size=40), st.lists(st.floats(-1e5, 1e5), min_size=3, max_size=3))
def test_law_never_two_leaders_and_each_one_has_an_epoch_of_its_own(
    moves: list[tuple[int, str, float, list[str | float | None]]], ahead_s: list[float]
) -> None:
    world = World()
    contenders = [world.contender(f"c{i}", ahead) for i, ahead in enumerate(ahead_s)]
    led: dict[int, str] = {}
    for who, move, pause_s, script in moves:
        world.now_s, world.script = world.now_s + pause_s, list(script)
        asyncio.run(getattr(contenders[who], move)())
        leaders = [c for c in contenders if c.is_leader()]
        assert len(leaders) <= 1
        for leader in leaders:
            assert leader.epoch is not None
            assert led.setdefault(leader.epoch, leader.identity) == leader.identity
            assert leader.epoch == max(led)

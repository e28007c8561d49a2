"""Which variant answers: shares that hold in the mean, conversations that keep theirs, swaps that lose nothing."""

import asyncio
import itertools

import pytest
from tests.gateway.client import by_variant, gather, lost
from tests.support import eventually_async

from costwain.agent.metrics import queue_depth

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


async def _until_shares(world, shares):
    async def told():
        return (await world.state()).program["shares"] == shares

    await eventually_async(told, 5, f"shares {shares} in HAProxy")


async def test_shares_hold_within_two_points(gateway):
    async with gateway(ladder=("full", "middle", "small"), slots=64) as (world, client):
        for variant in world.ladder:
            await world.add_pods(variant)
        world.set_program(full=25, middle=25, small=50)
        await _until_shares(world, "2500,5000,10000")
        outcomes = []
        for batch in range(20):
            outcomes += await gather(client.ask(f"conversation {batch}-{i}", wait_ms=0) for i in range(100))
        assert lost(outcomes) == []
        share = {variant: 100 * count / len(outcomes) for variant, count in by_variant(outcomes).items()}
        assert share == {
            "full": pytest.approx(25, abs=2),
            "middle": pytest.approx(25, abs=2),
            "small": pytest.approx(50, abs=2),
        }


@pytest.mark.parametrize(
    "turn",
    [
        pytest.param(lambda client, n, t: client.ask(f"turn {t}", {"x-session-id": f"s{n}"}), id="by session header"),
        pytest.param(lambda client, n, t: client.ask(f"first words {n}", wait_ms=t), id="by first turn"),
        pytest.param(
            lambda client, n, t: client.ask(
                messages=[{"role": "system", "content": "y" * 2000}, {"role": "user", "content": f"first {n}"}]
                + [{"role": "assistant", "content": "more"}] * t
            ),
            id="by first turn behind a long common system prompt",
        ),
    ],
)
async def test_a_conversation_keeps_its_variant(gateway, turn):
    async with gateway(slots=64) as (world, client):
        for variant in world.ladder:
            await world.add_pods(variant)
        world.set_program(full=50, small=50)
        await _until_shares(world, "5000,10000")
        first = [outcome.variant for outcome in await gather(turn(client, n, 0) for n in range(40))]
        for later in (1, 2):
            again = await gather(turn(client, n, later) for n in range(40))
            assert [outcome.variant for outcome in again] == first
        assert set(first) == {"full", "small"}


async def test_a_growing_share_takes_conversations_and_gives_none_back(gateway):
    async with gateway(slots=64) as (world, client):
        for variant in world.ladder:
            await world.add_pods(variant)
        moved = []
        for small in (0, 25, 50, 100):
            world.set_program(full=100 - small, small=small)
            await _until_shares(world, f"{100 * (100 - small)},10000")
            outcomes = await gather(client.ask(f"conversation {n}") for n in range(60))
            moved.append({n for n, outcome in enumerate(outcomes) if outcome.variant == "small"})
        assert moved[0] == set()
        assert moved[3] == set(range(60))
        assert all(earlier <= later for earlier, later in itertools.pairwise(moved))


async def test_a_swap_under_load_with_streams_and_churn_loses_nothing(gateway):
    async with gateway() as (world, client):
        old = await world.add_pods("full", 2)
        outcomes, stop, numbers = [], asyncio.Event(), itertools.count()

        async def user():
            while not stop.is_set():
                n = next(numbers)
                how = {"stream": True, "chunks": 4, "gap_ms": 10} if n % 10 < 3 else {"wait_ms": 20}
                outcomes.append(await client.ask(f"conversation {n}", **how))

        async def answered(more):
            target = len(outcomes) + more

            async def enough():
                return len(outcomes) >= target

            await eventually_async(enough, 60, f"{more} more answers")

        users = [asyncio.create_task(user()) for _ in range(24)]
        new = await world.add_pods("small", 2)
        for small in (25, 50, 100):
            world.set_program(full=100 - small, small=small)
            await _until_shares(world, f"{100 * (100 - small)},10000")
            await answered(2000)
        await world.drain(old)
        for _ in range(4):
            new += await world.add_pods("small")
            await answered(600)
            await world.drain([new.pop(0)])
            await answered(400)
        stop.set()
        await asyncio.gather(*users)
        assert lost(outcomes) == []
        assert len(outcomes) >= 10_000


async def test_requests_that_wait_for_a_variant_that_is_given_up_are_served_by_the_next(gateway):
    async with gateway() as (world, client):
        tasks = [asyncio.create_task(client.ask(f"q {i}")) for i in range(40)]

        async def waiting():
            return queue_depth(await world.state(), "full") == 40

        await eventually_async(waiting, 10, "40 wait for the best variant")
        world.set_program(small=100)

        async def moved():
            state = await world.state()
            return queue_depth(state, "full") == 0 and queue_depth(state, "small") == 40

        await eventually_async(moved, 5, "they wait for the next one")
        await world.add_pods("small")
        outcomes = await gather(tasks)
        assert lost(outcomes) == []
        assert by_variant(outcomes) == {"small": 40}


async def test_the_last_pod_of_a_given_up_variant_dies_and_its_queue_is_rescued(gateway):
    async with gateway(slots=2) as (world, client):
        (dying,) = await world.add_pods("full")
        await world.add_pods("small")
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=200)) for i in range(30)]

        async def queued():
            return queue_depth(await world.state(), "full") >= 20

        await eventually_async(queued, 10, "requests wait")
        world.set_program(small=100)
        await _until_shares(world, "0,10000")
        dying.kill()
        outcomes = await gather(tasks)
        assert lost(outcomes) == []
        assert by_variant(outcomes)["small"] >= 20


async def test_a_minimum_is_never_undercut(gateway):
    async with gateway(ladder=("full", "middle", "small"), slots=64) as (world, client):
        for variant in world.ladder:
            await world.add_pods(variant)
        world.set_program(full=20, middle=20, small=60)
        await _until_shares(world, "2000,4000,10000")
        outcomes = await gather(client.ask(f"q {i}", {"x-costwain-min-variant": "middle"}) for i in range(100))
        assert lost(outcomes) == []
        assert set(by_variant(outcomes)) == {"full", "middle"}
        plain = await gather(client.ask(f"q {i}") for i in range(100))
        kept = [(a.variant, b.variant) for a, b in zip(outcomes, plain, strict=True) if b.variant != "small"]
        assert all(pinned == free for pinned, free in kept)


async def test_where_nobody_serves_at_or_above_a_minimum_the_request_waits_there(gateway):
    async with gateway() as (world, client):
        await world.add_pods("small")
        world.set_program(small=100)
        await _until_shares(world, "0,10000")
        pinned = [asyncio.create_task(client.ask(f"q {i}", {"x-costwain-min-variant": "full"})) for i in range(5)]
        assert lost(await gather(client.ask(f"free {i}") for i in range(20))) == []

        async def waiting():
            return queue_depth(await world.state(), "full") == 5

        await eventually_async(waiting, 5, "five wait for the best variant")
        await world.add_pods("full")
        assert not any(task.done() for task in pinned)
        world.set_program(full=50, small=50)
        outcomes = await gather(pinned)
        assert lost(outcomes) == []
        assert by_variant(outcomes) == {"full": 5}


async def test_a_minimum_that_no_variant_has_is_refused(gateway):
    async with gateway() as (_, client):
        outcome = await client.ask(headers={"x-costwain-min-variant": "huge"})
        assert outcome.status == 400
        assert "names no variant" in outcome.body

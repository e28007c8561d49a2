"""Which pod of a variant answers: the same one for what shares a prefix, but never at the price of waiting."""

import asyncio

import aiohttp
import pytest
from tests.gateway.client import Client, gather, lost

from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


async def _pods_of_sessions(client, count):
    """One after another, so that load plays no part."""
    return [(await client.ask("hi", {"x-session-id": f"s{n}"}, wait_ms=0)).pod for n in range(count)]


async def test_a_session_finds_its_pod_again_even_through_a_haproxy_that_knows_nothing(gateway, haproxy_binary):
    async with gateway() as (world, client):
        pods = await world.add_pods("full", 3)
        first = await _pods_of_sessions(client, 30)
        assert set(first) == {pod.address for pod in pods}
        assert await _pods_of_sessions(client, 30) == first
        world.kill_haproxy()
        world.start_haproxy(haproxy_binary)
        async with Client(world.url) as anew:
            assert await _pods_of_sessions(anew, 30) == first


async def test_requests_with_the_same_first_kilobyte_share_a_pod(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full", 3)
        system = {"role": "system", "content": "y" * 2000}
        messages = [[system, {"role": "user", "content": f"question {n}"}] for n in range(10)]
        assert len({(await client.ask(messages=item)).pod for item in messages}) == 1


async def test_a_pod_that_joins_takes_its_own_sessions_and_moves_no_other(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full", 3)
        before = await _pods_of_sessions(client, 60)
        (new,) = await world.add_pods("full")
        after = await _pods_of_sessions(client, 60)
        moved = [pod for pod, old in zip(after, before, strict=True) if pod != old]
        assert set(moved) == {new.address}
        assert len(moved) <= 30  # a quarter is fair


async def test_one_hot_session_uses_every_pod_rather_than_wait(gateway):
    async with gateway(slots=4) as (world, client):
        pods = await world.add_pods("full", 3)
        session = {"x-session-id": "hot"}
        tasks = [asyncio.create_task(client.ask("hi", session, wait_ms=1000)) for _ in range(12)]
        outcomes = await gather(tasks)
        assert lost(outcomes) == []
        assert {pod.address: 4 for pod in pods} == {
            pod: sum(outcome.pod == pod for outcome in outcomes) for pod in {outcome.pod for outcome in outcomes}
        }


async def test_no_pod_gets_more_at_once_than_its_slots(gateway):
    async with gateway(slots=5) as (world, client):
        pods = await world.add_pods("full", 2)
        assert lost(await gather(client.ask(f"q {i}", wait_ms=20) for i in range(150))) == []
        async with aiohttp.ClientSession() as session:
            for pod in pods:
                async with session.get(f"http://{pod.address}:{names.MODEL_PORT}/stats") as response:
                    stats = await response.json()
                assert stats["most"] == 5
                assert stats["seen"] > 30

"""A gateway that is asked to end: it says so, serves what it holds, and ends when nobody is left."""

import asyncio
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from tests.gateway.client import gather, lost
from tests.support import eventually_async

from costwain.adapters.resources import PODS
from costwain.agent.metrics import queue_depth
from costwain.agent.server import application
from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
OWN_NAME = "chat-gateway-0"


@asynccontextmanager
async def _agents_port(world, agent):
    runner = web.AppRunner(application(agent, drain_deadline_s=30))
    await runner.setup()
    try:
        await web.TCPSite(runner, world.bind, names.AGENT_PORT).start()
        async with aiohttp.ClientSession(f"http://{world.bind}:{names.AGENT_PORT}") as session:
            yield session
    finally:
        await runner.cleanup()


async def _get(session, path):
    async with session.get(path) as response:
        return response.status, await response.text()


def _delete_own_pod(world):
    pod = world.cluster.objects[PODS][OWN_NAME]
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    world.cluster.put(PODS, pod)


async def test_what_is_held_is_served_before_a_deleted_gateway_ends(gateway):
    async with gateway() as (world, client), _agents_port(world, world.running_agent) as port:
        assert (await _get(port, "/readyz"))[0] == 200
        held = [asyncio.create_task(client.ask(f"q {i}", stream=i % 2, chunks=10, gap_ms=50)) for i in range(20)]

        async def all_held():
            return queue_depth(await world.state(), "full") == 20

        await eventually_async(all_held, 10, "20 held")
        _delete_own_pod(world)
        drained = asyncio.create_task(_get(port, "/drain"))

        async def unready():
            return (await _get(port, "/readyz"))[0] == 503 and (await client.get("/health")).status == 503

        await eventually_async(unready, 5, "the gateway says that it leaves")
        assert not drained.done()
        await world.add_pods("full")  # the agent programs it on, or nobody would ever be served
        outcomes = await gather(held)
        assert lost(outcomes) == []
        assert {outcome.headers.get("connection") for outcome in outcomes} == {"close"}
        assert await drained == (200, "idle\n")


async def test_a_stranger_who_asks_for_a_drain_makes_nobody_unready(gateway):
    async with gateway() as (world, client), _agents_port(world, world.running_agent) as port:
        assert await _get(port, "/drain") == (200, "idle\n")
        assert (await _get(port, "/readyz"))[0] == 200
        assert (await client.get("/health")).status == 200


async def test_a_deadline_ends_the_wait(gateway):
    async with gateway() as (world, client):
        task = asyncio.create_task(client.ask())

        async def held():
            return queue_depth(await world.state(), "full") == 1

        await eventually_async(held, 10, "one held")
        assert not await world.running_agent.wait_until_idle(deadline_s=0.3)
        await world.add_pods("full")
        assert (await task).complete


async def test_a_haproxy_that_is_gone_is_idle(gateway):
    async with gateway() as (world, _):
        world.kill_haproxy()
        assert await world.running_agent.wait_until_idle(deadline_s=5)


async def test_the_numbers_are_those_of_the_moment(gateway):
    async with gateway(slots=4) as (world, client), _agents_port(world, world.running_agent) as port:
        await world.add_pods("full")
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=600)) for i in range(10)]

        async def six_wait():
            return 'queue_depth{variant="full"} 6\n' in (await _get(port, "/metrics"))[1]

        await eventually_async(six_wait, 5, "six wait")
        text = (await _get(port, "/metrics"))[1]
        assert 'costwain_gateway_in_flight{variant="full",pool="spot"} 4\n' in text
        assert 'costwain_gateway_slots{variant="full",pool="spot"} 4\n' in text
        assert 'costwain_gateway_requests_total{variant="full"} 10\n' in text
        assert lost(await gather(tasks)) == []
        assert 'responses_total{variant="full",code="2xx"} 10\n' in (await _get(port, "/metrics"))[1]

"""Requests that come while there is no pod, or none that is free: held, counted exactly, bounded, never lost."""

import asyncio
from pathlib import Path

import pytest
from tests.gateway.client import by_status, gather, lost
from tests.support import eventually_async

from costwain.agent.metrics import queue_depth
from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
_KEEP_ALIVE = "02"  # the kind of timer in /proc/net/tcp


async def _queued(world, count, variant="full"):
    async def exactly():
        return queue_depth(await world.state(), variant) == count

    await eventually_async(exactly, 10, f"{count} requests held for {variant}")


async def test_300_requests_wait_for_the_first_pod_and_all_are_answered(gateway):
    async with gateway() as (world, client):
        asked = asyncio.create_task(gather(client.ask(f"question {i}") for i in range(300)))
        await _queued(world, 300)
        await world.add_pods("full")
        assert lost(await asked) == []


async def test_clients_that_hang_up_leave_the_queue(gateway):
    async with gateway() as (world, client):
        patient = [asyncio.create_task(client.ask(f"patient {i}")) for i in range(10)]
        impatient = [asyncio.create_task(client.ask(f"impatient {i}")) for i in range(5)]
        await _queued(world, 15)
        for task in impatient:
            task.cancel()
        await _queued(world, 10)
        (pod,) = await world.add_pods("full")
        assert lost(await gather(patient)) == []
        assert (await world.state()).servers["variant.full", f"spot:{pod.name}"].total == 10


async def test_the_queue_is_bounded_exactly(gateway):
    async with gateway(max_queued=50) as (world, client):
        held = [asyncio.create_task(client.ask(f"held {i}")) for i in range(50)]
        await _queued(world, 50)
        refused = await gather(client.ask(f"refused {i}") for i in range(20))
        assert by_status(refused) == {503: 20}
        assert refused[0].headers["retry-after"] == "5"
        assert '"type": "overloaded_error"' in refused[0].body
        assert refused[0].variant == "full"
        await world.add_pods("full")
        assert lost(await gather(held)) == []


async def test_a_request_waits_no_longer_than_the_queue_timeout(gateway):
    async with gateway(queue_timeout_s=0.5) as (_, client):
        outcome = await client.ask()
        assert (outcome.status, outcome.variant) == (503, "full")
        assert "overloaded_error" in outcome.body


async def test_depth_and_in_flight_add_up_to_what_the_client_has_open(gateway):
    async with gateway(slots=4) as (world, client):
        (pod,) = await world.add_pods("full")
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=500)) for i in range(30)]
        await _queued(world, 26)
        state = await world.state()
        assert state.servers["variant.full", f"spot:{pod.name}"].sessions == 4
        assert state.busy == 30
        assert lost(await gather(tasks)) == []


async def test_a_pod_that_joins_takes_from_the_one_queue(gateway):
    async with gateway(slots=4) as (world, client):
        await world.add_pods("full")
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=200)) for i in range(120)]
        await _queued(world, 116)
        await world.add_pods("full")
        outcomes = await gather(tasks)
        assert lost(outcomes) == []
        served = [sum(outcome.pod == pod for outcome in outcomes) for pod in {outcome.pod for outcome in outcomes}]
        assert len(served) == 2
        assert min(served) >= 30


async def test_bodies_larger_than_the_buffer_are_held_too(gateway):
    async with gateway() as (world, client):
        tasks = [asyncio.create_task(client.ask("x" * 500_000)) for _ in range(5)]
        await _queued(world, 5)
        await world.add_pods("full")
        assert lost(await gather(tasks)) == []


def _timers(address):
    """The kinds of timer that the system runs for the gateway's open connections, from its table."""
    own = "".join(f"{int(byte):02X}" for byte in reversed(address.split(".")))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[5][:2] for row in rows if row[1] == f"{own}:{names.GATEWAY_PORT:04X}" and row[3] == "01"}


async def test_a_held_connection_is_kept_alive_on_its_way(gateway):
    async with gateway() as (world, client):
        held = asyncio.create_task(client.ask())

        async def probed():
            return _timers(world.bind) == {_KEEP_ALIVE}

        await eventually_async(probed, 5, "the system's keep-alive timer runs")
        await world.add_pods("full")
        assert (await held).status == 200

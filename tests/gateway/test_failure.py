"""Pods, HAProxy and the API server die: what has not been answered yet is answered all the same."""

import asyncio

import pytest
from tests.gateway.client import Client, by_status, gather, lost
from tests.gateway.conftest import running
from tests.gateway.stub_process import until_listening
from tests.gateway.world import World
from tests.support import eventually_async

from costwain.agent.agent import TURN_S
from costwain.agent.metrics import queue_depth

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


async def _busy_and_queued(world, queued):
    async def exactly():
        return queue_depth(await world.state(), "full") == queued

    await eventually_async(exactly, 10, f"{queued} requests wait behind those that run")


async def test_of_two_pods_one_is_killed_and_no_unanswered_request_is_lost(gateway):
    async with gateway() as (world, client):
        victim, other = await world.add_pods("full", 2)
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=400)) for i in range(104)]
        await _busy_and_queued(world, 88)
        victim.kill()
        outcomes = await gather(tasks)
        assert lost(outcomes) == []
        assert {outcome.pod for outcome in outcomes} == {other.address}


async def test_the_only_pod_is_killed_and_comes_back_and_nothing_is_lost(gateway):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=400)) for i in range(60)]
        await _busy_and_queued(world, 52)
        pod.kill()
        await _busy_and_queued(world, 60)
        await until_listening(world.start_pod("full", pod.name, pod.address))
        assert lost(await gather(tasks)) == []


async def test_streams_that_were_being_sent_are_cut_and_the_others_are_not(gateway):
    async with gateway() as (world, client):
        victim, other = await world.add_pods("full", 2)
        tasks = [asyncio.create_task(client.ask(f"q {i}", stream=True, chunks=20, gap_ms=100)) for i in range(16)]

        async def all_sending():
            state = await world.state()
            return all(row.sessions == 8 for row in state.pods("variant.full").values())

        await eventually_async(all_sending, 10, "eight streams on each pod")
        victim.kill()
        outcomes = await gather(tasks)
        assert len(lost(outcomes)) <= 8
        assert all(outcome.pod == other.address for outcome in outcomes if outcome.complete)
        assert sum(outcome.complete for outcome in outcomes) >= 8


async def test_a_haproxy_that_was_killed_is_programmed_again_within_two_seconds(gateway, haproxy_binary):
    async with gateway() as (world, _):
        (pod,) = await world.add_pods("full")
        world.kill_haproxy()
        world.start_haproxy(haproxy_binary)
        async with Client(world.url) as client:
            early = asyncio.create_task(client.ask("asked before the agent has come by"))

            async def programmed():
                state = await world.state()
                return state.program["state"] == "serving" and f"spot:{pod.name}" in state.pods("variant.full")

            await eventually_async(programmed, 2 * TURN_S, "HAProxy programmed again")
            assert (await early).complete


async def test_without_the_api_server_the_gateway_goes_on_and_heals_haproxy(gateway, haproxy_binary):
    async with gateway() as (world, _):
        (pod,) = await world.add_pods("full")
        world.cluster.away = True
        world.kill_haproxy()
        world.start_haproxy(haproxy_binary)
        async with Client(world.url) as client:
            assert lost(await gather(client.ask(f"q {i}") for i in range(20))) == []
        assert f"spot:{pod.name}" in (await world.state()).pods("variant.full")


async def test_without_its_agent_haproxy_goes_on_and_no_request_notices(haproxy_binary, folder):
    world = World(folder)
    try:
        world.start_haproxy(haproxy_binary)
        world.set_program(full=100)
        async with Client(world.url) as client:
            async with running(world):
                await world.add_pods("full")
                held = [asyncio.create_task(client.ask(f"held {i}", wait_ms=300)) for i in range(24)]
                await _busy_and_queued(world, 16)
            assert lost(await gather(held)) == []
            assert lost(await gather(client.ask(f"q {i}") for i in range(40))) == []
            async with running(world):
                assert lost(await gather(client.ask(f"later {i}") for i in range(20))) == []
    finally:
        world.end()


async def test_an_agent_that_starts_anew_changes_nothing_that_is_right(gateway):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        before = (await world.state()).servers["variant.full", f"spot:{pod.name}"]
        async with running(world):
            assert lost(await gather(client.ask(f"q {i}") for i in range(20))) == []
            after = (await world.state()).servers["variant.full", f"spot:{pod.name}"]
        assert after.total == before.total + 20  # a server that was added again would count from 0


async def test_a_hold_slot_that_is_lost_over_and_over_is_taken_again_and_nothing_that_waits_is_lost(gateway):
    async with gateway() as (world, client):
        tasks = [asyncio.create_task(client.ask(f"q {i}")) for i in range(60)]
        await _busy_and_queued(world, 60)
        for losses in range(1, 21):  # all at once they would end the requests that slip into the slot, too
            await world.runtime.command("shutdown sessions server variant.full/hold")

            async def taken_again(losses=losses):
                hold = (await world.state()).servers["variant.full", "hold"]
                return hold.total > losses and hold.sessions == 1

            await eventually_async(taken_again, 10, "the slot is taken again")
            await _busy_and_queued(world, 60)
        await world.add_pods("full")
        assert by_status(await gather(tasks)) == {200: 60}

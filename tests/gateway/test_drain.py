"""A pod that is asked to go: nothing new reaches it, nothing on it is cut, and a queue never loses its last pod."""

import asyncio

import pytest
from tests.gateway.client import gather, lost
from tests.gateway.fake_cluster import gateway_object
from tests.support import eventually_async

from costwain.adapters.resources import PODS
from costwain.agent.gateways import Claim
from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


def _server(pod):
    return "variant.full", f"spot:{pod.name}"


async def test_open_streams_end_whole_and_nothing_new_comes(gateway):
    async with gateway() as (world, client):
        (leaving,) = await world.add_pods("full")
        streams = [asyncio.create_task(client.ask(f"s {i}", stream=True, chunks=30, gap_ms=50)) for i in range(8)]

        async def all_open():
            return (await world.state()).servers[_server(leaving)].sessions == 8

        await eventually_async(all_open, 10, "eight open streams")
        (staying,) = await world.add_pods("full")
        world.label(leaving, drain="true")

        async def in_maintenance():
            return (await world.state()).servers[_server(leaving)].in_maintenance

        await eventually_async(in_maintenance, 2, "the pod in maintenance")
        later = await gather(client.ask(f"later {i}") for i in range(100))
        assert lost(later) == []
        assert {outcome.pod for outcome in later} == {staying.address}
        assert not await world.drained(leaving)
        assert lost(await gather(streams)) == []
        await eventually_async(lambda: world.drained(leaving), 5, "the pod is free")
        assert _server(leaving) not in (await world.state()).servers
        assert not await world.in_gateway(leaving)


async def test_a_wish_that_is_taken_back_puts_the_pod_to_work_again(gateway):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        world.label(pod, drain="true")
        await eventually_async(lambda: world.drained(pod), 5, "the pod is free")
        world.label(pod, drain="false")
        await eventually_async(lambda: world.in_gateway(pod), 5, "the pod is back")
        assert (await client.ask()).pod == pod.address
        assert not await world.drained(pod)


async def test_the_last_pod_stays_while_requests_wait_for_it(gateway):
    async with gateway(slots=2) as (world, client):
        (pod,) = await world.add_pods("full")
        tasks = [asyncio.create_task(client.ask(f"q {i}", wait_ms=100)) for i in range(20)]

        async def queued():
            return (await world.state()).backends["variant.full"].queued >= 15

        await eventually_async(queued, 10, "requests wait")
        world.label(pod, drain="true")
        assert lost(await gather(tasks)) == []
        await eventually_async(lambda: world.drained(pod), 5, "the pod is free")


async def test_with_two_gateways_a_pod_is_free_when_both_have_let_go(gateway):
    async with gateway() as (world, _):
        (pod,) = await world.add_pods("full")
        second = gateway_object("chat-gateway-1")
        claim = Claim(2, ("chat-gateway-0", "chat-gateway-1"))
        second["metadata"]["annotations"] = {names.GATEWAY_CLAIM: claim.text}
        world.cluster.put(PODS, second)

        async def half():
            return (await world.state()).servers[_server(pod)].limit == world.slots // 2

        await eventually_async(half, 5, "the slots split between two gateways")
        world.label(pod, drain="true")
        annotations = world.cluster.objects[PODS][pod.name]["metadata"]

        async def signed():
            return f"{names.DRAINED}-in.chat-gateway-0" in annotations.get("annotations", {})

        await eventually_async(signed, 5, "the first gateway has let go")
        assert not await world.drained(pod)
        world.cluster.remove(PODS, "chat-gateway-1")
        await eventually_async(lambda: world.drained(pod), 5, "nobody else holds it")


async def test_a_pod_that_is_gone_without_a_word_is_forgotten(gateway):
    async with gateway() as (world, client):
        gone, staying = await world.add_pods("full", 2)
        gone.kill()
        world.cluster.remove(PODS, gone.name)

        async def forgotten():
            return _server(gone) not in (await world.state()).servers

        await eventually_async(forgotten, 5, "the server is deleted")
        outcomes = await gather(client.ask(f"q {i}") for i in range(20))
        assert {outcome.pod for outcome in outcomes} == {staying.address}

"""A pod that is asked to go: nothing new reaches it, nothing on it is cut, and a queue never loses its last pod."""

import asyncio
from contextlib import suppress

import pytest
from tests.gateway.client import gather, lost
from tests.gateway.fake_cluster import gateway_object
from tests.gateway.stub_process import StubPod, until_listening
from tests.support import eventually_async

from costwain.adapters.resources import PODS
from costwain.agent.gateways import Claim
from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


def _server(pod):
    return "variant.full", f"spot:{pod.name}"


async def _until_deleted(world, pod):
    """A server goes when the idle connections to it have gone."""

    async def deleted():
        return _server(pod) not in (await world.state()).servers

    await eventually_async(deleted, 15, "the server is deleted")


async def test_open_streams_end_whole_and_nothing_new_comes(gateway):
    async with gateway() as (world, client):
        (leaving,), comes = await world.add_pods("full"), world.start_pod("full")
        await until_listening(comes)
        streams = [asyncio.create_task(client.ask(f"s {i}", stream=True, chunks=60, gap_ms=50)) for i in range(8)]

        async def all_open():
            return (await world.state()).servers[_server(leaving)].sessions == 8

        await eventually_async(all_open, 10, "eight open streams")
        (staying,) = await world.join([comes], "full")
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
        left = (await world.state()).servers.get(_server(leaving))
        assert left is None or left.is_free
        assert not await world.in_gateway(leaving)
        await _until_deleted(world, leaving)


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
        await _until_deleted(world, gone)
        outcomes = await gather(client.ask(f"q {i}") for i in range(20))
        assert {outcome.pod for outcome in outcomes} == {staying.address}


async def test_a_pod_is_free_at_once_and_comes_back_by_its_name_from_another_address(gateway):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        assert lost(await gather(client.ask(f"q {i}") for i in range(8))) == []  # leaves idle connections
        assert lost(await gather(client.ask(f"q {i}") for i in range(8))) == []
        world.label(pod, drain="true")
        await eventually_async(lambda: world.drained(pod), 2, "free though idle connections last")
        world.cluster.remove(PODS, pod.name)
        (again,) = await world.join([world.start_pod("full", pod.name)], "full", timeout_s=20)
        outcomes = await gather(client.ask(f"q {i}") for i in range(20))
        assert {outcome.pod for outcome in outcomes} == {again.address}
        assert again.address != pod.address


async def _hangs_up(reader, writer):
    """A pod's connection that goes down as the second request comes in."""
    with suppress(asyncio.IncompleteReadError):  # a health check
        for answer in (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}", b""):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            writer.write(answer)
    writer.close()


async def test_what_meets_a_connection_that_a_pod_is_just_closing_is_sent_again(gateway):
    async with gateway() as (world, client):
        address = world.new_address()
        async with await asyncio.start_server(_hangs_up, address, names.MODEL_PORT):
            pod = StubPod("chat-full-closing", address, world.processes[0])
            await world.join([pod], "full")
            assert lost([await client.ask(f"q {n}") for n in range(20)]) == []
            row = (await world.state()).servers[_server(pod)]
            assert row.is_up  # it is no sign of a dead pod
            assert row.total == 20 + 19  # all but the first

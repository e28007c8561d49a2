"""Changes while requests are held: HAProxy takes them in without a reload, or a new pod does, and nothing is lost."""

import asyncio

import pytest
from tests.gateway.client import Client, by_status, gather, lost
from tests.gateway.on_nodes import apply_gateway, metrics, process_ids, process_node, ready_gateways, start_model_pod
from tests.support import eventually_async

from costwain.adapters.resources import DEPLOYMENTS, PODS
from costwain.agent.metrics import queue_depth

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
HELD = 40
TALLER = ("full", "middle", "small")


async def _process(world):
    """Whose process answers on the admin socket, and whether it is about to stop; a reload would make it another."""
    lines = (await world.runtime.command("show info")).splitlines()
    said = dict(line.split(": ", 1) for line in lines if ": " in line)
    return int(said["Pid"]), said["Stopping"]


def _shares_move(world):
    world.set_program(full=75, small=25)
    return "shares", "7500,10000"


def _the_queue_gets_shorter_than_what_waits(world):
    world.max_queued = HELD // 2
    world.set_program(full=75, small=25)
    return "max-queued", str(HELD // 2)


def _pods_get_fewer_slots(world):
    world.slots, world.max_queued = 2, 500
    world.set_program(full=100)
    return "max-queued", "500"


def _the_ladder_gets_a_rung(world):
    """The kubelet brings the new files to the old pod too, which HAProxy must not read before it starts anew."""
    world.ladder, world.max_queued = TALLER, 501
    for name, text in world.files().items():
        (world.folder / name).write_text(text, newline="")
    world.set_program(full=60, middle=40)
    return "max-queued", "501"


CHANGES = (
    _shares_move,
    _the_queue_gets_shorter_than_what_waits,
    _pods_get_fewer_slots,
    _the_ladder_gets_a_rung,
)


async def test_whatever_the_config_map_says_haproxy_stays_the_process_it_is_and_keeps_what_it_holds(gateway):
    async with gateway() as (world, client):
        tasks = [asyncio.create_task(client.ask(f"held {i}")) for i in range(HELD)]

        async def all_wait():
            return queue_depth(await world.state(), "full") == HELD

        await eventually_async(all_wait, 10, f"{HELD} requests are held")
        for change in CHANGES:
            entry = change(world)

            async def known(entry=entry):
                return entry in (await world.state()).program.items()

            await eventually_async(known, 5, f"HAProxy knows {entry}")
            assert await _process(world) == (world.haproxy_pid, "0")
            assert (await world.state()).ladder == ("full", "small")
            assert await all_wait()
            assert not any(task.done() for task in tasks)
        await world.add_pods("full")
        assert lost(await gather(tasks)) == []
        assert await _process(world) == (world.haproxy_pid, "0")


@pytest.mark.cluster
async def test_a_new_ladder_gets_a_new_pod_and_the_old_one_answers_what_it_holds_before_it_goes(kube, namespace):
    async with process_node(kube, f"{namespace}-node"):
        await apply_gateway(kube, namespace, replicas=1)
        ((old, address),) = await ready_gateways(kube, namespace, 1)
        (haproxy,) = process_ids("haproxy.cfg", address)
        async with Client(f"http://{address}:8080") as client:
            tasks = [asyncio.create_task(client.ask(f"held {i}")) for i in range(HELD)]

            async def all_wait():
                return f'queue_depth{{variant="full"}} {HELD}\n' in await metrics(address)

            await eventually_async(all_wait, 20, f"{HELD} requests are held")
            await apply_gateway(kube, namespace, replicas=1, ladder=TALLER)

            async def replaced():
                deployment = await kube.get(DEPLOYMENTS, "chat-gateway", namespace)
                leaving = await kube.get(PODS, old, namespace)
                return deployment["status"].get("updatedReplicas") == 1 and "deletionTimestamp" in leaving["metadata"]

            await eventually_async(replaced, 60, "the new pod is Ready, and the old one told to go")
            assert process_ids("haproxy.cfg", address) == [haproxy]
            assert await all_wait()
            await start_model_pod(kube, namespace, "model-a")
            assert by_status(await gather(tasks)) == {200: HELD}

        async def gone():
            return await kube.get(PODS, old, namespace) is None

        await eventually_async(gone, 60, "the old pod is gone, since nobody is served by it any more")
        ((new, address),) = await ready_gateways(kube, namespace, 1)
        assert new != old
        assert 'queue_depth{variant="middle"} 0\n' in await metrics(address)

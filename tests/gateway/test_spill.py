"""A queue that is late gives new requests to a neighbour: never below a minimum, and only while it is late."""

import asyncio

import pytest
from tests.gateway.client import by_variant, gather, lost
from tests.support import eventually_async

from costwain.domain.gateway import Tenant

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
KEYS = {"free": "sk-free-0123456789", "pinned": "sk-pinned-0123456789"}
TENANTS = (Tenant(name="pinned", min_variant="full"),)


def _key(tenant):
    return {"authorization": f"Bearer {KEYS[tenant]}"}


async def _until_marked(world, marks):
    async def told():
        return (await world.state()).program.get("spill") == marks

    await eventually_async(told, 15, f"spill {marks} in HAProxy")


async def test_while_a_queue_is_late_the_neighbour_takes_what_may_go_there(gateway):
    async with gateway(spill_after_s=1, slots=1, keys=KEYS, tenants=TENANTS) as (world, client):
        await world.add_pods("full")
        await world.add_pods("small")
        world.set_program(full=99.99, small=0.01)
        await _until_marked(world, "TT")
        await client.ask("hi", _key("free"))
        held = [asyncio.create_task(client.ask(f"q {n}", _key("pinned"), wait_ms=500)) for n in range(12)]
        await _until_marked(world, "LT")
        free = await gather(client.ask(f"a {n}", _key("free")) for n in range(20))
        assert lost(free) == []
        assert by_variant(free) == {"small": 20}
        asked = _key("free") | {"x-costwain-min-variant": "full"}
        minimum = [asyncio.create_task(client.ask(f"b {n}", how, wait_ms=0)) for n, how in enumerate([asked] * 3)]
        waited = await gather([*held, *minimum])
        assert lost(waited) == []
        assert by_variant(waited) == {"full": 15}
        await _until_marked(world, "TT")
        assert by_variant(await gather(client.ask(f"a {n}", _key("free")) for n in range(20)))["full"] >= 19
        page = await world.running_agent.observer.page(await world.state())
        assert 'costwain_gateway_spilled_total{variant="small",pool="spot",tenant="free",from="full"} 20' in page


async def test_without_the_field_a_late_queue_keeps_its_requests(gateway):
    async with gateway(slots=1) as (world, client):
        await world.add_pods("full")
        await world.add_pods("small")
        world.set_program(full=99.99, small=0.01)
        outcomes = await gather(client.ask("same words", wait_ms=300) for _ in range(12))
        assert lost(outcomes) == []
        assert len(by_variant(outcomes)) == 1
        assert "spill" not in (await world.state()).program

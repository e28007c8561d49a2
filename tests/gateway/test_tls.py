"""HTTPS: a certificate from a Secret, renewed while requests run, and nothing in the clear."""

import asyncio
import ssl
from contextlib import suppress

import pytest
from tests.gateway.client import gather, lost
from tests.gateway.raw import read, request, send
from tests.support import eventually_async

from costwain.agent.metrics import queue_depth
from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


async def _serial(world):
    """Which certificate a new connection sees; fails where it isn't trusted."""
    _, writer = await asyncio.open_connection(world.bind, names.GATEWAY_PORT, ssl=world.trusted())
    serial = writer.get_extra_info("peercert")["serialNumber"]
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return serial


async def test_a_renewed_certificate_is_served_without_a_restart_and_cuts_nobody(gateway):
    async with gateway(tls=True) as (world, client):
        pid = (await world.runtime.command("show info")).partition("Pid: ")[2].split()[0]
        old = await _serial(world)
        held = [asyncio.create_task(client.ask(f"q {i}")) for i in range(5)]

        async def waiting():
            return queue_depth(await world.state(), "full") == 5

        await eventually_async(waiting, 5, "five wait")
        world.set_certificate("second")

        async def renewed():
            return await _serial(world) != old

        await eventually_async(renewed, 15, "the second certificate")
        await world.add_pods("full")
        assert lost(await gather(held)) == []
        assert f"Pid: {pid}\n" in await world.runtime.command("show info") + "\n"


async def test_a_pair_that_does_not_fit_is_refused_and_the_old_one_stays_until_a_good_one_comes(gateway, caplog):
    async with gateway(tls=True) as (world, client):
        old = await _serial(world)
        world.set_certificate("second")
        good_key = (world.folder / "tls" / "tls.key").read_bytes()
        (world.folder / "pki" / "odd.crt").write_bytes((world.folder / "tls" / "tls.crt").read_bytes())
        (world.folder / "pki" / "odd.key").write_bytes((world.folder / "pki" / "first.key").read_bytes())
        world.set_certificate("odd")

        async def refused():
            return "keeps the old one" in caplog.text

        await eventually_async(refused, 15, "the pair is refused")
        assert await _serial(world) == old
        assert (await client.get("/health")).status == 200
        (world.folder / "pki" / "odd.key").write_bytes(good_key)
        world.set_certificate("odd")

        async def mended():
            return await _serial(world) != old

        await eventually_async(mended, 15, "the pair with its key")
        assert "PRIVATE KEY" not in caplog.text
        assert good_key.decode().splitlines()[1] not in caplog.text


async def test_nothing_is_served_in_the_clear(gateway):
    async with gateway(tls=True) as (world, _):
        assert (await send(world.bind, request(path="/v1/models", method="GET"))).status == 0


async def test_an_old_protocol_is_refused(gateway):
    async with gateway(tls=True) as (world, _):
        context = world.trusted()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        reader, writer = await asyncio.open_connection(world.bind, names.GATEWAY_PORT, ssl=context)
        writer.write(request(path="/v1/models", method="GET"))
        assert (await read(reader)).status == 200
        writer.close()
        hello = bytes.fromhex("16030100310100002d0301" + "00" * 32 + "000006002f0035000a0100")
        reader, writer = await asyncio.open_connection(world.bind, names.GATEWAY_PORT)
        writer.write(hello)  # a hello of TLS 1.0, which Python's own library no longer sends
        answer = await reader.read(7)
        writer.close()
        assert answer[:1] in (b"\x15", b"")  # an alert, or the end


async def test_keys_and_https_go_together_and_haproxy_has_nothing_to_say_about_its_configuration(gateway):
    key = "sk-blue-0123456789"
    async with gateway(tls=True, keys={"blue": key}) as (world, client):
        await world.add_pods("full")
        assert (await client.ask()).status == 401
        assert (await client.ask(headers={"authorization": f"Bearer {key}"})).status == 200
        log = (world.folder / "haproxy.log").read_text()
        assert [line for line in log.splitlines() if " config : " in line or "[ALERT]" in line] == []

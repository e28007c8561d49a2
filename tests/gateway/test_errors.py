"""Every error of the gateway, from a real HAProxy: its status, its code, OpenAI's shape, and when to come again."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.gateway.raw import request, send
from tests.gateway.stub_process import StubPod
from tests.gateway.world import World
from tests.support import eventually_async

from costwain.agent.metrics import queue_depth
from costwain.domain import names
from costwain.domain.gateway import Tenant
from costwain.render.haproxy.errors import ERRORS

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
KEY = "authorization: Bearer sk-blue-0123456789"
KEYED = {"keys": {"blue": "sk-blue-0123456789"}}
_LIMIT = 1 << 20
_DENIALS = "frontend denials from common\n    bind unix@${RUN}/denials.sock\n" + "".join(
    f"    http-request deny deny_status {status} if {{ path /{status} }}\n" for status in (422, 500, 501)
)
ways = {}  # code -> how it comes about


def comes_of(code):
    def keep(way):
        ways[code] = way
        return way

    return keep


@comes_of("bad_request")
async def no_host(gateway):
    async with gateway() as (world, _):
        return await send(world.bind, b"GET /v1/models HTTP/1.1\r\n\r\n")


@comes_of("unknown_variant")
async def unknown_variant(gateway):
    async with gateway() as (world, _):
        return await send(world.bind, request(headers=("x-costwain-min-variant: huge",)))


@comes_of("invalid_api_key")
async def no_key(gateway):
    async with gateway(**KEYED) as (world, _):
        return await send(world.bind, request())


@comes_of("unknown_url")
async def unknown_url(gateway):
    async with gateway() as (world, _):
        return await send(world.bind, request(path="/v1/unknown"))


@comes_of("request_timeout")
async def slow_body(gateway):
    async with gateway() as (world, _):
        return await send(world.bind, request(b"x" * 100)[:-50])


@comes_of("length_required")
async def no_length(gateway):
    async with gateway() as (world, _):
        return await send(world.bind, b"POST /v1/completions HTTP/1.1\r\nhost: x\r\n\r\n")


@comes_of("request_too_large")
async def large(gateway):
    async with gateway() as (world, _):
        return await send(world.bind, request(b"x" * (_LIMIT + 1)))


@comes_of("no_free_replica")
async def hold_listener(gateway):
    async with gateway() as (world, _):
        return await send(str(world.folder / "hold.sock"), request(path="/v1/completions"))


@comes_of("rate_limit_exceeded")
async def rate(gateway):
    async with gateway(**KEYED, tenants=(Tenant(name="blue", requests_per_minute=1),)) as (world, _):
        await world.add_pods("full")
        assert (await send(world.bind, request(headers=(KEY,)))).status == 200
        return await send(world.bind, request(headers=(KEY,)))


@comes_of("concurrency_limit_exceeded")
async def concurrency(gateway):
    async with (
        gateway(**KEYED, tenants=(Tenant(name="blue", max_concurrent_requests=1),)) as (world, _),
        held(world, KEY),
    ):
        return await send(world.bind, request(headers=(KEY,)))


@comes_of("queue_full")
async def full_queue(gateway):
    async with gateway(max_queued=1) as (world, _), held(world):
        return await send(world.bind, request())


@comes_of("no_replica_in_time")
async def queue_timeout(gateway):
    async with gateway(queue_timeout_s=0.5) as (world, _):
        return await send(world.bind, request())


@comes_of("minimum_unavailable")
async def minimum(gateway):
    async with gateway(**KEYED, tenants=(Tenant(name="blue", min_variant="new"),)) as (world, _):
        return await send(world.bind, request(headers=(KEY,)))


@comes_of("replica_timeout")
async def silent_replica(gateway):
    async with gateway(queue_timeout_s=0.5, answer_timeout_s=0.5) as (world, _):
        await world.add_pods("full")
        return await send(world.bind, request(b'{"wait_ms": 30000}'))


@comes_of("invalid_answer")
async def replica_without_http(gateway):
    async def nonsense(reader, writer):
        if await reader.read(1):
            writer.write(b"this is no HTTP\r\n\r\n")
        writer.close()

    async with gateway() as (world, _):
        address = world.new_address()
        server = await asyncio.start_server(nonsense, address, names.MODEL_PORT)
        async with server:
            pod = StubPod("odd", address, None)
            world.announce(pod, "full")
            await eventually_async(lambda: world.in_gateway(pod), 10, "the odd pod in the gateway")
            return await send(world.bind, request())


@asynccontextmanager
async def held(world, *headers):
    """One request waits."""
    waiting = asyncio.create_task(send(world.bind, request(headers=headers), 60))

    async def waits():
        return queue_depth(await world.state(), "full") == 1

    await eventually_async(waits, 5, "one waits")
    try:
        yield
    finally:
        waiting.cancel()


@pytest.fixture
def with_denials(folder, haproxy_binary):
    """A HAProxy without an agent, and beside ours a frontend for what cannot be brought about from outside."""
    world = World(folder)
    try:
        world.start_haproxy(haproxy_binary, extra=_DENIALS)
        yield world
    finally:
        world.end()


def _check(answer, error):
    assert answer.status == error.status
    assert answer.error is not None, answer.body
    assert (answer.error["code"], answer.error["type"]) == (error.code, error.kind)
    assert answer.error["message"] == error.message
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


_ON_PURPOSE = {"unprocessable_request": "/422", "gateway_error": "/500", "unknown_encoding": "/501"}


@pytest.mark.parametrize(
    "error", [e for e in ERRORS if e.code not in {*_ON_PURPOSE, "gateway_starting"}], ids=lambda e: e.code
)
async def test_an_error_has_its_code_and_says_when_to_come_again(gateway, error):
    answer = await ways[error.code](gateway)
    _check(answer, error)
    wait = answer.headers.get("retry-after")
    assert (None if wait is None else int(wait)) == (60 if error.code == "rate_limit_exceeded" else error.retry_after_s)


@pytest.mark.parametrize("error", [e for e in ERRORS if e.code in _ON_PURPOSE], ids=lambda e: e.code)
async def test_what_only_haproxy_itself_says_has_the_shape_too(with_denials, error):
    _check(await send(str(with_denials.folder / "denials.sock"), request(path=_ON_PURPOSE[error.code])), error)


async def test_a_gateway_that_knows_no_fleet_yet_says_so(with_denials):
    (error,) = (e for e in ERRORS if e.code == "gateway_starting")
    answer = await send(with_denials.bind, request(path="/health", method="GET"))
    _check(answer, error)
    assert answer.headers["retry-after"] == "1"

"""Small servers for the load client, each with one way to answer, and what became of a trace sent to one."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from aiohttp import web
from aiohttp.test_utils import TestServer

from costwain.local.load import Load, LoadResult, Pace, Target
from costwain.sim.trace import Arrival

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FAST = Pace(factor=100.0)
ONE = (Arrival(0, 5, 3),)
TEXT = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n'
LAST = b'data: {"choices":[{"delta":{"content":"b"},"finish_reason":"length"}]}\n\n'
DONE = b"data: [DONE]\n\n"
PLAIN = {"choices": [{"finish_reason": "length"}], "usage": {"completion_tokens": 3}}


def replay(handler: Handler, arrivals: Iterable[Arrival] = ONE, pace: Pace = FAST, **target: object) -> LoadResult:
    """What became of a trace that was sent to a server with one handler."""

    async def run() -> LoadResult:
        app = web.Application()
        app.router.add_post("/{tail:.*}", handler)
        async with TestServer(app) as server:
            asked = replace(Target(str(server.make_url("/")), "chat", stream_share=0.0), **target)
            return await Load(asked, pace).run(arrivals)

    return asyncio.run(run())


def stream_of(*parts: bytes) -> Handler:
    """Answers with these bytes as a stream; after an empty part the connection is cut."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"x-costwain-variant": "big"})
        await response.prepare(request)
        for part in parts:
            if not part and request.transport is not None:
                request.transport.abort()
            await response.write(part)
        return response

    return handler


async def plain(_: web.Request) -> web.StreamResponse:
    return web.json_response(PLAIN, headers={"x-costwain-variant": "big"})


async def half(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-length": "1000"})
    await response.prepare(request)
    await response.write(b'{"choices"')
    return response


async def busy(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503, headers={"retry-after": "0"})


async def silent(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("never set")

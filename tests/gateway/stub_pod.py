"""A pod for the gateway's tests: `python stub_pod.py ADDRESS`.

The request says how it is answered: {"wait_ms": 50}, {"stream": true, "chunks": 5, "gap_ms": 20}, or for a whole answer
that comes slowly {"pieces": 3, "gap_ms": 20}; it may bring the answer along: {"answer": {...}}. Every other answer
names the pod. GET /stats tells how many requests came, how many ran at once at most, how many answers that take long
have begun, which paths were asked for, and the last one's headers and body.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

ADDRESS = sys.argv[1]
STATS = {"seen": 0, "active": 0, "begun": 0, "most": 0, "headers": [], "paths": [], "body": ""}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def stats(_: web.Request) -> web.Response:
    return web.json_response(STATS)


async def answer(request: web.Request) -> web.StreamResponse:
    STATS["seen"] += 1
    STATS["active"] += 1
    STATS["paths"] = sorted({*STATS["paths"], request.path})
    STATS["headers"] = [name.lower() for name in request.headers]
    STATS["most"] = max(STATS["most"], STATS["active"])
    try:
        body = await fields(request)
        STATS["body"] = await request.text()
        return await (stream if body.get("stream") else whole)(request, body)
    finally:
        STATS["active"] -= 1


async def fields(request: web.Request) -> dict[str, int]:
    """The body's fields; what is no JSON object is refused."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError, web.RequestPayloadError):  # the last: not what content-encoding says
        body = None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="a JSON object is wanted")
    return body


async def whole(request: web.Request, body: dict[str, float]) -> web.StreamResponse:
    await asyncio.sleep(body.get("wait_ms", 20) / 1000)
    told = body.get("answer", {"pod": ADDRESS})
    if "pieces" in body:
        return await in_pieces(request, body, json.dumps(told))
    return web.json_response(told)


async def in_pieces(request: web.Request, body: dict[str, int], text: str) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "application/json", "content-length": str(len(text))})
    await response.prepare(request)
    STATS["begun"] += 1
    size = -(-len(text) // body["pieces"])
    for at in range(0, len(text), size):
        await asyncio.sleep(body.get("gap_ms", 10) / 1000)
        await response.write(text[at : at + size].encode())
    return response


async def stream(request: web.Request, body: dict[str, int]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    STATS["begun"] += 1
    for _ in range(body.get("chunks", 5)):
        await asyncio.sleep(body.get("gap_ms", 10) / 1000)
        await response.write(f"data: {json.dumps({'pod': ADDRESS})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


def main() -> None:
    app = web.Application(client_max_size=64 << 20)
    app.router.add_get("/stats", stats)
    app.router.add_post("/{path:.*}", answer)
    web.run_app(app, host=ADDRESS, port=8000, print=None, access_log=None, handler_cancellation=True)


if __name__ == "__main__":
    main()

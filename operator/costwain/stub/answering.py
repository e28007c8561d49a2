"""From the engine's tokens to a client: whole answers and streams, of one choice or several."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from costwain.stub.refusal import ApiError, dead
from costwain.stub.sequence import ERROR

_EVENTS = {"Content-Type": "text/event-stream; charset=utf-8"}
Gain = tuple[int, int, str | None]
"""(choice, new tokens, why it ended or None)."""


class Rendering(Protocol):
    """How an answer reads in one of the APIs."""

    def opening(self) -> bytes:
        """What a stream begins with."""

    def events(self, index: int, tokens: int, reason: str | None) -> bytes:
        """What new tokens of a choice make in a stream."""

    def closing(self) -> bytes:
        """What a stream ends with."""

    def failing(self, error: ApiError) -> bytes:
        """What a stream ends with when the engine died."""

    def body(self, ends: Sequence[tuple[int, str]]) -> bytes:
        """The whole answer, by its choices' tokens and reasons."""


class Outbox:
    """What the engine has for one client: tokens gathered since the last look, and why each choice ended."""

    def __init__(self, choices: int, *, stream: bool) -> None:
        self._stream = stream
        self._tokens = [0] * choices
        self._reasons: list[str | None] = [None] * choices
        self._told = [False] * choices
        self._full = asyncio.Event()

    def put(self, index: int, tokens: int, reason: str | None) -> None:
        self._tokens[index] += tokens
        self._reasons[index] = reason
        if self._stream or None not in self._reasons:
            self._full.set()

    async def take(self) -> tuple[list[Gain], bool]:
        """Waits for more; whether that is all. The engine ends every choice, at the latest when the process does."""
        await self._full.wait()
        self._full.clear()
        gains: list[Gain] = []
        for index, (tokens, reason) in enumerate(zip(self._tokens, self._reasons, strict=True)):
            if (tokens or reason is not None) and not self._told[index]:
                gains.append((index, tokens, reason))
                self._told[index] = reason is not None
        self._tokens = [0] * len(self._tokens)
        return gains, all(self._told)


async def whole(outbox: Outbox, rendering: Rendering) -> web.Response:
    """The answer in one piece; raises ApiError where the engine died."""
    gains, _ = await outbox.take()
    ends = [(tokens, reason) for _, tokens, reason in gains if reason is not None and reason != ERROR]
    if len(ends) < len(gains):
        raise dead()
    return web.Response(body=rendering.body(ends), content_type="application/json")


async def stream(request: web.Request, outbox: Outbox, rendering: Rendering) -> web.StreamResponse:
    """The status goes out before the first token, so what fails later can only be an event."""
    response = web.StreamResponse(headers=_EVENTS)
    await response.prepare(request)
    opening, over = rendering.opening(), False
    if opening:
        await response.write(opening)
    while not over:
        gains, over = await outbox.take()
        failed = any(reason == ERROR for _, _, reason in gains)
        data = b"".join(rendering.events(i, n, None if failed else reason) for i, n, reason in gains)
        if failed:
            await response.write_eof(data + rendering.failing(dead()))
            return response
        if over:
            await response.write_eof(data + rendering.closing())
        elif data:
            await response.write(data)
    return response

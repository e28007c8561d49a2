"""A pod that costs little itself: `python -m tests.bench.token_pod ADDRESS TOKENS GAP_MS`.

A body with "stream" gets so many events in vLLM's bytes, one each gap; any other gets its whole answer at once.
"""

import asyncio
import random
import sys

from costwain.domain import names
from costwain.stub.openai import Ask, Choice
from costwain.stub.reply import Reply

ADDRESS, TOKENS, GAP_S = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]) / 1000


def _reply(*, stream: bool) -> Reply:
    choice = Choice(prompt_tokens=9, answer_tokens=TOKENS, max_tokens=TOKENS, finish_reason="length")
    ask = Ask(True, stream, True, continuous_usage=False, prompt_tokens=9, choices=(choice,))
    return Reply(ask, "chatcmpl-82afd0baef12efe8", "chat-model", 1_795_460_613)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


_STREAM = _reply(stream=True)
FIRST, NEXT = _chunk(_STREAM.events(0, 1, None)), _chunk(_STREAM.events(0, 1, None))
_STREAM.produced = [TOKENS - 1]
LAST = _chunk(_STREAM.events(0, 1, "length") + _STREAM.closing()) + b"0\r\n\r\n"
_BODY = _reply(stream=False).body([(TOKENS, "length")])
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(_BODY), _BODY)
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"


class Pod(asyncio.Protocol):
    """One connection of the gateway's."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._got, self._timer = transport, b"", None

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return
        self._got = b""
        if b'"stream"' not in body:
            self._transport.write(WHOLE)
            return
        self._transport.write(EVENTS)
        self._sent, loop = 0, asyncio.get_running_loop()
        self._due_s = loop.time() + GAP_S * random.random()
        self._timer = loop.call_at(self._due_s, self._tick)

    def connection_lost(self, error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._sent += 1
        self._transport.write(FIRST if self._sent == 1 else NEXT if self._sent < TOKENS else LAST)
        if self._sent < TOKENS:
            self._due_s += GAP_S
            self._timer = asyncio.get_running_loop().call_at(self._due_s, self._tick)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Pod, ADDRESS, names.MODEL_PORT, backlog=2000)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())

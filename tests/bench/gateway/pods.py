"""Pods for the gateway's benchmark: `python pods.py ADDRESS...`, one process for all of them.

It must cost less than what stands in front of it, so it speaks as much HTTP as is needed and no more. A chat whose text
has `stream=120x50ms;` is answered by 120 events, one each 50 ms, and `[DONE]`; that stands in the text since routers
write the fields of a request anew. As in vLLM, where a step of the engine gives every running request its token, the
streams of a pod beat together.
"""

import asyncio
import re
import sys

import uvloop

PORT = 8000
_NAMED = b'{"id":"chatcmpl-0123456789abcdef0123456789abcdef","created":1767225600,"model":"chat-model",'
_EVENT = (
    b"data: " + _NAMED + b'"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" token"},'
    b'"logprobs":null,"finish_reason":null,"token_ids":null}]}\n\n'
)
_WHOLE = (
    _NAMED + b'"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"'
    b"a few words of an answer, " * 12 + b'"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":900,'
    b'"total_tokens":980,"completion_tokens":80}}'
)
_MODELS = b'{"object":"list","data":[{"id":"chat-model","object":"model","created":0,"owned_by":"vllm"}]}'
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
_LENGTH, _PACE = re.compile(rb"content-length: *(\d+)", re.I), re.compile(rb"stream=(\d+)x(\d+)ms;")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"HTTP/1.1 %s\r\nserver: uvicorn\r\ncontent-length: %d\r\ncontent-type: application/json\r\n\r\n"
    return head % (status, len(body)) + body


_TOKEN, _LAST = _chunk(_EVENT), _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"
_WHOLE_ANSWER, _MODELS_ANSWER = _answer(_WHOLE), _answer(_MODELS)
# What vLLM says of */render, which vllm-router asks every pod for, and of what it doesn't know.
_FORBIDDEN = _answer(
    b'{"error":{"message":"Scale-out endpoints are disabled. Restart vllm serve with --enable-scale-out to enable '
    b'them.","type":"PermissionDeniedError","param":null,"code":403}}',
    b"403 Forbidden",
)
_UNKNOWN = _answer(b'{"detail":"Not Found"}', b"404 Not Found")


class Beat:
    """The streams of one pod that get a token every `gap_ms`."""

    def __init__(self, gap_ms: int) -> None:
        self._gap_s, self._left = gap_ms / 1000, dict[asyncio.Transport, int]()
        self._timer: asyncio.TimerHandle | None = None

    def join(self, stream: asyncio.Transport, tokens: int) -> None:
        self._left[stream] = tokens
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._gap_s, self._step)

    def leave(self, stream: asyncio.Transport) -> None:
        self._left.pop(stream, None)

    def _step(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._gap_s, self._step) if self._left else None
        for stream, left in list(self._left.items()):
            if left > 1:
                self._left[stream] = left - 1
                stream.write(_TOKEN)
            else:
                del self._left[stream]
                stream.write(_TOKEN + _LAST)


class Pod(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, beats: dict[int, Beat]) -> None:
        self._beats, self._got = beats, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        for beat in self._beats.values():
            beat.leave(self._transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        if found := _LENGTH.search(head):
            whole = len(body) >= int(found[1])
        else:
            whole = b"transfer-encoding" not in head.lower() or body.endswith(b"0\r\n\r\n")
        if whole:
            self._got = b""
            self._reply(head, body)

    def _reply(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1]
        if path in (b"/v1/models", b"/health"):
            self._transport.write(_MODELS_ANSWER)
        elif path != b"/v1/chat/completions":
            self._transport.write(_FORBIDDEN if path.endswith(b"/render") else _UNKNOWN)
        elif pace := _PACE.search(body):
            tokens, gap_ms = int(pace[1]), int(pace[2])
            self._transport.write(_STREAM_HEAD)
            self._beats.setdefault(gap_ms, Beat(gap_ms)).join(self._transport, tokens)
        else:
            self._transport.write(_WHOLE_ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    for address in sys.argv[1:]:
        beats: dict[int, Beat] = {}
        await loop.create_server(lambda beats=beats: Pod(beats), address, PORT, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())

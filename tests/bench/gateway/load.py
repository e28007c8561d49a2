"""The load of the gateway's benchmark: `python load.py JSON` sends it once and prints what it saw as JSON.

{"mode": "requests", "rate", "seconds", "warm_up_s"}: whole answers at a fixed mean rate (Poisson, open loop);
{"mode": "streams", "streams", "tokens", "gap_ms", "ramp_s"}: that many streams at a time, each with its tokens.
Both take "targets" ([address, port], taken in turn), "key" and "seed".
"""

import asyncio
import functools
import json
import random
import re
import sys
import time
from dataclasses import dataclass, field

import uvloop

BODY_BYTES, CONVERSATIONS, DEADLINE_S = 4096, 200, 60
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
_WORDS = ["budget", "dollar", "token", "queue", "pod", "price", "spot", "ladder", "share", "drain", "hold", "answer"]


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time and counts the events of its answer."""

    def __init__(self) -> None:
        self.alive, self._done = False, None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.alive = transport, True

    def ask(self, request: bytes) -> "asyncio.Future[bool]":
        """Resolves to whether a whole 200 came."""
        self._head, self._left, self._tail, self.events = b"", None, b"", 0
        self._done = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._done

    def connection_lost(self, _: Exception | None) -> None:
        self.alive = False
        self._end(False)

    def data_received(self, data: bytes) -> None:
        if self._left is None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._good = head.startswith(b"HTTP/1.1 200")
            found = _LENGTH.search(head)
            self._left = int(found[1]) if found else -1  # -1: chunked
        if self._left >= 0:
            self._left -= len(data)
            if self._left <= 0:
                self._end(self._good)
            return
        self.events += data.count(b"\n\n") + (self._tail[-1:] == b"\n" and data[:1] == b"\n")
        self._tail = (self._tail + data)[-5:]
        if self._tail == b"0\r\n\r\n":
            self._end(self._good)

    def _end(self, good: bool) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(good)


@dataclass
class Load:
    """What is asked for, and what came of it."""

    targets: list[list]
    key: str
    draw: random.Random
    latencies_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)  # how much later than planned a request left
    requests: int = 0
    errors: int = 0
    events: int = 0
    _free: list[Connection] = field(default_factory=list)

    async def connection(self) -> Connection:
        while self._free:
            if (free := self._free.pop()).alive:
                return free
        address, port = self.targets[self.requests % len(self.targets)]
        return (await asyncio.get_running_loop().create_connection(Connection, address, port))[1]

    def request(self, tokens: int, gap_ms: int | None) -> bytes:
        """A conversation of 4 KB: everybody's system prompt of 1 KB, then one of a few hundred first turns."""
        body = _body(self.draw.randrange(CONVERSATIONS), tokens, gap_ms)
        return _HEAD % (self.key.encode(), len(body)) + body

    async def one(self, request: bytes, due_s: float, counted: bool = True) -> None:
        try:
            connection = await self.connection()
            begun_s = time.perf_counter()
            good = await asyncio.wait_for(connection.ask(request), DEADLINE_S)
        except (OSError, TimeoutError):
            good = False
        self.requests += 1
        self.errors += not good
        if good:
            self._free.append(connection)
            self.events += connection.events
            if counted:
                self.latencies_ms.append((time.perf_counter() - begun_s) * 1000)
                self.late_ms.append((begun_s - due_s) * 1000)

    async def at_rate(self, rate: float, seconds: float, warm_up_s: float) -> None:
        """Whole answers; those of the warm-up are sent but not timed."""
        texts = [self.request(80, None) for _ in range(CONVERSATIONS)]
        begun_s = due_s = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while (due_s := due_s + self.draw.expovariate(rate)) < begun_s + warm_up_s + seconds:
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                counted = due_s > begun_s + warm_up_s
                group.create_task(self.one(self.draw.choice(texts), due_s, counted))

    async def at_once(self, streams: int, tokens: int, gap_ms: int, ramp_s: float) -> None:
        """Streams that begin within the ramp and each wait for their last event."""
        async with asyncio.TaskGroup() as group:
            for _ in range(streams):
                await asyncio.sleep(ramp_s / streams)
                group.create_task(self.one(self.request(tokens, gap_ms), time.perf_counter()))
        self.errors += self.events != streams * (tokens + 1)  # [DONE] is an event too

    def seen(self) -> dict:
        return {
            "latencies_ms": sorted(self.latencies_ms),
            "late_ms": sorted(self.late_ms),
            "requests": self.requests,
            "errors": self.errors,
            "events": self.events,
            "cpu_s": time.process_time(),
        }


_HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: chat.example\r\ncontent-type: application/json\r\n"
    b"authorization: Bearer %s\r\nuser-agent: bench\r\ncontent-length: %d\r\n\r\n"
)
_SYSTEM = " ".join(random.Random(1).choices(_WORDS, k=170))


@functools.cache
def _body(number: int, tokens: int, gap_ms: int | None) -> bytes:
    pace = "" if gap_ms is None else f"stream={tokens}x{gap_ms}ms;"
    say = f"{number} {pace}" + " ".join(random.Random(number).choices(_WORDS, k=700))
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": ""}]
    asked = {"model": "chat-model", "messages": messages, "max_tokens": tokens, "stream": gap_ms is not None}
    messages[1]["content"] = say[: BODY_BYTES - len(json.dumps(asked))]
    return json.dumps(asked).encode()


async def main() -> None:
    asked = json.loads(sys.argv[1])
    mode = asked.pop("mode")
    load = Load(asked.pop("targets"), asked.pop("key"), random.Random(asked.pop("seed")))
    await (load.at_rate if mode == "requests" else load.at_once)(**asked)
    print(json.dumps(load.seen()))


if __name__ == "__main__":
    uvloop.run(main())

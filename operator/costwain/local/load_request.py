"""One request to an OpenAI endpoint, from its first byte to a record of what became of it."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from costwain.local.load_report import Record
from costwain.local.sse import Tally, plain_answer
from costwain.sim.trace import Arrival

SESSION_HEADER = "x-session-id"
VARIANT_HEADER = "x-costwain-variant"
_PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}
_WORD = " the"  # one token in every tokenizer in use
_BUSY = (429, 503)


@dataclass(frozen=True)
class Pace:
    """Fleet seconds per wall second, on a clock that never jumps."""

    factor: float = 1.0
    wall_s: Callable[[], float] = time.monotonic

    def now_s(self) -> float:
        """Fleet seconds since some instant of no meaning."""
        return self.wall_s() * self.factor

    def wall_duration_s(self, fleet_duration_s: float) -> float:
        """Wall seconds that pass while so many fleet seconds do."""
        return fleet_duration_s / self.factor


@dataclass(frozen=True)
class Target:
    """Where requests go and how they are asked.

    `stream_share` of them are streams; `timeout_s` (fleet seconds) bounds one request with its retries;
    `retries` obeys a Retry-After, which a client that counts losses must not do by default.
    """

    url: str
    model: str
    api: Literal["chat", "completions"] = "chat"
    stream_share: float = 0.5
    timeout_s: float = 1800.0
    retries: bool = False
    api_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url: want http:// or https:// and a host (found {self.url!r})")

    def streams(self, index: int) -> bool:
        """Whether the request of this number is a stream: spread evenly, the share exact."""
        return int((index + 1) * self.stream_share) > int(index * self.stream_share)


@dataclass
class _Answer:
    """What is known of an answer so far."""

    stream: bool
    sent_s: float
    status: int | None = None
    variant: str | None = None
    tally: Tally = field(default_factory=Tally)
    tokens: int = 0
    lost: str | None = None
    retries: int = 0


class Client:
    """Sends single requests over one pool of connections; `session` is the caller's to close."""

    def __init__(self, session: aiohttp.ClientSession, target: Target, pace: Pace) -> None:
        self._session, self._target, self._pace = session, target, pace

    async def send(self, index: int, arrival: Arrival, due_s: float) -> Record:
        """Sends one request now, waits for its end, and never raises for what the server or the network does."""
        answer = _Answer(self._target.streams(index), self._pace.now_s())
        body = json.dumps(self._body(index, arrival, answer.stream)).encode()
        headers = {"content-type": "application/json"}
        if self._target.api_key is not None:
            headers["authorization"] = f"Bearer {self._target.api_key}"
        if arrival.session is not None:
            headers[SESSION_HEADER] = arrival.session
        try:
            async with asyncio.timeout(self._pace.wall_duration_s(self._target.timeout_s)):
                while (pause_s := await self._ask(body, headers, answer)) is not None:
                    answer.retries += 1
                    await asyncio.sleep(pause_s)
        except TimeoutError:
            answer.lost = "timeout"
        except aiohttp.ClientConnectorError:
            answer.lost = "no connection"
        except (aiohttp.ClientError, ConnectionError):
            answer.lost = "connection cut"
        return self._record(arrival, answer, due_s)

    async def _ask(self, body: bytes, headers: dict[str, str], answer: _Answer) -> float | None:
        """Asks once; gives the wall seconds after which the server wants to be asked again, None if it is over."""
        url = self._target.url.rstrip("/") + _PATHS[self._target.api]
        async with self._session.post(url, data=body, headers=headers) as response:
            answer.status, answer.variant = response.status, response.headers.get(VARIANT_HEADER)
            answer.lost = None
            if response.status != 200:
                answer.lost = f"status {response.status}"
                wait = response.headers.get("retry-after", "")
                again = self._target.retries and response.status in _BUSY and wait.isdecimal()
                return float(wait) if again else None
            if not answer.stream:
                answer.tokens, answer.lost = plain_answer(await response.read())
                return None
            async for chunk in response.content.iter_any():
                answer.tally.feed(chunk, self._pace.now_s())
            answer.lost = answer.tally.fault()
        return None

    def _body(self, index: int, arrival: Arrival, stream: bool) -> dict[str, Any]:
        # A prompt begins with what is its own: an equal beginning is an equal conversation to a gateway.
        start = f"Conversation {arrival.session or index}:"
        prompt = start + _WORD * max(0, arrival.input_tokens - len(start.split()))
        body: dict[str, Any] = {
            "model": self._target.model,
            "max_tokens": arrival.output_tokens,
            "ignore_eos": True,
        }
        if self._target.api == "chat":
            body["messages"] = [{"role": "user", "content": prompt}]
        else:
            body["prompt"] = prompt
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def _record(self, arrival: Arrival, answer: _Answer, due_s: float) -> Record:
        tally = answer.tally
        tokens = tally.tokens if answer.stream else answer.tokens
        ttft_s = None if tally.first_s is None else tally.first_s - answer.sent_s
        tpot_s = None
        if tally.first_s is not None and tally.last_s is not None and tokens > 1:
            tpot_s = (tally.last_s - tally.first_s) / (tokens - 1)
        return Record(
            t_s=arrival.t_s,
            delay_s=max(0.0, answer.sent_s - due_s),
            stream=answer.stream,
            lost=answer.lost,
            status=answer.status,
            variant=answer.variant,
            input_tokens=arrival.input_tokens,
            output_tokens=arrival.output_tokens,
            tokens=tokens,
            total_s=self._pace.now_s() - answer.sent_s,
            ttft_s=ttft_s,
            tpot_s=tpot_s,
            retries=answer.retries,
        )

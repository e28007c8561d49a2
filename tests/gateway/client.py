"""A client that counts: one outcome a request, and nothing is retried."""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

_WHOLE_S = 120


@dataclass(frozen=True)
class Outcome:
    """What one request came to; status 0 is a connection that broke, `complete` an answer with its end."""

    status: int
    complete: bool
    variant: str | None = None
    pod: str | None = None
    headers: dict[str, str] | None = None
    body: str = ""


class Client:
    """Sends requests to one gateway; usable as an async context manager."""

    def __init__(self, url: str, trusted: ssl.SSLContext | None = None) -> None:
        self._url, self._trusted = url, trusted

    async def __aenter__(self) -> "Client":
        timeout = aiohttp.ClientTimeout(total=_WHOLE_S)
        connector = aiohttp.TCPConnector(limit=0, ssl=self._trusted or True)
        self._session = aiohttp.ClientSession(self._url, timeout=timeout, connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(
        self, say: str = "hello", headers: dict[str, str] | None = None, path: str = "/v1/chat/completions", **how: Any
    ) -> Outcome:
        """One request: `say` is the first turn; `how` goes to the stub (wait_ms, stream, chunks, gap_ms)."""
        body = {"model": "chat-model", "messages": [{"role": "user", "content": say}], **how}
        return await self._send("POST", path, headers, json=body)

    async def get(self, path: str, headers: dict[str, str] | None = None) -> Outcome:
        return await self._send("GET", path, headers)

    async def get_from(self, url: str) -> Outcome:
        """A GET past the gateway."""
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            return _outcome(response, await response.text())

    async def post(self, path: str, data: Any, headers: dict[str, str] | None = None) -> Outcome:
        return await self._send("POST", path, headers, data=data)

    async def _send(self, method: str, path: str, headers: dict[str, str] | None, **body: Any) -> Outcome:
        try:
            async with self._session.request(method, path, headers=headers, **body) as response:
                text = (await response.read()).decode()
                return _outcome(response, text)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Outcome(0, False, body=repr(error))


def _outcome(response: aiohttp.ClientResponse, text: str) -> Outcome:
    streamed = response.content_type == "text/event-stream"
    complete = response.status == 200 and (text.endswith("data: [DONE]\n\n") if streamed else True)
    pod = None
    if complete and response.content_type in ("text/event-stream", "application/json"):
        first = text.partition("\n")[0].removeprefix("data: ")
        pod = json.loads(first).get("pod")
    variant = response.headers.get("x-costwain-variant")
    return Outcome(
        response.status, complete, variant, pod, {name.lower(): value for name, value in response.headers.items()}, text
    )


async def gather(requests: Iterable[Any]) -> list[Outcome]:
    return list(await asyncio.gather(*requests))


def lost(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Everything but a whole 200."""
    return [outcome for outcome in outcomes if not outcome.complete]


def by_status(outcomes: Iterable[Outcome]) -> dict[int, int]:
    return dict(Counter(outcome.status for outcome in outcomes))


def by_variant(outcomes: Iterable[Outcome]) -> dict[str | None, int]:
    return dict(Counter(outcome.variant for outcome in outcomes))

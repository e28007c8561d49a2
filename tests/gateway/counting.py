"""A client that counts what it gets: status, tokens and the first byte of each answer, by tenant."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp

MODEL = "chat-model"


@dataclass
class Counted:
    """What a client saw, by tenant."""

    answers: Counter[tuple[str, str]] = field(default_factory=Counter)  # (tenant, code)
    prompt: Counter[str] = field(default_factory=Counter)
    completion: Counter[tuple[str, str]] = field(default_factory=Counter)  # (tenant, how it is known)
    streams: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    first_byte_s: Counter[str] = field(default_factory=Counter)  # sums
    without_usage: Counter[str] = field(default_factory=Counter)


def drawn(seed: int, count: int, tenants: dict[str, str]) -> list[tuple[str, str, dict[str, object]]]:
    """Requests by a seed: (tenant, key, body); 30 % are streams, every second of which asks for usage."""
    draw = random.Random(seed)
    requests = []
    for number in range(count):
        tenant = draw.choice(sorted(tenants))
        body: dict[str, object] = {"model": MODEL, "max_tokens": draw.randint(1, 60), "ignore_eos": True}
        body["messages"] = [{"role": "user", "content": f"{number} " + "word " * draw.randint(1, 200)}]
        if draw.random() < 0.3:
            body |= {"stream": True} | ({"stream_options": {"include_usage": True}} if draw.random() < 0.5 else {})
        elif draw.random() < 0.1:
            body["model"] = "nobody"
        requests.append((tenant, tenants[tenant], body))
    return requests


async def send_all(url: str, requests: list[tuple[str, str, dict[str, object]]], at_once: int = 24) -> Counted:
    """Sends them, so many at a time, and counts."""
    counted, free = Counted(), asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(_one(session, counted, free, request) for request in requests))
    return counted


async def _one(
    session: aiohttp.ClientSession,
    counted: Counted,
    free: asyncio.Semaphore,
    request: tuple[str, str, dict[str, object]],
) -> None:
    tenant, key, body = request
    async with free:
        sent_s, first_s, text = time.perf_counter(), None, b""
        headers = {"authorization": f"Bearer {key}"}
        async with session.post("/v1/chat/completions", json=body, headers=headers) as response:
            async for piece in response.content.iter_any():
                first_s = first_s or time.perf_counter() - sent_s
                text += piece
    counted.answers[tenant, str(response.status)] += 1
    if response.content_type == "text/event-stream":
        counted.streams[tenant] += 1
        counted.first_byte_s[tenant] += first_s or 0
        _read_events(counted, tenant, text)
    elif response.status == 200:
        _read_usage(counted, tenant, json.loads(text)["usage"])


def _read_events(counted: Counted, tenant: str, text: bytes) -> None:
    events = [json.loads(part[6:]) for part in text.split(b"\n\n") if part.startswith(b"data: {")]
    words = [e for e in events if e["choices"] and e["choices"][0]["delta"].get("content")]
    counted.gaps[tenant] += max(len(words) - 1, 0)
    usage = [event["usage"] for event in events if event.get("usage")]
    if usage:
        _read_usage(counted, tenant, usage[0])
    else:
        counted.completion[tenant, "counted"] += len(words)
        counted.without_usage[tenant] += 1


def _read_usage(counted: Counted, tenant: str, usage: dict[str, int]) -> None:
    counted.prompt[tenant] += usage["prompt_tokens"]
    counted.completion[tenant, "usage"] += usage["completion_tokens"]

"""What pods say of themselves on /metrics, read directly: one small parser, one page a pod and turn.

The general parser of Prometheus' text form takes 50 times the CPU on a vLLM page: it reads 600 samples where
nine are wanted.
"""

import asyncio
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import aiohttp

Labels = tuple[tuple[str, str], ...]
Samples = dict[tuple[str, Labels], float]
T = TypeVar("T")

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_PARALLEL = 64  # scrapes under way at once

_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_KV_USAGE = "vllm:kv_cache_usage_perc"  # 0..1, whatever its name says
_PROMPT = "vllm:prompt_tokens_total"
_GENERATION = "vllm:generation_tokens_total"
_FINISHED = "vllm:request_success_total"
_ENDED = "vllm:request_prompt_tokens_count"
_ENDED_PROMPT = "vllm:request_prompt_tokens_sum"
_ENDED_GENERATION = "vllm:request_generation_tokens_sum"
_PACE = "vllm:request_time_per_output_token_seconds_bucket"
POD_METRICS = frozenset(
    (
        _PACE,
        _RUNNING,
        _WAITING,
        _KV_USAGE,
        _PROMPT,
        _GENERATION,
        _FINISHED,
        _ENDED,
        _ENDED_PROMPT,
        _ENDED_GENERATION,
    )
)

_UP = "costwain_gateway_up"
_QUEUE_DEPTH = "costwain_gateway_queue_depth"
_REQUESTS = "costwain_gateway_requests_total"
_IN_FLIGHT = "costwain_gateway_in_flight"
_API_KEYS = "costwain_gateway_api_keys"
GATEWAY_METRICS = frozenset((_UP, _QUEUE_DEPTH, _REQUESTS, _IN_FLIGHT, _API_KEYS))


@dataclass(frozen=True)
class PodReading:
    """One vLLM pod, all its engines together; None where its page doesn't say.

    `kv_usage` is a share (0..1) of the fullest engine. The `ended_` counters count what requests brought and got
    at the moment at which they ended, the others as it happens. `token_times_total`: answers by an upper bound
    of their mean time per token, seconds, infinity for all.
    """

    running: float | None = None
    waiting: float | None = None
    kv_usage: float | None = None
    prompt_tokens_total: float | None = None
    generation_tokens_total: float | None = None
    requests_finished_total: float | None = None
    ended_total: float | None = None
    ended_prompt_tokens_total: float | None = None
    ended_generation_tokens_total: float | None = None
    token_times_total: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class GatewayReading:
    """One gateway pod: requests by variant, in flight by (variant, pool); `api_keys` None where everybody gets in."""

    queue_depth: Mapping[str, float]
    requests_total: Mapping[str, float]
    in_flight: Mapping[tuple[str, str], float]
    api_keys: float | None = None


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a page said at an instant (`at_s`), and the reading before it: together they make a rate."""

    value: T
    at_s: float
    before: "Reading[T] | None" = None


def parse(text: str, wanted: Iterable[str]) -> Samples:
    """The wanted samples of a page by (name, labels sorted by name); NaN, infinities and broken lines are left out.

    >>> parse('up{job="a"} 1\\nbusy{job="a"} 3 1700000000\\nload NaN', {"busy", "load"})
    {('busy', (('job', 'a'),)): 3.0}
    """
    names = frozenset(wanted)
    prefixes, samples = tuple(names), Samples()
    for line in text.split("\n"):
        if not line.startswith(prefixes):
            continue
        name = _NAME.match(line)
        if name is None or name[0] not in names:
            continue
        head, brace, tail = line[name.end() :].rpartition("}")
        value = _number(tail)
        if value is not None:
            samples[name[0], _labels(head) if brace else ()] = value
    return samples


def _number(tail: str) -> float | None:
    """The value in front of an optional timestamp."""
    try:
        value = float(tail.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return value if math.isfinite(value) else None


def _bound_s(text: str) -> float:
    """A bucket's bound, which may be infinite; what is no number is none either."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _labels(text: str) -> Labels:
    return tuple(sorted((name, _ESCAPED.sub(_unescape, value)) for name, value in _LABEL.findall(text)))


def _unescape(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]


async def scrape(session: aiohttp.ClientSession, url: str, wanted: Iterable[str], timeout_s: float) -> Samples | None:
    """The wanted samples of a page, or None where it can't be had in time."""
    limit = aiohttp.ClientTimeout(total=timeout_s)
    try:
        # A pod answers for itself: it must not send the operator elsewhere.
        async with session.get(url, timeout=limit, allow_redirects=False) as response:
            if response.status != 200:
                return None
            text = await response.text(encoding="utf-8", errors="replace")
    except (aiohttp.ClientError, TimeoutError):
        return None
    return parse(text, wanted)


def pod_reading(samples: Samples) -> PodReading | None:
    """A vLLM page, summed over engines and finish reasons; None if there is nothing of vLLM's on it."""
    if not samples:
        return None
    by_name: dict[str, list[float]] = {}
    times: dict[float, float] = {}
    for (name, labels), value in samples.items():
        if name == _PACE:
            bound_s = _bound_s(dict(labels).get("le", ""))
            times[bound_s] = times.get(bound_s, 0.0) + max(0.0, value)
            continue
        if value >= 0:  # none of them can be negative
            by_name.setdefault(name, []).append(value)
    total = {name: sum(values) for name, values in by_name.items()}
    return PodReading(
        running=total.get(_RUNNING),
        waiting=total.get(_WAITING),
        kv_usage=max(by_name.get(_KV_USAGE, ()), default=None),
        prompt_tokens_total=total.get(_PROMPT),
        generation_tokens_total=total.get(_GENERATION),
        requests_finished_total=total.get(_FINISHED),
        ended_total=total.get(_ENDED),
        ended_prompt_tokens_total=total.get(_ENDED_PROMPT),
        ended_generation_tokens_total=total.get(_ENDED_GENERATION),
        token_times_total=times,
    )


def gateway_reading(samples: Samples) -> GatewayReading | None:
    """The agent's page; None while its HAProxy doesn't answer it, since nothing on it counts then."""
    if samples.get((_UP, ())) != 1:
        return None
    by_variant: dict[str, dict[str, float]] = {_QUEUE_DEPTH: {}, _REQUESTS: {}}
    in_flight: dict[tuple[str, str], float] = {}
    for (name, pairs), value in samples.items():
        labels = dict(pairs)
        if value < 0 or "variant" not in labels:
            continue
        if name in by_variant:
            by_variant[name][labels["variant"]] = value
        elif name == _IN_FLIGHT and "pool" in labels:
            in_flight[labels["variant"], labels["pool"]] = value
    return GatewayReading(by_variant[_QUEUE_DEPTH], by_variant[_REQUESTS], in_flight, samples.get((_API_KEYS, ())))


class Readings(Generic[T]):
    """Pages of many pods, turn by turn: a page that fails keeps its last good reading, whose `at_s` tells its age.

    `read` turns samples into a value, or None where the page says nothing. `now_s` is the clock of `at_s`:
    fleet seconds, so that rates are a fleet second's.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        wanted: Iterable[str],
        read: Callable[[Samples], T | None],
        now_s: Callable[[], float],
        timeout_s: float = 2,
    ) -> None:
        self._session, self._wanted, self._read = session, frozenset(wanted), read
        self._now_s, self._timeout_s = now_s, timeout_s
        self._last: dict[str, Reading[T]] = {}
        self._free = asyncio.Semaphore(_PARALLEL)

    @classmethod
    def of_pods(cls, session: aiohttp.ClientSession, now_s: Callable[[], float]) -> "Readings[PodReading]":
        """Readings of vLLM pods."""
        return Readings(session, POD_METRICS, pod_reading, now_s)

    @classmethod
    def of_gateways(cls, session: aiohttp.ClientSession, now_s: Callable[[], float]) -> "Readings[GatewayReading]":
        """Readings of gateway pods."""
        return Readings(session, GATEWAY_METRICS, gateway_reading, now_s)

    async def turn(self, urls: Iterable[str]) -> Mapping[str, Reading[T]]:
        """Reads all pages at once; the latest good reading by URL, and none of a URL that isn't asked for any more."""
        asked = list(dict.fromkeys(urls))
        found = await asyncio.gather(*(self._one(url) for url in asked))
        self._last = {url: reading for url, reading in zip(asked, found, strict=True) if reading is not None}
        return dict(self._last)

    async def _one(self, url: str) -> Reading[T] | None:
        last = self._last.get(url)
        async with self._free:
            samples = await scrape(self._session, url, self._wanted, self._timeout_s)
        value = None if samples is None else self._read(samples)
        if value is None:
            return last
        return Reading(value, self._now_s(), None if last is None else replace(last, before=None))

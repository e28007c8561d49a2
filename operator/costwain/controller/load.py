"""Load: what gateways and engines report, put together by fleet. What can't be read is None, and decide holds.

A fleet without a gateway of ours has the engines alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp

from costwain.adapters.clock import Clock
from costwain.adapters.metrics import GatewayReading, PodReading, Reading, Readings
from costwain.adapters.prometheus import Prometheus
from costwain.adapters.rates import answers_of, arrivals_per_s, entered_per_s, pod_rates, work_of
from costwain.adapters.resources import MODEL_DEPLOYMENTS, PODS
from costwain.controller.cache import Cache, Key
from costwain.domain import names
from costwain.domain.snapshot import Answers, Load, Work

Object = dict[str, Any]
STALE_WALL_S = 15.0  # an older page says nothing about now


class Loads:
    """Reads every gateway and engine once a turn."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock, prometheus: Prometheus | None = None) -> None:
        self._clock, self._prometheus = clock, prometheus
        self._gateways: Readings[GatewayReading] = Readings.of_gateways(session, clock.now_s)
        self._engines: Readings[PodReading] = Readings.of_pods(session, clock.now_s)
        self.work: Mapping[str, Work] = {}  # of the last turn, by the pod's address
        self.idle: frozenset[str] = frozenset()  # addresses whose engines said in the last turn that they have nothing

    async def turn(self, cache: Cache) -> dict[Key, Load | None]:
        """The load of every fleet that has a gateway pod, or wants none; None where it can't be read."""
        bare = _bare(cache)
        gateways = {k: urls for k, urls in _pages(cache, names.ROLE_GATEWAY, names.AGENT_PORT).items() if k not in bare}
        engines = _pages(cache, names.ROLE_MODEL, names.MODEL_PORT)
        of, leaving, began_s = _variants(cache), _leaving(cache), self._clock.now_s()  # the cache goes on meanwhile
        told = await self._gateways.turn(url for urls in gateways.values() for url in urls)
        served = await self._engines.turn(url for urls in engines.values() for url in urls)
        oldest_s = self._clock.now_s() - STALE_WALL_S * self._clock.factor
        fresh = {url: reading for url, reading in served.items() if reading.at_s >= oldest_s}
        self.work = {_address(url): work for url, reading in fresh.items() if (work := work_of(reading)) is not None}
        self.idle = frozenset(_address(u) for u, r in fresh.items() if _is_new(r, began_s) and _is_idle(r.value))
        loads = dict[Key, Load | None]()
        for key, urls in gateways.items():
            readable = [told[url] for url in urls if url in told and told[url].at_s >= oldest_s]
            loads[key] = _load(readable, [fresh[url] for url in engines.get(key, ()) if url in fresh])
        await self._second_source(loads, engines, fresh)
        for key in bare:
            pages = engines.get(key, [])
            known = all(url in fresh or _address(url) in leaving for url in pages)  # the others could do anything
            loads[key] = _without_gateway([(of[_address(u)], fresh[u]) for u in pages if u in fresh]) if known else None
        new = {url: reading for url, reading in fresh.items() if _is_new(reading, began_s)}
        return {
            key: load
            and replace(load, answers=_answers((of[_address(u)], new[u]) for u in engines.get(key, ()) if u in new))
            for key, load in loads.items()
        }

    async def _second_source(
        self, loads: dict[Key, Load | None], engines: Mapping[Key, list[str]], fresh: Mapping[str, Reading[PodReading]]
    ) -> None:
        """Fills the loads of unreadable gateways from the engines, and the queue from Prometheus where there is one."""
        blind = [key for key, load in loads.items() if load is None]
        if not blind:
            return
        depths = (await self._prometheus.queue_depths() if self._prometheus else None) or {}
        for key in blind:
            pages = engines.get(key, [])
            if pages and all(url in fresh for url in pages):  # one engine that can't be read could do anything
                loads[key] = _from_engines([fresh[url] for url in pages], depths.get(key))


def _pages(cache: Cache, role: str, port: int) -> dict[Key, list[str]]:
    """Metrics URLs of running pods by fleet."""
    pages: dict[Key, list[str]] = {}
    for (namespace, _), pod in sorted(cache.all(PODS).items()):
        labels, status = pod["metadata"].get("labels", {}), pod.get("status", {})
        if labels.get(names.ROLE) != role or not status.get("podIP") or not _started(status):
            continue
        pages.setdefault((namespace, labels.get(names.FLEET, "")), []).append(
            f"http://{status['podIP']}:{port}/metrics"
        )
    return pages


def _variants(cache: Cache) -> dict[str, str]:
    """The variant of every model pod by its address."""
    pods = (pod for _, pod in cache.all(PODS).items())
    return {
        pod.get("status", {}).get("podIP", ""): pod["metadata"].get("labels", {}).get(names.VARIANT, "")
        for pod in pods
        if pod["metadata"].get("labels", {}).get(names.ROLE) == names.ROLE_MODEL
    }


def _leaving(cache: Cache) -> frozenset[str]:
    """Addresses of pods that are being deleted."""
    pods = (pod for pod in cache.all(PODS).values() if pod["metadata"].get("deletionTimestamp"))
    return frozenset(pod.get("status", {}).get("podIP", "") for pod in pods)


def _bare(cache: Cache) -> frozenset[Key]:
    """Fleets that want no gateway of ours, whether or not one is still leaving."""
    fleets = cache.all(MODEL_DEPLOYMENTS).items()
    return frozenset(key for key, obj in fleets if obj["spec"].get("gateway", {}).get("mode") == "None")


def _is_new(reading: Reading[PodReading], began_s: float) -> bool:
    """Whether it was read in this turn: an older one was counted already."""
    return reading.at_s >= began_s


def _is_idle(pod: PodReading) -> bool:
    return (pod.running, pod.waiting) == (0, 0)


def _answers(readings: Iterable[tuple[str, Reading[PodReading]]]) -> dict[str, Answers]:
    """Answers by variant, of engines each with its own."""
    found: dict[str, Answers] = {}
    for variant, reading in readings:
        told = answers_of(reading)
        if told is not None:
            found[variant] = found[variant] + told if variant in found else told
    return found


def _address(url: str) -> str:
    """The pod's address in a URL of `_pages`."""
    return url.removeprefix("http://").rpartition(":")[0]


def _started(status: Object) -> bool:
    """Whether some container answers: a port that isn't open yet is not worth a connection each turn."""
    return any(c.get("started") for c in status.get("containerStatuses", []))


def _load(gateways: list[Reading[GatewayReading]], engines: list[Reading[PodReading]]) -> Load | None:
    if not gateways:
        return None
    arrivals = [rate for reading in gateways for rate in arrivals_per_s(reading).values()]
    load = Load(
        arrivals_per_s=sum(arrivals) if arrivals else None,
        queued=_sum(reading.value.queue_depth for reading in gateways),
        running=_sum({v: n} for reading in gateways for (v, _), n in reading.value.in_flight.items()),
        api_keys=min((round(n) for r in gateways if (n := r.value.api_keys) is not None), default=None),
    )
    return _with_tokens(load, engines)


def _without_gateway(engines: list[tuple[str, Reading[PodReading]]]) -> Load | None:
    """The load by what vLLM counts, of engines each with its variant; None where one doesn't tell.

    Without an engine nothing runs or waits, for there is nobody to hold a request.
    """
    if any(None in (reading.value.running, reading.value.waiting) for _, reading in engines):
        return None
    came = [rate for _, reading in engines if (rate := entered_per_s(reading)) is not None]
    load = Load(
        arrivals_per_s=max(0.0, sum(came)) if came else None,
        queued=_sum({variant: reading.value.waiting or 0} for variant, reading in engines),
        running=_sum({variant: reading.value.running or 0} for variant, reading in engines),
    )
    return _with_tokens(load, [reading for _, reading in engines])


def _with_tokens(load: Load, engines: list[Reading[PodReading]]) -> Load:
    """The load with the tokens that engines tell: means of requests that ended, and all a second."""
    rates = [pod_rates(reading) for reading in engines]
    tokens = [t for r in rates for t in (r.prompt_tokens_per_s, r.generation_tokens_per_s) if t is not None]
    return replace(
        load,
        input_tokens=_weighted((r.mean_input_tokens, r.finished_per_s) for r in rates),
        output_tokens=_weighted((r.mean_output_tokens, r.finished_per_s) for r in rates),
        tokens_per_s=sum(tokens) if tokens else None,
    )


def _from_engines(engines: list[Reading[PodReading]], depth: float | None) -> Load | None:
    """What vLLM itself says; arrivals stay unknown, and so does what the gateway holds unless Prometheus knows."""
    running = [reading.value.running for reading in engines]
    waiting = [reading.value.waiting for reading in engines]
    if None in running or None in waiting:
        return None
    queue = depth if depth is not None else sum(n for n in waiting if n)
    return Load(arrivals_per_s=None, queued={"": round(queue)}, running={"": round(sum(n for n in running if n))})


def _sum(counts: Iterable[Mapping[str, float]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for by_variant in counts:
        for variant, n in by_variant.items():
            total[variant] = total.get(variant, 0) + round(n)
    return total


def _weighted(pairs: Iterable[tuple[float | None, float | None]]) -> float | None:
    """The mean over pods, each weighed by the requests that it ended."""
    known = [(value, weight) for value, weight in pairs if value is not None and weight]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None

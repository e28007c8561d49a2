"""The real side: control plane, operator, HAProxy and stand-in pods on this machine, and the requests through them."""

import asyncio
import contextlib
import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.bench.real.seen import Sample, Seen, share_in

from costwain.adapters.clock import Clock
from costwain.adapters.kube import Kube
from costwain.domain import names
from costwain.domain.hardware import VENDORS
from costwain.domain.money import MICRO
from costwain.local import cluster, stage
from costwain.local.load import Load
from costwain.local.load_report import LoadResult, Slo, quantile
from costwain.local.load_request import Pace, Target
from costwain.sim.arrival import Arrival
from costwain.sim.fleet_file import FleetFile

NAME = "bench-real"
SAMPLE_S = 0.25  # wall
FIRST_S = 300.0  # fleet: until the first replica is ready
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Play:
    """One run: what, to whom, how fast fleet time passes.

    A ready replica idles for `idle_s` before the first request; those from `warm_s` on count.
    """

    path: Path
    fleet: FleetFile
    requests: Sequence[Arrival]
    slo: Slo
    factor: float
    turn_s: float
    idle_s: float
    warm_s: float


def play(one: Play, directory: Path) -> Seen:
    """A run on a control plane of its own; raises LocalError where it doesn't come up."""
    clock = Clock(one.factor, time.time())
    settings = {"COSTWAIN_TURN_SECONDS": f"{one.turn_s / one.factor:g}", "COSTWAIN_STATUS_SECONDS": "1"}
    manifests = list(yaml.safe_load_all(one.path.read_text(encoding="utf-8")))
    running = stage.start(
        NAME, directory, stage.Stage(manifests, _capacity(one.fleet), clock, settings), lambda _: None
    )
    try:
        return asyncio.run(_play(one, running, clock))
    finally:
        cluster.down(NAME, directory, lambda _: None)


def _capacity(fleet: FleetFile) -> dict[str, dict[str, str]]:
    return {name: {VENDORS[pool.spec.vendor].resource: str(pool.total)} for name, pool in fleet.pools.items()}


async def _play(one: Play, running: cluster.Cluster, clock: Clock) -> Seen:
    fleet = one.fleet
    async with await Kube.connect(str(running.kubeconfig)) as kube:
        url = await stage.gateway_url(kube, fleet.namespace, fleet.name)

        async def first() -> bool:
            return any(stage.is_ready(pod) for pod in await stage.model_pods(kube, fleet.namespace, fleet.name))

        await stage.within(clock.wall_duration_s(FIRST_S) + stage.READY_S, "the first replica to be ready", first)
        await asyncio.sleep(clock.wall_duration_s(one.idle_s))
        load = Load(Target(url, fleet.name, stream_share=1.0, timeout_s=TIMEOUT_S), Pace(one.factor), one.slo)
        samples, busy, zero_s = list[Sample](), _busy(), clock.now_s() + one.warm_s
        watching = asyncio.create_task(_watch(kube, fleet, clock, zero_s, samples))
        try:
            result = await load.run(one.requests)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        ledger = await stage.ledger_of(kube, fleet.namespace, fleet.name)
        spent_micro = ledger.spent_micro(zero_s, zero_s + one.requests[-1].t_s - one.warm_s)
        return _seen(one, result, spent_micro / MICRO, samples, _busy_share(busy, _busy()))


def _seen(one: Play, result: LoadResult, dollars: float, samples: list[Sample], busy: float) -> Seen:
    counted = [r for r in result.records if r.t_s >= one.warm_s]
    answers = [(r.ttft_s or 0.0, r.tpot_s or 0.0) for r in counted if r.lost is None]
    late = quantile(sorted(r.delay_s for r in counted), 0.99) or 0.0
    notes = {"sent late by p99, s": late, "machine busy, %": 100 * busy}
    requests = len(counted)
    in_slo = share_in(one.slo, answers, requests)
    return Seen(dollars, requests, requests - len(answers), in_slo, answers, samples, notes)


async def _watch(kube: Kube, fleet: FleetFile, clock: Clock, zero_s: float, samples: list[Sample]) -> None:
    """Looks at the pods four times a second until it is cancelled."""
    while True:
        with contextlib.suppress(TimeoutError):
            pods = await stage.model_pods(kube, fleet.namespace, fleet.name)
            stay = [p for p in pods if _stays(p)]
            places = Counter(
                (p["metadata"]["labels"][names.VARIANT], p["metadata"]["labels"][names.POOL]) for p in stay
            )
            samples.append(Sample(clock.now_s() - zero_s, places, sum(stage.is_ready(p) for p in stay)))
        await asyncio.sleep(SAMPLE_S)


def _stays(pod: dict[str, Any]) -> bool:
    metadata = pod["metadata"]
    return "deletionTimestamp" not in metadata and names.DRAIN not in metadata["labels"]


def _busy() -> tuple[float, float]:
    """(busy, all) seconds of all cores since boot."""
    ticks = [int(n) for n in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]]
    per_s = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[3] - ticks[4]) / per_s, sum(ticks) / per_s


def _busy_share(before: tuple[float, float], after: tuple[float, float]) -> float:
    return (after[0] - before[0]) / max(after[1] - before[1], 1e-9)

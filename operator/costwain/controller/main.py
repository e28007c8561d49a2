"""The operator's process: one leader runs kopf and the loop; a lost lease ends it at once."""

import asyncio
import logging
import os
import signal
import sys
import time
from typing import Any

import aiohttp
import kopf

from costwain.adapters.clock import Clock
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.lease import Lease, Timings
from costwain.adapters.prometheus import Prometheus
from costwain.controller.garbage import collect_seldom
from costwain.controller.handlers import registry_for
from costwain.controller.load import Loads
from costwain.controller.loop import Loop
from costwain.controller.settings import Settings

_log = logging.getLogger(__name__)
UNREACHABLE = 3
LEASE_LOST = 4


class UnreachableError(Exception):
    """The API server did not answer in time."""


async def run(settings: Settings, clock: Clock, liveness: str | None, patience_s: float = 60) -> int:
    """Runs until SIGTERM (returns 0) or a lost lease; raises UnreachableError where no API server answers."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with await Kube.connect() as kube, aiohttp.ClientSession() as session:
        await reach(kube, patience_s)
        lease = Lease(kube, settings.namespace, settings.identity, timings=timings(settings.lease_s))
        waiting = asyncio.ensure_future(lease.acquire())
        await asyncio.wait({waiting, ender := asyncio.ensure_future(stop.wait())}, return_when="FIRST_COMPLETED")
        if not waiting.done():
            waiting.cancel()
            return 0
        prometheus = Prometheus(settings.prometheus_url) if settings.prometheus_url else None
        loop = Loop(kube, Loads(session, clock, prometheus), clock, settings)
        code = await _lead(loop, lease, settings, (stop, ender), liveness)
        await lease.release()
        return code


def timings(lease_s: float) -> Timings:
    """The lease's timings in the proportion of its defaults, 15 : 10 : 2; raises ValueError for less than 3 s."""
    if lease_s < 3:
        raise ValueError(f"COSTWAIN_LEASE_SECONDS: want at least 3, found {lease_s:g}")
    return Timings(round(lease_s), renew_deadline_s=round(lease_s) * 2 / 3, retry_s=round(lease_s) * 2 / 15)


async def reach(kube: Kube, patience_s: float) -> None:
    """Waits for the API server, with one line a try; raises UnreachableError after `patience_s` wall seconds."""
    ends_s, pause_s = time.monotonic() + patience_s, 1.0
    while True:
        try:
            await kube.request("GET", "/version")
            return
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            left_s = ends_s - time.monotonic()
            if left_s <= 0:
                text = f"API server {kube.server}: no answer in {patience_s:.0f} s ({error})"
                raise UnreachableError(text) from error
            pause_s = min(pause_s, left_s)
            _log.warning("API server %s doesn't answer (%s): again in %.0f s", kube.server, error, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 15.0)


async def _lead(
    loop: Loop, lease: Lease, settings: Settings, ends: tuple[asyncio.Event, asyncio.Task[Any]], liveness: str | None
) -> int:
    stop, ender = ends
    # Both are made before kopf starts: it cancels every task that is younger than itself when it ends.
    holding = asyncio.create_task(lease.hold())
    turning = asyncio.create_task(loop.run(lease.is_leader, lease.epoch or 0, lease.last_renewed_wall_s))
    watching = asyncio.create_task(
        kopf.operator(
            registry=registry_for(loop, settings.turn_s), clusterwide=True, stop_flag=stop, liveness_endpoint=liveness
        )
    )
    tasks: set[asyncio.Future[Any]] = {holding, turning, watching, ender}
    done, _ = await asyncio.wait(tasks, return_when="FIRST_COMPLETED")
    if turning in done and (error := turning.exception()) is not None:
        _log.error("the loop can't go on: %s", error)
        return 1
    if holding in done or turning in done:
        _log.error("the lease is lost: this process ends, another one leads")
        logging.shutdown()
        os._exit(LEASE_LOST)
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)
    stop.set()
    if watching in done and watching.exception() is not None:
        _log.error("watches: %s", watching.exception())
        return 1
    await asyncio.wait({watching}, timeout=10)
    holding.cancel()
    return 0


def main(settings: Settings, clock: Clock, liveness: str | None) -> None:
    """Runs the operator and exits: 0 after SIGTERM, 3 where no API server answers, 4 when the lease is lost."""
    collect_seldom()
    try:
        sys.exit(asyncio.run(run(settings, clock, liveness)))
    except UnreachableError as error:
        print(error, file=sys.stderr)
        sys.exit(UNREACHABLE)

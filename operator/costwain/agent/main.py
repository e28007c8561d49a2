"""Starts an agent, and ends it only when nobody is served any more."""

import asyncio
import logging
import signal
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from costwain.adapters.kube import Kube
from costwain.agent.agent import Agent
from costwain.agent.certificate import Renewal
from costwain.agent.cluster import KubeCluster
from costwain.agent.haproxy import Runtime
from costwain.agent.keys import KeyFolder
from costwain.agent.server import application
from costwain.domain import names

ADMIN_SOCKET = "admin.sock"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """Where the agent runs; `run` is the folder of HAProxy's sockets."""

    namespace: str
    fleet: str
    pod: str
    run: Path
    bind: str
    shutdown_s: float  # wall seconds from SIGTERM until requests are cut
    keys: Path | None = None  # folder of the API keys; without it everybody gets in
    certificate: Path | None = None  # folder of the gateway's certificate; without it there is none


async def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT, then until nobody is served, at most `shutdown_s`."""
    runtime = Runtime(settings.run / ADMIN_SOCKET)
    async with await Kube.connect() as kube:
        cluster = KubeCluster(kube, settings.namespace, settings.fleet)
        keys = KeyFolder(settings.keys) if settings.keys else None
        agent = Agent(cluster, runtime, settings.fleet, settings.pod, keys)
        renewal = Renewal(settings.certificate, runtime) if settings.certificate else None
        await serve(agent, settings, renewal)


async def serve(agent: Agent, settings: Settings, renewal: Renewal | None = None) -> None:
    """Serves the agent's port and runs its loops until a signal ends all."""
    asked_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_end.set)
    runner = web.AppRunner(application(agent, settings.shutdown_s), access_log=None)
    await runner.setup()
    work = asyncio.create_task(_work(agent, renewal))
    ending = asyncio.create_task(asked_to_end.wait())
    try:
        await web.TCPSite(runner, settings.bind, names.AGENT_PORT).start()
        await asyncio.wait({work, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            agent.leave()
            if not await agent.wait_until_idle(settings.shutdown_s):
                _log.warning("requests are cut: they did not end within %g s", settings.shutdown_s)
    finally:
        ending.cancel()
        if not work.done():
            work.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        await runner.cleanup()
    try:
        await work
    except asyncio.CancelledError:
        _log.info("ended")


async def _work(agent: Agent, renewal: Renewal | None) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(agent.run())
        if renewal is not None:
            tasks.create_task(renewal.run())

"""From process start to exit code, as vLLM behaves and not as one would wish.

SIGTERM while starting is swallowed, and the process then never serves: it ends when its own
ready timeout does, or by SIGKILL. SIGTERM while serving drains for `--shutdown-timeout`, or
aborts at once if that is 0. SIGUSR1 kills the engine: /health says 503 for a moment, then the
process exits with 0, so 0 never means that somebody wanted it to stop.
"""

import asyncio
import signal
import sys

from aiohttp import web

from costwain.stub.args import Settings
from costwain.stub.sequence import ABORT, ERROR
from costwain.stub.server import Mode, Server

# How long /health answers 503 after the engine has died, in wall seconds.
_DEATH_S = 0.1
# Handlers that have their answer get this long to write it, in wall seconds.
_FLUSH_S = 2.0
# vLLM closes a connection that was idle for so long, in wall seconds.
_KEEP_ALIVE_S = 5.0


class _Signals:
    """What the process was told, each once."""

    def __init__(self) -> None:
        self.terminate = asyncio.Event()
        self.die = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.terminate.set)
        loop.add_signal_handler(signal.SIGUSR1, self.die.set)

    async def any(self) -> None:
        waits = [asyncio.ensure_future(event.wait()) for event in (self.terminate, self.die)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def run(settings: Settings) -> int:
    """Starts, serves until told otherwise, and returns the exit code."""
    signals = _Signals()
    failed = await _start(settings, signals)
    if failed is not None:
        return failed
    server = Server(settings)
    runner = web.AppRunner(
        server.app(),
        access_log=None,
        handler_cancellation=True,  # a client that leaves frees its place in the batch
        keepalive_timeout=_KEEP_ALIVE_S,
        shutdown_timeout=_FLUSH_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=2048).start()
    except OSError as error:
        _log(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
        return 1
    for site in runner.addresses:
        _log(f"Starting vLLM server on http://{site[0]}:{site[1]}")
    _log("Application startup complete.")
    await signals.any()
    await _stop(settings, server, died=signals.die.is_set())
    await runner.cleanup()
    return 0


async def _start(settings: Settings, signals: _Signals) -> int | None:
    """Passes the start-up time with the port closed; an exit code if it ends badly."""
    _log(f"Starting to load model {settings.model}...")
    timeout_s = settings.ready_timeout_s
    starts = settings.fail == "" and settings.startup_s <= timeout_s
    if settings.fail.startswith("exit-"):
        await _sleep(settings, min(settings.startup_s, timeout_s))
        _log("Engine core initialization failed. See root cause above.")
        return int(settings.fail.removeprefix("exit-"))
    if starts:
        await _sleep(settings, settings.startup_s)
        if not signals.terminate.is_set():
            _log(f"KV cache size: {settings.kv_tokens:,} tokens")
            return None
        timeout_s -= settings.startup_s
    await _sleep(settings, timeout_s)
    _log("Timed out waiting for the engine core to start.")
    return 1


async def _stop(settings: Settings, server: Server, *, died: bool) -> None:
    if died:
        server.mode = Mode.DEAD
        server.pump.end_all(ERROR)
        await asyncio.sleep(_DEATH_S)
        return
    server.mode = Mode.DRAINING
    if settings.shutdown_timeout_s == 0:
        server.pump.end_all(ABORT)
    elif not await server.pump.drained(settings.shutdown_timeout_s):
        _log(f"Shutdown timeout of {settings.shutdown_timeout_s:g} s is over.")
        server.pump.end_all(ERROR)


async def _sleep(settings: Settings, fleet_s: float) -> None:
    await asyncio.sleep(settings.clock.wall_duration_s(fleet_s))


def _log(line: str) -> None:
    sys.stderr.write(f"INFO {line}\n")
    sys.stderr.flush()

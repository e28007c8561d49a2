"""Processes of containers: started in a group of their own, awaited without threads, killed with their group."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from costwain.local.node import guard

MARK = "COSTWAIN_NODE_ROOT"  # the manager's folder, in the environment of every process it starts

_KILL_WAIT_S = 10  # after SIGKILL only the kernel is in the way


class Process:
    """One running container process; must be made inside a running event loop."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(popen.pid)
        self._loop.add_reader(self._pidfd, self._on_end)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def terminate(self) -> None:
        """SIGTERM to the first process only, as a container runtime does."""
        if not self.ended.done():
            self._popen.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        if not self.ended.done():
            _kill_group(self.pid)

    async def exit_code(self) -> int:
        """Waits for the end; may be awaited by many and cancelled freely."""
        return await asyncio.shield(self.ended)

    async def destroy(self) -> int:
        """Kills what is left of it and returns its exit code; raises TimeoutError if SIGKILL takes over 10 s."""
        self.kill()
        async with asyncio.timeout(_KILL_WAIT_S):
            return await self.exit_code()

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        # Still a zombie here, so its number can't be another group's yet. A pid namespace would end the same way.
        _kill_group(self.pid)
        code = self._popen.wait()
        if not self.ended.done():
            self.ended.set_result(128 - code if code < 0 else code)


def start(argv: Sequence[str], env: Mapping[str, str], folder: Path, log: Path) -> Process:
    """Starts argv in `folder`, its output appended to `log`; raises OSError where it can't be executed."""
    with log.open("ab") as output:
        popen = subprocess.Popen(
            argv,
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Process(popen)


async def run_to_end(process: Process, timeout_s: float) -> int:
    """The exit code of a command on the side, such as an exec probe; raises TimeoutError after killing it."""
    try:
        async with asyncio.timeout(timeout_s):
            return await process.exit_code()
    finally:
        await process.destroy()


class Guard:
    """A small process that outlives the manager just long enough to kill its containers."""

    def __init__(self, root: Path) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, MARK, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            start_new_session=True,  # Ctrl-C at the terminal is for the manager alone
        )

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll()

    def close(self) -> None:
        """Lets the guard do its last round; raises subprocess.TimeoutExpired if that takes over 15 s."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait(timeout=15)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)

"""Processes that outlive the command which started them, and are never mistaken for others.

A pid alone isn't an identity: the kernel gives it out again. A Process holds the pid with the boot
and the clock tick of its start, and signals go through a pidfd that was opened before the two were
compared, so that no signal can reach a stranger. Linux only.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_PROC = Path("/proc")
_KILL_WAIT_S = 10  # after SIGKILL only the kernel is in the way

Ending = Literal["was not running", "stopped", "killed"]


@dataclass(frozen=True)
class Process:
    """One process of this machine; `started` names the boot and the tick (1/100 s) of its start."""

    pid: int
    started: str


def spawn(argv: Sequence[str], log: Path, env: Mapping[str, str]) -> Process:
    """Starts argv in a session of its own, its output appended to log; raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        argv[0],
        list(argv),
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # Ctrl-C in the terminal is for the command, not for the cluster
    )
    # A child that has ended already is a zombie until we ask, so its identity can be read in any case.
    return Process(pid, _started(pid) or "")


def is_alive(process: Process) -> bool:
    """Whether this very process runs; a zombie does not."""
    with _pidfd(process) as fd:
        return fd is not None


def first_to_end(processes: Sequence[Process], timeout_s: float) -> Process | None:
    """Waits until one of them has ended and returns it; None after timeout_s seconds with all alive."""
    with contextlib.ExitStack() as stack:
        poll, by_fd = select.poll(), {}
        for process in processes:
            fd = stack.enter_context(_pidfd(process))
            if fd is None:
                return process
            poll.register(fd, select.POLLIN)
            by_fd[fd] = process
        ready = poll.poll(timeout_s * 1000)
        return by_fd[ready[0][0]] if ready else None


def stop(process: Process, deadline_s: float) -> Ending:
    """SIGTERM, and SIGKILL after deadline_s seconds; raises TimeoutError if even that doesn't end it."""
    with _pidfd(process) as fd:
        if fd is None:
            return "was not running"
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        if _ends(fd, deadline_s):
            _reap(process.pid)
            return "stopped"
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        if not _ends(fd, _KILL_WAIT_S):
            raise TimeoutError(f"process {process.pid} lives {_KILL_WAIT_S} s after SIGKILL")
        _reap(process.pid)
        return "killed"


def memory_bytes(process: Process) -> int | None:
    """Resident memory; None where the process isn't running."""
    if not is_alive(process):
        return None
    with contextlib.suppress(OSError):
        for line in (_PROC / str(process.pid) / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return None


def marked(variable: str, value: str) -> list[Process]:
    """Every process of ours whose environment at its start had variable=value."""
    wanted, found = f"{variable}={value}".encode(), []
    for folder in _PROC.iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                pid = int(folder.name)
                started = _started(pid)
                if started is not None:
                    found.append(Process(pid, started))
    return found


@contextlib.contextmanager
def _pidfd(process: Process) -> Iterator[int | None]:
    """A handle on this very process, or None where it has ended."""
    try:
        fd = os.pidfd_open(process.pid)
    except (ProcessLookupError, ValueError, OverflowError):
        yield None
        return
    try:
        # Opened first, compared second: if the pid had changed hands in between, the comparison fails.
        same = _started(process.pid) == process.started
        if not same:
            _reap(process.pid)
        yield fd if same else None
    finally:
        os.close(fd)


def _ends(fd: int, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # started by an earlier command: init reaps it
        os.waitpid(pid, os.WNOHANG)


def _started(pid: int) -> str | None:
    """Boot and start tick of the process that has this pid now; None for none and for a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the command's name may hold spaces and parentheses
    if fields[0] in "ZX":
        return None
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{fields[19]}"

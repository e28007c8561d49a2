"""Ends what a dead manager left behind: run as a script, `guard.py VARIABLE VALUE`, it waits for the end of its input.

The manager holds the other end of that pipe, so even its SIGKILL is seen at once. Every process of a
container carries VARIABLE=VALUE in its environment; the guard kills those that do. A parent-death signal
would reach only a container's first process, and only if a thread, not the process, had died.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator

_DEADLINE_S = 10.0
_PAUSE_S = 0.02


def marked(variable: str, value: str) -> Iterator[int]:
    """The ids of processes whose environment at their start had variable=value, except the caller's own."""
    wanted = f"{variable}={value}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open(f"/proc/{entry}/environ", "rb") as file:
                    found = wanted in file.read().split(b"\0")
            except OSError:  # gone meanwhile, or another user's
                continue
            if found:
                yield int(entry)


def kill_marked(variable: str, value: str) -> int:
    """Kills them until none is left and says how many died; raises TimeoutError after 10 s."""
    killed: set[int] = set()
    deadline = time.monotonic() + _DEADLINE_S
    while left := list(marked(variable, value)):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{variable}={value}: processes {left} outlive SIGKILL for {_DEADLINE_S:g} s")
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            killed.add(pid)
        time.sleep(_PAUSE_S)
    return len(killed)


if __name__ == "__main__":
    sys.stdin.buffer.read()
    kill_marked(sys.argv[1], sys.argv[2])

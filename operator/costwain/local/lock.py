"""One command at a time on a folder; the kernel frees the lock with its process, so a kill leaves none stale."""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from costwain.local.errors import LocalError

Say = Callable[[str], None]
_POLL_S = 0.2
_SAY_EVERY_S = 10


@contextlib.contextmanager
def locked(folder: Path, deadline_s: float, say: Say) -> Iterator[None]:
    """Makes the folder where need be and holds its lock; raises LocalError after deadline_s seconds of waiting."""
    start_s, next_say_s = time.monotonic(), 0.0
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _try_lock(fd) and _is_still(folder, fd):
                yield
                return
        finally:
            os.close(fd)
        waited_s = time.monotonic() - start_s
        if waited_s > deadline_s:
            raise LocalError(f"{folder}: another command still works on it after {deadline_s:.0f} s")
        if waited_s >= next_say_s:
            say(f"waiting for another command that works on {folder} ... {waited_s:.0f} s")
            next_say_s += _SAY_EVERY_S
        threading.Event().wait(_POLL_S)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(folder: Path, fd: int) -> bool:
    # The holder before us may have deleted the folder, and someone made a new one: then we hold the wrong one.
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(folder.stat(), os.fstat(fd))
    return False

"""What tests of every level share: waiting for a condition with a deadline."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
_POLL_S = 0.05


def eventually(fn: Callable[[], T], timeout_s: float, what: str) -> T:
    """Calls fn until its answer is true, and returns that; fails with `what` after timeout_s seconds."""
    deadline_s, pause = time.monotonic() + timeout_s, threading.Event()
    while not (answer := fn()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what} (last answer: {answer!r})"
        pause.wait(_POLL_S)
    return answer


async def eventually_async(fn: Callable[[], Awaitable[T]], timeout_s: float, what: str) -> T:
    """The same for a coroutine function."""
    deadline_s, pause = time.monotonic() + timeout_s, asyncio.Event()
    while not (answer := await fn()):
        assert time.monotonic() < deadline_s, f"not within {timeout_s:g} s: {what} (last answer: {answer!r})"
        try:
            await asyncio.wait_for(pause.wait(), _POLL_S)
        except TimeoutError:
            continue
    return answer

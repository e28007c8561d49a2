"""Drives the engine from the event loop: one timer, whatever the number of requests."""

import asyncio

from costwain.adapters.clock import Clock
from costwain.stub.engine import Engine
from costwain.stub.sequence import Sequence

# With a fast clock many iterations pass in a tick, and their tokens leave in one write.
_TICK_S = 0.010
# A first or a last token is what clients measure, so it waits less.
_PROMPT_TICK_S = 0.001


class Pump:
    """Keeps the engine abreast of the clock. Wall seconds outside, fleet seconds inside."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, sequence: Sequence) -> None:
        """Hands a sequence to the engine, which is brought up to its arrival first."""
        self._engine.advance(sequence.arrived_s)
        self._engine.submit(sequence)
        self._idle.clear()
        self._schedule()

    def drop(self, sequence: Sequence) -> None:
        """Tells the engine that a client has gone."""
        if sequence.ended is None:
            self._engine.drop(sequence)
            self._schedule()

    def end_all(self, reason: str) -> None:
        """Ends all that is left, after what was due by now."""
        self._engine.advance(self._clock.now_s())
        self._engine.end_all(reason)
        self._schedule()

    async def drained(self, timeout_s: float) -> bool:
        """Waits until the engine is idle, fleet seconds at most; says whether it is."""
        try:
            await asyncio.wait_for(self._idle.wait(), self._clock.wall_duration_s(timeout_s))
        except TimeoutError:
            return False
        return True

    def _tick(self) -> None:
        self._timer = None
        self._engine.advance(self._clock.now_s())
        self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._engine.wakes_s()
        if due is None:
            self._idle.set()
            return
        now_s = self._clock.now_s()
        step_s, event_s = (self._clock.wall_duration_s(at_s - now_s) for at_s in due)
        delay_s = min(max(step_s, _TICK_S), max(event_s, _PROMPT_TICK_S))
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

"""The probes of one running container."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from costwain.local.node.probes import KINDS, ProbeSpec, Tally, kills, may_run
from costwain.local.node.probing import Actor

_log = logging.getLogger(__name__)
Kill = Callable[[int | None], Awaitable[None]]


class Health:
    """Whether a container has started and is ready; `kill` ends it when a probe says so."""

    def __init__(self, actor: Actor, changed: Callable[[], None], kill: Kill) -> None:
        self._actor, self._changed, self._kill = actor, changed, kill
        self._specs = [spec for kind in KINDS if (spec := ProbeSpec.of(actor.container, kind))]
        present = {spec.kind for spec in self._specs}
        self.leaving = False  # its pod is being deleted: only readiness is still asked
        self._passed_startup = asyncio.Event()
        self._readiness = "readiness" not in present
        if "startup" not in present:
            self._passed_startup.set()

    @property
    def started(self) -> bool:
        return self._passed_startup.is_set()

    @property
    def ready(self) -> bool:
        return self.started and self._readiness

    async def watch_until(self, ending: Coroutine[Any, Any, int]) -> int:
        """Probes until `ending` has a result, and returns that."""
        async with asyncio.TaskGroup() as tasks:
            probes = [tasks.create_task(self._follow(spec)) for spec in self._specs]
            code = await ending
            for probe in probes:
                probe.cancel()
        return code

    async def _follow(self, spec: ProbeSpec) -> None:
        """Asks one probe as long as the container runs, or until its verdict ends the asking."""
        tally = Tally.fresh(spec.kind)
        await asyncio.sleep(spec.initial_delay_s)
        if spec.kind != "startup":
            await self._passed_startup.wait()  # then at once, so that readiness doesn't wait for a period
        while not (self.leaving and spec.kind != "readiness"):
            asked_s = time.monotonic()
            if may_run(spec.kind, self.started):
                success, found = await self._actor.probe(spec)
                turned = tally.answered(success, spec)
                self._tell(spec, tally, turned, found)
                tally = turned
                if kills(spec.kind, tally):
                    await self._kill(spec.grace_s)
                    return
                if spec.kind == "startup" and tally.passing:
                    return
            await asyncio.sleep(max(0, spec.period_s - (time.monotonic() - asked_s)))

    def _tell(self, spec: ProbeSpec, before: Tally, now: Tally, found: str) -> None:
        if now.passing is before.passing:
            return
        _log.info("%s probe of %s: %s", spec.kind, self._actor.container["name"], found)
        if spec.kind == "startup" and now.passing:
            self._passed_startup.set()
        elif spec.kind == "readiness":
            self._readiness = bool(now.passing)
        self._changed()

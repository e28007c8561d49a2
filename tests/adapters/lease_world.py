"""A pretended API server with one Lease, and time that passes only when told to."""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from costwain.adapters.kube import ApiError
from costwain.adapters.lease import Lease, LeaseTime
from costwain.adapters.resources import Resource

Object = dict[str, Any]
T = TypeVar("T")
WALL_S = 1_700_000_000.0


@dataclass
class World:
    """Time that passes only when told to, and an API server with one Lease; `script` is what goes wrong, call by call.

    A step is None (works), "down" (no answer), "lost" (done, but the answer is lost) or seconds that the call takes.
    """

    now_s: float = 100.0
    stored: Object | None = None
    version: int = 0
    script: list[str | float | None] = field(default_factory=list)

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return await self._call(lambda: copy.deepcopy(self.stored))

    async def create(self, manifest: Object) -> Object:
        return await self._call(lambda: self._store(manifest, None))

    async def replace(self, manifest: Object, subresource: str | None = None) -> Object:
        return await self._call(lambda: self._store(manifest, manifest["metadata"]["resourceVersion"]))

    async def _call(self, work: Callable[[], T]) -> T:
        step = self.script.pop(0) if self.script else None
        if step == "down":
            raise TimeoutError
        if isinstance(step, float):
            self.now_s += step
        answer = work()
        if step == "lost":
            raise TimeoutError
        return answer

    def _store(self, manifest: Object, version: str | None) -> Object:
        held = self.stored and self.stored["metadata"]["resourceVersion"]
        if held != version:
            raise ApiError(409, "Conflict", "the object has been modified")
        self.version += 1
        self.stored = copy.deepcopy(manifest)
        self.stored["metadata"]["resourceVersion"] = str(self.version)
        return self.stored

    async def sleep(self, duration_s: float) -> None:
        self.now_s += duration_s

    def contender(
        self, name: str, ahead_s: float = 0, sleep: Callable[[float], Awaitable[None]] | None = None
    ) -> Lease:
        """A contender whose clocks are ahead of the others' by so many seconds."""
        clocks = LeaseTime(lambda: self.now_s + ahead_s, lambda: WALL_S + self.now_s + ahead_s, sleep or self.sleep)
        return Lease(self, "costwain", name, clocks=clocks)

    @property
    def spec(self) -> Object:
        assert self.stored is not None
        spec: Object = self.stored["spec"]
        return spec

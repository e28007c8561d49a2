"""Who may write: one holder of a Lease at a time, judged by a monotonic clock.

A Lease fences nothing by itself. So the holder asks `is_leader()` right before each write, its belief ends
5 s before another may take over, and its `epoch` goes into what it writes.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import aiohttp

from costwain.adapters.kube import ApiError
from costwain.adapters.resources import LEASES, Resource

LEASE_NAME = "costwain-operator"
_RELEASE_TRIES = 3

_log = logging.getLogger(__name__)

Object = dict[str, Any]


class LeaseApi(Protocol):
    """What of the Kubernetes client a Lease needs; `replace` is a compare-and-swap on resourceVersion."""

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None: ...
    async def create(self, manifest: Object) -> Object: ...
    async def replace(self, manifest: Object, subresource: str | None = None) -> Object: ...


@dataclass(frozen=True)
class Timings:
    """Seconds of wall time; with less than these a busy machine loses a lease that nobody else wants.

    Others wait `duration_s` after the last renewal that they saw; the holder stops `renew_deadline_s`
    after it asked for its last one; both ask every `retry_s`. Raises ValueError unless they leave a gap.
    """

    duration_s: int = 15
    renew_deadline_s: float = 10
    retry_s: float = 2

    def __post_init__(self) -> None:
        if not 0 < self.retry_s < self.renew_deadline_s < self.duration_s:
            raise ValueError(f"lease timings: want 0 < retry_s < renew_deadline_s < duration_s (found {self})")


@dataclass(frozen=True)
class LeaseTime:
    """The clocks: `monotonic_s` decides, `wall_s` only stamps what people and the ledger read."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Lease:
    """One contender for one Lease object.

    `epoch` is the object's leaseTransitions: it rises with each takeover. `last_renewed_wall_s` is the previous
    holder's last renewal (unix seconds), up to which an operator was surely watching; None before a takeover,
    and where there was no holder before.
    """

    def __init__(
        self,
        kube: LeaseApi,
        namespace: str,
        identity: str,
        name: str = LEASE_NAME,
        *,
        timings: Timings | None = None,
        clocks: LeaseTime | None = None,
    ) -> None:
        self._kube, self._namespace, self._name = kube, namespace, name
        self._timings, self._clocks = timings or Timings(), clocks or LeaseTime()
        # Another process may come back under the same pod name; it is another holder nevertheless.
        self.identity = f"{identity}_{secrets.token_hex(4)}"
        self.epoch: int | None = None
        self.last_renewed_wall_s: float | None = None
        self._valid_until_s = float("-inf")
        self._seen: tuple[object, ...] | None = None
        self._seen_at_s = 0.0
        self._trouble = ""

    def is_leader(self) -> bool:
        """Whether this process may write at this instant."""
        return self._clocks.monotonic_s() < self._valid_until_s

    async def acquire(self) -> None:
        """Returns once this process leads, however long that takes."""
        while not await self.attempt():
            await self._clocks.sleep(self._timings.retry_s)
        _log.info("lease %s: held by %s, epoch %s", self._name, self.identity, self.epoch)

    async def hold(self) -> None:
        """Renews until the lease is lost, then returns: the process must end without another write."""
        while self.is_leader():
            await self._clocks.sleep(self._timings.retry_s)
            if self.is_leader():  # woken too late: a renewal that still succeeds would hide a gap
                await self.attempt()
        _log.error("lease %s: lost by %s", self._name, self.identity)

    async def attempt(self) -> bool:
        """One try to take or renew; false where another holds it or the API server doesn't answer."""
        sent_s = self._clocks.monotonic_s()
        try:
            async with asyncio.timeout(self._timings.duration_s - self._timings.renew_deadline_s):
                taken = await self._take(sent_s)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            self._tell(f"{type(error).__name__}: {error}")
            return False
        self._tell("")
        return taken

    async def release(self) -> None:
        """Lets the next one in at once; call it when nothing of this process can write any more.

        A failure is no error: the lease then runs out by itself.
        """
        self._valid_until_s = float("-inf")
        for _ in range(_RELEASE_TRIES):  # a renewal that was under way may come in between
            try:
                async with asyncio.timeout(self._timings.retry_s):
                    if await self._give_back():
                        return
            except (ApiError, aiohttp.ClientError, TimeoutError) as error:
                _log.warning("lease %s: not released (%s: %s)", self._name, type(error).__name__, error)

    async def _take(self, sent_s: float) -> bool:
        lease = await self._kube.get(LEASES, self._name, self._namespace)
        if lease is None:
            await self._kube.create(self._manifest({}, transitions=0))
            return self._taken(sent_s, epoch=0)
        spec = lease.get("spec", {})
        holder = spec.get("holderIdentity") or ""
        mine = holder == self.identity
        if holder and not mine and not self._has_run_out(spec, sent_s):
            self._valid_until_s = float("-inf")
            return False
        if not mine:
            self.last_renewed_wall_s = _unix_s(spec.get("renewTime"))
        epoch = int(spec.get("leaseTransitions") or 0) + (not mine)
        await self._kube.replace(self._manifest(lease, transitions=epoch))
        return self._taken(sent_s, epoch)

    def _has_run_out(self, spec: Object, sent_s: float) -> bool:
        """Counts from when this process first saw the renewal: the holder's clock may be anywhere."""
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at_s = seen, self._clocks.monotonic_s()
        duration_s = spec.get("leaseDurationSeconds") or self._timings.duration_s
        return sent_s >= self._seen_at_s + duration_s

    def _taken(self, sent_s: float, epoch: int) -> bool:
        # From before the request: others count from when they see the renewal, which is later.
        self._valid_until_s = sent_s + self._timings.renew_deadline_s
        self.epoch = epoch
        return True

    async def _give_back(self) -> bool:
        lease = await self._kube.get(LEASES, self._name, self._namespace)
        if lease is None or lease.get("spec", {}).get("holderIdentity") != self.identity:
            return True
        transitions = int(lease["spec"].get("leaseTransitions") or 0)
        manifest = self._manifest(lease, transitions)
        del manifest["spec"]["holderIdentity"]
        await self._kube.replace(manifest)
        return True

    def _manifest(self, lease: Object, transitions: int) -> Object:
        """The object as this process holds it; acquireTime stays while the holder does."""
        now, old = _micro_time(self._clocks.wall_s()), lease.get("spec", {})
        mine = old.get("holderIdentity") == self.identity
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": lease.get("metadata", {"name": self._name, "namespace": self._namespace}),
            "spec": {
                "holderIdentity": self.identity,
                "leaseDurationSeconds": self._timings.duration_s,
                "acquireTime": old["acquireTime"] if mine else now,
                "renewTime": now,
                "leaseTransitions": transitions,
            },
        }

    def _tell(self, trouble: str) -> None:
        """Logs what keeps this process from the lease, once as long as it is the same."""
        if trouble and trouble != self._trouble:
            _log.warning("lease %s: %s", self._name, trouble)
        self._trouble = trouble


def _micro_time(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _unix_s(micro_time: str | None) -> float | None:
    return datetime.fromisoformat(micro_time).timestamp() if micro_time else None

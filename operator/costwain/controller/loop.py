"""The loop: observe, decide, act, again and again. The one place where any error is caught and survived."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import aiohttp

from costwain.adapters.clock import Clock
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.ledger import Key, LedgerConflictError, Ledgers
from costwain.adapters.prometheus import Prometheus
from costwain.adapters.recorder import Recorder
from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    DEPLOYMENTS,
    INFERENCE_BUDGETS,
    MODEL_DEPLOYMENTS,
    NODES,
    PODS,
    SCALERS,
)
from costwain.controller.act import act
from costwain.controller.apply import Applier
from costwain.controller.budgets import labels_of, report_budgets
from costwain.controller.cache import Cache
from costwain.controller.hands import Hands
from costwain.controller.load import Loads
from costwain.controller.observe import Known, Parsed, observe, pools, replicas_by_fleet
from costwain.controller.pods import bill_of
from costwain.controller.refusals import refuse, report_pools
from costwain.controller.settings import Settings
from costwain.controller.statuses import Statuses
from costwain.decide import decide
from costwain.decide.metering import Watch, labelled, meter
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Snapshot

_log = logging.getLogger(__name__)
_MANAGED = f"{names.MANAGED_BY}={names.FIELD_MANAGER}"
WATCHED = (
    (MODEL_DEPLOYMENTS, None),
    (ACCELERATOR_POOLS, None),
    (INFERENCE_BUDGETS, None),
    (NODES, None),
    (PODS, _MANAGED),
    (DEPLOYMENTS, _MANAGED),
)
TROUBLE = (ApiError, aiohttp.ClientError, TimeoutError, LedgerConflictError)


class Loop:
    """Turns while this process leads; `wake` brings the next turn forward."""

    def __init__(self, kube: Kube, session: aiohttp.ClientSession, clock: Clock, settings: Settings) -> None:
        applier = Applier(kube)
        self.cache, self._clock, self._settings, self._kube = Cache(), clock, settings, kube
        prometheus = Prometheus(settings.prometheus_url) if settings.prometheus_url else None
        self._loads, self._ledgers = Loads(session, clock, prometheus), Ledgers(kube)
        statuses = Statuses(applier, settings.status_every_s)
        self._hands = Hands(kube, self.cache, clock, settings, applier, statuses, self._loads)
        folder = settings.record_dir
        self._recorder = Recorder(Path(folder), settings.record_turns) if folder else None
        self._parsed, self._memories = Parsed(), dict[str, Memory]()
        self._woken = asyncio.Event()
        self._watched_until_wall_s = 0.0
        self.turned_at_s: float | None = None  # monotonic; the liveness probe asks

    def wake(self) -> None:
        """Something changed: the next turn comes soon."""
        self._woken.set()

    async def run(self, is_leader: Callable[[], bool], epoch: int, mark_wall_s: float | None) -> None:
        """Turns until the lease is lost; `mark_wall_s`: up to when an operator before this one was watching."""
        self._watched_until_wall_s = mark_wall_s or 0.0
        await self._persist("start", self._start)
        # A Lease that somebody deleted counts from 0 again; the ledgers remember.
        epoch = max([epoch, *(ledger.epoch for ledger in self._ledgers.all.values())])
        listed_s = time.monotonic()
        while is_leader():
            try:
                if time.monotonic() - listed_s >= self._settings.relist_s:
                    await self._relist()
                    self._hands.applier.forget()
                    listed_s = time.monotonic()
                await self.turn(is_leader, epoch)
            except TROUBLE as error:
                _log.warning("turn: %s: %s", type(error).__name__, error)
            except Exception:  # the outermost loop: a bug in one turn must not end the metering of all
                _log.exception("turn: unexpected error, going on")
            self.turned_at_s = time.monotonic()
            await self._until_woken()

    async def turn(self, is_leader: Callable[[], bool], epoch: int) -> None:
        """One turn: read, meter, decide, act."""
        wall_s = time.time()
        loads = await self._loads.turn(self.cache)
        await self._meter(epoch)
        known = Known(loads, self._ledgers.all, self._memories, self._loads.work)
        snapshot, refused = observe(self.cache, self._parsed, known, self._clock)
        plan = decide(snapshot)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.keep, snapshot, plan)
        for fleet_plan in plan.fleets:
            if not is_leader():
                return
            await self._act(fleet_plan, snapshot, epoch)
        self._memories = {uid: m for uid, m in self._memories.items() if uid in {f.uid for f in snapshot.fleets}}
        # Last, since it only tells: what the API server refuses here keeps no fleet waiting.
        for key, sentence in refused.items():
            await refuse(self._hands, key, sentence, wall_s)
        await report_pools(self._hands, snapshot.pools, wall_s)
        await report_budgets(self._hands, plan.budgets, wall_s)

    async def _act(self, plan: FleetPlan, snapshot: Snapshot, epoch: int) -> None:
        """One fleet; what the API server refuses for it doesn't keep the others waiting."""
        fleet = next(f for f in snapshot.fleets if f.key == plan.key)
        try:
            if sum(plan.replicas.values()) > sum(fleet.deployed.values()):  # a grant: fenced by the ledger's epoch
                await self._fence(fleet.key, epoch)
            await act(self._hands, fleet, plan, snapshot, time.time())
            self._memories[fleet.uid] = plan.memory
        except (*TROUBLE, ValueError) as error:
            _log.warning("%s/%s: %s: %s", fleet.namespace, fleet.name, type(error).__name__, error)

    async def _fence(self, key: Key, epoch: int) -> None:
        ledger = self._ledgers.all.get(key)
        if ledger is None or ledger.epoch != epoch:
            await self._ledgers.save(key, ledger or SpendLedgerSpec(), epoch)

    async def _meter(self, epoch: int) -> None:
        """Brings every ledger up to what the pods say; written before anything is granted."""
        replicas, standing = replicas_by_fleet(self.cache, pools(self.cache), self._clock), pools(self.cache)
        watch = Watch(
            now_s=self._clock.now_s(),
            watched_until_s=self._clock.fleet_s(self._watched_until_wall_s),
            gone_s={uid: self._clock.fleet_s(at) for uid, at in self.cache.gone_wall_s.items()},
        )
        for key in sorted({*replicas, *self._ledgers.all}):
            before = self._ledgers.all.get(key, SpendLedgerSpec())
            bills = [bill for r in replicas.get(key, ()) if (bill := bill_of(r, standing.get(r.pool))) is not None]
            after = meter(before, bills, watch)
            if key in self._ledgers.all or after is not before:
                after = labelled(after, labels_of(self.cache, key), watch.now_s)
            if after is not before:
                await self._ledgers.save(key, after, epoch)
                self.cache.forget({line.uid for line in before.open} - {line.uid for line in after.open})

    async def _start(self) -> None:
        await self._ledgers.load()
        await self._relist()

    async def _relist(self) -> None:
        """Lists replace the cache: a watch never says what went while it was broken."""
        wall_s = time.time()
        for resource, selector in (*WATCHED, (SCALERS, None)):
            items, _ = await self._kube.list(resource, selector=selector)
            self.cache.replace(resource, _typed(items, resource.api_version, resource.kind), wall_s)
        if self.turned_at_s is not None:
            self._watched_until_wall_s = wall_s

    async def _persist(self, what: str, call: Callable[[], object]) -> None:
        """Repeats a call until the API server answers; says why it waits."""
        pause_s = 1.0
        while True:
            try:
                await call()  # type: ignore[misc]
                return
            except TROUBLE as error:
                _log.warning("%s: %s: %s: again in %.0f s", what, type(error).__name__, error, pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, 30.0)

    async def _until_woken(self) -> None:
        try:
            async with asyncio.timeout(self._settings.turn_s):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._settings.debounce_s)
        self._woken.clear()


def _typed(items: Iterable[dict[str, object]], api_version: str, kind: str) -> list[dict[str, object]]:
    """Items of a list come without their kind."""
    return [{"apiVersion": api_version, "kind": kind, **item} for item in items]

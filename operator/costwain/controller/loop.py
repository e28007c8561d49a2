"""The loop: observe, decide, act, again and again. The one module in which any error is caught and survived."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path

import aiohttp

from costwain.adapters.clock import Clock
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.ledger import Key, LedgerConflictError, Ledgers
from costwain.adapters.recorder import Recorder
from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    DEPLOYMENTS,
    INFERENCE_BUDGETS,
    MODEL_DEPLOYMENTS,
    NODES,
    PODS,
    SCALERS,
    TOLD,
)
from costwain.controller.act import act
from costwain.controller.apply import Applier
from costwain.controller.budgets import labels_of, report_budgets
from costwain.controller.cache import Cache
from costwain.controller.hands import Hands
from costwain.controller.load import Loads
from costwain.controller.observe import Known, Parsed, Standing, observe, standing
from costwain.controller.pods import bill_of
from costwain.controller.refusals import refuse, report_pools
from costwain.controller.settings import Settings
from costwain.controller.statuses import Statuses
from costwain.controller.stirred import Stirred
from costwain.decide import decide
from costwain.decide.gathered import Unheard, gathered
from costwain.decide.metering import Watch, labelled, meter
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.plan import FleetPlan, Plan
from costwain.domain.snapshot import Fleet, Snapshot

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
AT_A_TIME = 8  # fleets that are acted on
TROUBLE = (ApiError, aiohttp.ClientError, TimeoutError, LedgerConflictError)


class Loop:
    """Turns while this process leads; `wake` brings the next turn forward."""

    def __init__(self, kube: Kube, loads: Loads, clock: Clock, settings: Settings) -> None:
        applier = Applier(kube, settings.relist_s)
        self.cache, self._clock, self._settings, self._kube = Cache(), clock, settings, kube
        self._loads, self._ledgers = loads, Ledgers(kube)
        statuses = Statuses(applier, settings.status_every_s)
        self._hands = Hands(kube, self.cache, clock, settings, applier, statuses, self._loads)
        folder = settings.record_dir
        self._recorder = Recorder(Path(folder), settings.record_turns) if folder else None
        self._parsed, self._memories = Parsed(), dict[str, Memory]()
        self._unheard, self._stirred = dict[str, Unheard](), Stirred()
        self._woken = asyncio.Event()
        self._watched_until_wall_s = 0.0
        self.turned_at_s: float | None = None  # monotonic; the liveness probe asks

    def wake(self, of: Key | None = None) -> None:
        """Something changed of a fleet, or for all of them: the next turn comes soon and decides on those."""
        self._stirred.add(of)
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
                    listed_s = time.monotonic()
                await self._timed(self.turn(is_leader, epoch))
            except TROUBLE as error:
                _log.warning("turn: %s: %s", type(error).__name__, error)
            except Exception:  # the outermost loop: a bug in one turn must not end the metering of all
                _log.exception("turn: unexpected error, going on")
            self.turned_at_s = time.monotonic()
            await self._until_woken()

    async def _timed(self, turn: Coroutine[None, None, None]) -> None:
        """Waits for a turn, and says when it took longer than turns are apart: everything is decided later then."""
        began_s = time.monotonic()
        await turn
        took_s = time.monotonic() - began_s
        if took_s > self._settings.turn_s:
            fleets, every_s = len(self.cache.all(MODEL_DEPLOYMENTS)), self._settings.turn_s
            _log.warning("turn: took %.1f s for %d fleets, where one is due every %.1f s", took_s, fleets, every_s)

    async def turn(self, is_leader: Callable[[], bool], epoch: int) -> None:
        """One turn: read, meter, decide, act."""
        wall_s = time.time()
        self._hands.applier.begin(time.monotonic())
        loads = await self._loads.turn(self.cache)
        seen = standing(self.cache, self._parsed, self._clock, self._loads.work)
        await self._meter(seen, epoch)
        known = Known(loads, self._ledgers.all, self._memories)
        snapshot, refused = observe(self.cache, self._parsed, seen, known, self._clock.now_s())
        snapshot, self._unheard = gathered(self._unheard, self._stirred.taken(snapshot))
        plan = decide(snapshot)
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.keep, snapshot, plan)
        await self._act_on_all(plan, snapshot, is_leader, epoch)
        if not is_leader():
            return
        told = (obj for kind in TOLD for obj in self.cache.all(kind).values())
        self._hands.statuses.only({obj["metadata"]["uid"] for obj in told})
        uids = {fleet.uid for fleet in snapshot.fleets}
        self._memories = {uid: memory for uid, memory in self._memories.items() if uid in uids}
        # Last, since it only tells: what the API server refuses here keeps no fleet waiting.
        for key, sentence in refused.items():
            await refuse(self._hands, key, sentence, wall_s)
        await report_pools(self._hands, snapshot.pools, wall_s)
        await report_budgets(self._hands, plan.budgets, wall_s)

    async def _act_on_all(self, plan: Plan, snapshot: Snapshot, is_leader: Callable[[], bool], epoch: int) -> None:
        """Acts on some fleets at a time, in the plan's order: one whose writes take long keeps no other waiting."""
        fleets = {fleet.key: fleet for fleet in snapshot.fleets}
        plans = iter(plan.fleets)

        async def act_on_the_next() -> None:
            for fleet_plan in plans:
                await asyncio.sleep(0)  # the lease is renewed and watches are heard in between
                if not is_leader():
                    return
                await self._act(fleets[fleet_plan.key], fleet_plan, snapshot, epoch)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_A_TIME):
                group.create_task(act_on_the_next())

    async def _act(self, fleet: Fleet, plan: FleetPlan, snapshot: Snapshot, epoch: int) -> None:
        """One fleet; what goes wrong with it doesn't keep the others waiting, and is tried again in the next turn."""
        try:
            if sum(plan.replicas.values()) > sum(fleet.deployed.values()):  # a grant: fenced by the ledger's epoch
                await self._fence(fleet.key, epoch)
            await act(self._hands, fleet, plan, snapshot, time.time())
            self._memories[fleet.uid] = plan.memory
        except (*TROUBLE, ValueError) as error:
            self._stirred.add(fleet.key)
            _log.warning("%s/%s: %s: %s", fleet.namespace, fleet.name, type(error).__name__, error)
        except Exception:  # what is odd about one fleet must not end the turn of all others
            self._stirred.add(fleet.key)
            _log.exception("%s/%s: unexpected error, going on with the others", fleet.namespace, fleet.name)

    async def _fence(self, key: Key, epoch: int) -> None:
        ledger = self._ledgers.get(key)
        if ledger is None or ledger.epoch != epoch:
            await self._ledgers.save(key, ledger or SpendLedgerSpec(), epoch)

    async def _meter(self, seen: Standing, epoch: int) -> None:
        """Brings every ledger up to what the pods say; written before anything is granted."""
        watch = Watch(
            now_s=self._clock.now_s(),
            watched_until_s=self._clock.fleet_s(self._watched_until_wall_s),
            gone_s={uid: self._clock.fleet_s(at) for uid, at in self.cache.gone_wall_s.items()},
        )
        ledgers = self._ledgers.all
        for key in sorted({*seen.replicas, *ledgers}):
            before = ledgers.get(key, SpendLedgerSpec())
            pods = seen.replicas.get(key, ())
            bills = [bill for r in pods if (bill := bill_of(r, seen.pools.get(r.pool))) is not None]
            after = meter(before, bills, watch)
            if key in ledgers or after is not before:
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

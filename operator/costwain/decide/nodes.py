"""Nodes: how long a pod may wait for one, before its pool is left alone for a while and another one is tried."""

from collections.abc import Mapping, Set

from costwain.decide.known import known
from costwain.domain.memory import Memory, Refusal
from costwain.domain.plan import Why
from costwain.domain.snapshot import Fleet, Pool, Replica, State

HURRY_S = 60.0  # for a node that is there already, while requests wait
REST_S = 300.0  # how long a pool that let a pod wait too long is left alone


def refuse_slow_pools(
    fleet: Fleet, pools: Mapping[str, Pool], memory: Memory, now_s: float
) -> tuple[Memory, list[Why]]:
    """A pod that waited for a node longer than it should frees its claim, where another pool can be tried."""
    kept = [refusal for refusal in memory.refusals if refusal.until_s > now_s]
    news: list[Why] = []
    for replica in _pending(fleet):
        pool = pools.get(replica.pool)
        resting = {refusal.pool for refusal in kept}
        if pool is None or pool.name in resting or not _room_elsewhere(fleet, pools, {pool.name, *resting}):
            continue
        waited_s = now_s - replica.since_s
        if waited_s > _patience_s(fleet, pool):
            kept.append(Refusal(pool=replica.pool, until_s=now_s + max(REST_S, pool.spec.pending_timeout_seconds)))
            sentence = f"{replica.pod} waited {waited_s:.0f} s for a node of pool {replica.pool}: trying other pools"
            news.append(Why("PoolUnavailable", sentence))
    if kept == memory.refusals:
        return memory, news
    return memory.model_copy(update={"refusals": kept}), news


def kept_waiting(fleet: Fleet, pools: Mapping[str, Pool], now_s: float) -> Why | None:
    """Says that a pod has waited for a node longer than it may and keeps its turn, since it can go nowhere else."""
    resting = {refusal.pool for refusal in fleet.memory.refusals}
    for replica in _pending(fleet):
        pool, waited_s = pools.get(replica.pool), now_s - replica.since_s
        if pool is None or pool.name in resting:
            continue
        if waited_s > pool.spec.patience_seconds:
            sentence = f"{replica.pod} has waited {waited_s:.0f} s for a node of pool {pool.name}: no other has room"
            return Why("WaitsForNode", sentence)
    return None


def _pending(fleet: Fleet) -> list[Replica]:
    """Pods that wait for a node, the longest first."""
    waiting = [r for r in fleet.alive if r.state is State.PENDING]
    return sorted(waiting, key=lambda r: (r.since_s, r.pod))


def _patience_s(fleet: Fleet, pool: Pool) -> float:
    """How long a pod may wait for a node; while requests wait, twice as long as nodes usually take."""
    usual_s = 2 * (pool.spec.provisioning_seconds or 0)
    if fleet.load is None or not fleet.load.waiting:
        return pool.spec.patience_seconds
    return min(pool.spec.patience_seconds, max(HURRY_S, usual_s))


def _room_elsewhere(fleet: Fleet, pools: Mapping[str, Pool], but: Set[str]) -> bool:
    """Whether a replica of some variant that may serve could start on another pool now."""
    asked = [(site.pool, site.accelerators) for one, site in known(fleet.spec).sites.values() if one.barred is None]
    others = [(pools[name], n) for name, n in asked if name in pools and name not in but]
    return any(pool.hourly_micro is not None and pool.free >= n for pool, n in others)

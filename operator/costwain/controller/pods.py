"""Pods as the decision sees them: where each stands in its life, and what it costs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from costwain.adapters.clock import Clock
from costwain.controller.cache import Cache
from costwain.decide.metering import Bill
from costwain.domain import names
from costwain.domain.snapshot import Pool, Replica, State

Object = dict[str, Any]
WATCH_LATE_S = 2.0  # a watch that is later than this didn't see the binding, it found it
_ENDED = ("Succeeded", "Failed")


def replica_of(pod: Object, accelerators: int, cache: Cache, clock: Clock) -> Replica | None:
    """The replica that a model pod is, or None for one that has ended or never had a node and is being deleted."""
    metadata, status = pod["metadata"], pod.get("status", {})
    if status.get("phase") in _ENDED:
        return None
    bound = pod.get("spec", {}).get("nodeName")
    if metadata.get("deletionTimestamp") and not bound:
        return None
    state, since_wall_s = _state(pod)
    labels = metadata.get("labels", {})
    return Replica(
        pod=metadata["name"],
        uid=metadata["uid"],
        variant=labels.get(names.VARIANT, ""),
        pool=labels.get(names.POOL, ""),
        state=state,
        since_s=clock.fleet_s(since_wall_s),
        accelerators=accelerators,
        bound_s=clock.fleet_s(bound_wall_s(pod, cache)) if bound else None,
    )


def bill_of(replica: Replica, pool: Pool | None) -> Bill | None:
    """What a replica on a node costs; None while it has no node. Without a known price it is metered at 0."""
    if replica.bound_s is None:
        return None
    hourly_micro = pool.hourly_micro if pool is not None and pool.hourly_micro is not None else 0
    return Bill(
        uid=replica.uid,
        pod=replica.pod,
        variant=replica.variant,
        pool=replica.pool,
        capacity_type=pool.spec.capacity_type if pool is not None else "OnDemand",
        accelerators=replica.accelerators,
        hourly_micro=hourly_micro * replica.accelerators,
        bound_s=replica.bound_s,
    )


def bound_wall_s(pod: Object, cache: Cache) -> float:
    """When the pod got its node, wall seconds.

    Kubernetes writes whole seconds, cut off: the truth lies within the written one. A binding that this process saw
    happen is the better figure, where the watch was late at most that second's end. One that it found is charged
    from the second's start.
    """
    written_s = _since(_condition(pod, "PodScheduled"), unix_s(pod["metadata"]["creationTimestamp"]))
    seen_s = cache.bound_wall_s.get(pod["metadata"]["uid"])
    if seen_s is None or not written_s <= seen_s < written_s + 1 + WATCH_LATE_S:
        return written_s
    return min(seen_s, written_s + 1)


def accelerators_of(pod: Object, resource: str | None) -> int:
    """Accelerators that the pod holds: its limit for the pool's resource; of an unknown pool, every device."""
    total = 0
    for container in pod.get("spec", {}).get("containers", []):
        limits: Mapping[str, str] = container.get("resources", {}).get("limits", {})
        total += sum(int(n) for name, n in limits.items() if (name == resource if resource else "/" in name))
    return max(total, 1)


def unix_s(timestamp: str) -> float:
    """Unix seconds of a Kubernetes timestamp."""
    return datetime.fromisoformat(timestamp).timestamp()


def _state(pod: Object) -> tuple[State, float]:
    """Its state and since when, wall seconds, as written by Kubernetes."""
    metadata = pod["metadata"]
    labels, created_s = metadata.get("labels", {}), unix_s(metadata["creationTimestamp"])
    ready = _condition(pod, "Ready")
    if metadata.get("deletionTimestamp"):  # written ahead: the instant at which the grace period will have ended
        return State.TERMINATING, unix_s(metadata["deletionTimestamp"]) - metadata.get("deletionGracePeriodSeconds", 0)
    if not pod.get("spec", {}).get("nodeName"):
        return State.PENDING, created_s
    bound_s = _since(_condition(pod, "PodScheduled"), created_s)
    if labels.get(names.DRAINED) == "true":
        return State.DRAINED, _since(ready, bound_s)
    if labels.get(names.DRAIN) == "true":
        return State.DRAINING, _since(ready, bound_s)
    if ready.get("status") == "True":
        return State.READY, _since(ready, bound_s)
    return State.STARTING, bound_s


def _since(condition: Object, otherwise_s: float) -> float:
    written = condition.get("lastTransitionTime")
    return unix_s(written) if written else otherwise_s


def _condition(pod: Object, kind: str) -> Object:
    found: Object = next((c for c in pod.get("status", {}).get("conditions", []) if c["type"] == kind), {})
    return found

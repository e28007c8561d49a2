"""What the live view shows: pure values, made from objects of the API and the load's counters.

What isn't known is None, never zero, as in the status that this is read from.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from costwain.adapters.clock import Clock
from costwain.controller.cache import Cache
from costwain.controller.pods import replica_of
from costwain.domain import names
from costwain.domain.money import micro_of
from costwain.domain.plan import Money, Place
from costwain.domain.snapshot import State
from costwain.local.load import Counters

Object = Mapping[str, Any]

SHOWN_ORDER = (State.READY, State.STARTING, State.PENDING, State.DRAINING, State.DRAINED, State.TERMINATING)
# Said of a change once, as an event; the other reasons are said of the state as long as it lasts.
_NEWS = ("SteppedDown", "SteppedUp", "PoolUnavailable")


@dataclass(frozen=True)
class Told:
    """A sentence that was told as an event, and when (fleet seconds)."""

    at_s: float
    code: str
    sentence: str


@dataclass(frozen=True)
class PoolView:
    """The replicas of one variant on one pool, those that serve first; `hourly_micro` None: not known."""

    name: str
    replicas: tuple[State, ...]
    hourly_micro: int | None

    @property
    def ready(self) -> int:
        """Replicas that serve."""
        return self.replicas.count(State.READY)


@dataclass(frozen=True)
class VariantView:
    """One rung: its share of the traffic (None: not known), why it serves or doesn't, and its pools with pods."""

    name: str
    share_percent: int | None
    reason: str
    pools: tuple[PoolView, ...]


@dataclass(frozen=True)
class ViewState:
    """One picture of a fleet. `waiting` and `running` requests are None while nobody knows them."""

    fleet: str
    now_s: float
    speed: float
    variants: tuple[VariantView, ...]
    money: Money | None
    waiting: int | None
    running: int | None
    reasons: tuple[str, ...]
    told: tuple[Told, ...]
    load: Counters


@dataclass(frozen=True)
class Look:
    """What was read of the fleet at one instant of the clock: the ModelDeployment, pods and events about it."""

    fleet: Object
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    clock: Clock = field(default_factory=Clock)
    now_s: float = 0.0


def view_of(look: Look, load: Counters) -> ViewState:
    """The picture: rungs in ladder order, the sentences that were told in the order of time."""
    status = look.fleet.get("status") or {}
    queue = status.get("queue") or {}
    decided = (status.get("decision") or {}).get("reasons", [])
    return ViewState(
        fleet=look.fleet["metadata"]["name"],
        now_s=look.now_s,
        speed=look.clock.factor,
        variants=_variants(look.fleet, _replicas(look)),
        money=money_of(status.get("cost") or {}),
        waiting=queue.get("waiting"),
        running=queue.get("running"),
        reasons=tuple(reason["sentence"] for reason in decided if reason["code"] not in _NEWS),
        told=told_of(look.fleet["metadata"]["name"], look.events, look.clock),
        load=load,
    )


def told_of(fleet: str, events: Iterable[Object], clock: Clock) -> tuple[Told, ...]:
    """What was told of a fleet, in the order of time; events about other objects are left out."""
    told = [
        Told(clock.fleet_s(datetime.fromisoformat(event["eventTime"]).timestamp()), event["reason"], event["note"])
        for event in events
        if event.get("eventTime") and _about(event) == ("ModelDeployment", fleet)
    ]
    return tuple(sorted(told, key=lambda t: t.at_s))


def _about(event: Object) -> tuple[str | None, str | None]:
    regarding = event.get("regarding") or {}
    return regarding.get("kind"), regarding.get("name")


def money_of(cost: Object) -> Money | None:
    """The dollars of a status; None where it has none yet."""
    hourly = cost.get("hourly")
    if hourly is None:
        return None
    return Money(
        hourly_micro=micro_of(hourly),
        start_s=_unix_s(cost.get("periodStart")),
        end_s=_unix_s(cost.get("periodEnd")),
        spent_micro=_micro(cost.get("spent")),
        limit_micro=_micro(cost.get("limit")),
        forecast_micro=_micro(cost.get("forecast")),
    )


def _replicas(look: Look) -> dict[Place, list[State]]:
    """States of the fleet's model pods by place."""
    wanted = {names.FLEET: look.fleet["metadata"]["name"], names.ROLE: names.ROLE_MODEL}
    found: dict[Place, list[State]] = {}
    for pod in look.pods:
        labels = pod["metadata"].get("labels", {})
        if any(labels.get(key) != value for key, value in wanted.items()):
            continue
        replica = replica_of(dict(pod), 1, Cache(), look.clock)
        if replica is not None:
            found.setdefault(replica.place, []).append(replica.state)
    return found


def _variants(fleet: Object, replicas: Mapping[Place, list[State]]) -> tuple[VariantView, ...]:
    status = fleet.get("status") or {}
    known = {v["name"]: v for v in status.get("variants", [])}
    rates = {(p["variant"], p["pool"]): _micro(p.get("hourlyCost")) for p in status.get("placements", [])}
    ladder = [v["name"] for v in fleet.get("spec", {}).get("variants", [])]
    return tuple(
        VariantView(
            name,
            known.get(name, {}).get("sharePercent"),
            known.get(name, {}).get("reason", ""),
            tuple(
                PoolView(pool, tuple(sorted(states, key=SHOWN_ORDER.index)), rates.get((variant, pool)))
                for (variant, pool), states in sorted(replicas.items())
                if variant == name
            ),
        )
        for name in dict.fromkeys([*ladder, *(variant for variant, _ in sorted(replicas))])
    )


def _micro(amount: str | None) -> int | None:
    return None if amount is None else micro_of(amount)


def _unix_s(timestamp: str | None) -> float | None:
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()

"""The picture of a fleet from what the API says: states, shares, dollars, and what was told."""

from typing import Any

import pytest

from costwain.adapters.clock import Clock
from costwain.domain import names
from costwain.domain.plan import Money
from costwain.domain.snapshot import State
from costwain.local.load import Counters
from costwain.local.view_model import Look, PoolView, Told, VariantView, money_of, told_of, view_of

Object = dict[str, Any]
FLEET: Object = {
    "metadata": {"name": "chat"},
    "spec": {"variants": [{"name": "big"}, {"name": "small"}]},
    "status": {
        "variants": [
            {"name": "big", "sharePercent": 75, "reason": ""},
            {"name": "small", "sharePercent": 25, "reason": "cheaper"},
        ],
        "placements": [{"variant": "big", "pool": "h100", "hourlyCost": "6.78"}],
        "queue": {"waiting": 3},
        "cost": {
            "hourly": "6.78",
            "periodStart": "2026-11-24T11:00:00Z",
            "periodEnd": "2026-11-24T12:00:00Z",
            "spent": "1.50",
            "limit": "4.00",
            "forecast": "3.75",
        },
        "decision": {
            "reasons": [
                {"code": "SteppedDown", "sentence": "too dear"},
                {"code": "Serves", "sentence": "small serves"},
            ]
        },
    },
}
NOON_S = 1_795_521_600.0


def pod(variant: str = "big", pool: str = "h100", **more: Any) -> Object:
    """A model pod that serves; `labels`, `node`, `ready`, `deleted`, `phase` change it."""
    labels = {names.FLEET: "chat", names.ROLE: "model", names.VARIANT: variant, names.POOL: pool}
    metadata = {"name": "p", "uid": "u", "creationTimestamp": "2026-11-24T11:00:00Z"}
    metadata["labels"] = labels | more.get("labels", {})
    if more.get("deleted"):
        metadata["deletionTimestamp"] = "2026-11-24T11:00:00Z"
    ready = {"type": "Ready", "status": more.get("ready", "True"), "lastTransitionTime": "2026-11-24T11:00:00Z"}
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n"} if more.get("node", True) else {},
        "status": {"phase": more.get("phase", "Running"), "conditions": [ready]},
    }


STATES: dict[str, tuple[Object, tuple[State, ...]]] = {
    "it serves": (pod(), (State.READY,)),
    "it has no node yet": (pod(node=False), (State.PENDING,)),
    "it loads": (pod(ready="False"), (State.STARTING,)),
    "it was asked to go": (pod(labels={names.DRAIN: "true"}), (State.DRAINING,)),
    "it is deleted and not yet gone": (pod(deleted=True), (State.TERMINATING,)),
    "it has ended": (pod(phase="Failed"), ()),
    "it belongs to another fleet": (pod(labels={names.FLEET: "other"}), ()),
    "it is the gateway": (pod(labels={names.ROLE: "gateway"}), ()),
}


@pytest.mark.parametrize(("seen", "want"), STATES.values(), ids=STATES)
def test_a_pod_counts_by_where_it_stands(seen: Object, want: tuple[State, ...]) -> None:
    state = view_of(Look(FLEET, [seen]), Counters())
    assert tuple(s for v in state.variants for p in v.pools for s in p.replicas) == want


def test_rungs_come_in_ladder_order_with_their_pools_and_what_those_cost() -> None:
    pods = [pod("big", "mi300x"), pod(), pod(ready="False"), pod()]
    state = view_of(Look(FLEET, pods), Counters())
    assert state.variants == (
        VariantView(
            "big",
            75,
            "",
            (
                PoolView("h100", (State.READY, State.READY, State.STARTING), 6_780_000),
                PoolView("mi300x", (State.READY,), None),
            ),
        ),
        VariantView("small", 25, "cheaper", ()),
    )
    assert state.variants[0].pools[0].ready == 2


def test_pods_of_a_rung_that_left_the_ladder_are_still_shown() -> None:
    state = view_of(Look(FLEET, [pod("old")]), Counters())
    assert [(v.name, v.share_percent, len(v.pools)) for v in state.variants][-1] == ("old", None, 1)


def test_dollars_queue_and_reasons_are_those_of_the_status() -> None:
    state = view_of(Look(FLEET, now_s=NOON_S), Counters(sent=5, done=2, lost=1))
    assert state.money == Money(6_780_000, NOON_S - 3600, NOON_S, 1_500_000, None, 4_000_000, 3_750_000)
    assert (state.waiting, state.running) == (3, None)
    assert state.reasons == ("small serves",)
    assert (state.now_s, state.speed, state.load.in_flight) == (NOON_S, 1, 2)


def test_a_fleet_without_a_status_is_unknown_and_not_zero() -> None:
    state = view_of(Look({"metadata": {"name": "new"}, "spec": {"variants": [{"name": "big"}]}}), Counters())
    assert state.variants == (VariantView("big", None, "", ()),)
    assert (state.money, state.waiting, state.running, state.reasons) == (None, None, None, ())


def test_without_a_budget_only_the_rate_is_known() -> None:
    assert money_of({"hourly": "2.00"}) == Money(2_000_000)


def event(reason: str, at: str | None, kind: str = "ModelDeployment", name: str = "chat") -> Object:
    """An event of the operator's as the API server has it."""
    return {"reason": reason, "note": f"{reason}!", "eventTime": at, "regarding": {"kind": kind, "name": name}}


def test_what_was_told_of_the_fleet_comes_in_the_order_of_fleet_time() -> None:
    events = [
        event("SteppedUp", "2026-11-24T12:00:02.500000Z"),
        event("SteppedDown", "2026-11-24T12:00:01.000000Z"),
        event("Pulled", "2026-11-24T12:00:00.000000Z", kind="Pod"),
        event("SteppedDown", "2026-11-24T12:00:00.000000Z", name="other"),
        event("Legacy", None),
    ]
    told = told_of("chat", events, Clock(factor=10, anchor_s=NOON_S))
    assert told == (
        Told(NOON_S + 10, "SteppedDown", "SteppedDown!"),
        Told(NOON_S + 25, "SteppedUp", "SteppedUp!"),
    )
    assert view_of(Look(FLEET, events=events), Counters()).told[0].code == "SteppedDown"

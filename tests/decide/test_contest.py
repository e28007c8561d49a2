"""Contest: who competes, what is granted, and what fleets make of it when decide() obeys their own path within it."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, fleet, load, pool, replicas, serving, snapshot, variant
from tests.decide.fleets import snapshots
from tests.decide.shared_world import SharedWorld
from tests.decide.world import World

from costwain.decide import decide
from costwain.domain.memory import Demand
from costwain.domain.plan import FleetPlan
from costwain.domain.record import decoded, encoded
from costwain.domain.snapshot import Fleet, Pool, Snapshot

EITHER, H100 = [variant("small", ("h100", "mi300x"))], [variant("small", ("h100",))]
LADDER = [variant("full", ("h100",)), variant("small", ("h100",))]


def among(h100: int, mi300x: int, *fleets: Fleet) -> dict[str, FleetPlan]:
    """The plans by name on so many accelerators."""
    held = [r for f in fleets for r in f.replicas]
    where = {
        name: replace(pool(name, total=total), used=sum(r.accelerators for r in held if r.pool == name))
        for name, total in (("h100", h100), ("mi300x", mi300x))
    }
    return {plan.name: plan for plan in decide(snapshot(*fleets, where=where)).fleets}


def asked(plan: FleetPlan) -> dict[str, int]:
    return {"/".join(place): n for place, n in plan.replicas.items() if n}


def contested(plan: FleetPlan) -> list[str]:
    return [why.sentence for why in plan.reasons if why.code == "AcceleratorsContested"]


def named(name: str, per_s: float, variants: list[dict[str, object]], **change: object) -> Fleet:
    return fleet(name=name, uid=name, load=load(per_s), variants=variants, **change)


def test_enough_for_all_is_no_contest() -> None:
    got = among(8, 8, named("a", 30.0, EITHER), named("b", 30.0, H100))
    assert [contested(plan) for plan in got.values()] == [[], []]


def test_one_fleet_alone_has_no_rival() -> None:
    got = among(1, 0, named("a", 200.0, H100))
    assert contested(got["a"]) == []
    assert got["a"].reasons[0].code == "AcceleratorsShort"


def test_who_could_go_elsewhere_leaves_the_pool_to_who_could_not() -> None:
    """By turns the first would take h100, which is cheaper a request, and leave the second nothing."""
    cheap = {"h100": pool("h100", total=1, price="1.00"), "mi300x": pool("mi300x", total=1)}
    plans = decide(snapshot(named("a", 20.0, EITHER), named("b", 20.0, H100), where=cheap)).fleets
    assert [asked(plan) for plan in plans] == [{"small/mi300x": 1}, {"small/h100": 1}]
    want = "several fleets want more than there is; granted 0 of h100 (2 fleets), 1 of mi300x (1 fleet)"
    assert contested(plans[0]) == [want]


def test_one_steps_down_so_that_both_are_carried() -> None:
    """Three of full for the first would leave nothing for the second; two of small leave it a replica."""
    got = among(3, 0, named("a", 28.0, LADDER), named("b", 20.0, H100))
    assert got["b"].replicas["small", "h100"] == 1
    assert got["a"].target in ("full", "small")
    assert sum(got["a"].replicas.values()) <= 2


@pytest.mark.parametrize("target", [None, "small", "full"])
def test_what_is_granted_does_not_depend_on_the_rung_that_serves(target: str | None) -> None:
    """Else a grant would change the rung, and the rung the grant, turn by turn; a dwell time has just begun."""
    memory = serving(target, NOW_S - 5) if target else None
    got = among(4, 0, named("a", 16.0, LADDER, **({"memory": memory} if memory else {})), named("b", 20.0, H100))
    want = "several fleets want more than there is; granted 3 of h100 (2 fleets)"
    assert contested(got["a"]) == [want]


def test_the_higher_priority_takes_what_the_lower_one_runs() -> None:
    """The lower one's pods drain first; the higher one starts as they go, and nothing above what is free."""
    low = named("low", 20.0, H100, replicas=replicas("small/h100", 2), memory=serving("small"))
    low = replace(low, deployed={("small", "h100"): 2})
    high = named("high", 55.0, H100, priority=1)
    got = among(2, 0, low, high)
    assert got["low"].drain != ()
    assert asked(got["high"]) == {}
    assert contested(got["high"]) == ["several fleets want more than there is; granted 2 of h100 (2 fleets)"]


def test_paused_and_blind_fleets_keep_what_they_hold() -> None:
    still = named("still", 20.0, H100, scaling={"mode": "Paused"}, replicas=replicas("small/h100", 1))
    blind = replace(named("blind", 0.0, H100), load=None, replicas=replicas("small/h100#9", 1))
    blind = replace(blind, deployed={("small", "h100"): 1})
    got = among(3, 0, still, blind, named("a", 90.0, H100, priority=1), named("b", 90.0, H100))
    assert (got["still"].drain, got["blind"].drain) == ((), ())
    assert asked(got["a"]) == {"small/h100": 1}
    assert asked(got["b"]) == {}


def test_an_idle_fleet_is_no_rival() -> None:
    got = among(1, 0, named("a", 0.0, H100), named("b", 20.0, H100))
    assert (asked(got["a"]), asked(got["b"])) == ({}, {"small/h100": 1})


def test_the_same_snapshot_from_a_record_gives_the_same_plan() -> None:
    crowd = [named(f"f{i}", 9.0 + 5 * i, EITHER if i % 2 else LADDER, memory=warm(9.0 + 5 * i)) for i in range(9)]
    given_ = snapshot(*crowd, where={"h100": pool("h100", total=5), "mi300x": pool("mi300x", total=3)})
    plan = decide(given_)
    assert any(contested(one) for one in plan.fleets)
    again = decoded(Snapshot, encoded(given_))
    assert encoded(decide(again)) == encoded(plan)


def warm(per_s: float) -> object:
    demand = Demand(at_s=NOW_S - 5, fast_per_s=per_s, slow_per_s=per_s, input_tokens=512, output_tokens=128)
    return serving("small", demand=demand)


@pytest.mark.long
def test_two_that_compete_settle_and_do_not_swap_places() -> None:
    """An hour on three accelerators with loads that need four: what is granted stays where it is."""
    pools: Mapping[str, Pool] = {"h100": pool("h100", total=2), "mi300x": pool("mi300x", total=1)}
    worlds = {
        name: World(named(name, 0.0, EITHER), pools, NOW_S, lambda _, rate=rate: rate, turn_s=10.0)  # type: ignore[misc]
        for name, rate in (("a", 60.0), ("b", 45.0))
    }
    both = SharedWorld(worlds, pools, ())
    both.run(1800)
    before = {name: dict(world.turns[-1].plan.replicas) for name, world in worlds.items()}
    both.run(1800)
    assert sum(sum(counts.values()) for counts in before.values()) == 3
    for name, world in worlds.items():
        assert {tuple(turn.plan.replicas.items()) for turn in world.turns[-180:]} == {tuple(before[name].items())}


@pytest.mark.long
def test_the_higher_priority_comes_and_goes() -> None:
    """Two accelerators: the lower one makes way within minutes and has them back when nobody else asks."""
    pools: Mapping[str, Pool] = {"h100": pool("h100", total=2)}
    low = named("low", 0.0, H100, scaling={"scaleToZeroAfterSeconds": 60})
    high = named("high", 0.0, H100, priority=1, scaling={"scaleToZeroAfterSeconds": 60})
    worlds = {
        "low": World(low, pools, NOW_S, lambda _: 60.0),
        "high": World(high, pools, NOW_S, lambda s: 60.0 if 900 <= s - NOW_S < 2400 else 0.0),
    }
    both = SharedWorld(worlds, pools, ())
    serving_ = []
    for _ in range(6):
        both.run(900)
        serving_.append(tuple(sum(worlds[name].turns[-1].ready.values()) for name in ("low", "high")))
        assert sum(world.turns[-1].pods for world in worlds.values()) <= 2
    assert serving_[0] == (2, 0)
    assert serving_[1] == (0, 2)
    assert serving_[-1] == (2, 0)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(given_=snapshots(most=4), total=st.integers(0, 6))
def test_no_pool_is_promised_twice(given_: Snapshot, total: int) -> None:
    """What new pods ask for, over all fleets, is free now."""
    scarce = {name: replace(p, total=min(p.total, p.used + total)) for name, p in given_.pools.items()}
    seen = replace(given_, pools=scarce)
    plans = {plan.key: plan for plan in decide(seen).fleets}
    assert decide(seen) == decide(seen)
    for name, where in scarce.items():
        new = 0
        for of in seen.fleets:
            held = {(v.name, p.pool): p.accelerators for v in of.spec.variants for p in v.placements}
            for place, n in plans[of.key].replicas.items():
                more = n - max(of.deployed.get(place, 0), sum(r.place == place for r in of.alive))
                new += max(0, more) * held.get(place, 0) if place[1] == name else 0
        assert new <= where.free

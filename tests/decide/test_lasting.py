"""Lasting: spot capacity is never all that serves a fleet, unless there is no room or no money for anything else."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.decide.builders import (
    NOW_S,
    fleet,
    load,
    option,
    pool,
    purse,
    replica,
    replicas,
    rung,
    serving,
    snapshot,
    variant,
)
from tests.decide.fleets import POOLS, only, snapshots, started
from tests.decide.ladders import chosen

from costwain.decide.forecast import request_shape
from costwain.decide.lasting import spot_alone
from costwain.decide.options import Option, ladder
from costwain.decide.sizing import Want, cheapest
from costwain.domain.memory import Demand
from costwain.domain.plan import FleetPlan, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot, State

ASKED = option("full/h100", 10.0, "4.00")
SPOT = option("full/spot", 10.0, "1.50", lasting=False)
WIDE = option("full/wide", 40.0, "5.00", lasting=False)
Counts = Mapping[str, int]

MIXES: dict[str, tuple[list[Option], Want, Counts, Counts]] = {
    # story: (options, want, running by pool, mix by pool)
    "nothing runs, nothing lasts": ([ASKED, SPOT], Want(0, 0, 8), {}, {}),
    "a lone replica lasts": ([ASKED, SPOT], Want(5, 1, 8), {}, {"h100": 1}),
    "the others are cheap": ([ASKED, SPOT], Want(35, 1, 8), {}, {"h100": 1, "spot": 3}),
    "no room where it lasts": ([replace(ASKED, most=0), SPOT], Want(35, 1, 8), {}, {"spot": 4}),
    "no such placement": ([SPOT], Want(35, 1, 8), {}, {"spot": 4}),
    "money for spot alone": ([ASKED, SPOT], Want(35, 1, 8, 6_100_000), {}, {"spot": 4}),
    "money for spot alone, and not enough": ([ASKED, SPOT], Want(95, 1, 9, 6_100_000), {}, {"spot": 4}),
    "the ceiling leaves less of the fast ones": ([ASKED, WIDE], Want(200, 1, 3), {}, {"h100": 1, "wide": 2}),
    "a lone replica that is too slow lasts all the same": ([ASKED, WIDE], Want(30, 1, 1), {}, {"h100": 1}),
    "spot that runs gets one beside it": ([ASKED, SPOT], Want(15, 1, 8), {"spot": 2}, {"spot": 1, "h100": 1}),
    "what lasts stays when others go": ([ASKED, SPOT], Want(5, 1, 8), {"h100": 1, "spot": 2}, {"h100": 1}),
    "nobody asks for it": ([ASKED, SPOT], Want(15, 1, 8, lasting=False), {}, {"spot": 2}),
}  # fmt: skip


@pytest.mark.parametrize(("options", "want", "running", "mix"), MIXES.values(), ids=MIXES)
def test_one_of_a_mix_lasts(options: list[Option], want: Want, running: Counts, mix: Counts) -> None:
    got = cheapest(options, want, {("full", where): n for where, n in running.items()})
    assert {where: n for (_, where), n in got.counts.items()} == mix


RATES = st.sampled_from([2.5, 3.7, 10.0, 40.0])
USD = st.sampled_from(["1", "2.49", "4"])
OPTIONS = st.lists(st.tuples(RATES, USD, st.integers(0, 4), st.booleans()), min_size=1, max_size=3).map(
    lambda rows: [
        option(f"full/p{i}", per_s, usd, most, lasting=lasting) for i, (per_s, usd, most, lasting) in enumerate(rows)
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    options=OPTIONS, per_s=st.sampled_from([0.5, 7.4, 22.2, 90.0]), most=st.integers(1, 6),
    running=st.lists(st.integers(0, 3), min_size=3, max_size=3),
)  # fmt: skip
def test_no_mix_that_lasts_carries_the_demand_for_less(
    options: list[Option], per_s: float, most: int, running: list[int]
) -> None:
    """Tries every mix: the rule costs no more than it must, and only room lifts it."""
    got = cheapest(options, Want(per_s, 1, most), {})
    counts = itertools.product(*(range(min(o.most, most) + 1) for o in options))
    tried = [ns for ns in counts if sum(ns) <= most and lasts(options, ns)]
    carrying = [ns for ns in tried if carried(options, ns) >= per_s - 1e-9 and sum(ns)]
    assert got.short is not bool(carrying)
    if carrying:
        assert got.hourly_micro == min(
            sum(o.hourly_micro * n for o, n in zip(options, ns, strict=True)) for ns in carrying
        )
    else:
        assert got.per_s == pytest.approx(max(carried(options, ns) for ns in tried))
    standing = {o.place: n for o, n in zip(options, running, strict=False) if n}
    kept = cheapest(options, Want(per_s, 1, most), standing)
    assert lasts(options, [kept.counts.get(o.place, 0) for o in options])
    assert kept.short is got.short


def lasts(options: list[Option], counts: list[int] | tuple[int, ...]) -> bool:
    possible = any(o.lasting and o.most for o in options)
    return not possible or not any(counts) or any(n and o.lasting for o, n in zip(options, counts, strict=True))


def carried(options: list[Option], counts: tuple[int, ...]) -> float:
    return sum(o.per_s * n for o, n in zip(options, counts, strict=True))


ALONE = {
    "no room": ([replace(ASKED, most=0), SPOT], {("full", "spot"): 2}, "no room on h100"),
    "no money": ([ASKED, SPOT], {("full", "spot"): 2}, "the money doesn't pay h100 beside it"),
    "one lasts": ([ASKED, SPOT], {("full", "spot"): 2, ("full", "h100"): 1}, None),
    "nothing else was asked for": ([SPOT], {("full", "spot"): 2}, None),
    "nothing runs": ([ASKED, SPOT], {}, None),
}


@pytest.mark.parametrize(("options", "mix", "sentence"), ALONE.values(), ids=ALONE)
def test_spot_alone_says_why(options: list[Option], mix: dict[tuple[str, str], int], sentence: str | None) -> None:
    want = None if sentence is None else Why("SpotAlone", f"full runs on spot capacity alone: {sentence}")
    assert spot_alone(rung(*options), mix) == want


def test_a_budget_that_pays_spot_alone_has_spot_alone() -> None:
    """$1.60 for an hour: h100 costs $4."""
    pools = rung(option("small/h100", 40.0, "4.00"), option("small/spot", 30.0, "1.50", lasting=False))
    got = chosen(ladder=(pools,), per_s=20.0, money=purse("1.66"))
    assert dict(got.mix.counts) == {("small", "spot"): 1}
    assert spot_alone(got.rung, got.mix.counts) is not None


SPOTS = st.sampled_from([("h100",), ("mi300x",), ("h100", "l40s")])


def unpaid(given_: Snapshot, spot: tuple[str, ...]) -> tuple[Fleet, Mapping[str, Pool], FleetPlan]:
    """The one fleet without any budget, since money for spot alone is an excuse; its pools, and its plan there."""
    volatile = {name: on_spot(p) if name in spot else p for name, p in given_.pools.items()}
    (was,) = given_.fleets
    of = replace(was, spec=was.spec.model_copy(update={"budget": None}))
    plan = only(Snapshot(NOW_S, (of,), volatile))
    assume(not {"Paused", "Blind", "NoVariant"} & {why.code for why in plan.reasons})
    return of, volatile, plan


def lasting_room(of: Fleet, where: Mapping[str, Pool], plan: FleetPlan) -> list[Option]:
    """Placements of the target that last and have room, whoever of the fleet holds it now."""
    rungs = {r.name: r for r in ladder(of.remembering(plan.memory), where, request_shape(plan.memory), NOW_S)}
    spot = [p.name for p in where.values() if p.spec.capacity_type == "Spot"]
    return [o for o in rungs[plan.target or ""].options if o.most and o.place[1] not in spot]


@pytest.mark.long
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(given_=snapshots(most=1), spot=SPOTS)
def test_what_starts_on_spot_stands_beside_one_that_lasts_unless_none_has_room(
    given_: Snapshot, spot: tuple[str, ...]
) -> None:
    of, where, plan = unpaid(given_, spot)
    if any(pool in spot for _, pool in started(of, plan)):
        free = [o for o in lasting_room(of, where, plan) if o.most_now]
        assert not free or any(n and pool not in spot for (_, pool), n in plan.replicas.items())
    alone = [why.sentence for why in plan.reasons if why.code == "SpotAlone"]
    assert not alone or (not lasting_room(of, where, plan) and "no room" in alone[0])


@st.composite
def moving(draw: st.DrawFn) -> tuple[Fleet, Mapping[str, Pool]]:
    """A fleet on both kinds of capacity that moves between two variants, often at its ceiling."""
    places = ("full/h100", "full/mi300x", "small/h100", "small/mi300x")
    states = st.sampled_from([State.READY, State.READY, State.READY, State.STARTING, State.DRAINING])
    these = tuple(
        replica(f"{place}#{i}", draw(states), 600.0 - i) for place in places for i in range(draw(st.integers(0, 3)))
    )
    per_s, share = draw(st.sampled_from([0.5, 4.0, 20.0, 60.0])), draw(st.sampled_from([0, 25, 50, 100]))
    asks = Demand(at_s=NOW_S - 5, fast_per_s=per_s, slow_per_s=per_s, input_tokens=512, output_tokens=128)
    shares = {name: n for name, n in (("full", share), ("small", 100 - share)) if n}
    memory = serving(draw(st.sampled_from(["full", "small"])), demand=asks, shares=shares)
    of = fleet(*these, load=load(per_s, running=3), scaling={"maxReplicas": draw(st.integers(1, 6))}, memory=memory)
    used = {name: sum(r.pool == name for r in these) for name in POOLS}
    there = pool("h100", total=used["h100"] + draw(st.integers(0, 2)), used=used["h100"])
    return of, {"h100": there, "mi300x": pool("mi300x", used=used["mi300x"], price="1.00", capacityType="Spot")}


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(given_=moving())
def test_the_last_ready_one_that_lasts_is_not_drained_while_spot_stays(given_: tuple[Fleet, dict[str, Pool]]) -> None:
    """Unless the target is to move into its place: no other accelerator that lasts is free."""
    of, where = given_
    plan = only(snapshot(of, where=where))
    stays = [r.pool for r in of.ready if r.pod not in plan.drain]
    gone = [r for r in of.ready if r.pool == "h100" and r.pod in plan.drain]
    moves_in = not where["h100"].free and not any(r.variant == plan.target for r in (*of.alive, *gone))
    assert not gone or "h100" in stays or "mi300x" not in stays or moves_in


def on_spot(this: Pool) -> Pool:
    return replace(this, spec=this.spec.model_copy(update={"capacity_type": "Spot"}))


def two_pools(h100: int = 8) -> dict[str, object]:
    spot = pool("mi300x", price="1.00", capacityType="Spot")
    return {"h100": pool("h100", total=h100), "mi300x": spot}


LADDER = [variant("small", ("h100", "mi300x"))]


def test_a_fleet_starts_on_demand_and_grows_on_spot() -> None:
    plan = only(snapshot(fleet(variants=LADDER, load=load(1.0)), where=two_pools()))
    assert dict(plan.replicas) == {("small", "h100"): 1}
    plan = only(snapshot(fleet(variants=LADDER, load=load(100.0)), where=two_pools()))
    assert plan.replicas["small", "h100"] == 1
    assert plan.replicas["small", "mi300x"] > 1


def test_without_room_on_demand_spot_serves_and_says_so() -> None:
    plan = only(snapshot(fleet(variants=LADDER, load=load(1.0)), where=two_pools(h100=0)))
    assert dict(plan.replicas) == {("small", "mi300x"): 1}
    assert [why.code for why in plan.reasons] == ["Serves", "SpotAlone"]


def test_the_last_ready_replica_on_demand_stays_until_its_successor_is_ready() -> None:
    """The on-demand replica of the variant that is left goes only once the new variant's own is ready."""
    ladder = [variant("full", ("h100", "mi300x")), variant("small", ("h100", "mi300x"))]
    new = (*replicas("full/mi300x", 2), replica("full/h100", State.STARTING, 5.0))
    this = fleet(*new, replica("small/h100"), variants=ladder, load=load(20.0), memory=serving("full"))
    plan = only(snapshot(this, where=two_pools()))
    assert plan.replicas["small", "h100"] == 1
    assert plan.drain == ()
    ready = (*replicas("full/mi300x", 2), replica("full/h100"))
    this = fleet(*ready, replica("small/h100"), variants=ladder, load=load(20.0), memory=serving("full"))
    assert only(snapshot(this, where=two_pools())).drain == ("chat-small-h100-1",)


def test_at_the_ceiling_one_on_spot_makes_way_for_a_swap() -> None:
    these = (*replicas("small/h100", 1), *replicas("small/mi300x", 3))
    asks = Demand(at_s=NOW_S - 5, fast_per_s=20.0, slow_per_s=20.0, input_tokens=512, output_tokens=128)
    memory = serving("full", shares={"small": 100}, demand=asks)
    of = fleet(*these, load=load(20.0, running=20), scaling={"maxReplicas": 4}, memory=memory)
    assert only(snapshot(of, where=two_pools())).drain == ("chat-small-mi300x-2", "chat-small-mi300x-3")


def test_where_the_target_fits_nowhere_else_the_last_one_that_lasts_makes_way() -> None:
    """Else the fleet could never move."""
    ladder = [variant("full", ("h100", "mi300x")), variant("small", ("h100",))]
    these = (*replicas("full/h100", 1), *replicas("full/mi300x", 3))
    change = {"variants": ladder, "swap": {"mode": "Manual", "variant": "small"}, "memory": serving("full")}
    where = {"h100": pool("h100", total=1, used=1), "mi300x": pool("mi300x", used=3, capacityType="Spot")}
    drain = only(snapshot(fleet(*these, load=load(5.0), **change), where=where)).drain
    assert drain == ("chat-full-h100-1", "chat-full-mi300x-2", "chat-full-mi300x-3")

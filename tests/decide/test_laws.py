"""Laws of decide() on random fleets: what must hold whatever the fleet, its pods, its load and its money."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, PRICES, fleet, load, pool, replica, snapshot
from tests.decide.fleets import POOLS, RATES, fleets, ladders, only, snapshots, started, works
from tests.decide.rules import may_serve

from costwain.decide import decide
from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.options import ladder
from costwain.domain.memory import Memory
from costwain.domain.snapshot import Fleet, Pool, Snapshot, State, Work

pytestmark = pytest.mark.long

law = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def per_replica(of: Fleet) -> dict[tuple[str, str], int]:
    return {(v.name, p.pool): p.accelerators for v in of.spec.variants for p in v.placements}


@law
@given(snapshots())
def test_never_above_max_replicas(given_: Snapshot) -> None:
    for of, plan in zip(by_key(given_), sorted(decide(given_).fleets, key=lambda p: p.key), strict=True):
        if started(of, plan):
            assert sum(plan.replicas.values()) <= of.spec.scaling.max_replicas


@law
@given(snapshots())
def test_never_above_the_free_accelerators_of_a_pool(given_: Snapshot) -> None:
    plans = {p.key: p for p in decide(given_).fleets}
    for where in given_.pools.values():
        asked = sum(
            n * per_replica(of).get(place, 0)
            for of in given_.fleets
            for place, n in started(of, plans[of.key]).items()
            if place[1] == where.name
        )
        assert asked <= where.free


@law
@given(snapshots())
def test_nothing_starts_that_is_barred_or_unknown_or_has_no_price(given_: Snapshot) -> None:
    plans = {p.key: p for p in decide(given_).fleets}
    for of in given_.fleets:
        for name, where in started(of, plans[of.key]):
            assert may_serve(of.spec, name)
            assert given_.pools[where].hourly_micro is not None


@law
@given(snapshots())
def test_what_is_barred_is_no_target_and_gets_no_more_of_the_traffic(given_: Snapshot) -> None:
    """It may serve on until its successor is ready, and where nothing may serve at all what runs goes on."""
    plans = {p.key: p for p in decide(given_).fleets}
    for of in given_.fleets:
        plan, ladder_ = plans[of.key], [v.name for v in of.spec.variants]
        if {"NoVariant", "Blind", "Paused", "InvalidBudget"} & {why.code for why in plan.reasons}:
            continue
        assert may_serve(of.spec, plan.target or "")
        held = {name: n for name, n in of.memory.shares.items() if name in ladder_}
        for name in (name for name in plan.shares if not may_serve(of.spec, name)):
            assert name in held
            assert plan.shares[name] <= held[name] or plan.target not in {r.variant for r in of.ready}


@law
@given(snapshots(), st.randoms(use_true_random=False))
def test_equal_worlds_equal_plans_in_whatever_order_they_are_told(given_: Snapshot, random: Random) -> None:
    def shuffled(of: Fleet) -> Fleet:
        pods = tuple(random.sample(of.replicas, len(of.replicas)))
        return replace(of, replicas=pods, deployed=dict(random.sample(list(of.deployed.items()), len(of.deployed))))

    told = replace(
        given_,
        fleets=tuple(random.sample([shuffled(f) for f in given_.fleets], len(given_.fleets))),
        pools=dict(sorted(given_.pools.items(), reverse=True)),
    )
    assert decide(given_) == decide(given_) == decide(told)


@law
@given(st.lists(works, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_what_is_learned_is_the_same_in_whatever_order_pods_are_told(told: list[Work], random: Random) -> None:
    these = [replica(f"full/mi300x#{i}", work=work) for i, work in enumerate(told)]
    learned = [only(snapshot(fleet(*pods))).memory.learned for pods in (these, random.sample(these, len(these)))]
    assert learned[0] == learned[1]


@law
@given(snapshots())
def test_shares_are_whole_and_of_the_ladder(given_: Snapshot) -> None:
    for of, plan in zip(by_key(given_), sorted(decide(given_).fleets, key=lambda p: p.key), strict=True):
        assert sum(plan.shares.values()) == 100
        assert set(plan.shares) <= {v.name for v in of.spec.variants}
        assert plan.reasons


@law
@given(snapshots())
def test_no_place_both_starts_and_drains(given_: Snapshot) -> None:
    plans = {p.key: p for p in decide(given_).fleets}
    for of in given_.fleets:
        plan = plans[of.key]
        place = {r.pod: r.place for r in of.replicas}
        assert not {place[pod] for pod in plan.drain} & set(started(of, plan))
        assert not set(plan.drain) & set(plan.undrain)
        assert all(r.state is State.READY for r in of.replicas if r.pod in plan.drain)


@law
@given(snapshots())
def test_no_deployment_shrinks_below_the_pods_that_may_still_answer(given_: Snapshot) -> None:
    plans = {p.key: p for p in decide(given_).fleets}
    for of in given_.fleets:
        for place, n in plans[of.key].replicas.items():
            assert n >= sum(r.place == place and r.state in (State.READY, State.DRAINING) for r in of.alive)


@law
@given(snapshots())
def test_a_paused_fleet_is_left_alone(given_: Snapshot) -> None:
    paused = [f for f in given_.fleets if f.spec.scaling.mode == "Paused"]
    assume(paused)
    plans = {p.key: p for p in decide(given_).fleets}
    for of in paused:
        plan = plans[of.key]
        assert (plan.replicas, plan.memory, plan.drain, plan.undrain) == (of.deployed, of.memory, (), ())


@law
@given(fleets())
def test_a_blind_fleet_holds_its_counts_unless_the_money_ends(of: Fleet) -> None:
    plan = only(snapshot(replace(of, load=None)))
    codes = {w.code for w in plan.reasons}
    assert not started(of, plan) or "BudgetFloor" in codes
    if not {"BudgetExhausted", "BudgetFloor"} & codes:
        assert (plan.drain, plan.undrain) == ((), ())
        # What still waits for its node is given up where its stop couldn't be paid.
        assert plan.replicas == of.deployed or "BudgetShort" in codes


@law
@given(ladders(), RATES, st.lists(st.integers(0, 100), min_size=2, max_size=2), st.sampled_from(["Hour", "Day"]))
def test_more_dollars_never_lower_the_quality(
    variants: list[dict[str, object]], per_s: float, dollars: list[int], period: str
) -> None:
    """For a new fleet with accelerators enough for every rung: short of them, quantity comes before quality."""
    names = [v["name"] for v in variants]
    chosen = []
    for amount in sorted(dollars):
        budget = {"amount": str(amount), "period": period}
        of = fleet(variants=variants, load=load(per_s), budget=budget, scaling={"maxReplicas": 1000})
        chosen.append(names.index(only(snapshot(of, where=everywhere(10_000))).target or ""))
    assert chosen == sorted(chosen, reverse=True)


@law
@given(ladders(), st.lists(RATES, min_size=2, max_size=2))
def test_more_load_never_lowers_the_capacity(variants: list[dict[str, object]], rates: list[float]) -> None:
    wide = everywhere(10_000)
    carried = []
    for per_s in sorted(rates):
        of = fleet(variants=variants, load=load(per_s), scaling={"maxReplicas": 1000})
        rates_of = {o.place: o.per_s for r in ladder(of, wide, FIRST_GUESS, NOW_S) for o in r.options}
        plan = only(snapshot(of, where=wide))
        carried.append(sum(rates_of[place] * n for place, n in plan.replicas.items()))
        assert carried[-1] >= per_s - 1e-6
    assert carried == sorted(carried)


@law
@given(fleets())
def test_without_demand_all_but_the_floor_is_on_its_way_out(of: Fleet) -> None:
    assume(of.spec.scaling.mode == "Managed")
    quiet = replace(of, load=load(0.0), memory=Memory(busy_at_s=NOW_S - 10_000, target=of.memory.target))
    plan = only(snapshot(quiet, where=everywhere()))
    leaving = {r.pod for r in of.alive if r.state is State.DRAINING} - set(plan.undrain)
    stays = sum(plan.replicas.values()) - len(leaving) - len(plan.drain)
    swapped = [name for name in plan.shares if name != plan.target]  # each keeps one until the target serves
    # The floor may move to another pool or variant: then it is there twice until it serves there.
    ready = Counter(r.place for r in of.ready)
    coming = sum(max(0, n - ready[place]) for place, n in plan.replicas.items())
    moved = min(coming, of.spec.scaling.min_replicas)
    assert stays <= of.spec.scaling.min_replicas + len(swapped) + moved or plan.reasons[0].code == "NoVariant"


@law
@given(snapshots())
def test_deciding_again_at_once_changes_nothing(given_: Snapshot) -> None:
    first = decide(given_)
    memories = {p.key: p.memory for p in first.fleets}
    again = decide(replace(given_, fleets=tuple(replace(f, memory=memories[f.key]) for f in given_.fleets)))
    for before, after in zip(first.fleets, again.fleets, strict=True):
        assert after.memory == before.memory
        assert (after.target, after.shares, after.replicas) == (before.target, before.shares, before.replicas)
        assert (after.drain, after.undrain, after.slots) == (before.drain, before.undrain, before.slots)


def by_key(given_: Snapshot) -> list[Fleet]:
    return sorted(given_.fleets, key=lambda f: f.key)


def everywhere(total: int = 8) -> dict[str, Pool]:
    """The three pools with their usual prices, and nobody there."""
    return {name: pool(name, total=total, price=PRICES[name]) for name in POOLS}

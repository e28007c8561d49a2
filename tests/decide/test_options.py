"""Options: what a rung could run on, and in words what bars it or keeps it from a pool."""

from typing import Any

import pytest
from tests.decide.builders import NOW_S, fleet, pool, pools, replica, replicas, variant

from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.options import Rung, ladder
from costwain.domain.memory import Memory, Refusal
from costwain.domain.plan import Why
from costwain.domain.snapshot import Fleet, Pool, Replica, State


def rungs(of: Fleet, *where: Pool) -> tuple[Rung, ...]:
    return ladder(of, pools(*where, using=of.replicas), FIRST_GUESS, NOW_S)


def test_every_rung_gets_one_option_a_pool() -> None:
    full, small = rungs(fleet())
    assert [o.place for o in full.options] == [("full", "h100"), ("full", "mi300x")]
    assert [o.hourly_micro for o in small.options] == [4_000_000, 3_000_000]
    assert (full.barred, full.problems) == (None, ())
    assert all(s.per_s > f.per_s for f, s in zip(full.options, small.options, strict=True))


def test_a_replica_of_two_accelerators_costs_twice_and_half_as_many_fit() -> None:
    (rung,) = rungs(fleet(variants=[variant("full", placements=[{"pool": "h100", "accelerators": 2}])]))
    assert (rung.options[0].hourly_micro, rung.options[0].most) == (8_000_000, 4)


@pytest.mark.parametrize(("text", "slots"), [("8", 8), ("0", 1)])
def test_no_more_requests_a_replica_than_its_engine_takes_at_once(text: str, slots: int) -> None:
    (rung,) = rungs(fleet(variants=[variant("full", engine={"args": {"max-num-seqs": text}})]))
    assert rung.options[0].slots == slots


def test_an_argument_that_is_no_number_says_nothing_about_slots() -> None:
    (usual, _), (odd,) = rungs(fleet()), rungs(fleet(variants=[variant(engine={"args": {"max-num-seqs": "many"}})]))
    assert odd.options == usual.options


ROOM: dict[str, tuple[tuple[Replica, ...], Pool, int, int]] = {  # story: (pods, pool, most, most_now)
    "an empty pool": ((), pool("h100", total=5), 5, 5),
    "others hold some": ((), pool("h100", total=5, used=3), 2, 2),
    "more is held than there is": ((), pool("h100", total=5, used=9), 0, 0),
    "its own pods may stay": (replicas("full/h100", 2), pool("h100", total=5), 5, 5),
    "what the other rung holds could be freed": (replicas("small/h100", 2), pool("h100", total=5), 5, 3),
    "a pod that is going holds its accelerator still": (
        replicas("full/h100", 2, State.TERMINATING),
        pool("h100", total=5),
        3,
        3,
    ),
}


@pytest.mark.parametrize(("pods", "where", "most", "most_now"), ROOM.values(), ids=ROOM)
def test_room(pods: tuple[Replica, ...], where: Pool, most: int, most_now: int) -> None:
    found = rungs(fleet(*pods), where)[0].options[0]
    assert (found.most, found.most_now) == (most, most_now)


HELD = {  # story: (accelerators that each of two pods holds, accelerators of a replica by the spec, most_now of four)
    "what the spec asks for": (2, 2, 2),
    "two pods of two stay two until they are replaced, though the spec asks for one": (2, 1, 2),
    "two of one make place for one of two, where the others hold the rest": (1, 2, 1),
}


@pytest.mark.parametrize(("holds", "asked", "now"), HELD.values(), ids=HELD)
def test_running_replicas_hold_what_they_hold_until_they_are_gone(holds: int, asked: int, now: int) -> None:
    pods = tuple(replica(f"full/h100#{i}", accelerators=holds) for i in (1, 2))
    placed = variant("full", placements=[{"pool": "h100", "accelerators": asked}])
    (rung,) = rungs(fleet(*pods, variants=[placed]), pool("h100", total=4, used=4 - 2 * holds))
    assert rung.options[0].most_now == now


def test_a_placement_may_have_a_ceiling_of_its_own() -> None:
    (rung,) = rungs(fleet(variants=[variant("full", placements=[{"pool": "h100", "maxReplicas": 2}])]))
    assert rung.options[0].most == 2


def test_a_pool_that_let_a_pod_wait_keeps_what_runs_and_gets_no_more() -> None:
    rest = Memory(refusals=[Refusal(pool="h100", until_s=NOW_S + 1)])
    pods = (*replicas("full/h100", 2), replica("full/h100#3", State.PENDING))
    on_h100, on_mi300x = rungs(fleet(*pods, memory=rest))[0].options
    assert (on_h100.most, on_h100.most_now, on_mi300x.most) == (2, 2, 8)


PROBLEMS: dict[str, tuple[dict[str, Any], Pool, Why]] = {  # story: (change of the rung, pool, the problem)
    "a pool that isn't there": (
        {"placements": [{"pool": "b200"}]},
        pool("h100"),
        Why("UnknownPool", "full: there is no AcceleratorPool 'b200'"),
    ),
    "a pool of unknown accelerators": (
        {},
        pool("h100", accelerator="b999"),
        Why("UnknownAccelerator", "pool h100: accelerator 'b999' isn't in the hardware table, give its figures"),
    ),
    "a pool without a price": (
        {},
        pool("h100", price=None),
        Why("PriceUnknown", "pool h100: no price, so full is not placed there"),
    ),
    "a card that is too small": (
        {},
        pool("h100", accelerator="l4"),
        Why(
            "DoesNotFit",
            "full on h100: qwen3-32b needs 65.6 GB of weights plus 2.0 GB a device, 1 x l4 has 21.6 GB usable",
        ),
    ),
    "accelerators among which vLLM can't split the model": (
        {"placements": [{"pool": "h100", "accelerators": 3}]},
        pool("h100"),
        Why(
            "CannotSplit",
            "full on h100: accelerators: want 1, 2, 4, 8, 16, 32 or 64, for vLLM splits qwen3-32b's 64 attention and "
            "8 key-value heads evenly (found 3)",
        ),
    ),
    "a model that nobody described": (
        {"model": {"uri": "pvc://weights/mine"}},
        pool("h100"),
        Why("UnknownModel", "full: pvc://weights/mine isn't in the table of known models, give its shape"),
    ),
    "a shape of no parameters": (
        {"shape": {"parameters": "0", "layers": 1, "kvHeads": 1, "headDim": 1}},
        pool("h100"),
        Why("InvalidShape", "full: shape.parameters: must be positive (found 0)"),
    ),
    "a shape with more active parameters than there are": (
        {"shape": {"parameters": "1B", "activeParameters": "2B", "layers": 1, "kvHeads": 1, "headDim": 1}},
        pool("h100"),
        Why(
            "InvalidShape",
            "full: shape.active_parameters: must not exceed the 1000000000 parameters (found 2000000000)",
        ),
    ),
}


@pytest.mark.parametrize(("change", "where", "problem"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_only_a_person_can_mend(change: dict[str, Any], where: Pool, problem: Why) -> None:
    (rung,) = rungs(fleet(variants=[variant("full", pools=("h100",), **change)]), where)
    assert (rung.options, rung.problems) == ((), (problem,))


def test_a_variant_that_cannot_be_started_has_no_option() -> None:
    full, small = rungs(fleet(broken={"full": "engine.args: no argument 'max-modell-len'"}))
    assert full.problems == (Why("InvalidEngine", "full: engine.args: no argument 'max-modell-len'"),)
    assert (full.options, len(small.options)) == ((), 2)


SCORED = [
    variant("full", license="Apache-2.0", evaluations={"gsm8k": "95.8", "safety": "98.1", "mmlu": "72.7"}),
    variant("small", evaluations={"gsm8k": "79.5", "safety": "95", "mmlu": "64.3"}),
]
BARS: dict[str, tuple[list[dict[str, Any]], dict[str, Any], Why | None, Why | None]] = {
    "nothing is asked": (SCORED, {}, None, None),
    "the quality floor": (
        SCORED,
        {"minQuality": "70"},
        None,
        Why("BelowMinQuality", "quality 64.3 is below minQuality 70"),
    ),
    "exactly the floor": (SCORED, {"minQuality": "64.3"}, None, None),
    "a licence that isn't known": (
        SCORED,
        {"allowedLicenses": ["Apache-2.0"]},
        None,
        Why("LicenseNotAllowed", "licence unknown is not in allowedLicenses"),
    ),
    "a gate with a bar": (
        SCORED,
        {"gates": [{"evaluation": "gsm8k", "min": "80"}]},
        None,
        Why("GateFailed", "gsm8k 79.5 is below 80"),
    ),
    "a gate on the drop": (
        SCORED,
        {"gates": [{"evaluation": "safety", "maxDrop": "2"}]},
        None,
        Why("GateFailed", "safety 95 is more than 2 below full's 98.1"),
    ),
    "exactly the drop that is allowed": (SCORED, {"gates": [{"evaluation": "mmlu", "maxDrop": "8.4"}]}, None, None),
    "a gate without a score": (
        [SCORED[0], variant("small")],
        {"gates": [{"evaluation": "gsm8k", "min": "80"}]},
        None,
        Why("GateFailed", "no score for gsm8k, and the gate needs one"),
    ),
    "the drop from a best variant that has no score": (
        [variant("full"), SCORED[1]],
        {"gates": [{"evaluation": "safety", "maxDrop": "2"}]},
        Why("GateFailed", "no score for safety, and the gate needs one"),
        Why("GateFailed", "no score of full for safety, and the gate compares with it"),
    ),
    "by hand": (
        SCORED,
        {"mode": "Manual", "variant": "small"},
        Why("NotChosen", "swap.variant is small"),
        None,
    ),
    "swapping is off": (
        SCORED,
        {"mode": "Off"},
        None,
        Why("SwapOff", "swap.mode is Off: full alone may serve"),
    ),
    "by hand, and the one that is named fails its gate": (
        SCORED,
        {"mode": "Manual", "variant": "small", "gates": [{"evaluation": "gsm8k", "min": "80"}]},
        Why("NotChosen", "swap.variant is small"),
        Why("GateFailed", "gsm8k 79.5 is below 80"),
    ),
    "by hand, and the one that is named is below the floor": (
        SCORED,
        {"mode": "Manual", "variant": "small", "minQuality": "70"},
        Why("NotChosen", "swap.variant is small"),
        Why("BelowMinQuality", "quality 64.3 is below minQuality 70"),
    ),
    "swapping is off, and the licence of the best isn't allowed": (
        SCORED,
        {"mode": "Off", "allowedLicenses": ["MIT"]},
        Why("LicenseNotAllowed", "licence Apache-2.0 is not in allowedLicenses"),
        Why("SwapOff", "swap.mode is Off: full alone may serve"),
    ),
}


@pytest.mark.parametrize(("variants", "swap", "full", "small"), BARS.values(), ids=BARS)
def test_what_bars_a_rung(
    variants: list[dict[str, Any]], swap: dict[str, Any], full: Why | None, small: Why | None
) -> None:
    assert [r.barred for r in rungs(fleet(variants=variants, swap=swap))] == [full, small]

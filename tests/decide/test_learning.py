"""Learned capacity: what pods really do moves the prior, slowly where little was seen, and never far for one oddity."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, fleet, pool, pools, replica, variant

from costwain.decide.capacity import Placed, tokens_per_s
from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.learning import BOUNDS, MOST_EVIDENCE, learn, scalar_of, updated
from costwain.decide.options import ladder
from costwain.domain.hardware import ACCELERATORS
from costwain.domain.memory import Learned, Memory
from costwain.domain.models import KNOWN_MODELS
from costwain.domain.snapshot import Fleet, Replica, State, Work

PLACE = ("full", "mi300x")
QWEN32 = KNOWN_MODELS["Qwen/Qwen3-32B"]


def work(speed: float = 1.0, batch: float = 20.0, **change: Any) -> Work:
    """What a pod of Qwen3-32B on an MI300X does at a batch, so much faster than its prior."""
    gives = speed * tokens_per_s(QWEN32, ACCELERATORS["mi300x"], 1, FIRST_GUESS, batch)
    told = Work(NOW_S, over_s=30.0, running_before=batch, running=batch, tokens_per_s=gives)
    return replace(told, **change)


def warm(*told: Work, state: State = State.READY, age_s: float = 600.0) -> Fleet:
    return fleet(*(replica(f"full/mi300x#{i}", state, age_s, work=w) for i, w in enumerate(told)))


def ratio(of: Fleet, memory: Memory | None = None) -> float | None:
    """What one turn learned of the place, or None."""
    learned = learn(of, pools(), memory or Memory(), NOW_S).learned
    return next((x.ratio for x in learned if (x.variant, x.pool) == PLACE), None)


SILENT = {
    "a pod that is just ready is still warming up": warm(work(0.5), age_s=100.0),
    "a pod that is draining has ever fewer requests": warm(work(0.5), state=State.DRAINING),
    "three requests say more of their prompts than of the pod": warm(work(0.5, batch=3)),
    "a near idle pod": warm(work(0.5, batch=5)),
    "the load changed so much in between that the batch isn't known": warm(work(0.5, running_before=6.0)),
    "no time passed": warm(work(0.5, over_s=0.0)),
    "no tokens were counted, as after a restart of the counter": warm(work(0.5, tokens_per_s=0.0)),
    "no figures at all": fleet(replica("full/mi300x")),
    "a pod of a variant that left the ladder": fleet(replica("old/mi300x", work=work(0.5))),
    "an accelerator that nobody knows": fleet(
        replica("full/l40s", work=work(0.5)), variants=[variant("full", ["l40s"])]
    ),
    "a model that nobody knows": fleet(
        replica("full/mi300x", work=work(0.5)), variants=[variant("full", model={"uri": "hf://no/body"})]
    ),
}


@pytest.mark.parametrize("of", SILENT.values(), ids=SILENT)
def test_what_cannot_tell_teaches_nothing(of: Fleet) -> None:
    where = pools(pool("l40s", accelerator="b999"))
    memory = learn(of, where, Memory(), NOW_S)
    assert memory == Memory()
    assert scalar_of(memory, PLACE) == 1.0


def test_one_full_pod_moves_the_prior_a_little_towards_what_it_did() -> None:
    got = ratio(warm(work(0.7)))
    assert got is not None
    assert 0.97 < got < 1.0


def test_pods_of_a_place_are_one_observation() -> None:
    assert ratio(warm(work(0.7), work(0.7))) == pytest.approx(ratio(warm(work(0.7))) or 0.0)
    mixed = ratio(warm(work(0.9), work(1.1)))
    assert mixed == pytest.approx(1.0, abs=0.001)


def test_the_same_reading_is_counted_once() -> None:
    of = warm(work(0.7))
    once = learn(of, pools(), Memory(), NOW_S)
    assert learn(of, pools(), once, NOW_S + 5) == once


def test_readings_close_together_are_less_evidence() -> None:
    (half,) = learn(warm(work(0.7, over_s=15.0)), pools(), Memory(), NOW_S).learned
    (whole,) = learn(warm(work(0.7)), pools(), Memory(), NOW_S).learned
    (long,) = learn(warm(work(0.7, over_s=600.0)), pools(), Memory(), NOW_S).learned
    assert (half.evidence, whole.evidence, long.evidence) == (0.5, 1.0, 1.0)
    assert half.ratio > whole.ratio == long.ratio


def test_what_is_learned_of_a_place_that_is_gone_is_forgotten() -> None:
    old = Learned(variant="old", pool="mi300x", at_s=NOW_S, ratio=0.5, evidence=9, scalar=0.5)
    mine = old.model_copy(update={"variant": "full"})
    assert learn(fleet(), pools(), Memory(learned=[mine, old]), NOW_S).learned == [mine]


def test_a_scalar_changes_the_option_and_holds_the_slo() -> None:
    (plain,), (slow,) = (
        [o for o in ladder(of, pools(), FIRST_GUESS, NOW_S)[0].options if o.place == PLACE]
        for of in (fleet(), fleet(memory=Memory(learned=[known(scalar=0.7)])))
    )
    assert slow.per_s < 0.7 * plain.per_s  # fewer at a time, too, or each would wait too long for its tokens
    at = Placed(QWEN32, ACCELERATORS["mi300x"], 1, FIRST_GUESS).at(slow.slots)
    assert at.tpot_s / 0.7 <= 0.05


def known(**change: Any) -> Learned:
    return Learned(**{"variant": "full", "pool": "mi300x", "at_s": NOW_S - 60, **change})


speeds = st.floats(0.3, 3.0)


@given(speeds, st.integers(1, 60))
def test_law_more_evidence_narrows(speed: float, times: int) -> None:
    found = known()
    before = abs(math.log(found.ratio / speed))
    for _ in range(times):
        found = updated(found, speed, [work()])
    assert abs(math.log(found.ratio / speed)) <= before + 1e-12
    more = updated(found, speed, [work()])
    assert abs(math.log(more.ratio / speed)) <= abs(math.log(found.ratio / speed)) + 1e-12


@given(st.floats(1e-6, 1e6), st.floats(0, MOST_EVIDENCE), st.floats(0.5, 2.0))
def test_law_one_outlier_moves_little(outlier: float, evidence: float, before: float) -> None:
    got = updated(known(ratio=before, evidence=evidence), outlier, [work()])
    assert got.ratio == pytest.approx(before, rel=0.031)
    assert BOUNDS[0] <= got.ratio <= BOUNDS[1]


@settings(max_examples=10, deadline=None)
@given(speeds)
def test_law_it_gets_there_and_follows_a_change_within_hours(speed: float) -> None:
    found = known()
    for _ in range(1500):
        found = updated(found, speed, [work()])
    assert found.ratio == pytest.approx(speed, rel=0.02)
    assert found.scalar == pytest.approx(speed, rel=0.05)
    assert found.evidence == MOST_EVIDENCE
    for _ in range(1500):
        found = updated(found, 1.0, [work()])
    assert found.scalar == pytest.approx(1.0, rel=0.05)


@given(st.lists(st.floats(0.97, 1.03), min_size=1, max_size=40))
def test_law_noise_alone_never_changes_a_size(noise: list[float]) -> None:
    found = known()
    for speed in noise:
        found = updated(found, speed, [work()])
    assert found.scalar == 1.0


@pytest.mark.parametrize(("readings", "evidence"), [(1, 1.0), (30, 5.0)])
def test_readings_that_were_gathered_tell_as_much_as_each_did(readings: int, evidence: float) -> None:
    long = replace(work(), over_s=150.0, readings=readings)
    assert updated(known(), 1.0, [long]).evidence == pytest.approx(evidence)


def test_a_replica_without_figures_is_none_and_not_zero() -> None:
    assert Replica("p", "p", *PLACE, State.READY, 0.0).work is None

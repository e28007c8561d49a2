"""Longer answers: a variant that writes five times the tokens is five times the work, told by its spec or measured."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decide.builders import NOW_S, fleet, pools, replicas, serving, snapshot, spec, variant

from costwain.decide import decide
from costwain.decide.capacity import RequestShape
from costwain.decide.forecast import observe_demand, request_shape, usual_shape
from costwain.decide.lengths import ENOUGH, learn_lengths, lengths_of, longer
from costwain.decide.options import ladder
from costwain.decide.understand import understood
from costwain.domain.memory import AnswerLength, Demand, Memory, Peak
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Answers, Fleet, Load

TURN_S, PER_S = 10.0, 4.0
CHAT = RequestShape(64, 256)
FULL, SMALL = {"full": 100}, {"small": 100}


def heard(shares: Mapping[str, int], tokens: Mapping[str, float], per_s: float = PER_S) -> Load:
    """A turn in which each variant answers by its share, with answers of such a mean."""
    counts = {name: per_s * TURN_S * n / 100 for name, n in shares.items()}
    mean = sum(counts[name] * tokens[name] for name in counts) / sum(counts.values())
    told = {name: Answers(n, (), n * tokens[name]) for name, n in counts.items()}
    return Load(per_s, {}, {}, 512.0, mean, answers=told)


def after(
    memory: Memory, shares: Mapping[str, int], for_s: float, tokens: Mapping[str, float], **change: Any
) -> Memory:
    """The memory after so long with these shares, through JSON turn by turn as a cluster keeps it."""
    per_s, this = change.pop("per_s", PER_S), fleet(**change)
    now_s = memory.demand.at_s if memory.demand else NOW_S
    if memory.shares != shares:
        memory = memory.model_copy(update={"shares": shares, "stepped_at_s": now_s})
    for _ in range(round(for_s / TURN_S)):
        now_s += TURN_S
        kept = Memory.model_validate_json(memory.model_dump_json())
        seen = replace(this, load=heard(shares, tokens, per_s), memory=kept)
        memory = learn_lengths(seen, observe_demand(seen, now_s), now_s)
    return memory


def length(memory: Memory, name: str) -> AnswerLength:
    return next(x for x in memory.lengths if x.variant == name)


THINKS = {"full": 128.0, "small": 640.0}  # small writes five times as much


def planned(answer_length: str) -> FleetPlan:
    """A turn of a fleet on small that is asked 10 times a second and has $5 an hour; full answers at such a length."""
    ladder_ = [variant("full", answerLength=answer_length), variant("small")]
    seen = Load(10.0, {}, {}, 64.0, 256.0)
    memory = serving(
        "small", demand=Demand(at_s=NOW_S - 10, fast_per_s=10, slow_per_s=10, input_tokens=64, output_tokens=256)
    )
    budget = {"amount": "5.00", "period": "Hour"}
    this = fleet(*replicas("small/mi300x", 1), load=seen, memory=memory, variants=ladder_, budget=budget)
    (plan,) = decide(snapshot(this)).fleets
    return plan


def test_a_rung_that_thinks_needs_several_times_the_replicas() -> None:
    plain, thinks = (
        ladder(fleet(variants=[variant("full", answerLength=n), variant("small")]), pools(), CHAT, NOW_S)
        for n in ("1", "5")
    )
    for one, five in zip(plain[0].options, thinks[0].options, strict=True):
        assert one.per_s > 3 * five.per_s
    assert plain[1].options == thinks[1].options


def test_a_budget_that_pays_the_plain_rung_does_not_pay_the_one_that_thinks() -> None:
    assert planned("1").target == "full"
    thinks = planned("5")
    assert (thinks.target, planned("1").money.planned_micro_per_h) == ("small", 3_000_000)
    assert thinks.verdicts["full"] == "would cost $12.00/h"


def test_a_swap_teaches_what_the_spec_does_not_say() -> None:
    memory = after(Memory(), FULL, 1200, THINKS)
    assert [(x.variant, x.length, x.used) for x in memory.lengths] == [("full", 1.0, 1.0)]
    memory = after(memory, SMALL, 3600, THINKS)
    small = length(memory, "small")
    assert small.length == pytest.approx(5, rel=0.05)
    assert 4 <= small.used <= 5.01
    assert length(memory, "full").used == 1.0
    assert request_shape(memory).output_tokens * small.used == pytest.approx(640, rel=0.05)
    assert usual_shape(memory).output_tokens == pytest.approx(128, rel=0.3)
    back = after(memory, FULL, 3600, THINKS)
    assert lengths_of(spec(), back) == lengths_of(spec(), memory)


def test_what_serves_is_sized_alike_before_and_while_its_length_is_learned() -> None:
    memory, sizes = after(after(Memory(), FULL, 1200, THINKS), SMALL, 300, THINKS), list[float]()
    for _ in range(120):
        memory = after(memory, SMALL, TURN_S, THINKS)
        sizes.append(longer(request_shape(memory), lengths_of(spec(), memory)["small"]).output_tokens)
    assert max(sizes) < 1.05 * 640
    assert min(sizes) > 400


NOT_LEARNED = {
    "in the five minutes after a step its short answers are the first to end": {"for_s": 290},
    "a hundred answers are the least": {"for_s": 900, "per_s": 0.1},
    "what served more than twenty minutes ago had another load": {"for_s": 900, "pause_s": 1000},
}


@pytest.mark.parametrize("story", NOT_LEARNED.values(), ids=NOT_LEARNED)
def test_a_length_stays_as_the_spec_says(story: dict[str, float]) -> None:
    told = dict(story)
    pause_s, for_s, per_s = told.pop("pause_s", 0.0), told.pop("for_s"), told.pop("per_s", PER_S)
    memory = after(Memory(), FULL, 1200, THINKS)
    if pause_s:  # nobody is asked for a while
        assert memory.demand is not None
        rested = memory.demand.model_copy(update={"at_s": memory.demand.at_s + pause_s})
        memory = memory.model_copy(update={"demand": rested})
    memory = after(memory, SMALL, for_s, THINKS, per_s=per_s)
    assert dict(lengths_of(spec(), memory)) == {"full": 1.0, "small": 1.0}


def test_of_two_that_serve_together_the_one_with_less_traffic_moves() -> None:
    memory = after(Memory(), {"full": 80, "small": 20}, 3600, THINKS)
    assert length(memory, "full").length == 1.0
    assert length(memory, "small").length == pytest.approx(5, rel=0.05)


def test_answers_of_unknown_tokens_and_a_ladder_of_one_teach_nothing() -> None:
    memory = after(Memory(), FULL, 900, THINKS, variants=[variant("full")])
    assert memory.lengths == []
    load = replace(heard(FULL, THINKS), answers={"full": Answers(40.0, ())})
    seen = fleet(load=load, memory=serving())
    assert learn_lengths(seen, seen.memory, NOW_S) is seen.memory


def test_another_value_in_the_spec_begins_anew() -> None:
    memory = after(after(Memory(), FULL, 900, THINKS), SMALL, 1800, THINKS)
    told = [variant("full"), variant("small", answerLength="4")]
    assert lengths_of(spec(variants=told), memory)["small"] == 4.0
    anew = after(memory, SMALL, TURN_S, THINKS, variants=told)
    assert (length(anew, "small").told, length(anew, "small").used) == (4.0, 4.0)
    assert length(anew, "full") == length(memory, "full")


def test_a_variant_that_left_the_ladder_is_forgotten() -> None:
    memory = after(Memory(), FULL, 900, THINKS)
    others = [variant("small"), variant("tiny")]
    assert [x.variant for x in after(memory, SMALL, 900, THINKS, variants=others).lengths] == ["small"]


def test_the_mean_request_stays_when_the_traffic_moves_to_a_variant_that_is_said_to_think() -> None:
    told = [variant("full"), variant("small", answerLength="5")]
    memory = after(Memory(), FULL, 1200, THINKS, variants=told)
    for shares in ({"full": 50, "small": 50}, SMALL):
        memory = after(memory, shares, 1200, THINKS, variants=told)
        assert request_shape(memory).output_tokens == pytest.approx(128, rel=0.01)
        assert usual_shape(memory).output_tokens == pytest.approx(128, rel=0.01)


def test_where_no_engine_tells_the_shares_say_who_answered() -> None:
    told = [variant("full"), variant("small", answerLength="5")]
    seen = fleet(load=Load(4.0, {}, {}, 512.0, 640.0), memory=serving(shares=SMALL), variants=told)
    assert request_shape(observe_demand(seen, NOW_S)).output_tokens == 128.0


def test_a_length_that_is_learned_leaves_the_peaks_as_many_requests_as_they_were() -> None:
    told = Demand(at_s=NOW_S - 10, fast_per_s=4, slow_per_s=4, input_tokens=512, output_tokens=512)
    close = {"at_s": NOW_S - 10, "answers": 1000.0}
    lengths = [
        AnswerLength(variant="full", tokens=128, **close),
        AnswerLength(variant="small", tokens=640, length=1.24, **close),
    ]
    peaks = [Peak(at_s=NOW_S - 60, replicas=4, came=4)]
    memory = serving("small", demand=told, lengths=lengths, peaks=peaks)
    blind, sees = (
        understood(fleet(load=replace(heard(SMALL, THINKS), **change), memory=memory), pools(), NOW_S).case
        for change in ({"answers": {}}, {})
    )
    assert lengths_of(spec(), sees.fleet.memory)["small"] > 1.25
    assert sees.rungs[0].options[0].per_s > 1.1 * blind.rungs[0].options[0].per_s
    assert sees.expected.stable_per_s == pytest.approx(blind.expected.stable_per_s, rel=0.02)


def test_noise_does_not_add_up_over_a_day_of_swaps() -> None:
    memory, a_tenth_less = Memory(), 128.0
    for n in range(24):  # the load's answers are shorter after every swap
        a_tenth_less *= 0.9
        memory = after(memory, (FULL, SMALL)[n % 2], 900, {"full": a_tenth_less, "small": a_tenth_less})
    assert [x.used for x in memory.lengths] == [1.0, 1.0]


means = st.lists(st.floats(0.9, 1.1), min_size=2, max_size=30)


@settings(max_examples=20, deadline=None)
@given(means, means)
def test_law_equal_answers_never_change_a_plan(first: list[float], second: list[float]) -> None:
    memory = Memory()
    for shares, noise in ((FULL, first), (SMALL, second), ({"full": 50, "small": 50}, first), (FULL, second)):
        memory = after(memory, shares, 300, {"full": 128.0, "small": 128.0})
        for each in noise:
            memory = after(memory, shares, 30, dict.fromkeys(shares, 128.0 * each))
    assert all(x.used == 1.0 for x in memory.lengths)
    assert len(memory.lengths) == 2
    plan = planned_with(memory)
    assert plan == planned_with(memory.model_copy(update={"lengths": []}))


def planned_with(memory: Memory) -> FleetPlan:
    """A turn's plan without the lengths that it remembers."""
    assert memory.demand is not None
    at_s = memory.demand.at_s + TURN_S
    this: Fleet = fleet(*replicas("full/mi300x", 2), load=heard(FULL, THINKS), memory=memory)
    (plan,) = decide(snapshot(this, now_s=at_s)).fleets
    return replace(plan, memory=plan.memory.model_copy(update={"lengths": []}))


def test_one_outlier_of_a_hundred_answers_is_bounded() -> None:
    memory = after(Memory(), FULL, 1200, THINKS)
    before = length(memory, "full").tokens
    wild = after(memory, FULL, TURN_S, {"full": 640.0}, per_s=0.1)  # one answer of five times the tokens
    assert length(wild, "full").tokens < before * (1 + 4 / ENOUGH)

"""Promises: what a quarter of an hour of answers does to how far replicas are filled."""

from dataclasses import replace

import pytest
from tests.decide.builders import NOW_S, fleet

from costwain.decide.promise import ANSWER_S, DOWN, LEAST, PERIOD_S, keep_promises, load_of
from costwain.domain.memory import Demand, Memory, Promise
from costwain.domain.snapshot import Answers, Load

TURN_S = 15.0


def told(count: float, quick: float, queued: int = 0) -> Load:
    """Answers of `full`, some of them within its 50 ms."""
    return Load(1.0, {"full": queued} if queued else {}, {}, answers={"full": Answers(count, ((0.05, quick),))})


def after(load: Load | None, for_s: float = PERIOD_S + TURN_S, start: float = 1.0) -> Memory:
    this, memory = fleet(), Memory(promises=[Promise(variant="full", since_s=NOW_S, load=start)])
    for turn in range(1, round(for_s / TURN_S) + 1):
        memory = keep_promises(replace(this, load=load), memory, {"full": 10.0}, NOW_S + turn * TURN_S)
    return memory


STORIES = {  # story: (what each turn tells, load before, load after; 95 % are promised)
    "as many in time as promised": (told(20, 19.3), 0.8, 0.8),
    "too many late": (told(20, 18.0), 0.8, 0.752),
    "hardly any late": (told(20, 20), 0.8, 0.832),
    "never more than the model gives": (told(20, 20), 1.0, 1.0),
    "never less than a quarter": (told(20, 10), 0.26, LEAST),
    "a queue's own delay": (told(20, 10, queued=5), 0.8, 0.8),
    "too few answers to tell": (told(0.5, 0), 0.8, 0.8),
    "engines that say nothing": (Load(1.0, {}, {}), 0.8, 0.8),
    "nothing readable": (None, 0.8, 0.8),
}


@pytest.mark.parametrize(("load", "before", "loaded"), STORIES.values(), ids=STORIES)
def test_a_quarter_of_an_hour_of_answers(load: Load | None, before: float, loaded: float) -> None:
    assert load_of(after(load, start=before), "full") == pytest.approx(loaded)


def test_nothing_moves_before_a_change_can_have_been_felt() -> None:
    assert load_of(after(told(20, 10), PERIOD_S - TURN_S), "full") == 1.0


def test_a_change_begins_the_count_anew() -> None:
    (promise,) = after(told(20, 18.0)).promises
    assert (promise.answered, promise.late) == (20.0, 2.0)


def test_a_variant_that_never_answered_is_filled_as_the_model_says() -> None:
    assert load_of(Memory(), "small") == 1.0


WITHIN = {  # story: (bound, how many of 10 answers: 4 up to 25 ms, 8 up to 50 ms, the rest above)
    "a known bound": (0.05, 8.0),
    "between two": (0.0375, 6.0),
    "below the first": (0.0125, 2.0),
    "beyond the last": (0.2, 8.0),
}


@pytest.mark.parametrize(("bound_s", "n"), WITHIN.values(), ids=WITHIN)
def test_answers_within_a_bound(bound_s: float, n: float) -> None:
    assert Answers(10, ((0.025, 4), (0.05, 8))).within(bound_s) == pytest.approx(n)


def test_answers_of_two_engines_add_up() -> None:
    both = Answers(10, ((0.025, 4), (0.05, 8))) + Answers(2, ((0.025, 0), (0.05, 1)))
    assert both == Answers(12, ((0.025, 4), (0.05, 9)))


@pytest.mark.parametrize(("one", "other", "both"), [(5.0, 7.0, 12.0), (5.0, None, None), (None, 7.0, None)])
def test_tokens_of_two_engines_are_known_where_both_tell(
    one: float | None, other: float | None, both: float | None
) -> None:
    assert (Answers(1, (), one) + Answers(1, (), other)).tokens == both


def strained(coming_per_s: float, until_turn: int, of_turns: int) -> float:
    """The load after a quarter of an hour of late answers, in the first turns of which so many requests came."""
    this, memory = fleet(load=told(100, 50)), Memory(shares={"full": 100})
    for turn in range(1, of_turns + 1):
        coming = coming_per_s if turn <= until_turn else 5.0
        memory = memory.model_copy(update={"demand": Demand(at_s=NOW_S, fast_per_s=coming, slow_per_s=5.0)})
        memory = keep_promises(this, memory, {"full": 10.0}, NOW_S + turn * TURN_S)
    return load_of(memory, "full")


def test_late_answers_of_replicas_that_were_given_too_much_say_nothing() -> None:
    turns = round(PERIOD_S / TURN_S) + 2
    assert strained(5.0, turns, turns) == DOWN
    assert strained(12.0, turns, turns) == 1.0


def test_nor_do_those_that_had_begun_before_more_came_to_help() -> None:
    last = round(PERIOD_S / TURN_S)
    still = round(ANSWER_S / TURN_S) - 1
    assert strained(12.0, last, last + still) == 1.0
    assert strained(12.0, last, last + still + 1) == DOWN

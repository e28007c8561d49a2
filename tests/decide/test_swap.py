"""Swap: the steps of the traffic from one rung to another, turn by turn, and what sends it back."""

import doctest
from typing import Any

import pytest
from tests.decide.builders import NOW_S, fleet, replica, replicas, variant

from costwain.decide import swap as module
from costwain.decide.swap import Progress, step_shares
from costwain.domain.memory import Memory
from costwain.domain.snapshot import Fleet, Replica, State

LADDER = [variant("full"), variant("small"), variant("tiny", model={"uri": "hf://Qwen/Qwen3-8B"})]
FULL, SMALL, TINY = replica("full/h100"), replica("small/h100"), replica("tiny/h100")
READY = Progress(ready_per_s=10.0, needed_per_s=10.0, complete=True)


def shares(of: Fleet, target: str, how: Progress = READY, **remembered: Any) -> dict[str, int]:
    memory = Memory(**{"stepped_at_s": NOW_S - 30, **remembered})
    return step_shares(of, target, how, memory, NOW_S).shares


STORIES: dict[str, tuple[tuple[Replica, ...], str, dict[str, int], Progress, dict[str, int]]] = {
    # story: (ready pods, target, shares before, progress, shares after)
    "the first variant gets everything": ((), "full", {}, Progress(0, 0, False), {"full": 100}),
    "the new one isn't ready: the old one goes on": (
        (FULL,), "small", {"full": 100}, Progress(0, 10, False), {"full": 100},
    ),
    "the first step": ((FULL, SMALL), "small", {"full": 100}, READY, {"full": 75, "small": 25}),
    "the second step": ((FULL, SMALL), "small", {"full": 75, "small": 25}, READY, {"full": 50, "small": 50}),
    "the last step": ((FULL, SMALL), "small", {"full": 50, "small": 50}, READY, {"small": 100}),
    "more are coming and the next step would be too much": (
        (FULL, SMALL), "small", {"full": 75, "small": 25}, Progress(4.9, 10, False), {"full": 75, "small": 25},
    ),
    "more are coming, but what is ready carries the next step": (
        (FULL, SMALL), "small", {"full": 75, "small": 25}, Progress(5.0, 10, False), {"full": 50, "small": 50},
    ),
    "no more are coming, so it goes on": (
        (FULL, SMALL), "small", {"full": 75, "small": 25}, Progress(4.9, 10, True), {"full": 50, "small": 50},
    ),
    "the old one died: the new one gets everything": ((SMALL,), "small", {"full": 75, "small": 25}, READY,
        {"small": 100},
    ),
    "the new one died: the old one takes its share back": (
        (FULL,), "small", {"full": 50, "small": 50}, Progress(0, 10, False), {"full": 100},
    ),
    "both died: the new one is waited for": ((), "small", {"full": 50, "small": 50}, Progress(0, 10, False),
        {"small": 100},
    ),
    "turned round in the middle": ((FULL, SMALL), "full", {"full": 50, "small": 50}, READY, {"full": 100}),
    "a third one takes from both": (
        (FULL, SMALL, TINY), "tiny", {"full": 50, "small": 50}, READY, {"full": 37, "small": 38, "tiny": 25},
    ),
    "a variant that the ladder no longer has gets nothing": (
        (replica("old/h100"),), "full", {"old": 100}, Progress(0, 10, False), {"full": 100},
    ),
    "what was remembered is lost: what is ready serves": (
        (FULL,), "small", {}, Progress(0, 10, False), {"full": 100},
    ),
    "what was remembered is lost, and the target is ready": ((FULL, SMALL), "small", {}, READY, {"small": 100}),
}  # fmt: skip


def test_doctests_hold() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("pods", "target", "before", "how", "after"), STORIES.values(), ids=STORIES)
def test_shares(
    pods: tuple[Replica, ...], target: str, before: dict[str, int], how: Progress, after: dict[str, int]
) -> None:
    assert shares(fleet(*pods, variants=LADDER), target, how, shares=before) == after
    assert sum(after.values()) == 100


PARTNERS: dict[str, tuple[tuple[Replica, ...], dict[str, int], Progress, dict[str, int]]] = {
    # story: (ready pods, shares before, progress of full with small as its partner, shares after)
    "a partner that isn't ready yet: who serves keeps what full can't carry": (
        (FULL, TINY), {"full": 25, "tiny": 75}, Progress(3.0, 10, True, ("small", 70)), {"full": 30, "tiny": 70},
    ),
    "full can't carry even its part": (
        (FULL, TINY), {"full": 25, "tiny": 75}, Progress(2.0, 10, True, ("small", 70)), {"full": 20, "tiny": 80},
    ),
    "what was given too much is taken back": (
        (FULL, TINY), {"full": 50, "tiny": 50}, Progress(3.0, 10, True, ("small", 70)), {"full": 30, "tiny": 70},
    ),
    "the partner is ready and takes its part from who served": (
        (FULL, SMALL, TINY), {"full": 30, "tiny": 70}, Progress(3.0, 10, True, ("small", 70)),
        {"full": 30, "small": 70},
    ),
    "nobody else serves: full has it all until the partner is ready": (
        (FULL,), {"full": 100}, Progress(3.0, 10, True, ("small", 70)), {"full": 100},
    ),
    "nobody asks": (
        (FULL, TINY), {"full": 25, "tiny": 75}, Progress(3.0, 0, True, ("small", 70)), {"full": 30, "tiny": 70},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pods", "before", "how", "after"), PARTNERS.values(), ids=PARTNERS)
def test_shares_of_a_pair(
    pods: tuple[Replica, ...], before: dict[str, int], how: Progress, after: dict[str, int]
) -> None:
    assert shares(fleet(*pods, variants=LADDER), "full", how, shares=before) == after


def test_a_step_waits_for_its_time() -> None:
    of = fleet(FULL, SMALL)
    before = {"full": 75, "small": 25}
    assert shares(of, "small", shares=before, stepped_at_s=NOW_S - 29) == before
    assert shares(of, "small", shares=before, stepped_at_s=NOW_S - 30) == {"full": 50, "small": 50}


def test_steps_without_time_between_them_are_still_one_a_turn() -> None:
    of = fleet(FULL, SMALL, swap={"stepSeconds": 0})
    first = step_shares(of, "small", READY, Memory(shares={"full": 100}), NOW_S)
    assert first.shares == {"full": 75, "small": 25}
    assert step_shares(of, "small", READY, first, NOW_S) == first
    assert step_shares(of, "small", READY, first, NOW_S + 1).shares == {"full": 50, "small": 50}


def test_pods_that_are_leaving_serve_nobody_new() -> None:
    of = fleet(*replicas("full/h100", 2, State.DRAINING), SMALL)
    assert shares(of, "small", shares={"full": 100}) == {"small": 100}


def test_a_swap_in_one_step() -> None:
    of = fleet(FULL, SMALL, swap={"stepPercents": [100]})
    assert shares(of, "small", shares={"full": 100}) == {"small": 100}

"""When a queue is late, and who takes what it can't serve in time."""

from dataclasses import replace

import pytest
from tests.agent.builders import program, server, state

from costwain.agent.waits import Waits, spill_marks


def _at(came, waits):
    """HAProxy when so many had come to the best variant and so many of them wait."""
    seen = state()
    row = replace(seen.backends["variant.full"], total=came, queued=waits)
    return replace(seen, backends={**seen.backends, "variant.full": row})


STORIES = {  # story: (second, came so far, waiting) as the agent looks, and at which of them the queue is late
    "a queue that moves on in time is never late": ([(0, 50, 40), (5, 70, 40), (10, 100, 40), (15, 130, 40)], []),
    "one whose oldest waits for longer than the bound is": ([(0, 50, 20), (5, 60, 30), (10, 80, 51)], [10]),
    "to the request: the last of a bound ago has just gone": ([(0, 50, 20), (10, 80, 30)], []),
    "an empty queue is not": ([(0, 50, 20), (10, 50, 0)], []),
    "before a bound has passed nobody knows": ([(0, 50, 50), (9, 50, 50)], []),
    "late stays late until the oldest waits for half the bound": (
        [(0, 10, 10), (10, 20, 20), (15, 30, 15), (20, 35, 5)], [10, 15]),
    "a HAProxy that starts anew has nobody who waited": ([(0, 50, 20), (5, 3, 3), (10, 3, 3)], []),
}  # fmt: skip


@pytest.mark.parametrize(("looks", "late_at"), STORIES.values(), ids=STORIES)
def test_late(looks, late_at):
    waits = Waits()
    assert [t for t, came, waiting in looks if waits.late(_at(came, waiting), 10, t)] == late_at


def test_without_a_bound_nothing_is_late():
    waits = Waits()
    waits.late(_at(10, 10), None, 0)
    assert waits.late(_at(10, 10), None, 1000) == frozenset()


MARKS = {  # story: (program, servers, marks)
    "both serve": (program(50, 50), {"full/a": server(), "small/b": server("b")}, "TT"),
    "one is late": (replace(program(50, 50), late=frozenset({"full"})), {"small/b": server("b")}, "LT"),
    "without a share nobody takes": (program(100, 0), {"full/a": server(), "small/b": server("b")}, "T-"),
    "nor without a pod that is up": (program(50, 50), {"full/a": server(), "small/b": server("b", "DOWN")}, "T-"),
}  # fmt: skip


@pytest.mark.parametrize(("program_", "servers", "want"), MARKS.values(), ids=MARKS)
def test_marks(program_, servers, want):
    assert spill_marks(program_, state(servers)) == want

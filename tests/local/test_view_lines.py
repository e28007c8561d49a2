"""The view without a terminal: one line for each change, and nothing twice."""

from dataclasses import replace

import pytest
from tests.local.view_states import BIG, BUSY, DOWN, MONEY, NEW, UP

from costwain.domain.plan import Money
from costwain.domain.snapshot import State
from costwain.local.load import Counters
from costwain.local.view_lines import Lines, line
from costwain.local.view_model import PoolView, VariantView, ViewState

CALM = replace(
    BUSY,
    variants=(replace(BIG, share_percent=100),),
    waiting=3,
    money=replace(MONEY, hourly_micro=9_600_000, spent_micro=3_210_000, limit_micro=8_000_000),
    told=(),
)
LINES = {
    "one variant on two pools": (
        CALM,
        "11:20:06  chat  qwen3-32b 100 %  h100 2/3 mi300x 1/2  queue 3  $9.60/h  spent $3.21 of $8.00 (40 %)  "
        "sent 451 answered 395 lost 0",
    ),
    "two variants in a swap, the barred one is left out": (
        BUSY,
        "11:20:06  chat  qwen3-32b 75 %  h100 2/3 mi300x 1/2 + qwen3-8b 25 %  mi300x 1/2  queue 48  $14.15/h  "
        "spent $1.81 of $4.00 (45 %)  sent 451 answered 395 lost 0",
    ),
    "at zero, with a share": (
        replace(CALM, variants=(VariantView("qwen3-8b", 100, "", ()),), waiting=0, money=Money(0)),
        "11:20:06  chat  qwen3-8b 100 %  no replica  queue 0  $0.00/h  sent 451 answered 395 lost 0",
    ),
    "nothing known yet": (NEW, "11:00:00  chat  no replica  queue ?  $?/h  sent 0 answered 0 lost 0"),
}


@pytest.mark.parametrize(("state", "want"), LINES.values(), ids=LINES)
def test_a_state_in_one_line(state: ViewState, want: str) -> None:
    assert line(state) == want


MORE_READY = replace(BIG, share_percent=100, pools=(PoolView("h100", (State.READY,) * 3, None),))
GOING = PoolView("mi300x", (State.READY, State.TERMINATING), None)
CHANGES = {
    "a second passed": (replace(CALM, now_s=CALM.now_s + 1), False),
    "more was sent and answered": (replace(CALM, load=Counters(500, 400, 0)), False),
    "the queue moved": (replace(CALM, waiting=2), False),
    "the queue is an order of magnitude longer": (replace(CALM, waiting=30), True),
    "nobody knows the queue any more": (replace(CALM, waiting=None), True),
    "a draining replica is being deleted: the line would be the same": (
        replace(CALM, variants=(replace(BIG, share_percent=100, pools=(BIG.pools[0], GOING)),)),
        False,
    ),
    "a request was lost": (replace(CALM, load=Counters(500, 400, 1)), True),
    "a replica became ready": (replace(CALM, variants=(MORE_READY,)), True),
    "the shares moved": (replace(CALM, variants=(replace(BIG, share_percent=50),)), True),
    "a little more was spent": (replace(CALM, money=replace(CALM.money, spent_micro=3_300_000)), False),
    "another tenth of the budget is gone": (replace(CALM, money=replace(CALM.money, spent_micro=4_000_000)), True),
}


@pytest.mark.parametrize(("after", "told"), CHANGES.values(), ids=CHANGES)
def test_a_line_is_told_only_when_the_picture_changes(after: ViewState, told: bool) -> None:
    lines = Lines()
    assert lines.of(CALM) == [line(CALM)]
    assert lines.of(after) == ([line(after)] if told else [])


def test_what_was_told_comes_once_with_its_own_time_before_the_picture() -> None:
    lines = Lines()
    first, second = replace(CALM, told=(DOWN,)), replace(CALM, told=(DOWN, UP))
    assert lines.of(first) == [f"11:16:40  chat  SteppedDown: {DOWN.sentence}", line(first)]
    assert lines.of(second) == ["11:18:50  chat  SteppedUp: qwen3-32b serves for $7.37/h instead of qwen3-8b"]
    assert lines.of(second) == []

"""The live view as it is seen: golden pictures of a hundred columns."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.local.view_states import BUSY, DOWN, ELEVEN_S, MONEY, NEW, UP

from costwain.domain.plan import Money
from costwain.domain.snapshot import State
from costwain.local.load import Counters
from costwain.local.view import HEIGHT, WIDTH, picture, showing
from costwain.local.view_model import PoolView, VariantView, ViewState


def drawn(state: ViewState, height: int = HEIGHT) -> str:
    """The picture as text."""
    console = Console(width=WIDTH, record=True, file=io.StringIO(), force_terminal=True)
    console.print(picture(state, height))
    return console.export_text()


def test_a_busy_fleet_in_the_middle_of_a_swap() -> None:
    assert drawn(BUSY) == (
        """\
╭─  costwain  chat  ───────────────────────────────────────────────────────────────────────────────╮
│  window  ███████████████·······························  11:00 to 12:00                          │
│  budget  █████████████████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒····  $1.81 of $4.00, $3.62 expected          │
│  rate    $14.15/h    queue 48 waiting, 12 running                                                │
│  load    451 sent, 395 answered, 56 under way, 0 lost                                            │
│                                                                                                  │
│  qwen3-32b           ━━━━━━━━──  75 %                                                            │
│    h100              ● ● ◐             2 of 3 ready, $10.17/h                                    │
│    mi300x            ● ◌               1 of 2 ready, $3.98/h                                     │
│  qwen3-8b            ━━────────  25 %                                                            │
│    mi300x            ● ○               1 of 2 ready, ?/h                                         │
│  qwen3-4b            ──────────   0 %  quality 58.6 is below minQuality 60                       │
│                                                      ● ready   ◐ starting   ○ pending   ◌ going  │
│                                                                                                  │
│  now  qwen3-8b serves 0.7 requests/s on 1 x mi300x for $1.99/h                                   │
│  ──────────────────────────────────────────────────────────────────────────────────────────────  │
│  11:16:40  SteppedDown  qwen3-32b needs $10.76/h for 0.7 requests/s, $2.27 of $4.00 is           │
│                         left until 12:00: qwen3-8b serves for $1.99/h                            │
│  11:18:50  SteppedUp    qwen3-32b serves for $7.37/h instead of qwen3-8b                         │
╰──────────────────────────────────────────────────────────  11:20:06 fleet time, 30 x real time  ─╯
"""
    )


def test_before_anything_is_known_there_are_question_marks_and_no_zeros() -> None:
    assert drawn(NEW) == (
        """\
╭─  costwain  chat  ───────────────────────────────────────────────────────────────────────────────╮
│  rate  ?    queue ? waiting, ? running                                                           │
│  load  0 sent, 0 answered, 0 under way, 0 lost                                                   │
│                                                                                                  │
│  qwen3-32b           ──────────   ? %                                                            │
│                                                      ● ready   ◐ starting   ○ pending   ◌ going  │
╰──────────────────────────────────────────────────────────────────────────  11:00:00 fleet time  ─╯
"""
    )


CROWD = tuple(
    VariantView(f"v{i}", 12, "", tuple(PoolView(f"p{j}", (State.READY,) * 40, 1_000_000) for j in range(4)))
    for i in range(8)
)
PARTS = {
    "a budget that is gone is full and stays inside its frame": (
        replace(BUSY, money=replace(MONEY, spent_micro=4_500_000, forecast_micro=9_000_000)),
        f"budget {'█' * 46} $4.50 of $4.00, $9.00 expected",
    ),
    "without a budget there is the rate and what was spent": (
        replace(BUSY, money=Money(1_990_000, spent_micro=250_000)),
        "budget no budget: spend is metered $0.25 spent",
    ),
    "a ladder too long for the screen says so": (replace(BUSY, variants=CROWD), "and 21 more lines"),
    "a pool too wide for its column says how many more": (replace(BUSY, variants=CROWD), "+24"),
    "a window that is over stays inside its frame": (replace(BUSY, now_s=ELEVEN_S + 9000), f"window {'█' * 46} "),
}


@pytest.mark.parametrize(("state", "want"), PARTS.values(), ids=PARTS)
def test_what_the_picture_says(state: ViewState, want: str) -> None:
    assert want in " ".join(drawn(state).split())


@pytest.mark.parametrize("height", [18, 24, 30])
@pytest.mark.parametrize("state", [BUSY, replace(BUSY, told=(DOWN, UP) * 20), replace(BUSY, variants=CROWD)])
def test_the_picture_fits_its_height_and_a_hundred_columns(state: ViewState, height: int) -> None:
    lines = drawn(state, height).splitlines()
    assert len(lines) <= height
    assert {len(line) for line in lines} == {WIDTH}


def test_of_a_long_story_the_last_sentences_stay() -> None:
    text = drawn(replace(BUSY, told=(*(DOWN,) * 20, replace(UP, sentence="the very last"))))
    assert "the very last" in text
    assert text.count("SteppedDown") < 8


def test_on_a_terminal_the_picture_is_drawn_over_the_one_before() -> None:
    console = Console(width=WIDTH, height=HEIGHT, file=io.StringIO(), force_terminal=True)
    with showing(console) as show:
        show(NEW)
        show(BUSY)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[1A" in written  # up a line
    assert "SteppedDown" in written


def test_without_a_terminal_each_change_is_a_line() -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=40)
    with showing(console) as show:
        for state in (NEW, NEW, BUSY, replace(BUSY, now_s=BUSY.now_s + 5)):
            show(state)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split("  ")[0] for line in lines] == ["11:00:00", "11:16:40", "11:18:50", "11:20:06"]


def test_a_loss_is_loud() -> None:
    console = Console(width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="standard")
    console.print(picture(replace(BUSY, load=Counters(9, 8, 1))))
    assert "\x1b[1;31m1 lost" in console.file.getvalue()  # type: ignore[attr-defined]

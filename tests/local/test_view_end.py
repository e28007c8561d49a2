"""The table at the end of the demo."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from tests.local.view_states import DOWN, UP

from costwain.local.load_report import Spread, Summary
from costwain.local.view_end import Ending, final_table, lines_of, verdict

TIMES = Spread(0.751, 3.0, 12.4)
LOAD = Summary(
    requests=3009,
    complete=3009,
    lost=0,
    lost_by_cause={},
    retries=0,
    by_variant={"qwen3-32b": 872, "qwen3-8b": 2137},
    ttft_s=TIMES,
    tpot_s=TIMES,
    total_s=TIMES,
    delay_s=TIMES,
    attainment=None,
    tokens=1,
    duration_s=6300.0,
)
GOOD = Ending(
    load=LOAD,
    windows={"2026-11-24T12:00:00Z": 3_930_000, "2026-11-24T11:00:00Z": 3_880_000},
    limit_micro=4_000_000,
    spent_micro=7_810_000,
    without_swap_micro=14_260_000,
    swaps=(DOWN, UP),
)
UNSPENT = replace(GOOD, windows={}, limit_micro=None, spent_micro=0, without_swap_micro=None, swaps=())
BAD = replace(
    GOOD,
    load=replace(LOAD, complete=3007, lost=2, lost_by_cause={"connection cut": 1, "status 503": 1}),
    windows={"2026-11-24T11:00:00Z": 4_010_000},
)


def test_the_table_for_a_log() -> None:
    assert lines_of(GOOD) == [
        "  requests      3009 in 105 minutes of the fleet",
        "  lost          0",
        "  answered by   qwen3-32b 29 %, qwen3-8b 71 %",
        "  first token   p50 751 ms, p99 12 s",
        "  spent         $7.81, 45 % less than without swap",
        "    from 11:00  $3.88 of $4.00 (97 %)",
        "    from 12:00  $3.93 of $4.00 (98 %)",
        "  without swap  $14.26 for the best variant alone",
        f"  swaps         11:16:40 SteppedDown: {DOWN.sentence}",
        f"                11:18:50 SteppedUp: {UP.sentence}",
        "  verdict       nothing was lost, the budget held",
    ]


def test_without_budget_load_or_swaps_it_claims_nothing() -> None:
    ending = replace(UNSPENT, load=replace(LOAD, complete=0, by_variant={}, ttft_s=Spread(None, None, None)))
    assert lines_of(ending)[2:] == [
        "  answered by   nobody",
        "  first token   none",
        "  spent         $0.00",
        "  without swap  not asked",
        "  swaps         none",
        "  verdict       nothing was lost, there was no budget",
    ]


VERDICTS = {
    "all well": (GOOD, True, "nothing was lost, the budget held"),
    "a millionth above": (replace(GOOD, windows={"w": 4_000_001}), False, "nothing was lost, the budget did not hold"),
    "exactly the budget": (replace(GOOD, windows={"w": 4_000_000}), True, "nothing was lost, the budget held"),
    "a loss alone": (replace(BAD, windows={}), False, "2 requests were lost, the budget held"),
    "both": (BAD, False, "2 requests were lost, the budget did not hold"),
}


@pytest.mark.parametrize(("ending", "good", "sentence"), VERDICTS.values(), ids=VERDICTS)
def test_the_verdict(ending: Ending, good: bool, sentence: str) -> None:
    assert (ending.good, verdict(ending)) == (good, sentence)


def test_a_loss_says_how() -> None:
    assert "  lost          2 (1 connection cut, 1 status 503)" in lines_of(BAD)


def test_a_swap_that_saved_nothing_claims_nothing() -> None:
    assert "  spent         $7.81" in lines_of(replace(GOOD, without_swap_micro=7_000_000))


def test_the_table_on_a_terminal() -> None:
    console = Console(width=100, record=True, file=io.StringIO(), force_terminal=True)
    console.print(final_table(GOOD))
    assert console.export_text() == (
        """\
╭─  nothing was lost, the budget held  ────────────────────────────────────────────────────────────╮
│                                                                                                  │
│  requests       3009 in 105 minutes of the fleet                                                 │
│  lost           0                                                                                │
│  answered by    qwen3-32b 29 %, qwen3-8b 71 %                                                    │
│  first token    p50 751 ms, p99 12 s                                                             │
│  spent          $7.81, 45 % less than without swap                                               │
│    from 11:00   $3.88 of $4.00 (97 %)                                                            │
│    from 12:00   $3.93 of $4.00 (98 %)                                                            │
│  without swap   $14.26 for the best variant alone                                                │
│  swaps          11:16:40 SteppedDown: qwen3-32b needs $10.76/h for 0.7 requests/s, $2.27 of      │
│                 $4.00 is left until 12:00: qwen3-8b serves for $1.99/h                           │
│                 11:18:50 SteppedUp: qwen3-32b serves for $7.37/h instead of qwen3-8b             │
│                                                                                                  │
╰──────────────────────────────────────────────────────────────────────────────────────────────────╯
"""
    )

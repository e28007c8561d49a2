"""`costwain why --replay`: a recorded turn is decided on again, and the plan is the recorded one, bit for bit.

Where decide() was meant to change, write the recorded turn anew: `python -m tests.cli.record_turn`.
"""

import json
import math
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.decide.resting import settled

from costwain.adapters.recorder import Recorder, read
from costwain.cli.why import why
from costwain.decide import decide
from costwain.domain.record import encoded

RECORDED = Path(__file__).parent / "recorded" / "turn-step-down.json"


def replay(*arguments: str) -> Result:
    return CliRunner().invoke(why, arguments)


def test_a_recorded_turn_gives_the_same_plan_bit_for_bit() -> None:
    turn = read(RECORDED)
    assert decide(turn.snapshot) == turn.plan
    again = json.dumps(encoded(decide(turn.snapshot)))
    assert again == json.dumps(json.loads(RECORDED.read_text(encoding="utf-8"))["plan"])


def test_a_turn_of_before_shared_budgets_still_reads_and_can_be_decided_on() -> None:
    old = read(RECORDED.with_name("turn-before-shared-budgets.json"))
    assert (old.snapshot.budgets, old.snapshot.undecided, old.plan.budgets) == ((), (), ())
    (plan,) = decide(old.snapshot).fleets
    assert plan.target in {v.name for v in old.snapshot.fleets[0].spec.variants}


def test_it_is_told_with_the_numbers_of_then() -> None:
    got = replay("chat", "--replay", str(RECORDED))
    assert got.exit_code == 0
    assert got.output.startswith("default/chat  decided at 2026-11-24T10:")
    assert "SteppedDown" in got.output
    assert "small serves for" in got.output
    assert got.output.endswith("the same plan as costwain 0.1.0 recorded\n")


def test_another_decision_than_then_is_shown_beside_it(tmp_path: Path) -> None:
    told = json.loads(RECORDED.read_text(encoding="utf-8"))
    told["plan"]["fleets"][0]["target"] = "full"
    other = tmp_path / "turn-other.json"
    other.write_text(json.dumps(told), encoding="utf-8")
    got = replay("chat", "--replay", str(other))
    assert "! costwain 0.1.0 decided otherwise, it recorded (target differ):" in got.output


def test_a_turn_that_let_the_fleet_rest_says_since_when(tmp_path: Path) -> None:
    seen = settled()
    Recorder(tmp_path, 1).keep(seen, decide(seen))
    resting = replay(seen.fleets[-1].name, "--replay", str(tmp_path))
    assert resting.exit_code == 0
    assert "not decided on at 2026-11-24T10:00:05Z" in resting.output
    assert "nothing is to be done since 2026-11-24T10:00:00Z and up to" in resting.output
    assert resting.output.endswith("recorded\n")
    decided_on = replay(seen.fleets[0].name, "--replay", str(tmp_path))
    assert "decided at 2026-11-24T10:00:05Z" in decided_on.output


def test_a_fleet_that_rested_then_and_is_decided_on_now_is_told_both_ways(tmp_path: Path) -> None:
    told = json.loads(RECORDED.read_text(encoding="utf-8"))
    told["plan"]["fleets"] = []
    other = tmp_path / "turn-other.json"
    other.write_text(json.dumps(told), encoding="utf-8")
    got = replay("chat", "--replay", str(other))
    assert "! costwain 0.1.0 decided otherwise, it recorded (rests differ):" in got.output
    assert "SteppedDown" in got.output.partition("!")[0]
    assert "Rests  nothing is to be done for now" in got.output.partition("!")[2]


REFUSALS = {
    "a fleet that wasn't there": (("other", "--replay", str(RECORDED)), "ModelDeployment other: not in this turn"),
    "a namespace that it isn't in": (("chat", "-n", "away", "--replay", str(RECORDED)), "(found default/chat)"),
    "a file that is no turn": (("chat", "--replay", __file__), "not a recorded turn"),
}


INSTANTS = ["abc", None, [1], math.nan, math.inf, 1e300, -1e300]


@pytest.mark.parametrize("part", ["snapshot", "plan"])
@pytest.mark.parametrize("now_s", INSTANTS, ids=repr)
def test_a_turn_at_no_instant_is_none(tmp_path: Path, part: str, now_s: object) -> None:
    told = json.loads(RECORDED.read_text(encoding="utf-8"))
    told[part]["now_s"] = now_s
    other = tmp_path / "turn-other.json"
    other.write_text(json.dumps(told), encoding="utf-8")
    got = replay("chat", "--replay", str(other))
    assert (got.exit_code, got.output) == (1, f"Error: {other}: not a recorded turn (found now_s {now_s!r})\n")


def test_thousands_of_brackets_are_no_turn(tmp_path: Path) -> None:
    deep = tmp_path / "turn-deep.json"
    deep.write_text("[" * 100_000, encoding="utf-8")
    got = replay("chat", "--replay", str(deep))
    assert got.exit_code == 1
    assert got.output.startswith(f"Error: {deep}: not a recorded turn (found maximum recursion depth exceeded")


@pytest.mark.parametrize(("arguments", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_replayed_says_why(arguments: tuple[str, ...], words: str) -> None:
    got = replay(*arguments)
    assert got.exit_code == 1
    assert words in got.output

"""The policy benchmark's files can be read, and its runner measures; its figures are asserted nowhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from costwain.sim.fleet_file import read_fleets
from costwain.sim.policies import Facts, policy_of
from costwain.sim.scenario import read_scenario

pytestmark = pytest.mark.long

HERE = Path(__file__).parent / "policy"
PLAN = yaml.safe_load((HERE / "bench.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", PLAN["parts"], ids=lambda part: part["name"])
def test_every_part_names_what_exists(part: dict[str, object]) -> None:
    scenario = read_scenario(HERE / str(part.get("scenario", "scenario.yaml")))
    fleets = read_fleets(HERE / str(part.get("fleet", "fleet.yaml")), scenario).fleets
    assert fleets.keys() == part.get("traces", fleets).keys()  # type: ignore[attr-defined]
    assert isinstance(part["policies"], list)
    for name in part["policies"]:
        assert policy_of(name, Facts(1, 1, 500, 100))


def test_a_folder_without_the_traces_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = subprocess.run(
        [sys.executable, str(HERE / "run.py"), str(tmp_path), "--json", str(out)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "azure-2023-conversation.csv:1: want a readable text file" in done.stderr
    assert not out.exists()


def test_it_measures_a_small_trace_and_says_how_it_stands(tmp_path: Path) -> None:
    rows = [f"2023-11-16 18:{i // 60:02d}:{i % 60:02d},500,100" for i in range(1200)]
    trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\n"
    (tmp_path / "azure-2023-conversation.csv").write_text(trace, encoding="utf-8")
    out = tmp_path / "out.json"
    command = [sys.executable, str(HERE / "run.py"), str(tmp_path), "--seeds", "1", "--part", "azure"]
    done = subprocess.run([*command, "--json", str(out)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = yaml.safe_load(out.read_text(encoding="utf-8"))
    assert {"name", "value", "unit", "spread", "target", "holds"} <= set(told["figures"][0])
    assert "azure, budget none: in SLO" in done.stdout
    assert "azure: event engine, seed 1 of 1" in done.stderr
    assert "dollars over those of foresight, $0.66: " in done.stdout  # one replica for twenty minutes
    short = {f["name"] for f in told["figures"] if f["holds"] is False}
    check = [sys.executable, "-m", "tests.bench.check", str(out)]
    judged = subprocess.run(check, cwd=HERE.parents[2], capture_output=True, text=True, timeout=60)
    assert judged.returncode == bool(short)
    assert all(name in judged.stdout for name in short)


def _tiny(tmp_path: Path) -> list[str]:
    rows = [f"2023-11-16 18:{i // 60:02d}:{i % 60:02d},500,100" for i in range(0, 1300, 4)]
    trace = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(rows) + "\n"
    (tmp_path / "azure-2023-conversation.csv").write_text(trace, encoding="utf-8")
    return [sys.executable, str(HERE / "run.py"), str(tmp_path), "--part", "engines-azure"]


def test_the_gap_between_the_engines_is_told_and_what_was_measured_is_not_run_again(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    command = [*_tiny(tmp_path), "--json", str(out)]
    for seeds, again in (("1", False), ("1", True), ("2", False)):
        arguments = ["--seeds", seeds, "--jobs", "2"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        assert ("engines-azure: is in" in done.stderr) == again
        assert ("fluid against event, dollars" in done.stdout) != again
        assert yaml.safe_load(out.read_text(encoding="utf-8"))["parts"].keys() == {"engines-azure"}


def test_a_report_of_something_else_and_a_part_that_doesnt_exist_are_said(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text("[]", encoding="utf-8")
    for arguments, what in ((["--json", str(out)], "want a report of this"), (["--part", "x"], "--part: want one of")):
        done = subprocess.run([*_tiny(tmp_path), *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        assert what in done.stderr
    assert out.read_text(encoding="utf-8") == "[]"

"""The policy benchmark's files can be read, and its runner measures; its figures are asserted nowhere."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from costwain.sim.fleet_file import read_fleet
from costwain.sim.policies import Facts, policy_of
from costwain.sim.scenario import read_scenario

pytestmark = pytest.mark.long

HERE = Path(__file__).parent / "policy"
PLAN = yaml.safe_load((HERE / "bench.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", PLAN["parts"], ids=lambda part: part["name"])
def test_every_part_names_what_exists(part: dict[str, object]) -> None:
    scenario = read_scenario(HERE / str(part.get("scenario", "scenario.yaml")))
    assert read_fleet(HERE / "fleet.yaml", scenario).spec.variants
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

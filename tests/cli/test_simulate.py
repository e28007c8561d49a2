"""`costwain simulate` as it is called."""

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from click.testing import CliRunner, Result

from costwain.cli.simulate import simulate

POOL = {
    "apiVersion": "costwain.dev/v1alpha1",
    "kind": "AcceleratorPool",
    "metadata": {"name": "h100"},
    "spec": {"vendor": "nvidia", "accelerator": "h100", "price": {"amount": "2.40"}, "maxAccelerators": 8},
}
FLEET = {
    "apiVersion": "costwain.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "chat"},
    "spec": {
        "variants": [
            {"name": n, "model": {"uri": f"hf://Qwen/{m}"}, "quality": q, "placements": [{"pool": "h100"}]}
            for n, m, q in (("full", "Qwen3-32B", "72.7"), ("small", "Qwen3-8B", "64.3"))
        ],
        "budget": {"amount": "4.00", "period": "Hour"},
    },
}
LOAD = "synthetic:step,rate=1,peak=9,duration=3600"


def written(path: Path, *documents: object) -> str:
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return str(path)


def ran(tmp_path: Path, *arguments: str, trace: str = LOAD) -> Result:
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    return CliRunner().invoke(simulate, [fleet, "--trace", trace, *arguments])


def test_a_week_of_ones_own_requests_with_and_without_a_budget(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = ran(tmp_path, "--policy", "costwain", "--budget", "4.00", "--budget", "none", "--json", str(out))
    assert result.exit_code == 0, result.output
    header, bounded, free, note = result.output.splitlines()
    assert header.split()[:3] == ["policy", "budget", "$"]
    assert bounded.split()[:2] == ["costwain", "4.00"]
    assert free.split()[:2] == ["costwain", "none"]
    assert float(bounded.split()[2]) < float(free.split()[2])
    assert note.startswith("17") or "requests, 1 seed" in note
    told = json.loads(out.read_text())
    assert [row["budget"] for row in told["rows"]] == ["4.00", None]
    assert told["rows"][0]["figures"]["overspend"]["mean"] == 0
    assert len(told["runs"]) == 2


def test_several_seeds_have_an_interval_and_are_the_same_each_time(tmp_path: Path) -> None:
    first, again = (ran(tmp_path, "--policy", "static-mean", "--seeds", "3", "--scale", "0.2") for _ in range(2))
    assert "±" in first.output
    assert first.output.split("decide")[1].split()[2:5] == again.output.split("decide")[1].split()[2:5]


def test_seeds_in_several_processes_tell_the_same(tmp_path: Path) -> None:
    one, two = (
        ran(tmp_path, "--policy", "static-mean", "--seeds", "2", "--scale", "0.2", "--jobs", jobs).output.split()[:24]
        for jobs in ("1", "2")
    )
    assert one == two


def test_a_bad_trace_in_another_process_is_said_as_well(tmp_path: Path) -> None:
    result = ran(tmp_path, "--seeds", "2", "--jobs", "2", trace=str(tmp_path / "none.csv"))
    assert result.exit_code == 2
    assert "none.csv:1: want a readable text file (found No such file or directory)" in " ".join(result.output.split())


BAD_TRACES = {
    "no such file": (None, "want a readable text file"),
    "no rows": ("t_s,input_tokens,output_tokens\n", "want at least one request"),
    "not a number": ("t_s,input_tokens,output_tokens\n0,NaN,1\n", "input_tokens: want a finite number"),
    "before its predecessor": ("t_s,input_tokens,output_tokens\n5,1,1\n4,1,1\n", "want times in ascending order"),
    "negative": ("t_s,input_tokens,output_tokens\n-1,1,1\n", "t_s: want 0 or more"),
    "other columns": ("a,b\n1,2\n", "want a line of JSON or one of these headers"),
}


@pytest.mark.parametrize(("text", "what"), BAD_TRACES.values(), ids=BAD_TRACES)
def test_a_trace_that_cant_be_used_writes_nothing(tmp_path: Path, text: str | None, what: str) -> None:
    trace, out = tmp_path / "trace.csv", tmp_path / "out.json"
    if text is not None:
        trace.write_text(text, encoding="utf-8")
    result = ran(tmp_path, "--json", str(out), trace=str(trace))
    assert result.exit_code == 2
    assert what in result.output
    assert "trace.csv" in result.output
    assert not out.exists()


BAD_ARGUMENTS = {
    "a policy that nobody knows": (["--policy", "magic"], "policy: want one of costwain, "),
    "a setting that it doesn't have": (["--policy", "hpa:speed=1"], "want a setting among target, tolerance"),
    "a setting that is no number": (["--policy", "hpa:target=x"], "target: want a number"),
    "a setting of nothing": (["--policy", "hpa:target=0"], "target: want a positive number"),
    "a budget in words": (["--budget", "plenty"], "budget: want dollars such as 240.00, or none"),
}


@pytest.mark.parametrize(("arguments", "what"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_arguments_that_cant_be_used(tmp_path: Path, arguments: list[str], what: str) -> None:
    result = ran(tmp_path, *arguments)
    assert result.exit_code == 2
    assert what in result.output


def _placed(pool: str) -> dict[str, object]:
    rung = {**FLEET["spec"]["variants"][0], "placements": [{"pool": pool}]}  # type: ignore[index]
    return {**FLEET, "spec": {"variants": [rung]}}


BAD_FLEETS = {
    "a pool that isn't there": ([POOL, _placed("b200")], "placements: want an AcceleratorPool of the file: h100"),
    "no fleet": ([POOL], "want a ModelDeployment (found 0)"),
    "one fleet twice": (
        [POOL, FLEET, FLEET],
        "want every object once (found ModelDeployment default/chat again)",
    ),
    "another kind": (
        [{"apiVersion": "costwain.dev/v1alpha1", "kind": "Pod"}],
        "want ModelDeployment, AcceleratorPool and Infer",
    ),
    "another version": ([{**POOL, "apiVersion": "v1"}, FLEET], "want apiVersion costwain.dev/v1alpha1 (found 'v1')"),
    "a field that doesn't exist": ([{**POOL, "spec": {**POOL["spec"], "size": 1}}, FLEET], "spec: size: Extra"),  # type: ignore[dict-item]
    "no mapping": (["text"], "want mappings"),
}


@pytest.mark.parametrize(("documents", "what"), BAD_FLEETS.values(), ids=BAD_FLEETS)
def test_a_fleet_that_cant_be_used(tmp_path: Path, documents: list[object], what: str) -> None:
    fleet = written(tmp_path / "other.yaml", *documents)
    result = CliRunner().invoke(simulate, [fleet, "--trace", LOAD])
    assert result.exit_code == 2
    assert what in result.output
    assert "other.yaml" in result.output


BAD_SCENARIOS = {
    "a pool that the fleet doesn't have": ({"pools": {"b200": {}}}, "pools.b200: want an AcceleratorPool of the fleet"),
    "a stretch that ends before it begins": (
        {"blind": [{"fromSeconds": 9, "untilSeconds": 8}]},
        "untilSeconds must lie after fromSeconds",
    ),
    "a length of a variant that the fleet doesn't have": (
        {"answerLengths": {"thinks": 5}},
        "scenario: answerLengths.thinks: want a variant of the fleet: full, small (found 'thinks')",
    ),
    "answers of nothing": ({"answerLengths": {"full": 0}}, "answerLengths.full: "),
    "answers of a hundred times and more": ({"answerLengths": {"full": 100.5}}, "answerLengths.full: "),
    "a speed of nothing": ({"pools": {"h100": {"capacityFactor": 0}}}, "pools.h100.capacityFactor: "),
    "a field that doesn't exist": ({"speed": 2}, "speed: Extra inputs are not permitted"),
}


@pytest.mark.parametrize(("scenario", "what"), BAD_SCENARIOS.values(), ids=BAD_SCENARIOS)
def test_a_scenario_that_cant_be_used(tmp_path: Path, scenario: object, what: str) -> None:
    result = ran(tmp_path, "--scenario", written(tmp_path / "scenario.yaml", scenario))
    assert result.exit_code == 2
    assert what in result.output


def test_a_file_that_is_no_yaml_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("a: 1\nb: [\n", encoding="utf-8")
    result = CliRunner().invoke(simulate, [str(tmp_path / "fleet.yaml"), "--trace", LOAD])
    assert result.exit_code == 2
    assert "fleet.yaml:3: want YAML" in result.output


def test_the_oracle_without_its_solver_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highspy", None)
    result = ran(tmp_path, "--oracle")
    assert result.exit_code == 1
    assert "--oracle: the Python package 'highspy' is wanted (found none)" in result.output


def test_a_plot_has_a_point_a_row_in_each_panel(tmp_path: Path) -> None:
    drawing, seeds = tmp_path / "out.svg", ("--seeds", "2", "--scale", "0.2")
    result = ran(tmp_path, "--policy", "static-mean", "--policy", "static-peak", "--plot", str(drawing), *seeds)
    assert result.exit_code == 0, result.output
    root = ElementTree.fromstring(drawing.read_text(encoding="utf-8"))
    tags = [each.tag.rpartition("}")[2] for each in root.iter()]
    assert tags.count("circle") == 4
    assert [each.text for each in root.iter() if each.text == "static-mean @4.00"] != []


def test_a_start_needs_no_quotes(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("start: 2026-01-05T12:00:00Z\n", encoding="utf-8")
    assert ran(tmp_path, "--scale", "0.1", "--scenario", str(scenario)).exit_code == 0

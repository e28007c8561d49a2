"""`costwain simulate` with several fleets: each its trace, shared pools and shared dollars, told apart and in sum."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from tests.cli.test_simulate import FLEET, POOL

from costwain.cli.simulate import simulate

pytestmark = pytest.mark.long

BUDGET = {
    "apiVersion": "costwain.dev/v1alpha1",
    "kind": "InferenceBudget",
    "metadata": {"name": "team"},
    "spec": {"amount": "9.00", "period": "Hour", "selector": {"matchLabels": {"team": "a"}}},
}
LOAD = "synthetic:step,rate=2,peak=8,duration=3600"
TRACES = ("--trace", f"chat={LOAD}", "--trace", f"code={LOAD}")


def fleet(name: str, **change: Any) -> dict[str, Any]:
    """A fleet of the team without a budget of its own."""
    found: dict[str, Any] = deepcopy(FLEET)
    del found["spec"]["budget"]
    found["metadata"] = {"name": name, "labels": {"team": "a"}}
    found["spec"].update(change)
    return found


def ran(tmp_path: Path, *arguments: str, documents: list[dict[str, Any]] | None = None) -> Result:
    path = tmp_path / "two.yaml"
    two = documents or [POOL, BUDGET, fleet("chat", priority=10), fleet("code")]
    path.write_text(yaml.safe_dump_all(two), encoding="utf-8")
    return CliRunner().invoke(simulate, [str(path), *arguments])


def test_two_fleets_are_told_apart_and_in_sum_and_keep_what_they_share(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = ran(tmp_path, *TRACES, "--budget", "9.00", "--budget", "none", "--json", str(out))
    assert result.exit_code == 0, result.output
    header, *lines, note = result.output.splitlines()
    assert header.split()[:4] == ["policy", "fleet", "budget", "$"]
    assert [line.split()[1:3] for line in lines] == [
        [name, budget] for budget in ("9.00", "none") for name in ("chat", "code", "all")
    ]
    told = json.loads(out.read_text())
    assert told["traces"] == [f"chat={LOAD}", f"code={LOAD}"]
    for chat, code, both in (told["runs"][:3], told["runs"][3:]):
        for field in ("dollars", "requests", "lost", "scale_actions"):
            assert both["score"][field] == pytest.approx(chat["score"][field] + code["score"][field])
    bounded, free = told["runs"][2]["score"], told["runs"][5]["score"]
    assert bounded["overspend"] == 0
    assert bounded["dollars"] <= 9.00 < free["dollars"]
    assert free["overspend"] is None
    assert note.startswith(f"{bounded['requests']} requests")


def test_what_each_fleet_is_asked_is_drawn_by_itself(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert ran(tmp_path, *TRACES, "--policy", "static-mean", "--json", str(out)).exit_code == 0
    chat, code, _ = json.loads(out.read_text())["runs"]
    assert chat["score"]["requests"] != code["score"]["requests"]


def test_the_higher_priority_gets_the_dollars_first(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert ran(tmp_path, *TRACES, "--json", str(out)).exit_code == 0
    chat, code, _ = json.loads(out.read_text())["runs"]
    assert chat["score"]["effective_quality"] > code["score"]["effective_quality"] + 1


@pytest.mark.parametrize("policy", ["hpa:target=2", "infadapter", "static-peak"])
def test_autoscalers_apart_never_take_more_than_a_pool_has(tmp_path: Path, policy: str) -> None:
    small = {**POOL, "spec": {**POOL["spec"], "maxAccelerators": 3}}  # type: ignore[dict-item]
    out = tmp_path / "out.json"
    documents = [small, fleet("chat"), fleet("code")]
    assert ran(tmp_path, *TRACES, "--policy", policy, "--json", str(out), documents=documents).exit_code == 0
    *_, both = json.loads(out.read_text())["runs"]
    assert 0 < both["score"]["dollars"] <= 3 * 2.40 * 1.02


def test_one_fleet_under_a_shared_budget_needs_no_name_for_its_trace(tmp_path: Path) -> None:
    result = ran(tmp_path, "--trace", LOAD, documents=[POOL, BUDGET, fleet("chat")])
    assert result.exit_code == 0, result.output
    assert [line.split()[1:3] for line in result.output.splitlines()[1:3]] == [["chat", "9.00"], ["all", "9.00"]]


def test_seeds_in_several_processes_tell_the_same(tmp_path: Path) -> None:
    one, two = (
        ran(tmp_path, *TRACES, "--policy", "static-mean", "--seeds", "2", "--jobs", jobs).output.split()[:24]
        for jobs in ("1", "2")
    )
    assert one == two


def test_fleets_of_one_name_are_told_apart_by_their_namespaces(tmp_path: Path) -> None:
    other = fleet("chat")
    other["metadata"]["namespace"] = "other"
    traces = ("--trace", f"default/chat={LOAD}", "--trace", f"other/chat={LOAD}")
    result = ran(tmp_path, *traces, "--policy", "static-mean", documents=[POOL, fleet("chat"), other])
    assert result.exit_code == 0, result.output
    assert [line.split()[1] for line in result.output.splitlines()[1:4]] == ["default/chat", "other/chat", "all"]


MARS = {**BUDGET, "spec": {**BUDGET["spec"], "timeZone": "Mars/Olympus"}}  # type: ignore[dict-item]
BAD = {
    "a fleet without a trace": (TRACES[:2], None, "--trace: want NAME=TRACE for code as well (found chat="),
    "a trace of nobody": ((*TRACES[:2], "--trace", f"cod={LOAD}"), None, "once for each of chat, code (found 'cod="),
    "two traces of one": ((*TRACES, "--trace", f"code={LOAD}"), None, "once for each of chat, code (found 'code="),
    "a trace without a name": (("--trace", LOAD), None, "want NAME=TRACE once for each of chat, code"),
    "a name without a trace": (("--trace", "chat="), None, "want NAME=TRACE once for each of chat, code"),
    "a file that isn't there": ((*TRACES[:2], "--trace", "code=none.csv"), None, "none.csv:1: want a readable"),
    "an oracle for several": ((*TRACES, "--oracle"), None, "--oracle: want one ModelDeployment"),
    "an amount of no budget": (
        (*TRACES, "--budget", "9.00"),
        [POOL, fleet("chat"), fleet("code")],
        "budget: want one InferenceBudget in the file, whose amount it is (found 0)",
    ),
    "an amount in words": ((*TRACES, "--budget", "some"), None, "budget: want dollars such as 240.00, or none"),
    "a budget that lies on Mars": (TRACES, [POOL, MARS, fleet("chat"), fleet("code")], "team: spec.timeZone: want a"),
    "a budget twice": (TRACES, [POOL, BUDGET, BUDGET, fleet("chat"), fleet("code")], "InferenceBudget team"),
    "a policy that nobody knows": ((*TRACES, "--policy", "magic"), None, "policy: want one of costwain"),
}


@pytest.mark.parametrize(("arguments", "documents", "what"), BAD.values(), ids=BAD)
def test_what_cant_be_used_is_said_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], documents: list[dict[str, Any]] | None, what: str
) -> None:
    out = tmp_path / "out.json"
    result = ran(tmp_path, *arguments, "--json", str(out), documents=documents)
    assert result.exit_code == 2, result.output
    assert what in result.output
    assert not out.exists()


def test_a_fleet_is_told_with_its_own_budget_and_the_sum_with_the_shared_one(tmp_path: Path) -> None:
    documents = [POOL, BUDGET, fleet("chat", budget={"amount": "5.00", "period": "Hour"}), fleet("code")]
    result = ran(tmp_path, *TRACES, "--scale", "0.2", documents=documents)
    assert [line.split()[1:3] for line in result.output.splitlines()[1:4]] == [
        ["chat", "5.00"], ["code", "9.00"], ["all", "9.00"],
    ]  # fmt: skip

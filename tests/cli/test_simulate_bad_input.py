"""Whatever is wrong with a file: where, what and found, exit code 2, and nothing written."""

import gzip
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from tests.cli.test_simulate import FLEET, LOAD, POOL, written
from tests.sim.test_servegen import FLAT, LENGTHS, RATES

from costwain.cli.simulate import simulate

REQUESTS = "t_s,input_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROW = '{"timestamp": %s, "input_length": %s, "output_length": %s}\n'
JUNK = bytes(range(128, 256)) * 20
CASES: dict[str, tuple[str, bytes | str | None, str, str]] = {  # story: file, content, where, what
    "requests: no rows": ("a.csv", REQUESTS, "a.csv", "want at least one request"),
    "requests: NaN": ("a.csv", REQUESTS + "NaN,1,1\n", "a.csv:2", "t_s: want a finite number (found NaN)"),
    "requests: infinity": ("a.csv", REQUESTS + "0,inf,1\n", "a.csv:2", "input_tokens: want a finite number"),
    "requests: half a token": ("a.csv", REQUESTS + "0,1,1.5\n", "a.csv:2", "output_tokens: want a whole number"),
    "requests: a negative time": ("a.csv", REQUESTS + "-1,1,1\n", "a.csv:2", "t_s: want 0 or more (found -1)"),
    "requests: unsorted": ("a.csv", REQUESTS + "5,1,1\n4,1,1\n", "a.csv:3", "ascending order (found 4 s after 5 s)"),
    "requests: a gap in a row": ("a.csv", REQUESTS + "0,,1\n", "a.csv:2", "input_tokens: want a number (found '')"),
    "requests: a ragged row": ("a.csv", REQUESTS + "0,1\n", "a.csv:2", "want 3 columns as in the header (found 2"),
    "requests: a column that is missing": ("a.csv", "t_s,input_tokens\n", "a.csv:1", "want a line of JSON or one of"),
    "requests: words": ("a.csv", REQUESTS + "soon,1,1\n", "a.csv:2", "t_s: want a number (found 'soon')"),
    "requests: binary junk": ("a.csv", REQUESTS.encode() + JUNK, "a.csv:1", "want a readable text file (found 'utf-8'"),
    "requests: NULs": ("a.csv", REQUESTS + "0,\0,1\n", "a.csv:2", "input_tokens: want a number"),
    "requests: a field without an end": ("a.csv", REQUESTS + '0,"1,1\n', "a.csv:2", "want 3 columns"),
    "requests: an endless field": ("a.csv", REQUESTS + f"0,{'9' * 200_000},1\n", "a.csv:2", "want a CSV row"),
    "requests: a gap of ages": ("a.csv", REQUESTS + "0,1,1\n1e12,1,1\n", "trace", "want at most 400 days of requests"),
    "azure: no rows": ("a.csv", AZURE, "a.csv", "want at least one request"),
    "azure: no instant": ("a.csv", AZURE + "NaN,1,1\n", "a.csv:2", "TIMESTAMP: want a date and time"),
    "azure: NaN": ("a.csv", AZURE + "2023-11-16 18:15:46,NaN,1\n", "a.csv:2", "ContextTokens: want a finite number"),
    "azure: negative": ("a.csv", AZURE + "2023-11-16 18:15:46,-1,1\n", "a.csv:2", "ContextTokens: want a whole"),
    "azure: unsorted": (
        "a.csv", AZURE + "2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1\n", "a.csv:3", "times in ascending order",
    ),
    "azure: binary junk": ("a.csv", AZURE.encode() + JUNK, "a.csv:1", "want a readable text file"),
    "mooncake: no object": ("a.jsonl", "{\n", "a.jsonl:1", "want a JSON object"),
    "mooncake: a field that is missing": ("a.jsonl", '{"timestamp": 0}\n', "a.jsonl:1", "want the fields input_length"),
    "mooncake: NaN": ("a.jsonl", ROW % ("NaN", 1, 1), "a.jsonl:1", "timestamp: want a finite number"),
    "mooncake: null": ("a.jsonl", ROW % (0, "null", 1), "a.jsonl:1", "input_length: want a number (found 'None')"),
    "mooncake: a list": ("a.jsonl", ROW % (0, "[1]", 1), "a.jsonl:1", "input_length: want a number"),
    "mooncake: negative": ("a.jsonl", ROW % (-1, 1, 1), "a.jsonl:1", "timestamp: want 0 or more (found -1)"),
    "mooncake: unsorted": ("a.jsonl", ROW % (9, 1, 1) + ROW % (8, 1, 1), "a.jsonl:2", "want times in ascending order"),
    "mooncake: binary junk": ("a.jsonl", b"{" + JUNK, "a.jsonl:1", "want a readable text file"),
    "servegen: no rows": ("w-rates.csv", RATES, "w-rates.csv", "want at least one request"),
    "servegen: NaN": ("w-rates.csv", RATES + "0,0,NaN,1,Gamma,1,1\n", "w-rates.csv:2", "rate_rps: want a finite"),
    "servegen: a negative rate": ("w-rates.csv", RATES + "0,0,-1,1,Gamma,1,1\n", "w-rates.csv:2", "rate_rps: want 0"),
    "servegen: unsorted": (
        "w-rates.csv", RATES + "0,600,1,1,Gamma,1,1\n0,0,1,1,Gamma,1,1\n", "w-rates.csv:3", "want ascending windows",
    ),
    "servegen: no such law": ("w-rates.csv", RATES + "0,0,1,1,Zipf,1,1\n", "w-rates.csv:2", "want Gamma or Weibull"),
    "servegen: a shape of nothing": ("w-rates.csv", RATES + "0,0,1,1,Gamma,0,1\n", "w-rates.csv:2", "want a shape"),
    "servegen: gaps longer than any number": (
        "w-rates.csv", RATES + "0,0,1,1,Weibull,1e-5,1\n", "w-rates.csv:2", "arg1: want a shape of 0.01 to 10000",
    ),
    "servegen: more than can be counted": (
        "w-rates.csv", RATES + "0,0,1e308,1,Gamma,1,1\n", "w-rates.csv:2", "rate_rps: want at most 10000000",
    ),
    "a prompt longer than all that was ever written": (
        "a.csv", REQUESTS + "0,1e200,1\n", "a.csv:2", "input_tokens: want a whole number of tokens, 0 to 1000000000",
    ),
    "mooncake: thousands of brackets": ("a.jsonl", "{" + '"a":[' + "[" * 99999, "a.jsonl:1", "want a JSON object"),
    "mooncake: thousands of brackets in a session": (
        "a.jsonl", '{"hash_ids": ' + "[" * 99999 + "]" * 99999 + "}\n", "a.jsonl:1", "want a JSON object",
    ),
    "mooncake: an answer longer than all that was ever written": (
        "a.jsonl", ROW % (0, 1, "1e200"), "a.jsonl:1", "output_length: want a whole number of tokens, 0 to 1000000000",
    ),
    "azure: a prompt longer than all that was ever written": (
        "a.csv", AZURE + "2023-11-16 18:15:46,1e200,1\n", "a.csv:2", "ContextTokens: want a whole number of tokens",
    ),
    "servegen: binary junk": ("w-rates.csv", RATES.encode() + JUNK, "w-rates.csv:1", "want a readable text file"),
    "an empty file": ("a.csv", "", "a.csv:1", "want at least a header"),
    "nothing but junk": ("a.csv", JUNK, "a.csv:1", "want a readable text file"),
    "no gzip": ("a.csv.gz", REQUESTS, "a.csv.gz:1", "want a readable text file"),
    "half a gzip": ("a.csv.gz", gzip.compress((REQUESTS + "0,1,1\n" * 9999).encode())[:60], "a.csv.gz:", "want a read"),
    "a folder": (".", None, "", "want a readable text file (found Is a directory)"),
}  # fmt: skip


def refused(tmp_path: Path, *arguments: str) -> str:
    """What is said, on one line; nothing is written."""
    outs = (tmp_path / "out.json", tmp_path / "out.svg")
    done = CliRunner().invoke(simulate, [*arguments, "--json", str(outs[0]), "--plot", str(outs[1])])
    assert done.exit_code == 2, (done.output, done.exception)
    assert not [path.name for path in tmp_path.iterdir() if "out." in path.name]
    said = done.output.partition("Error: ")[2].strip()
    assert re.search(r": .+ \(found .+\)$", said), said
    assert "\n" not in said
    return said


@pytest.mark.parametrize(("name", "content", "where", "what"), CASES.values(), ids=CASES)
def test_a_trace_that_cant_be_used(
    tmp_path: Path, name: str, content: bytes | str | None, where: str, what: str
) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    (folder / "w-lengths.csv").write_text(LENGTHS + f"0,0,{FLAT}\n", encoding="utf-8")
    if content is not None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    said = refused(tmp_path, written(tmp_path / "fleet.yaml", POOL, FLEET), "--trace", str(folder / name))
    assert where in said
    assert what in said


LENGTH_CASES = {
    "no lengths beside it": (None, "want a file *lengths.csv or *lengths.csv.gz beside the rates (found none)"),
    "lengths without rows": (LENGTHS, "w-lengths.csv:2: want at least one row"),
    "lengths that fall": (
        LENGTHS + "0,0,5,4,5,6,7,8,9,1,1,1,1,1,1,1\n",
        "w-lengths.csv:2: input_tokens: want ascending",
    ),
    "lengths of junk": (
        LENGTHS + f"0,0,{FLAT.replace('20', 'NaN')}\n",
        "w-lengths.csv:2: output_tokens_p10: want a fin",
    ),
}


@pytest.mark.parametrize(("content", "what"), LENGTH_CASES.values(), ids=LENGTH_CASES)
def test_lengths_that_cant_be_used(tmp_path: Path, content: str | None, what: str) -> None:
    (tmp_path / "w-rates.csv").write_text(RATES + "0,0,1,1,Gamma,1,1\n", encoding="utf-8")
    if content is not None:
        (tmp_path / "w-lengths.csv").write_text(content, encoding="utf-8")
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    assert what in refused(tmp_path, fleet, "--trace", str(tmp_path / "w-rates.csv"))


SYNTHETIC = {
    "an unknown curve": ("synthetic:waves", "want synthetic: and one of diurnal"),
    "an unknown name": ("synthetic:step,speed=1", "want one of rate, peak"),
    "NaN": ("synthetic:step,rate=NaN", "rate: want a finite number (found NaN)"),
    "negative": ("synthetic:step,rate=-1", "rate: want a positive number (found -1)"),
    "no time": ("synthetic:step,duration=0", "duration: want a positive number (found 0)"),
    "a year and more": ("synthetic:step,duration=1e9", "duration: want at most 3.456e+07"),
    "prompts without an end": ("synthetic:step,input=1e300", "input: want at most 1e+09"),
    "a day of no time": ("synthetic:diurnal,period=1e-310", "period: want at most 3.456e+07 and at least 1"),
    "the same twice": ("synthetic:step,rate=1,rate=9", "(found 'rate=9')"),
    "half a seed": ("synthetic:step,seed=1.9", "seed: want a whole number (found 1.9)"),
    "more than can be followed": ("synthetic:step,rate=1e6", "want at most 20000000 requests where each is followed"),
    "nobody comes": ("synthetic:step,rate=0,peak=0", "want at least one request"),
}


@pytest.mark.parametrize(("source", "what"), SYNTHETIC.values(), ids=SYNTHETIC)
def test_a_description_that_cant_be_used(tmp_path: Path, source: str, what: str) -> None:
    said = refused(tmp_path, written(tmp_path / "fleet.yaml", POOL, FLEET), "--trace", source)
    assert said.startswith("synthetic:")
    assert what in said


SCENARIOS: dict[str, tuple[str | bytes, str]] = {
    "an unknown pool": ("pools: {b200: {}}", "pools.b200: want an AcceleratorPool of the fleet: h100 (found 'b200')"),
    "a number in words": ("turnSeconds: ten", "scenario.yaml: turnSeconds: Input should be a valid number"),
    "NaN": ("warmUpSeconds: .nan", "scenario.yaml: warmUpSeconds: "),
    "infinity": ("tailSeconds: .inf", "scenario.yaml: tailSeconds: "),
    "a list for a mapping": ("pools: [h100]", "scenario.yaml: pools: Input should be a valid dictionary"),
    "a mapping for a list": (
        "blind: {fromSeconds: 1, untilSeconds: 2}",
        "scenario.yaml: blind: Input should be a valid",
    ),
    "a price in words": ("pools: {h100: {prices: [{atSeconds: 0, amount: dear}]}}", "pools.h100.prices.0.amount: "),
    "a tail without an end": ("tailSeconds: 1.0e+9", "tailSeconds: Input should be less than or equal to 34560000"),
    "a month that doesn't exist, without quotes": ("start: 2026-99-99", "scenario.yaml: start: String should match"),
    "a warm-up of ages": ("warmUpSeconds: 1.0e+12", "scenario.yaml: warmUpSeconds: Input should be less than or equal"),
    "a number of thousands of digits": (f"turnSeconds: {'9' * 5000}", "scenario.yaml: want YAML of sane values"),
    "a truth that is none": ("turnSeconds: !!bool maybe", "scenario.yaml: want YAML of sane values"),
    "thousands of brackets": ("blind: " + "[" * 1500, "scenario.yaml: want YAML of sane values and depth"),
    "a byte that is no text": ("start: \0", "scenario.yaml: want YAML"),
    "answers without an end": ("answerLengths: {full: .inf}", "scenario.yaml: answerLengths.full: Input should be a "),
    "a length that is no number": (
        "answerLengths: {full: .nan}",
        "scenario.yaml: answerLengths.full: Input should be a ",
    ),
    "a length for all": ("answerLengths: 5", "scenario.yaml: answerLengths: Input should be a valid dictionary"),
    "half an accelerator": ("pools: {h100: {accelerators: 0.5}}", "scenario.yaml: pools.h100.accelerators: "),
    "a node lost every second": ("pools: {h100: {lossesPerDay: 86400}}", "lossesPerDay: Input should be less than or"),
    "a field twice": ("turnSeconds: 10\nturnSeconds: 20", "scenario.yaml:2: want YAML (found key turnSeconds again)"),
    "a pool twice": ("pools:\n  h100: {}\n  h100: {}", "scenario.yaml:3: want YAML (found key h100 again)"),
    "negative losses": ("pools: {h100: {lossesPerDay: -1}}", "scenario.yaml: pools.h100.lossesPerDay: "),
    "no start": ("start: yesterday", "scenario.yaml: start: "),
    "a day that doesn't exist, without quotes": (
        "start: 2026-02-30T00:00:00Z",
        "scenario.yaml: start: want an instant",
    ),
    "a day that doesn't exist": ('start: "2026-02-30T00:00:00Z"', "scenario.yaml: start: "),
    "a start without calendars": ('start: "9999-12-31T23:59:59Z"', "scenario.yaml: start: want an instant that exists"),
    "two documents": ("{}\n---\n{}", "scenario.yaml: want one YAML document (found 2)"),
    "nothing": ("", "scenario.yaml: want one YAML document (found 0)"),
    "a list": ("- 1", "scenario.yaml: want mappings (found [1])"),
    "no YAML": ("a: [", "scenario.yaml:1: want YAML"),
    "a tag of code": ("!!python/object:os.system {}", "scenario.yaml:1: want YAML"),
    "binary junk": (JUNK, "scenario.yaml: want a readable YAML file"),
    "a control character": ("a: \x01", "scenario.yaml: want YAML"),
}


@pytest.mark.parametrize(("content", "what"), SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_that_cant_be_used(tmp_path: Path, content: str | bytes, what: str) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    assert what in refused(tmp_path, fleet, "--trace", LOAD, "--scenario", str(path))


METADATA: dict[str, tuple[dict[str, object], str]] = {
    "metadata that is a text": ({"metadata": "chat"}, "ModelDeployment: metadata: want a mapping (found 'chat')"),
    "labels that are a list": (
        {"metadata": {"name": "chat", "labels": ["a"]}},
        "metadata.labels: want a mapping of te",
    ),
    "no spec": ({"spec": None}, "ModelDeployment chat: spec: "),
    "a day on Mars": (
        {"spec": {**FLEET["spec"], "budget": {"amount": "4.00", "timeZone": "Mars/Olympus"}}},  # type: ignore[dict-item]
        "chat: spec.budget.timeZone: want a time zone such as Europe/Berlin (found 'Mars/Olympus')",
    ),
}


@pytest.mark.parametrize(("change", "what"), METADATA.values(), ids=METADATA)
def test_a_fleet_of_wrong_types(tmp_path: Path, change: dict[str, object], what: str) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(yaml.safe_dump_all([POOL, {**FLEET, **change}]), encoding="utf-8")
    assert what in refused(tmp_path, str(path), "--trace", LOAD)


def test_a_gap_of_an_hour_in_a_trace_is_an_hour_without_requests(tmp_path: Path) -> None:
    trace = tmp_path / "a.csv"
    trace.write_text(REQUESTS + "0,500,50\n3600,500,50\n", encoding="utf-8")
    done = CliRunner().invoke(simulate, [written(tmp_path / "fleet.yaml", POOL, FLEET), "--trace", str(trace)])
    assert done.exit_code == 0, done.output
    assert "2 requests, 1 seed" in done.output


def test_a_fleet_of_which_nothing_could_run_is_told_why(tmp_path: Path) -> None:
    unpriced = {**POOL, "spec": {k: v for k, v in POOL["spec"].items() if k != "price"}}  # type: ignore[attr-defined]
    fleet = written(tmp_path / "fleet.yaml", unpriced, FLEET)
    said = refused(tmp_path, fleet, "--trace", "synthetic:step,rate=1")
    assert said.startswith("ModelDeployment chat: want a variant that could run (found pool h100: no price")

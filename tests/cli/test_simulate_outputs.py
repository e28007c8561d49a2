"""`costwain simulate`: files that can't be written are said before anything is played; terminals see how far it is."""

import json
import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.cli.test_simulate import FLEET, LOAD, POOL, ran, written

from costwain.cli.simulate import simulate

SHORT = ("--policy", "static-mean", "--scale", "0.1")


CASES: dict[str, tuple[tuple[str, str], str]] = {
    "a folder that isn't there": (("--json", "none/out.json"), "--json: want a file in a folder that exists"),
    "a file for a folder": (("--json", "fleet.yaml/out.json"), "--json: want a file in a folder that exists"),
    "a folder": (("--plot", "."), "is a directory"),
    "no name": (("--json", ""), "--json: want a file in a folder that exists"),
    "a name that is too long": (("--json", "x" * 254), "--json: want a file that can be written"),
}


@pytest.mark.parametrize(("option", "what"), CASES.values(), ids=CASES)
def test_a_file_that_cant_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: tuple[str, str], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fleet.yaml").touch()
    done = ran(tmp_path, *SHORT, *option)
    assert (done.exit_code, what in done.output) == (2, True), done.output
    assert "in SLO" not in done.output
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.yaml"]


def test_both_can_not_be_one_file(tmp_path: Path) -> None:
    done = ran(tmp_path, *SHORT, "--json", str(tmp_path / "out"), "--plot", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert "--plot: want another file than that of --json" in done.output


def test_a_link_still_leads_where_it_led(tmp_path: Path) -> None:
    link, target = tmp_path / "link.json", tmp_path / "target.json"
    link.symlink_to(target)
    assert ran(tmp_path, *SHORT, "--json", str(link)).exit_code == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["rows"]


def test_a_pipe_gets_the_figures(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe, os.fdopen(writing, "w"):
        assert ran(tmp_path, *SHORT, "--json", f"/dev/fd/{writing}").exit_code == 0
        os.set_blocking(reading, False)
        assert json.loads(pipe.read())["rows"]


TWICE = {
    "a policy": (("--policy", "hpa", "--policy", "hpa"), "--policy: want each once (found hpa)"),
    "an amount, however it is written": (
        ("--budget", "6", "--budget", "6.00"),
        "--budget: want each once (found 6.00)",
    ),
    "no amount": (("--budget", ""), "--budget: want dollars such as 240.00, or none (found '')"),
    "digits of another script": (("--budget", "\u0663"), "--budget: want dollars such as 240.00"),
}


@pytest.mark.parametrize(("options", "what"), TWICE.values(), ids=TWICE)
def test_what_would_be_another_row_than_was_meant(tmp_path: Path, options: tuple[str, ...], what: str) -> None:
    done = ran(tmp_path, *options)
    assert (done.exit_code, what in done.output) == (2, True), done.output


def _read(terminal: int) -> bytes:
    """What comes next, nothing once everybody has closed the other end."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


@pytest.mark.parametrize("jobs", ["1", "2"], ids=["turn by turn", "run by run, where others do them"])
def test_a_terminal_is_told_how_far_it_is(tmp_path: Path, jobs: str) -> None:
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    command = [sys.executable, "-m", "costwain.cli.main", "simulate", fleet, "--trace", LOAD, "--seeds", "2"]
    ours, its = os.openpty()
    with subprocess.Popen([*command, "--jobs", jobs], stdout=subprocess.PIPE, stderr=its) as running:
        os.close(its)
        said = b"".join(iter(partial(_read, ours), b"")).decode()
        figures, _ = running.communicate(timeout=60)
    os.close(ours)
    shares = [int(share) for share in re.findall(r"(\d+)%", said)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1], 50 in shares) == (0, 100, True)
    assert figures.startswith(b"policy ")


def test_a_log_is_told_nothing_but_the_figures(tmp_path: Path) -> None:
    assert ran(tmp_path, *SHORT).stderr == ""


def test_a_budget_of_nothing_is_over_as_soon_as_something_is_spent(tmp_path: Path) -> None:
    """minReplicas stay whatever it costs; JSON has no infinity, so it is told as a text."""
    out, spec = tmp_path / "out.json", dict(FLEET["spec"], scaling={"minReplicas": 1})  # type: ignore[call-overload]
    fleet = written(tmp_path / "floor.yaml", POOL, {**FLEET, "spec": spec})
    options = ["--trace", LOAD, "--duration", "600", "--budget", "0", "--seeds", "2", "--json", str(out)]
    done = CliRunner().invoke(simulate, [fleet, *options])
    assert done.exit_code == 0, done.output
    header, row = (line.split() for line in done.output.splitlines()[:2])
    assert row.count("inf") == 2, (header, row)
    told = json.loads(out.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    score = told["runs"][0]["score"]
    assert (score["overspend"], score["prefix_overspend"], score["windows_over"]) == ("Infinity", "Infinity", 1)
    assert told["rows"][0]["figures"]["overspend"] == {"mean": "Infinity", "spread": None}


def test_a_budget_of_nothing_is_kept_where_nothing_is_spent(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert ran(tmp_path, "--duration", "600", "--budget", "0", "--json", str(out)).exit_code == 0
    score = json.loads(out.read_text())["runs"][0]["score"]
    assert (score["dollars"], score["overspend"], score["prefix_overspend"], score["windows_over"]) == (0, 0, 0, 0)

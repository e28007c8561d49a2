"""Detached processes: known by pid and start, so that no stranger is ever hit."""

import dataclasses
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support import eventually

from costwain.local import process
from costwain.local.process import Process

ENV = {"PATH": os.environ["PATH"]}
IGNORES_TERM = "trap '' TERM; echo ready; exec sleep 60"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "process.log"


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def sleeper(log: Path, cleanup: ExitStack) -> Process:
    return start("exec sleep 60", log, cleanup)


def start(script: str, log: Path, cleanup: ExitStack) -> Process:
    started = process.spawn(["/bin/sh", "-c", script], log, ENV)
    cleanup.callback(process.stop, started, 0)
    return started


def test_a_started_process_lives_until_it_is_stopped(sleeper: Process) -> None:
    assert process.is_alive(sleeper)
    eventually(lambda: (process.memory_bytes(sleeper) or 0) > 10_000, 5, "the shell to be loaded")
    assert process.stop(sleeper, 5) == "stopped"
    assert not process.is_alive(sleeper)
    assert process.memory_bytes(sleeper) is None
    assert process.stop(sleeper, 5) == "was not running"


def test_it_has_a_session_of_its_own_so_that_ctrl_c_passes_it_by(sleeper: Process) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid


def test_output_is_appended_to_a_log_that_only_the_owner_reads(log: Path, cleanup: ExitStack) -> None:
    start("echo out", log, cleanup)
    eventually(lambda: log.exists() and "out" in log.read_text(), 5, "the first line")
    start("echo err >&2", log, cleanup)
    eventually(lambda: log.read_text() == "out\nerr\n", 5, "both lines")
    assert log.stat().st_mode & 0o777 == 0o600


def test_one_that_ignores_sigterm_is_killed_after_the_deadline(log: Path, cleanup: ExitStack) -> None:
    stubborn = start(IGNORES_TERM, log, cleanup)
    eventually(lambda: "ready" in log.read_text(), 5, "the trap is set")
    assert process.stop(stubborn, 0.1) == "killed"
    assert not process.is_alive(stubborn)


STRANGERS = {
    "the pid was given out again since": lambda p: dataclasses.replace(p, started=p.started + "0"),
    "the machine has booted since": lambda p: dataclasses.replace(p, started="other-boot/1"),
    "the start was never known": lambda p: dataclasses.replace(p, started=""),
}


@pytest.mark.parametrize("stranger_of", STRANGERS.values(), ids=STRANGERS)
def test_a_recycled_pid_is_never_hit(stranger_of, sleeper: Process) -> None:
    stranger = stranger_of(sleeper)
    assert not process.is_alive(stranger)
    assert process.stop(stranger, 0) == "was not running"
    assert process.is_alive(sleeper)


def test_a_pid_that_no_process_can_have_is_no_error() -> None:
    assert process.stop(Process(2**30, "boot/1"), 0) == "was not running"


def test_first_to_end_names_the_one_that_died(sleeper: Process, log: Path, cleanup: ExitStack) -> None:
    assert process.first_to_end([sleeper], 0.01) is None
    short = start("exit 3", log, cleanup)
    assert process.first_to_end([sleeper, short], 5) == short


def test_every_process_with_the_mark_is_found_and_no_other(log: Path, cleanup: ExitStack) -> None:
    marked = process.spawn(["/bin/sh", "-c", "exec sleep 60"], log, {**ENV, "MARK": "mine"})
    cleanup.callback(process.stop, marked, 0)
    other = process.spawn(["/bin/sh", "-c", "exec sleep 60"], log, {**ENV, "MARK": "mine-too"})
    cleanup.callback(process.stop, other, 0)
    assert eventually(lambda: process.marked("MARK", "mine"), 5, "the mark is seen") == [marked]


def test_a_missing_command_is_an_error(log: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.spawn(["/nonexistent/command"], log, ENV)

"""Processes of containers: exit codes, groups, and that nothing outlives its manager."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import eventually

from costwain.local.node import guard
from costwain.local.node.process import MARK, Guard, Process, run_to_end, start

pytestmark = pytest.mark.anyio
ENV = {"PATH": os.environ["PATH"]}


def shell(script: str, folder: Path, **env: str) -> Process:
    return start(["/bin/sh", "-c", script], {**ENV, **env}, folder, folder / "log")


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


CODES = {  # story: (script, exit code)
    "success": ("exit 0", 0),
    "a code of its own": ("exit 7", 7),
    "killed by a signal: 128 plus its number, as a container runtime says": ("kill -TERM $$", 143),
}


@pytest.mark.parametrize(("script", "code"), CODES.values(), ids=CODES)
async def test_exit_codes(script: str, code: int, tmp_path: Path) -> None:
    assert await run_to_end(shell(script, tmp_path), timeout_s=10) == code


async def test_output_of_both_kinds_goes_to_the_log(tmp_path: Path) -> None:
    await run_to_end(shell("echo out; echo err >&2", tmp_path), timeout_s=10)
    assert read(tmp_path / "log").splitlines() == ["out", "err"]


async def test_when_the_first_process_ends_its_children_are_killed(tmp_path: Path) -> None:
    """As the end of a pid namespace would."""
    await run_to_end(shell("sleep 60 & echo $!", tmp_path), timeout_s=10)
    child = int(read(tmp_path / "log"))
    assert eventually(lambda: not is_alive(child), 5, "the child is gone")


async def test_sigterm_reaches_only_the_first_process(tmp_path: Path) -> None:
    script = "trap 'echo parent; exit 3' TERM; (trap 'echo child' TERM; sleep 60 & wait) & echo up; wait"
    process = shell(script, tmp_path)
    eventually(lambda: "up" in read(tmp_path / "log"), 5, "traps are set")
    process.terminate()
    assert await process.exit_code() == 3
    assert read(tmp_path / "log").splitlines() == ["up", "parent"]


async def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    process = shell("sleep 60", tmp_path)
    with pytest.raises(TimeoutError):
        await run_to_end(process, timeout_s=0.1)
    assert process.ended.result() == 128 + signal.SIGKILL


async def test_a_program_that_is_not_there_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        start(["/no/such/program"], ENV, tmp_path, tmp_path / "log")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_killing_what_is_marked_spares_the_rest(tmp_path: Path) -> None:
    mine, other = str(tmp_path / "mine"), str(tmp_path / "other")
    with (
        subprocess.Popen(["sleep", "60"], env={**ENV, MARK: mine}) as first,
        subprocess.Popen(["sleep", "60"], env={**ENV, MARK: other}) as second,
    ):
        eventually(lambda: list(guard.marked(MARK, mine)), 5, "the program runs")
        assert guard.kill_marked(MARK, mine) == 1
        assert first.wait(5) == -signal.SIGKILL
        assert second.poll() is None
        second.kill()


DYING_MANAGER = """
import os, pathlib, signal, subprocess, sys
from costwain.local.node.process import MARK, Guard
root = pathlib.Path(sys.argv[1])
guard = Guard(root)
env = {"PATH": os.environ["PATH"], MARK: str(root)}
child = subprocess.Popen(["/bin/sh", "-c", "setsid sleep 60 & echo $!; wait"], env=env, stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_no_process_survives_a_manager_that_is_killed(tmp_path: Path) -> None:
    """Neither a container's first process nor a grandchild that left its session."""
    run = subprocess.run(
        [sys.executable, "-c", DYING_MANAGER, str(tmp_path)], capture_output=True, text=True, check=False, timeout=30
    )
    assert run.returncode == -signal.SIGKILL, run.stderr
    pids = [int(word) for word in run.stdout.split()]
    assert len(pids) == 2
    eventually(lambda: not any(is_alive(pid) for pid in pids), 10, "both are gone")


def test_a_guard_that_is_no_longer_needed_ends(tmp_path: Path) -> None:
    keeper = Guard(tmp_path)
    keeper.close()
    assert keeper.exit_code == 0

"""A cluster's folder: one command at a time, nobody else's files, state that survives the command."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from costwain.local import cluster, lock, paths, store
from costwain.local.errors import LocalError
from costwain.local.process import Process
from costwain.local.store import Record, State, Task

STATE = State("demo", "identity", "/cache/bin", {"etcd": 21_000})
NODE = Record(Task("node", ["/bin/node", "--x"], "127.0.0.1:1", {"A": "b"}, 30), Process(7, "boot/70"))
IDLE = Record(Task("idle", ["/bin/idle"]))


def silent(_: str) -> None:
    """Takes progress lines that the test doesn't look at."""


def test_state_comes_back_as_it_was_written_and_only_the_owner_reads_it(tmp_path: Path) -> None:
    state = STATE.with_record(NODE).with_record(IDLE)
    store.save(tmp_path, state)
    assert store.load(tmp_path) == state
    assert stat.S_IMODE((tmp_path / "cluster.json").stat().st_mode) == 0o600


def test_a_restarted_process_keeps_its_place_in_the_order() -> None:
    again = Record(NODE.task, Process(8, "boot/80"))
    state = STATE.with_record(NODE).with_record(IDLE).with_record(again)
    assert state.records == (again, IDLE)
    assert state.without_record("node").records == (IDLE,)


def test_an_empty_or_missing_folder_is_no_cluster(tmp_path: Path) -> None:
    assert store.load(tmp_path) is None
    assert store.load(tmp_path / "missing") is None


MALFORMED = {"not JSON": "{", "a field is missing": '{"name": "x"}', "an unknown field": '{"records": [], "x": 1}'}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED)
def test_state_that_cant_be_read_says_where(text: str, tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text(text)
    with pytest.raises(LocalError, match=r"cluster\.json: the state of a cluster is wanted \(found: "):
        store.load(tmp_path)


def test_up_refuses_a_folder_with_other_files_and_leaves_them_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(LocalError, match=r"an empty folder is wanted for a new cluster \(found thesis\.tex\)"):
        cluster.up("demo", tmp_path, silent)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_down_where_no_cluster_is_touches_nothing(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    assert cluster.down("demo", tmp_path, silent) is False
    assert (tmp_path / "thesis.tex").exists()
    assert cluster.down("demo", tmp_path / "missing", silent) is False
    assert not (tmp_path / "missing").exists()


def test_up_that_fails_before_its_first_process_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_tools(*_: object) -> Path:
        raise LocalError("no modules")

    monkeypatch.setattr("costwain.local.build.ensure", no_tools)
    with pytest.raises(LocalError, match="no modules"):
        cluster.up("demo", tmp_path / "state", silent)
    assert not (tmp_path / "state").exists()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[cluster.Cluster]:
    """A cluster's folder with a sleeper in the place of a component: no control plane is needed for these."""
    store.save(tmp_path, STATE)
    found = cluster.find("demo", tmp_path)
    found.start(Task("node", ["/bin/sleep", "60"], env={"ROLE": "node"}))
    yield found
    cluster.down("demo", tmp_path, silent)


def test_start_is_idempotent_and_down_ends_all(running: cluster.Cluster) -> None:
    pid = running.status()[0].pid
    assert running.start(Task("node", ["/bin/sleep", "60"])).pid == pid
    said: list[str] = []
    assert cluster.down("demo", running.dir, said.append)
    assert said == ["node: stopped"]
    assert not running.dir.exists()


def test_restart_gives_the_same_task_another_process(running: cluster.Cluster) -> None:
    before = running.status()[0]
    running.restart("node")
    after = running.status()[0]
    assert (after.runs, after.pid != before.pid) == (True, True)
    assert running.state().records[0].task.env == {"ROLE": "node"}


def test_a_forgotten_process_is_no_part_of_the_status(running: cluster.Cluster) -> None:
    assert running.forget("node") == "stopped"
    assert running.status() == []


def test_an_unknown_process_is_told_with_the_known_ones(running: cluster.Cluster) -> None:
    with pytest.raises(LocalError, match=r"a process named 'gpu' is wanted \(found node\)"):
        running.stop("gpu")


def test_a_command_that_is_missing_is_told(running: cluster.Cluster) -> None:
    with pytest.raises(LocalError, match="x: /nonexistent can't be started"):
        running.start(Task("x", ["/nonexistent"]))


def test_the_second_command_waits_until_its_deadline(tmp_path: Path) -> None:
    second = lock.locked(tmp_path, 0, silent)
    with lock.locked(tmp_path, 1, silent), pytest.raises(LocalError, match="still works on it after 0 s"):
        second.__enter__()
    said: list[str] = []
    with lock.locked(tmp_path, 0, said.append):
        assert said == []


def test_who_waited_for_a_folder_that_was_deleted_holds_the_new_one(tmp_path: Path) -> None:
    folder, waits, held = tmp_path / "state", threading.Event(), threading.Event()

    def wait_for_it() -> None:
        with lock.locked(folder, 10, lambda _: waits.set()):
            held.set()
            assert folder.is_dir()

    waiter = threading.Thread(target=wait_for_it)
    with lock.locked(folder, 1, silent):
        waiter.start()
        assert waits.wait(5)
        folder.rmdir()
    waiter.join(10)
    assert held.is_set()


BAD_NAMES = ["", "..", "a/b", "Upper", "-x", "x" * 41]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_cant_be_a_folders_is_refused(name: str) -> None:
    with pytest.raises(LocalError, match="lower-case letters, digits and inner dashes"):
        paths.state_dir(name)


def test_folders_follow_xdg_and_ignore_relative_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert paths.state_dir("demo") == tmp_path / "costwain" / "demo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert paths.cache_dir() == Path.home() / ".cache" / "costwain"

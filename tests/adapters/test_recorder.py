"""The recorder: the newest turns, whole, in a folder that doesn't grow."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from tests.decide.builders import NOW_S, fleet, replica, snapshot

from costwain.adapters.recorder import Recorder, kept, read
from costwain.decide import decide
from costwain.domain.snapshot import Snapshot


def turns(n: int) -> list[Snapshot]:
    return [replace(snapshot(fleet(replica())), now_s=NOW_S + 5 * i) for i in range(n)]


def test_only_the_newest_turns_stay_and_the_newest_is_read_from_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "turns"
    recorder = Recorder(folder, 3)
    for one in turns(5):
        recorder.keep(one, decide(one))
    assert [read(path).snapshot.now_s - NOW_S for path in kept(folder)] == [10, 15, 20]
    assert len(list(folder.iterdir())) == 3
    newest = read(folder)
    assert newest.snapshot.now_s == NOW_S + 20
    assert decide(newest.snapshot) == newest.plan


def test_a_folder_that_cannot_be_written_is_told_of_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    recorder = Recorder(blocked / "turns", 3)
    with caplog.at_level(logging.WARNING):
        for one in turns(3):
            recorder.keep(one, decide(one))
    assert len(caplog.records) == 1


def test_what_is_no_turn_says_where_and_what(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no recorded turn \(found no turn-\*.json\)$"):
        read(tmp_path)
    broken = tmp_path / "turn-1.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"turn-1.json: not a recorded turn \(found Expecting property name"):
        read(tmp_path)
    broken.write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"turn-1.json: not a recorded turn \(found record: no Turn"):
        read(broken)

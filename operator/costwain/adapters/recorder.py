"""Recorder: the last turns as files, for `costwain why --replay`. A bounded number of them; no secrets."""

import json
import logging
import os
import tempfile
from importlib.metadata import version
from pathlib import Path

from costwain.domain.plan import Plan
from costwain.domain.record import Turn, decoded, encoded, without_environment
from costwain.domain.snapshot import Snapshot

_log = logging.getLogger(__name__)


class Recorder:
    """Keeps the newest `turns` of one operator in a folder."""

    def __init__(self, folder: Path, turns: int) -> None:
        self._folder, self._turns = folder, turns
        self._trouble = ""

    def keep(self, snapshot: Snapshot, plan: Plan) -> None:
        """Writes a turn and drops the oldest; a disk that refuses is told of once and costs no turn."""
        try:
            self._write(f"turn-{round(snapshot.now_s * 1000):014d}.json", snapshot, plan)
            for old in kept(self._folder)[: -self._turns]:
                old.unlink(missing_ok=True)
        except OSError as error:
            if str(error) != self._trouble:
                _log.warning("record: %s: %s", self._folder, error)
            self._trouble = str(error)

    def _write(self, name: str, snapshot: Snapshot, plan: Plan) -> None:
        """Whole or not at all: a reader never sees half a turn."""
        turn = Turn(version("costwain"), without_environment(snapshot), plan)
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(encoded(turn), file, separators=(",", ":"))
            os.replace(path, self._folder / name)
        except OSError:
            Path(path).unlink(missing_ok=True)
            raise


def kept(folder: Path) -> list[Path]:
    """The turns in a folder, oldest first."""
    return sorted(folder.glob("turn-*.json"))


def read(path: Path) -> Turn:
    """A recorded turn, or the newest of a folder; raises ValueError for what is none."""
    if path.is_dir():
        turns = kept(path)
        if not turns:
            raise ValueError(f"{path}: no recorded turn (found no turn-*.json)")
        path = turns[-1]
    try:
        return decoded(Turn, json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # thousands of brackets
        raise ValueError(f"{path}: not a recorded turn (found {error})") from error

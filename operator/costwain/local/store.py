"""What a local cluster remembers between commands: its ports, and the processes that belong to it."""

import contextlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from costwain.local.errors import LocalError
from costwain.local.pki import write_private
from costwain.local.process import Process

_FILE = "cluster.json"


@dataclass(frozen=True)
class Task:
    """A command that belongs to the cluster; `stop_s` is how long it may take to end after SIGTERM."""

    name: str
    argv: list[str]
    address: str = ""
    env: dict[str, str] = field(default_factory=dict)
    stop_s: float = 10


@dataclass(frozen=True)
class Record:
    """A task with the process that was last started for it."""

    task: Task
    process: Process | None = None


@dataclass(frozen=True)
class State:
    """One cluster; `records` are in the order of their first start, so that the end goes backwards."""

    name: str
    identity: str
    binaries: str
    ports: dict[str, int]
    records: tuple[Record, ...] = ()

    def record(self, name: str) -> Record | None:
        """The record of the task of that name; None where there is none."""
        return next((r for r in self.records if r.task.name == name), None)

    def with_record(self, record: Record) -> "State":
        """The state with this record in the place of the one of the same name, else at the end."""
        if self.record(record.task.name) is None:
            return replace(self, records=(*self.records, record))
        return replace(self, records=tuple(record if r.task.name == record.task.name else r for r in self.records))

    def without_record(self, name: str) -> "State":
        """The state without the record of that name."""
        return replace(self, records=tuple(r for r in self.records if r.task.name != name))


def load(folder: Path) -> State | None:
    """The state in folder; None where no cluster is there, LocalError where the file can't be read."""
    file = folder / _FILE
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        try:
            raw = json.loads(file.read_text())
            records = tuple(
                Record(Task(**r["task"]), Process(**r["process"]) if r["process"] else None) for r in raw["records"]
            )
            return State(**{**raw, "records": records})
        except (ValueError, KeyError, TypeError) as error:
            raise LocalError(f"{file}: the state of a cluster is wanted (found: {error!r})") from None
    return None


def save(folder: Path, state: State) -> None:
    """Writes the state, whole or not at all."""
    write_private(folder / _FILE, json.dumps(asdict(state), indent=1).encode())

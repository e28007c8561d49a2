"""One Kubernetes control plane on this machine's loopback: up, down, status.

A Cluster is a handle on a folder: processes and ports are read from there whenever they are needed, so
that any command, in any process, sees the same. Further processes (nodes, load) join by `start`, and
`down` ends them before the control plane.
"""

import contextlib
import datetime as dt
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from costwain.local import build, controlplane, lock, paths, pki, process, store
from costwain.local.errors import LocalError
from costwain.local.store import Record, State, Task

Say = Callable[[str], None]

MARK = "COSTWAIN_LOCAL_CLUSTER"  # in the environment of a cluster's processes: none is lost, whoever its parent was
_LOCK_S = 3600  # a first `up` holds the lock while it builds
_READY_S = 120  # for one component; 3 to 10 s on an idle machine
_POLL_S = 0.1
_LOG_LINES = 15


@dataclass(frozen=True)
class Status:
    """One process of a cluster as it is now; memory is resident, None where it doesn't run."""

    name: str
    pid: int | None
    runs: bool
    address: str
    memory_bytes: int | None


@dataclass(frozen=True)
class Cluster:
    """A cluster on this machine; all its files are under `dir`."""

    name: str
    dir: Path

    @property
    def kubeconfig(self) -> Path:
        return self.dir / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.dir / "logs"

    @property
    def kubectl(self) -> Path:
        return Path(self.state().binaries) / "kubectl"

    @property
    def server(self) -> str:
        return controlplane.server_of(self.state())

    def state(self) -> State:
        """What the cluster remembers; raises LocalError where it isn't there."""
        state = store.load(self.dir)
        if state is None:
            raise LocalError(f"{self.dir}: a local cluster is wanted here (found none); `costwain local up` starts one")
        return state

    def status(self) -> list[Status]:
        """Every process, in the order of the first starts."""
        return [_status(record) for record in self.state().records]

    def start(self, task: Task) -> process.Process:
        """Starts the task unless it runs, its output to `logs/<name>.log`; raises LocalError."""
        with self._alone():
            return self._start(task)

    def stop(self, name: str) -> process.Ending:
        """Ends the process of that name; `start` and `up` may start it again; raises LocalError."""
        return _stop(self._record(name))

    def restart(self, name: str) -> process.Process:
        """Ends the process of that name and starts it as it was; raises LocalError."""
        self.stop(name)
        return self.start(self._record(name).task)

    def forget(self, name: str) -> process.Ending:
        """Ends the process of that name for good: it is no part of the cluster any more; raises LocalError."""
        with self._alone():
            ending = self.stop(name)
            store.save(self.dir, self.state().without_record(name))
        return ending

    def wait_ready(self, *names: str) -> None:
        """Waits until these components (all, if none is named) work; LocalError when one ends or takes too long."""
        checks = controlplane.checks(self.dir, self.state())
        for name in names or checks:
            if not any(checks[name]() or self._pause(name) for _ in range(int(_READY_S / _POLL_S))):
                raise LocalError(f"{name}: not ready after {_READY_S} s{self._log_tail(name)}")

    def _record(self, name: str) -> Record:
        state = self.state()
        record = state.record(name)
        if record is None:
            names = ", ".join(r.task.name for r in state.records)
            raise LocalError(f"{self.dir}: a process named {name!r} is wanted (found {names or 'none'})")
        return record

    def _start(self, task: Task) -> process.Process:
        state = self.state()
        record = state.record(task.name)
        if record and record.process and process.is_alive(record.process):
            return record.process
        self.logs.mkdir(mode=0o700, exist_ok=True)
        env = {**os.environ, **task.env, MARK: state.identity}
        try:
            started = process.spawn(task.argv, self.logs / f"{task.name}.log", env)
        except OSError as error:
            raise LocalError(f"{task.name}: {task.argv[0]} can't be started ({error})") from None
        store.save(self.dir, state.with_record(Record(task, started)))
        return started

    def _pause(self, awaited: str) -> bool:
        """A poll interval that a dying component cuts short; always False, or LocalError."""
        state = self.state()
        running = {
            record.process: name
            for name in controlplane.NAMES
            if (record := state.record(name)) is not None and record.process is not None
        }
        ended = process.first_to_end(list(running), _POLL_S)
        if ended:
            name = running[ended]
            raise LocalError(f"{name}: ended before {awaited} was ready{self._log_tail(name)}")
        return False

    def _log_tail(self, name: str) -> str:
        log = self.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:] if log.exists() else []
        return "\n".join([f"; the end of {log}:", *(f"  {line[:400]}" for line in lines or ["(empty)"])])

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.state()  # taking the lock makes the folder: not for a cluster that isn't there
        with lock.locked(self.dir, _LOCK_S, lambda _: None):
            yield


def find(name: str = paths.DEFAULT_NAME, directory: Path | None = None) -> Cluster:
    """The handle on a cluster, whether it is there or not; raises LocalError for a name that can't be one."""
    return Cluster(name, directory.absolute() if directory else paths.state_dir(name))


def up(name: str = paths.DEFAULT_NAME, directory: Path | None = None, say: Say = print) -> Cluster:
    """Starts the control plane, or what is missing of it, and waits until it works; raises LocalError.

    An interrupt leaves nothing of a new cluster; a component that fails leaves the folder with its logs.
    """
    cluster = find(name, directory)
    with lock.locked(cluster.dir, _LOCK_S, say):
        is_new = not any(cluster.dir.iterdir())
        try:
            _bring_up(cluster, say)
        except BaseException as error:
            # What failed has logs to read; what was interrupted, or failed before it had any, has nothing to keep.
            if is_new and not (isinstance(error, LocalError) and cluster.logs.exists()):
                _remove(cluster, say)
            raise
    return cluster


def down(name: str = paths.DEFAULT_NAME, directory: Path | None = None, say: Say = print) -> bool:
    """Ends every process of the cluster and deletes its files; False where there was none; raises LocalError."""
    cluster = find(name, directory)
    if store.load(cluster.dir) is None:
        return False
    with lock.locked(cluster.dir, _LOCK_S, say):
        _remove(cluster, say)
    return True


def status(name: str = paths.DEFAULT_NAME, directory: Path | None = None) -> list[Status]:
    """Every process of the cluster, in the order of the first starts; raises LocalError where there is none."""
    return find(name, directory).status()


def _bring_up(cluster: Cluster, say: Say) -> None:
    if store.load(cluster.dir) is None:
        _create(cluster, say)
    state = cluster.state()
    if all((record := state.record(name)) and _status(record).runs for name in controlplane.NAMES):
        say(f"cluster {cluster.name} runs already")
        return
    for task in controlplane.tasks(cluster.dir, state):
        if task.name == "kube-controller-manager":
            cluster.wait_ready("kube-apiserver")  # the others give up after 10 s without it
        say(f"starting {task.name} on {task.address}")
        cluster._start(task)
    cluster.wait_ready()


def _create(cluster: Cluster, say: Say) -> None:
    """Binaries, certificates, ports: all that a start needs."""
    others = sorted(path.name for path in cluster.dir.iterdir())
    if others:
        raise LocalError(f"{cluster.dir}: an empty folder is wanted for a new cluster (found {', '.join(others[:5])})")
    binaries = build.ensure(say)
    state = State(cluster.name, secrets.token_hex(8), str(binaries), controlplane.free_ports())
    pki.write_all(cluster.dir / "pki", dt.datetime.now(dt.UTC))
    controlplane.write_kubeconfigs(cluster.dir, state)
    store.save(cluster.dir, state)


def _remove(cluster: Cluster, say: Say) -> None:
    state = store.load(cluster.dir)
    if state:
        # Backwards: an API server whose etcd went first can hang for minutes in its own shutdown.
        for record in reversed(state.records):
            say(f"{record.task.name}: {_stop(record)}")
        for stray in process.marked(MARK, state.identity):
            say(f"process {stray.pid}, left by another: {process.stop(stray, Task.stop_s)}")
    shutil.rmtree(cluster.dir)
    with contextlib.suppress(OSError):  # other clusters live there
        paths.state_root().rmdir()


def _stop(record: Record) -> process.Ending:
    return process.stop(record.process, record.task.stop_s) if record.process else "was not running"


def _status(record: Record) -> Status:
    task, started = record.task, record.process
    runs = started is not None and process.is_alive(started)
    memory = process.memory_bytes(started) if started and runs else None
    return Status(task.name, started.pid if started else None, runs, task.address, memory)

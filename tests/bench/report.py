"""How a benchmark reports: figures with their targets as a table, and as JSON for `bench-check` where asked."""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from costwain.cli.format import table


@dataclass(frozen=True)
class Figure:
    """One measured value. `spread`: in words; `target` None: reported, not judged; `most`: below or above it."""

    name: str
    value: float
    unit: str
    spread: str = ""
    target: float | None = None
    most: bool = True

    @property
    def holds(self) -> bool | None:
        """Whether it meets its target; None without one."""
        if self.target is None:
            return None
        return self.value <= self.target if self.most else self.value >= self.target

    def as_json(self) -> dict[str, Any]:
        found = {**asdict(self), "holds": self.holds}
        found.pop("most")
        return found


def options(about: str) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=_path, help="write the figures there")
    return parser


def _path(text: str) -> Path:
    """A file that can be written: told before the benchmark and not after it."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"want a file in a folder that exists, found {text!r}")
    return path


def publish(figures: Sequence[Figure], path: Path | None) -> None:
    """Prints the figures, and writes them where a path is given."""
    rows = [["figure", "value", "spread", "target", ""]]
    for f in figures:
        target = "" if f.target is None else f"{'<=' if f.most else '>='} {f.target:g} {f.unit}"
        verdict = {None: "", True: "holds", False: "FALLS SHORT"}[f.holds]
        rows.append([f.name, f"{f.value:.4g} {f.unit}", f.spread, target, verdict])
    print("\n".join(["", *table(rows, right=[1])]))
    if path is None:
        return
    told = {"machine": machine(), "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])}
    path.write_text(json.dumps(told | {"figures": [f.as_json() for f in figures]}, indent=2) + "\n", encoding="utf-8")


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"

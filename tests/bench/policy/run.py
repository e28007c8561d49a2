"""The policy benchmark: every part of bench.yaml, its table, and how it stands to what was aimed at.

It exits 0 when it has measured, whatever came out; 2 where a trace is missing. With --json the report is written after
every part, and parts that it already holds, measured alike, are not run again: the long form can be run in pieces.
"""

import argparse
import json
import platform
import shlex
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))
from parts import HERE, Run, measured

from costwain.sim.arrival import InputError


def main() -> None:
    """Measures what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("traces", type=Path, help="folder of the traces")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", action="append", help="only this part; may be repeated")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    plan = yaml.safe_load((HERE / "bench.yaml").read_text(encoding="utf-8"))
    run = Run(asked.traces, asked.seeds or plan["seeds"], asked.jobs)
    try:
        names = [part["name"] for part in plan["parts"]]
        if unknown := [name for name in asked.part or () if name not in names]:
            raise InputError("--part", f"want one of {', '.join(names)}", ", ".join(unknown))
        done = _done(asked.json)
        for part in plan["parts"]:
            if asked.part is None or part["name"] in asked.part:
                _measure(part, run, done, asked.json)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


def _measure(part: dict[str, Any], run: Run, done: dict[str, Any], path: Path | None) -> None:
    """Runs a part, unless the report has it, and writes the report."""
    alike = {"seeds": run.seeds, "part": part}
    before = done.get(part["name"])
    if before is not None and before["alike"] == alike:
        print(f"{part['name']}: is in {path} already", file=sys.stderr)
        return
    done[part["name"]] = {"alike": alike, "figures": measured(part, run)}
    if path is None:
        return
    machine = {"machine": platform.machine(), "python": platform.python_version()}
    figures = [figure for each in done.values() for figure in each["figures"]]
    told = {"machine": machine, "command": shlex.join(sys.argv), "figures": figures, "parts": done}
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)


def _done(path: Path | None) -> dict[str, Any]:
    """The parts that an earlier report holds."""
    if path is None or not path.exists():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["parts"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(str(path), "want a report of this benchmark, or no file", str(error)) from None
    return dict(found)


if __name__ == "__main__":
    main()

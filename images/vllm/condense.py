"""Condenses dumps of vLLM's own argument parser into the table that Costwain ships.

    python images/vllm/condense.py OUT.json DUMP.json...

A dump is `{"version": ..., "args": [{"flags", "kind", "type", "nargs", "choices", "help"}, ...]}`, one entry an
argparse action of `vllm serve`. The table is version -> flag without dashes -> kind, and where
they exist choices, negation and short aliases.
"""

import json
import sys
from pathlib import Path
from typing import Any

_BY_TYPE = {
    "int": "int",
    "float": "float",
    "loads": "json",
    "human_readable_int": "size",
    "human_readable_int_or_auto": "size-or-auto",
    "_compute_kwargs.<locals>.parse_dataclass": "json",
    "parse_type.<locals>._parse_type": "json",
}
# vLLM wraps the type of an optional argument, so a dump can't show it.
_OPTIONAL_INTS = {
    "max-cpu-loras",
    "max-log-len",
    "max-num-active-seqs",
    "max-num-queued-reqs",
    "max-parallel-loading-workers",
    "num-gpu-blocks-override",
}


def _kind(name: str, action: dict[str, Any]) -> str:
    """What a value may look like: switch, int, float, size, size-or-auto, json, list, int-list or string."""
    if action["nargs"] == 0:
        return "switch"
    if action["nargs"] == "+":
        return "int-list" if action["type"] == "int" else "list"
    if name in _OPTIONAL_INTS:
        return "int"
    said = action["help"] or ""
    if "JSON keys passed individually" in said:
        return "json"
    if action["type"] not in _BY_TYPE and "human-readable integers" in said:
        return "size"
    return _BY_TYPE.get(action["type"], "string")


def _negation(name: str, flags: list[str]) -> str | None:
    """The flag that switches off; `--no-enable-x` for `--enable-x`, since every version accepts it."""
    if name.startswith("enable-"):
        return f"no-{name}"
    return next((flag[2:] for flag in flags[1:] if flag.startswith(("--no-", "--enable-"))), None)


def condense(dump: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """One version's table; the positional model is left out, for it is no flag."""
    table: dict[str, dict[str, Any]] = {}
    for action in dump["args"]:
        flags: list[str] = action["flags"]
        if not flags[0].startswith("--"):
            continue
        name = flags[0][2:]
        entry: dict[str, Any] = {"kind": _kind(name, action)}
        if action["choices"]:
            entry["choices"] = [str(choice) for choice in action["choices"] if choice is not None]
        negation = _negation(name, flags) if entry["kind"] == "switch" else None
        if negation and action["kind"] != "_StoreTrueAction":
            entry["negation"] = negation
        short = [flag for flag in flags if not flag.startswith("--")]
        if short:
            entry["aliases"] = short
        table[name] = entry
    return dict(sorted(table.items()))


def write(tables: dict[str, dict[str, dict[str, Any]]]) -> str:
    """The table as JSON with one flag a line, so that a new version is a diff one can read."""
    blocks = []
    for version, table in tables.items():
        lines = ",\n".join(f"  {json.dumps(flag)}: {json.dumps(entry)}" for flag, entry in table.items())
        blocks.append(f"{json.dumps(version)}: {{\n{lines}\n }}")
    return "{\n " + ",\n ".join(blocks) + "\n}\n"


def main(out: str, *dumps: str) -> None:
    """Reads the dumps, oldest version first, and writes the table."""
    read = [json.loads(Path(dump).read_text()) for dump in dumps]
    read.sort(key=lambda dump: [int(part) for part in dump["version"].split("+")[0].split(".")])
    Path(out).write_text(write({dump["version"].split("+")[0]: condense(dump) for dump in read}))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: condense.py OUT.json DUMP.json...")
    main(*sys.argv[1:])

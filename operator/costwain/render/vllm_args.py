"""What a user may pass on to `vllm serve`: checked before a GPU is paid for, written so that nothing slips in.

argparse takes unique prefixes, underscores and the last of duplicates, so a ban by string match
would be easy to get round: only exact flag names of vLLM's own parser are let through.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TypedDict

from costwain.domain.hardware import VLLM_VERSION


class Flag(TypedDict, total=False):
    """One flag: `kind` always; `choices`, `negation` and short `aliases` where it has them."""

    kind: str
    choices: list[str]
    negation: str
    aliases: list[str]


_ELSEWHERE = {
    "api-key": "argv is visible to others on the node, use gateway.apiKeysSecretRef",
    "hf-token": "argv is visible to others on the node, use model.tokenSecretRef",
    "served-model-name": "use spec.servedModelName",
    "model": "use model.uri",
    "revision": "use model.revision",
    "tensor-parallel-size": "use placements[].accelerators",
    "shutdown-timeout": "use engine.shutdownTimeoutSeconds",
    "download-dir": "use spec.cache",
    "disable-log-stats": "scaling needs the metrics",
    "middleware": "it would run code beside the engine",
    "config": "a file could set any argument unseen",
}
_BY_OPERATOR = (
    "api-server-count",
    "device-ids",
    "disable-access-log-for-endpoints",
    "distributed-executor-backend",
    "grpc",
    "grpc-port",
    "headless",
    "host",
    "master-addr",
    "master-port",
    "nnodes",
    "node-rank",
    "pipeline-parallel-size",
    "port",
    "root-path",
    "uds",
)
_BY_OPERATOR_PREFIXES = ("data-parallel-", "ssl-")

# Their values are secrets, and a complaint ends up in a status that many may read.
_SECRET = ("api-key", "hf-token")

_INT = re.compile(r"[+-]?\d+")
_SIZE = re.compile(r"-?\d+(\.\d+)?[kmgtKMGT]?")
_WANTED = {
    "switch": '"true" or "false"',
    "int": "an integer",
    "float": "a number",
    "size": "an integer, such as 8192 or 8k",
    "size-or-auto": "an integer, such as 8192 or 8k, or auto",
    "json": "JSON",
    "list": "words that don't begin with a dash",
    "int-list": "integers",
}


def flags_of(version: str) -> tuple[str, Mapping[str, Flag]]:
    """The version whose table applies, and the table: that version's own or the newest before it, else the oldest.

    Raises ValueError if `version` isn't dotted numbers.
    """
    tables = _tables()
    wanted = _dotted(version)
    not_newer = [known for known in tables if _dotted(known) <= wanted]
    chosen = max(not_newer, key=_dotted) if not_newer else min(tables, key=_dotted)
    return chosen, tables[chosen]


def check_args(args: Mapping[str, str], version: str = VLLM_VERSION) -> list[str]:
    """A sentence for each argument that `vllm serve` or Costwain would refuse, sorted by name; [] if all is well.

    >>> check_args({"max-modle-len": "8192"}, "0.33.0")
    ['engine.args.max-modle-len: unknown vLLM 0.33.0 argument (found "8192"); did you mean max-model-len?']
    """
    known_version, flags = flags_of(version)
    found = []
    for name, value in sorted(args.items()):
        complaint = _complaint(name, value, flags, known_version)
        if complaint is not None:
            sentence, hint = complaint
            shown = "a value not shown" if _near(name, _SECRET) else f'"{value}"'
            found.append(f"engine.args.{name}: {sentence} (found {shown}){hint}")
    return found


def to_argv(args: Mapping[str, str], version: str = VLLM_VERSION) -> list[str]:
    """The arguments as `vllm serve` takes them, sorted by name; each must have passed `check_args`.

    A value is joined to its flag, so that none can pass for a flag itself.

    >>> to_argv({"max-model-len": "8192", "enable-prefix-caching": "false"})
    ['--no-enable-prefix-caching', '--max-model-len=8192']
    """
    _, flags = flags_of(version)
    argv = []
    for name, value in sorted(args.items()):
        flag = flags[name]
        if flag["kind"] == "switch":
            argv += _switch(name, flag, on=value == "true")
        elif flag["kind"] in ("list", "int-list"):
            argv += [f"--{name}", *value.split()]
        else:
            argv.append(f"--{name}={value}")
    return argv


def value_fits(flag: Flag, value: str) -> bool:
    """Whether vLLM's parser would take the value; it checks kind and choices, not range."""
    if "choices" in flag:
        return all(word in flag["choices"] for word in (value.split() if flag["kind"] == "list" else [value]))
    match flag["kind"]:
        case "switch":
            return value in ("true", "false")
        case "int":
            return _INT.fullmatch(value) is not None
        case "float":
            return _is_number(value)
        case "size":
            return _SIZE.fullmatch(value) is not None
        case "size-or-auto":
            return value == "auto" or _SIZE.fullmatch(value) is not None
        case "json":
            return _is_json(value)
        case "int-list":
            return bool(value.split()) and all(_INT.fullmatch(word) for word in value.split())
        case "list":
            return bool(value.split()) and not any(word.startswith("-") for word in value.split())
        case _:
            return True


def wanted(flag: Flag) -> str:
    """What a value of the flag must be, in words."""
    if "choices" in flag:
        return f"one of {', '.join(flag['choices'])}"
    return _WANTED[flag["kind"]]


def _complaint(name: str, value: str, flags: Mapping[str, Flag], version: str) -> tuple[str, str] | None:
    if name in _ELSEWHERE:
        return f"not allowed here, {_ELSEWHERE[name]}", ""
    if name in _BY_OPERATOR or name.startswith(_BY_OPERATOR_PREFIXES):
        return "set by the operator", ""
    if name not in flags:
        return f"unknown vLLM {version} argument", _hint(name, flags)
    flag = flags[name]
    if value == "false" and flag["kind"] == "switch" and "negation" not in flag:
        return 'can only be "true", leave it out instead', ""
    return None if value_fits(flag, value) else (f"must be {wanted(flag)}", "")


def _hint(name: str, flags: Mapping[str, Flag]) -> str:
    for positive, flag in flags.items():
        negations = (flag.get("negation"), f"no-{positive}", positive.replace("enable-", "disable-", 1))
        if flag["kind"] == "switch" and name in negations:
            return f'; write {positive}: "false"'
    near = _near(name, flags)
    return f"; did you mean {near[0]}?" if near else ""


def _near(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name.lstrip("-").replace("_", "-").lower(), known, n=1, cutoff=0.75)


def _switch(name: str, flag: Flag, *, on: bool) -> list[str]:
    return [f"--{name}" if on else f"--{flag['negation']}"]


def _dotted(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        raise ValueError(f"vLLM version: want dotted numbers such as 0.33.0 (found {version!r})") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return False
    return True


@cache
def _tables() -> dict[str, dict[str, Flag]]:
    text = resources.files(__package__).joinpath("vllm_args.json").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Flag]] = json.loads(text)
    return tables

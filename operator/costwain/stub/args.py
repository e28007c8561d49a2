"""What the stub was asked to be: `vllm serve`'s own arguments, and COSTWAIN_STUB_* for what hardware would decide.

The parser is built from vLLM's argument table, so that a manifest that real vLLM refuses is refused here too.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from costwain.adapters.clock import Clock
from costwain.decide.roofline import kv_capacity_tokens, resident_bytes
from costwain.domain.hardware import ACCELERATORS, GIB, VLLM_VERSION, Accelerator
from costwain.domain.models import ModelShape, shape_of
from costwain.render.vllm_args import Flag, flags_of

# vLLM's defaults for a server: 70 GiB divides large devices from small ones.
_LARGE_BYTES = 70 * GIB
# Weights come at about 2 GB/s, and compiling and capturing graphs takes about 25 s.
_LOAD_BYTES_PER_S = 2e9
_WARM_UP_S = 25.0
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_DEFAULT_CONTEXT_TOKENS = 32_768


class StartError(Exception):
    """The arguments parse, yet the engine would die of them: vLLM exits with 1."""


@dataclass(frozen=True)
class Settings:
    """One stub. Durations in fleet seconds; `fail` is '', 'never-ready' or 'exit-<code>'."""

    model: str
    served_names: tuple[str, ...]
    host: str
    port: int
    shape: ModelShape
    accelerator: Accelerator
    accelerators: int
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    max_num_queued_reqs: int | None
    kv_tokens: int
    api_keys: tuple[str, ...]
    tracks_load: bool
    shutdown_timeout_s: float
    startup_s: float
    ready_timeout_s: float
    fail: str
    clock: Clock


def parse(argv: Sequence[str], env: Mapping[str, str]) -> Settings:
    """Reads both; exits with 2 as argparse does on a bad flag or value, raises StartError as the engine would."""
    found = _parse_argv(argv)
    model = found.model_tag or found.model
    accelerator = _accelerator(env)
    shape = _shape(model, env)
    count = found.tensor_parallel_size or 1
    kv_tokens = kv_capacity_tokens(shape, accelerator, count)
    large = accelerator.memory_bytes >= _LARGE_BYTES
    return Settings(
        model=model,
        served_names=tuple(found.served_model_name or [model]),
        host=found.host or "0.0.0.0",  # noqa: S104  vLLM's default
        port=8000 if found.port is None else found.port,
        shape=shape,
        accelerator=accelerator,
        accelerators=count,
        max_model_len=_max_model_len(found.max_model_len, kv_tokens),
        max_num_seqs=found.max_num_seqs or (1024 if large else 256),
        max_num_batched_tokens=found.max_num_batched_tokens or (8192 if large else 2048),
        max_num_queued_reqs=found.max_num_queued_reqs,
        kv_tokens=kv_tokens,
        api_keys=tuple(found.api_key or ([env["VLLM_API_KEY"]] if env.get("VLLM_API_KEY") else [])),
        tracks_load=bool(found.enable_server_load_tracking),
        shutdown_timeout_s=float(found.shutdown_timeout or 0),
        startup_s=_seconds(
            env, "COSTWAIN_STUB_STARTUP_SECONDS", resident_bytes(shape) / _LOAD_BYTES_PER_S + _WARM_UP_S
        ),
        ready_timeout_s=_seconds(env, "VLLM_ENGINE_READY_TIMEOUT_S", 600.0),
        fail=_fail(env),
        clock=Clock.from_env(env),
    )


class _Parser(argparse.ArgumentParser):
    """argparse words its errors alike, but vLLM reports unknown flags under the name of the outer parser."""

    def error(self, message: str) -> NoReturn:
        prog = "vllm" if message.startswith("unrecognized arguments") else self.prog
        sys.stderr.write(f"usage: {self.prog} [model_tag] [options]\n{prog}: error: {message}\n")
        raise SystemExit(2)


def _parse_argv(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="vllm serve", add_help=False)
    parser.add_argument("model_tag", nargs="?")
    for name, flag in flags_of(VLLM_VERSION)[1].items():
        _add(parser, name, flag)
    return parser.parse_args([_normalised(word) for word in argv])


def _normalised(word: str) -> str:
    """vLLM takes underscores for dashes in the name of a long flag."""
    name, equals, value = word.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else word


def _add(parser: argparse.ArgumentParser, name: str, flag: Flag) -> None:
    spellings, dest = [f"--{name}", *flag.get("aliases", [])], name.replace("-", "_")
    if flag["kind"] == "switch":
        parser.add_argument(*spellings, dest=dest, action="store_true", default=None)
        for negation in _negations(name, flag):
            parser.add_argument(f"--{negation}", dest=dest, action="store_false", default=None)
        return
    more: dict[str, Any] = {"nargs": "+"} if flag["kind"] in ("list", "int-list") else {}
    if "choices" in flag:
        more["choices"] = [int(c) for c in flag["choices"]] if flag["kind"] == "int" else flag["choices"]
    parser.add_argument(*spellings, dest=dest, type=_TYPES.get(flag["kind"], str), **more)


def _negations(name: str, flag: Flag) -> list[str]:
    if "negation" not in flag:
        return []
    also = [name.replace("enable-", "disable-", 1)] if name.startswith("enable-") else []
    return [flag["negation"], *also]


def _size(text: str) -> int:
    number, unit = re.fullmatch(r"(-?[\d.]+)([kmgtKMGT]?)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * _UNITS[unit])


def _size_or_auto(text: str) -> int:
    return -1 if text == "auto" else _size(text)


# argparse names the type in its message, "invalid int value: 'abc'", so each carries vLLM's name.
_size.__name__ = "human_readable_int"
_size_or_auto.__name__ = "human_readable_int_or_auto"
_TYPES: dict[str, Callable[[str], Any]] = {
    "int": int,
    "int-list": int,
    "float": float,
    "size": _size,
    "size-or-auto": _size_or_auto,
    "json": json.loads,
}


def _accelerator(env: Mapping[str, str]) -> Accelerator:
    name = env.get("COSTWAIN_STUB_ACCELERATOR", "h100")
    if name not in ACCELERATORS:
        raise StartError(f"COSTWAIN_STUB_ACCELERATOR: must be one of {', '.join(ACCELERATORS)} (found {name!r})")
    return ACCELERATORS[name]


def _shape(model: str | None, env: Mapping[str, str]) -> ModelShape:
    if text := env.get("COSTWAIN_STUB_SHAPE"):
        try:
            given = {re.sub("([A-Z])", r"_\1", key).lower(): value for key, value in json.loads(text).items()}
            given.setdefault("active_parameters", given["parameters"])
            return ModelShape(**{"name": (model or "stub").rpartition("/")[2].lower(), **given})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StartError(f"COSTWAIN_STUB_SHAPE: no model shape, {error} (found {text!r})") from None
    shape = shape_of(model or "")
    if shape is None:
        raise StartError(f"model: unknown, and COSTWAIN_STUB_SHAPE doesn't give its shape (found {model!r})")
    return shape


def _max_model_len(asked: int | None, kv_tokens: int) -> int:
    if kv_tokens <= 0:
        raise StartError("ValueError: No available memory for the cache blocks: the weights fill the device")
    if asked is None or asked == -1:
        return min(_DEFAULT_CONTEXT_TOKENS, kv_tokens)
    if not 0 < asked <= kv_tokens:
        raise StartError(f"ValueError: max_model_len {asked} must be positive and fit {kv_tokens} tokens of KV cache")
    return asked


def _seconds(env: Mapping[str, str], name: str, default_s: float) -> float:
    try:
        return max(float(env.get(name, default_s)), 0.0)
    except ValueError:
        raise StartError(f"{name}: want seconds (found {env[name]!r})") from None


def _fail(env: Mapping[str, str]) -> str:
    fail = env.get("COSTWAIN_STUB_FAIL", "")
    if not re.fullmatch(r"|never-ready|exit-\d{1,3}", fail):
        raise StartError(f"COSTWAIN_STUB_FAIL: must be never-ready or exit-<code> (found {fail!r})")
    return fail

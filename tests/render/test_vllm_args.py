"""What passes on to `vllm serve`, what is refused, and in which words."""

import doctest
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.render import vllm_args as module
from costwain.render.vllm_args import check_args, flags_of, to_argv

CONDENSE = Path(__file__).parents[2] / "images" / "vllm" / "condense.py"


def test_doctests_hold() -> None:
    assert doctest.testmod(module).failed == 0


ACCEPTED = {
    "a plain integer": ("max-num-seqs", "64", ["--max-num-seqs=64"]),
    "a size with a suffix": ("max-model-len", "32k", ["--max-model-len=32k"]),
    "a size left to vLLM": ("max-model-len", "auto", ["--max-model-len=auto"]),
    "a share": ("gpu-memory-utilization", "0.85", ["--gpu-memory-utilization=0.85"]),
    "a switch on": ("enable-prefix-caching", "true", ["--enable-prefix-caching"]),
    "a switch off, in the words every version knows": (
        "enable-prefix-caching",
        "false",
        ["--no-enable-prefix-caching"],
    ),
    "JSON": (
        "speculative-config",
        '{"method": "ngram"}',
        ['--speculative-config={"method": "ngram"}'],
    ),
    "a list": ("lora-modules", "a=/x b=/y", ["--lora-modules", "a=/x", "b=/y"]),
    "a value that looks like a flag stays a value": ("tokenizer", "--host", ["--tokenizer=--host"]),
    "a choice": ("max-lora-rank", "64", ["--max-lora-rank=64"]),
}


@pytest.mark.parametrize(("name", "value", "argv"), ACCEPTED.values(), ids=ACCEPTED)
def test_what_vllm_takes_passes(name: str, value: str, argv: list[str]) -> None:
    assert check_args({name: value}, "0.33.0") == []
    assert to_argv({name: value}, "0.33.0") == argv


REFUSED = {
    "a typing error": (
        "max-modle-len",
        "8192",
        'unknown vLLM 0.33.0 argument (found "8192"); did you mean max-model-len?',
    ),
    "an unlike word": ("quality", "best", 'unknown vLLM 0.33.0 argument (found "best")'),
    "underscores": (
        "max_model_len",
        "8192",
        'unknown vLLM 0.33.0 argument (found "8192"); did you mean max-model-len?',
    ),
    "a unique prefix of a banned flag": ("tensor-para", "2", 'unknown vLLM 0.33.0 argument (found "2")'),
    "a short alias": ("-tp", "2", 'unknown vLLM 0.33.0 argument (found "2")'),
    "a negation": (
        "no-enable-prefix-caching",
        "true",
        'unknown vLLM 0.33.0 argument (found "true"); write enable-prefix-caching: "false"',
    ),
    "a number in words": ("max-num-seqs", "many", 'must be an integer (found "many")'),
    "a broken size": ("max-model-len", "8 k", 'must be an integer, such as 8192 or 8k, or auto (found "8 k")'),
    "no number": ("gpu-memory-utilization", "90%", 'must be a number (found "90%")'),
    "broken JSON": ("speculative-config", "{method}", 'must be JSON (found "{method}")'),
    "a switch with another value": ("enforce-eager", "yes", 'must be "true" or "false" (found "yes")'),
    "a choice that isn't one": (
        "max-lora-rank",
        "7",
        'must be one of 1, 8, 16, 32, 64, 128, 256, 320, 512 (found "7")',
    ),
    "a flag smuggled into a list": (
        "ignore-patterns",
        "x --api-key y",
        'must be words that don\'t begin with a dash (found "x --api-key y")',
    ),
    "the parallelism of a placement": (
        "tensor-parallel-size",
        "2",
        'not allowed here, use placements[].accelerators (found "2")',
    ),
    "an API key": (
        "api-key",
        "k",
        "not allowed here, argv is visible to others on the node, use gateway.apiKeysSecretRef "
        "(found a value not shown)",
    ),
    "the address": ("host", "0.0.0.0", 'set by the operator (found "0.0.0.0")'),
    "a whole family": ("data-parallel-address", "x", 'set by the operator (found "x")'),
    "certificates": ("ssl-keyfile", "x", 'set by the operator (found "x")'),
    "the end of all metrics": (
        "disable-log-stats",
        "true",
        'not allowed here, scaling needs the metrics (found "true")',
    ),
}


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_vllm_or_the_operator_refuses_is_said_in_words(name: str, value: str, sentence: str) -> None:
    assert check_args({name: value}, "0.33.0") == [f"engine.args.{name}: {sentence}"]


def test_a_choice_that_a_newer_version_dropped_is_checked_by_version() -> None:
    assert check_args({"kv-cache-dtype": "of-the-future"}, "0.33.0") == []
    (sentence,) = check_args({"kv-cache-dtype": "of-the-future"}, "0.32.0")
    assert sentence.startswith("engine.args.kv-cache-dtype: must be one of auto, ")


VERSIONS = {"0.32.0": "0.32.0", "0.32.9": "0.32.0", "0.33.0": "0.33.0", "1.0.0": "0.33.0", "0.9.1": "0.32.0"}


@pytest.mark.parametrize(("asked", "used"), VERSIONS.items(), ids=VERSIONS)
def test_a_version_without_a_table_is_judged_by_its_neighbour(asked: str, used: str) -> None:
    assert flags_of(asked)[0] == used


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^vLLM version: want dotted numbers such as 0.33.0 \(found 'nightly'\)$"):
        flags_of("nightly")


@given(st.dictionaries(st.sampled_from(sorted(flags_of("0.33.0")[1])), st.text(max_size=20)))
def test_what_was_accepted_holds_no_flag_that_was_not_asked_for(args: dict[str, str]) -> None:
    if check_args(args, "0.33.0"):
        return
    allowed = {f"--{name}" for name in args} | {f"--{flag.get('negation')}" for flag in flags_of("0.33.0")[1].values()}
    for word in to_argv(args, "0.33.0"):
        assert not word.startswith("-") or word.partition("=")[0] in allowed


def _condense() -> ModuleType:
    spec = importlib.util.spec_from_file_location("condense", CONDENSE)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def _action(flags: list[str], **differs: object) -> dict[str, object]:
    plain = {"flags": flags, "kind": "_StoreAction", "type": "str", "nargs": None, "choices": None, "help": ""}
    return {**plain, **differs}


def test_a_dump_is_condensed_to_kind_choices_negation_and_aliases(tmp_path: Path) -> None:
    dump = {
        "version": "0.34.0+cpu",
        "args": [
            _action(["model_tag"], nargs="?"),
            _action(["--tensor-parallel-size", "-tp"], type="int"),
            _action(["--enable-x", "--disable-x"], kind="EnableDisableAction", type=None, nargs=0),
            _action(["--eager", "--no-eager"], kind="EnableDisableAction", type=None, nargs=0),
            _action(["--grpc"], kind="_StoreTrueAction", type=None, nargs=0),
            _action(["--rank"], type="int", choices=[1, 8, None]),
            _action(["--names"], type="int", nargs="+"),
        ],
    }
    (tmp_path / "dump.json").write_text(json.dumps(dump))
    _condense().main(str(tmp_path / "out.json"), str(tmp_path / "dump.json"))
    assert json.loads((tmp_path / "out.json").read_text()) == {
        "0.34.0": {
            "eager": {"kind": "switch", "negation": "no-eager"},
            "enable-x": {"kind": "switch", "negation": "no-enable-x"},
            "grpc": {"kind": "switch"},
            "names": {"kind": "int-list"},
            "rank": {"kind": "int", "choices": ["1", "8"]},
            "tensor-parallel-size": {"kind": "int", "aliases": ["-tp"]},
        }
    }

"""What the stub reads from its arguments and its environment."""

import json

import pytest
from tests.stub.process import MODEL

from costwain.stub.args import Settings, StartError, parse


def settings(*argv: str, **env: str) -> Settings:
    return parse([MODEL, *argv], {"COSTWAIN_STUB_ACCELERATOR": "l4", **env})


def test_the_model_is_a_position_and_the_rest_has_vllms_defaults() -> None:
    got = settings()
    assert (got.model, got.served_names, got.port) == (MODEL, (MODEL,), 8000)
    assert (got.max_num_seqs, got.max_num_batched_tokens) == (256, 2048), "a device below 70 GiB"
    assert (got.shutdown_timeout_s, got.accelerators, got.max_num_queued_reqs) == (0, 1, None)


def test_a_large_device_has_larger_defaults() -> None:
    got = settings(COSTWAIN_STUB_ACCELERATOR="mi300x")
    assert (got.max_num_seqs, got.max_num_batched_tokens) == (1024, 8192)


READ = {
    "a value in a word of its own": (["--max-num-seqs", "8"], "max_num_seqs", 8),
    "a value behind an equals sign": (["--max-num-seqs=8"], "max_num_seqs", 8),
    "underscores": (["--max_num_seqs", "8"], "max_num_seqs", 8),
    "a unique prefix, as argparse takes it": (["--tensor-para", "2"], "accelerators", 2),
    "a short name": (["-tp", "2"], "accelerators", 2),
    "the last of duplicates": (["--max-num-seqs", "8", "--max-num-seqs", "9"], "max_num_seqs", 9),
    "a size of thousands": (["--max-model-len", "8k"], "max_model_len", 8000),
    "a size of binary thousands": (["--max-model-len", "8K"], "max_model_len", 8192),
    "a size to be chosen": (["--max-model-len", "auto"], "max_model_len", 32_768),
    "several names": (["--served-model-name", "a", "b"], "served_names", ("a", "b")),
    "a switch": (["--enable-server-load-tracking"], "tracks_load", True),
    "a switch that is undone": (
        ["--enable-server-load-tracking", "--no-enable-server-load-tracking"],
        "tracks_load",
        False,
    ),
}


@pytest.mark.parametrize(("argv", "field", "value"), READ.values(), ids=READ)
def test_arguments_are_read_as_vllm_reads_them(argv: list[str], field: str, value: object) -> None:
    assert getattr(settings(*argv), field) == value


def test_without_a_given_time_a_start_takes_as_long_as_the_weights_are_heavy() -> None:
    assert settings().startup_s == pytest.approx(25 + 0.6, abs=0.1)  # 1.2 GB at 2 GB/s
    assert settings(COSTWAIN_STUB_STARTUP_SECONDS="7").startup_s == 7


def test_a_model_that_nobody_knows_needs_a_shape() -> None:
    shape = {"parameters": 1_000_000_000, "layers": 16, "kvHeads": 8, "headDim": 64}
    got = parse(["/models/mine"], {"COSTWAIN_STUB_SHAPE": json.dumps(shape)})
    assert (got.shape.name, got.shape.kv_heads, got.shape.active_parameters) == ("mine", 8, 1_000_000_000)


FATAL = {
    "an unknown model": (
        ["/models/mine"],
        {},
        "model: unknown, and COSTWAIN_STUB_SHAPE doesn't give its shape (found '/models/mine')",
    ),
    "weights that fill the device": (
        ["Qwen/Qwen3-32B"],
        {},
        "ValueError: No available memory for the cache blocks: the weights fill the device",
    ),
    "no seconds": (
        [MODEL],
        {"COSTWAIN_STUB_STARTUP_SECONDS": "soon"},
        "COSTWAIN_STUB_STARTUP_SECONDS: want seconds (found 'soon')",
    ),
    "no such failure": (
        [MODEL],
        {"COSTWAIN_STUB_FAIL": "often"},
        "COSTWAIN_STUB_FAIL: must be never-ready or exit-<code> (found 'often')",
    ),
    "a shape of nothing": ([MODEL], {"COSTWAIN_STUB_SHAPE": "{}"}, "COSTWAIN_STUB_SHAPE: no model shape, "),
}


@pytest.mark.parametrize(("argv", "env", "words"), FATAL.values(), ids=FATAL)
def test_what_the_engine_would_die_of_ends_the_start(argv: list[str], env: dict[str, str], words: str) -> None:
    with pytest.raises(StartError) as refusal:
        parse(argv, {"COSTWAIN_STUB_ACCELERATOR": "l4", **env})
    assert str(refusal.value).startswith(words)

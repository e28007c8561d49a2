"""`costwain estimate`: the figures with their arithmetic, or why a model doesn't fit."""

import json
import re

import pytest
from click.testing import CliRunner, Result

from costwain.cli.estimate import estimate
from costwain.decide.capacity import Estimate, RequestShape, Slo, capacity
from costwain.domain.hardware import ACCELERATORS
from costwain.domain.models import KNOWN_MODELS

QWEN = ("--model", "hf://Qwen/Qwen3-32B")
OWN = '{"parameters": "8B", "layers": 36, "kvHeads": 8, "headDim": 128}'


def asked(*arguments: str) -> Result:
    return CliRunner().invoke(estimate, arguments)


def test_each_step_shows_the_figures_that_it_is_made_of() -> None:
    got = asked(*QWEN, "--accelerator", "mi300x")
    assert got.exit_code == 0
    assert "weights        65.6 GB " in got.output
    assert "32.8 billion parameters x 2 bytes (bf16)" in got.output
    assert "2 x 64 layers x 8 heads x 128 x 2 bytes" in got.output
    assert "at 1 x 5.30 TB/s x 0.64" in got.output
    assert "a million tokens" not in got.output


def test_the_json_is_what_the_operator_itself_counts_on() -> None:
    got = json.loads(asked(*QWEN, "--accelerator", "h100", "--count", "2", "-o", "json").output)
    want = capacity(
        KNOWN_MODELS["Qwen/Qwen3-32B"], ACCELERATORS["h100"], 2, RequestShape(512, 128), Slo(ttft_s=2, tpot_s=0.05)
    )
    assert isinstance(want, Estimate)
    assert (got["requests_per_s"], got["batch"], got["tpot_s"], got["slots"]) == (
        want.requests_per_s, want.concurrency, want.tpot_s, want.slots,
    )  # fmt: skip
    assert got["usd_per_h"] is None


ROOM = {  # story: (percentile, why a pod gets so many requests at once)
    "less than the batch that the mean request bears": (
        "99",
        "what this rate brings and 3 deviations more; a burst",
    ),
    "all of that batch": ("50", "the batch above: this rate may need all of it"),
}


@pytest.mark.parametrize(("percentile", "why"), ROOM.values(), ids=ROOM)
def test_how_many_requests_a_pod_gets_at_once(percentile: str, why: str) -> None:
    arguments = (*QWEN, "--accelerator", "mi300x", "--percentile", percentile)
    slots = json.loads(asked(*arguments, "-o", "json").output)["slots"]
    assert re.search(rf"^at once +{slots} requests +{why}", asked(*arguments).output, re.MULTILINE)


def test_a_price_tells_what_tokens_cost() -> None:
    got = json.loads(asked(*QWEN, "--accelerator", "h100", "--count", "2", "--price", "2.40", "-o", "json").output)
    assert got["usd_per_h"] == 4.80
    tokens_per_h = got["output_tokens_per_s"] * 3600
    assert got["usd_per_million_output_tokens"] == pytest.approx(4.80 / tokens_per_h * 1e6)


BOUNDS = {  # story: (arguments, what binds)
    "a strict SLO": (("--tpot-ms", "35"), "the SLO: one more request would miss it"),
    "no SLO to speak of": (("--tpot-ms", "9999", "--ttft-ms", "99999"), "the KV cache"),
    "an SLO that nothing meets": (("--tpot-ms", "1"), "the SLO, which even one request at a time misses"),
    "a cache without end": (
        ("--tpot-ms", "9999", "--ttft-ms", "99999", "--count", "64", "--input", "9", "--output", "9"), "max-num-seqs",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "bound"), BOUNDS.values(), ids=BOUNDS)
def test_what_keeps_the_batch_from_growing(arguments: tuple[str, ...], bound: str) -> None:
    assert f"bound by {bound}" in asked(*QWEN, "--accelerator", "h100", *arguments).output


def test_an_slo_that_is_missed_is_not_called_kept_in_another_line() -> None:
    arguments = ("--model", "hf://Qwen/Qwen3-8B", "--accelerator", "l4", "--tpot-ms", "10")
    got, told = asked(*arguments).output, json.loads(asked(*arguments, "-o", "json").output)
    assert (told["meets_slo"], told["batch"], told["slots"]) == (False, 1, 1)
    assert told["requests_per_s"] == pytest.approx(1 / (told["ttft_s"] + 128 * told["tpot_s"]))
    assert re.search(r"^rate +0.11 requests/s +one request at a time: 1 / \(first token \+ 128 next", got, re.MULTILINE)
    assert "the mean one at no rate" in got
    assert "still is" not in got
    assert re.search(r"^at once +1 requests +a second one would make both later still", got, re.MULTILINE)


REFUSALS = {  # story: (arguments, exit code, words)
    "the weights are too much": (
        (*QWEN, "--accelerator", "l4"), 1,
        "Error: qwen3-32b needs 65.6 GB of weights plus 2.0 GB a device, 1 x l4 has 21.6 GB usable\n",
    ),
    "a model that nobody knows": (
        ("--model", "hf://Qwen/Qwen3-9B", "--accelerator", "l4"), 2,
        "--model: want one of the table or a --shape (found 'hf://Qwen/Qwen3-9B'); near it are Qwen/Qwen3-",
    ),
    "a shape that lacks a field": (
        ("--model", "m", "--shape", '{"layers": 3}', "--accelerator", "l4"), 2, "--shape: parameters: Field required",
    ),
    "a shape that can't be": (
        ("--model", "m", "--shape", OWN.replace("8B", "0B"), "--accelerator", "l4"), 2,
        "--shape: shape.parameters: must be positive (found 0)",
    ),
    "a price that is none": (
        (*QWEN, "--accelerator", "h100", "--price", "cheap"), 2, "--price: want an amount such as 240.00",
    ),
    "accelerators among which vLLM can't split it": (
        ("--model", "Qwen/Qwen3-8B", "--accelerator", "h100", "--count", "3"), 2,
        "--count: want 1, 2, 4, 8, 16 or 32, for vLLM splits qwen3-8b's 32 attention and 8 key-value heads evenly "
        "(found 3)",
    ),
    "tokens of no number": ((*QWEN, "--accelerator", "h100", "--input", "nan"), 2, "nan is not a finite number"),
    "an answer of no number": ((*QWEN, "--accelerator", "h100", "--output", "nan"), 2, "nan is not a finite number"),
    "an SLO of no number": ((*QWEN, "--accelerator", "h100", "--tpot-ms", "nan"), 2, "nan is not a finite number"),
    "an SLO without an end": ((*QWEN, "--accelerator", "h100", "--ttft-ms", "inf"), 2, "inf is not a finite number"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_estimated_says_why(arguments: tuple[str, ...], code: int, words: str) -> None:
    got = asked(*arguments)
    assert got.exit_code == code
    assert words in got.output


def test_a_model_of_ones_own_and_another_precision() -> None:
    arguments = ("--model", "mine/Eight", "--shape", OWN, "--accelerator", "h100", "-o", "json")
    plain, eight_bits = (json.loads(asked(*arguments, *more).output) for more in ((), ("--precision", "fp8")))
    assert plain["model"] == "eight"
    assert (plain["weight_bytes"], eight_bits["weight_bytes"]) == (16e9, 8e9)
    assert eight_bits["requests_per_s"] > plain["requests_per_s"]
    mixture = asked("--model", "Qwen/Qwen3-30B-A3B", "--accelerator", "h100").output
    assert "29.0 of them in experts x 2 bytes, the rest x 2" in mixture

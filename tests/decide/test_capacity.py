"""The capacity prior: worked numbers, refusals word for word, and the laws of a roofline."""

import doctest
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.decide import capacity as module
from costwain.decide.capacity import DoesNotFit, Estimate, RequestShape, Slo, capacity
from costwain.decide.roofline import (
    expert_parameters,
    kv_bytes_per_token,
    layers_s,
    prefill_s,
    resident_bytes,
    step_s,
    weight_bytes,
)
from costwain.domain.hardware import ACCELERATORS, Accelerator
from costwain.domain.models import KNOWN_MODELS, ModelShape

QWEN32 = KNOWN_MODELS["Qwen/Qwen3-32B"]
QWEN30A3 = KNOWN_MODELS["Qwen/Qwen3-30B-A3B"]
LLAMA70 = KNOWN_MODELS["meta-llama/Llama-3.3-70B-Instruct"]
TINY = KNOWN_MODELS["Qwen/Qwen3-0.6B"]
H100, MI300X, L4 = ACCELERATORS["h100"], ACCELERATORS["mi300x"], ACCELERATORS["l4"]
CHAT = RequestShape(1000, 200)
CALM = Slo(ttft_s=2.0, tpot_s=0.05)
LAX = Slo(ttft_s=1e9, tpot_s=1e9)


def test_doctests_hold() -> None:
    assert doctest.testmod(module).failed == 0


KV_BYTES = {"Qwen/Qwen3-32B": 262_144, "Qwen/Qwen3-30B-A3B": 98_304, "meta-llama/Llama-3.3-70B-Instruct": 327_680}


@pytest.mark.parametrize(("model", "wanted_bytes"), KV_BYTES.items(), ids=KV_BYTES)
def test_kv_bytes_of_a_token(model: str, wanted_bytes: int) -> None:
    assert kv_bytes_per_token(KNOWN_MODELS[model]) == wanted_bytes


def test_a_step_of_one_sequence_reads_all_weights_and_its_context() -> None:
    # (65.6e9 + 1000 x 262144) bytes / (3.35e12 x 0.85 bytes/s) + 64 layers x 40 us + 30 us = 23.13 + 2.56 + 0.03 ms
    assert step_s(QWEN32, H100, 1, 1, 1000) == pytest.approx(0.02572, abs=1e-5)


def test_two_devices_halve_the_bytes_but_pay_for_collectives() -> None:
    # 11.56 + 2.56 + 0.03 ms, and 2 x 64 x 12 us = 1.54 ms
    assert step_s(QWEN32, H100, 2, 1, 1000) == pytest.approx(0.01569, abs=1e-5)


def test_on_amd_every_running_sequence_costs_94_microseconds_a_step() -> None:
    # 64 x 262144 x 1000 / (5.3e12 x 0.64) = 4.95 ms more to read, and 64 x 94 us = 6.02 ms
    grown_s = step_s(QWEN32, MI300X, 1, 65, 1000) - step_s(QWEN32, MI300X, 1, 1, 1000)
    assert grown_s == pytest.approx(0.01096, abs=2e-5)


def test_a_long_prompt_is_bound_by_flops_and_a_short_one_by_reading_the_weights() -> None:
    # 2 x 32.8e9 x 4000 + 2 x 64 x 4000^2 x 8192 = 2.79e14 FLOPs / (989e12 x 0.6) + 2.56 ms
    assert prefill_s(QWEN32, H100, 1, 4000) == pytest.approx(0.4730, abs=1e-3)
    assert prefill_s(QWEN32, H100, 1, 10) == pytest.approx(0.02560, abs=1e-4)


def test_a_layer_with_experts_launches_more_kernels() -> None:
    # 48 layers x 20 us
    plain = replace(QWEN30A3, experts=None, experts_per_token=None)
    assert layers_s(QWEN30A3, H100) - layers_s(plain, H100) == pytest.approx(0.00096)


def test_a_cache_in_eight_bits_takes_half_the_bytes() -> None:
    shape = KNOWN_MODELS["nvidia/Llama-3.1-8B-Instruct-FP8"]
    assert kv_bytes_per_token(shape) * 2 == kv_bytes_per_token(KNOWN_MODELS["meta-llama/Llama-3.1-8B-Instruct"])


def test_a_mixture_reads_few_experts_for_one_token_and_all_for_a_crowd() -> None:
    # X = (30.5 - 3.3) / (1 - 8/128) = 29.0 billion; one token reads A = 3.3 billion
    assert expert_parameters(QWEN30A3) == pytest.approx(29.01e9, rel=1e-3)
    assert weight_bytes(QWEN30A3, 1) == pytest.approx(2 * 3.3e9, rel=1e-3)
    assert weight_bytes(QWEN30A3, 1000) == pytest.approx(resident_bytes(QWEN30A3))


REFUSALS = {
    "the weights alone are too much": (
        (QWEN32, L4, 1, CHAT),
        "qwen3-32b needs 65.6 GB of weights plus 2.0 GB a device, 1 x l4 has 21.6 GB usable",
    ),
    "four devices lack what a fifth would bring": (
        (LLAMA70, L4, 4, CHAT),
        "llama-3.3-70b-instruct needs 141.2 GB of weights plus 2.0 GB a device, 4 x l4 has 86.4 GB usable",
    ),
    "the weights fit, but no room for one long request": (
        (QWEN32, H100, 1, RequestShape(60_000, 1000)),
        "qwen3-32b needs 65.6 GB of weights plus 2.0 GB a device plus 15.9 GB of KV cache for one request, "
        "1 x h100 has 77.3 GB usable",
    ),
}


@pytest.mark.parametrize(("where", "sentence"), REFUSALS.values(), ids=REFUSALS)
def test_what_does_not_fit_says_so_with_the_arithmetic(
    where: tuple[ModelShape, Accelerator, int, RequestShape], sentence: str
) -> None:
    assert capacity(*where, CALM) == DoesNotFit(sentence)


def _fits(
    shape: ModelShape, accelerator: Accelerator, count: int = 1, request: RequestShape = CHAT, slo: Slo = CALM
) -> Estimate:
    got = capacity(shape, accelerator, count, request, slo)
    assert isinstance(got, Estimate), got
    return got


def test_a_replica_within_its_slo_is_filled_up_to_it() -> None:
    got = _fits(KNOWN_MODELS["Qwen/Qwen3-8B"], H100)
    assert got.meets_slo
    assert got.tpot_s <= 0.05
    assert got.concurrency > 16
    assert 0.95 <= got.in_time < 0.96
    assert 1 < got.concurrency / (got.ttft_s + 200 * got.tpot_s) / got.requests_per_s < 1.3


def test_a_replica_that_is_too_slow_even_alone_says_so_and_gives_its_best() -> None:
    got = _fits(QWEN32, H100, slo=Slo(ttft_s=2.0, tpot_s=0.001))
    assert not got.meets_slo
    assert (got.concurrency, got.slots) == (1, 1)
    assert got.requests_per_s == pytest.approx(1 / (got.ttft_s + CHAT.output_tokens * got.tpot_s))  # one at a time


def test_a_core_serves_a_tiny_model() -> None:
    got = _fits(TINY, ACCELERATORS["cpu"], request=RequestShape(50, 50), slo=Slo(ttft_s=5, tpot_s=0.5))
    assert got.meets_slo


def test_no_accelerators_is_a_fault_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"^accelerators: must be at least 1 \(found 0\)$"):
        capacity(QWEN32, H100, 0, CHAT, CALM)


@pytest.mark.parametrize("tokens", [(0, 10), (10, 0.5), (float("nan"), 1)])
def test_a_request_without_tokens_is_refused(tokens: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"^request: needs at least 1 token in and out"):
        RequestShape(*tokens)


# Both rates are found by halving a range ten times, from a quarter of it on; that of the looser SLO may be wider.
HALVED_TO = (1 - module.LEAST_LOAD) / module.LEAST_LOAD / 2**10

# Laws, on any model of the table, any device and any request.
shapes = st.sampled_from(list(KNOWN_MODELS.values()))
devices = st.sampled_from(list(ACCELERATORS.values()))
counts = st.sampled_from([1, 2, 4, 8])
requests = st.builds(RequestShape, st.floats(1, 8000), st.floats(1, 4000))
slos = st.builds(Slo, st.floats(0.01, 30), st.floats(0.001, 1))


def _carries(got: Estimate | DoesNotFit) -> tuple[float, int]:
    if isinstance(got, Estimate) and got.meets_slo:
        return got.requests_per_s, got.concurrency
    return 0.0, 0


@given(shapes, devices, counts, requests, st.floats(1, 4))
def test_more_memory_never_lowers_concurrency(
    shape: ModelShape, device: Accelerator, count: int, request: RequestShape, more: float
) -> None:
    larger = replace(device, memory_bytes=round(device.memory_bytes * more))
    lean, roomy = (_carries(capacity(shape, each, count, request, LAX)) for each in (device, larger))
    assert lean[1] <= roomy[1]


@given(shapes, devices, requests, slos, st.tuples(st.floats(1, 5), st.floats(1, 5)))
def test_a_looser_slo_never_lowers_capacity(
    shape: ModelShape, device: Accelerator, request: RequestShape, slo: Slo, looser: tuple[float, float]
) -> None:
    loose = Slo(slo.ttft_s * looser[0], slo.tpot_s * looser[1])
    strict_rate, strict_batch = _carries(capacity(shape, device, 8, request, slo))
    loose_rate, loose_batch = _carries(capacity(shape, device, 8, request, loose))
    assert strict_batch <= loose_batch
    assert strict_rate <= loose_rate * (1 + HALVED_TO)


@given(shapes, devices, counts, st.tuples(st.integers(1, 1024), st.floats(1, 100_000)), st.floats(1, 10))
def test_faster_memory_never_slows_a_step(
    shape: ModelShape, device: Accelerator, count: int, load: tuple[int, float], faster: float
) -> None:
    swift = replace(device, memory_bandwidth_bytes_per_s=device.memory_bandwidth_bytes_per_s * faster)
    assert step_s(shape, swift, count, *load) <= step_s(shape, device, count, *load)


@given(shapes, devices, requests, slos)
def test_what_meets_the_slo_really_does(
    shape: ModelShape, device: Accelerator, request: RequestShape, slo: Slo
) -> None:
    got = capacity(shape, device, 8, request, slo)
    if isinstance(got, Estimate):
        assert got.meets_slo == (got.ttft_s <= slo.ttft_s and got.tpot_s <= slo.tpot_s)
        assert got.concurrency >= 1


@pytest.mark.parametrize(
    ("slo", "holds_back"),
    [
        pytest.param(Slo(6.0, 0.175, 0.99), True, id="late answers if it were full: a burst waits outside"),
        pytest.param(LAX, False, id="nobody late: as many as fit"),
    ],
)
def test_a_replica_is_given_no_more_at_once_than_its_rate_brings(slo: Slo, holds_back: bool) -> None:
    found = capacity(QWEN32, MI300X, 1, RequestShape(1200, 250), slo)
    assert isinstance(found, Estimate)
    mean_batch = found.requests_per_s * (found.ttft_s + 250 * found.tpot_s)  # no less than at the lower rate
    assert (found.slots < found.concurrency) is holds_back
    assert 1 <= found.slots <= mean_batch + 3 * mean_batch**0.5 + 1

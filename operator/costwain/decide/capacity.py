"""How many requests a second one replica serves within its SLO: a roofline with measured corrections.

A prior, not a promise: against published vLLM figures its median error of the time per output token is 8 % on
models that its constants were fitted to and 12 % on others (`make bench-capacity`); a pool's own measurements
correct it.
Time is bytes over bandwidth or FLOPs over rate, whichever is longer, plus fixed costs a layer.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache

from costwain.domain.hardware import Accelerator
from costwain.domain.models import ModelShape

# vLLM leaves the rest of the memory alone, and spends 2 GB a device on activations and graphs.
USABLE_MEMORY = 0.90
RESERVED_BYTES_PER_DEVICE = 2_000_000_000
# A request holds less than its whole context, since its answer grows: input + 0.75 x output.
KV_SHARE_OF_OUTPUT = 0.75
# TTFT = 43.5 ms + prefill x (1 + 0.076 x batch) + one step; fitted on half of 404 points.
TTFT_FIXED_S = 0.0435
TTFT_PREFILLS_AHEAD = 0.076
# vLLM's own max-num-seqs on large devices.
MAX_CONCURRENCY = 1024
HEADROOM = 0.8


@dataclass(frozen=True)
class RequestShape:
    """The mean request, in tokens. Raises ValueError on fewer than one token either way."""

    input_tokens: float
    output_tokens: float

    def __post_init__(self) -> None:
        if not (self.input_tokens >= 1 and self.output_tokens >= 1):
            raise ValueError(
                f"request: needs at least 1 token in and out (found {self.input_tokens} and {self.output_tokens})"
            )


@dataclass(frozen=True)
class Slo:
    """Bounds on the time to the first token and on the time per token after it."""

    ttft_s: float
    tpot_s: float


@dataclass(frozen=True)
class Estimate:
    """What one replica carries.

    `meets_slo` False: even one request at a time is too slow, and the figures are for just that.
    """

    requests_per_s: float
    concurrency: int
    ttft_s: float
    tpot_s: float
    meets_slo: bool = True


@dataclass(frozen=True)
class DoesNotFit:
    """The model can't run there; the sentence holds the arithmetic."""

    sentence: str


def expert_parameters(shape: ModelShape) -> float:
    """Parameters that lie in experts, X, from P - A = X (1 - k/E); 0 for a dense model."""
    if shape.experts is None or shape.experts_per_token is None or shape.experts_per_token == shape.experts:
        return 0.0
    idle_share = 1 - shape.experts_per_token / shape.experts
    return min((shape.parameters - shape.active_parameters) / idle_share, shape.parameters)


def resident_bytes(shape: ModelShape) -> float:
    """Bytes of all weights in memory; beside the experts a mixture keeps its weights in 16 bits.

    >>> from costwain.domain.models import shape_of
    >>> resident_bytes(shape_of("Qwen/Qwen3-32B"))
    65600000000.0
    """
    experts = expert_parameters(shape)
    if not experts:
        return shape.parameters * shape.bytes_per_weight
    return (shape.parameters - experts) * 2 + experts * shape.bytes_per_weight


def weight_bytes(shape: ModelShape, batch: float) -> float:
    """Bytes of weights that one step over `batch` tokens reads: the experts that any of them picks.

    Source: uniform routing, a token picks k of E, so a batch touches 1 - (1 - k/E)^batch of them.
    """
    experts = expert_parameters(shape)
    if not experts or shape.experts is None or shape.experts_per_token is None:
        return resident_bytes(shape)
    touched = 1 - math.pow(1 - shape.experts_per_token / shape.experts, batch)
    return (shape.parameters - experts) * 2 + experts * shape.bytes_per_weight * touched


def kv_bytes_per_token(shape: ModelShape) -> int:
    """Bytes of keys and values that one token of context keeps.

    >>> from costwain.domain.models import shape_of
    >>> kv_bytes_per_token(shape_of("Qwen/Qwen3-32B"))
    262144
    """
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * shape.kv_element_bytes


def kv_capacity_tokens(shape: ModelShape, accelerator: Accelerator, count: int) -> int:
    """Tokens of context that fit beside the weights; 0 or less means that the weights don't fit."""
    free_bytes = count * (accelerator.memory_bytes * USABLE_MEMORY - RESERVED_BYTES_PER_DEVICE) - resident_bytes(shape)
    return math.floor(free_bytes / kv_bytes_per_token(shape))


def step_s(shape: ModelShape, accelerator: Accelerator, count: int, batch: float, context_tokens: float) -> float:
    """Seconds of one decode step: `batch` sequences, each of `context_tokens`, get one token each."""
    use = accelerator.vendor.efficiency
    read_bytes = weight_bytes(shape, batch) + batch * context_tokens * kv_bytes_per_token(shape)
    memory_s = read_bytes / (count * accelerator.memory_bandwidth_bytes_per_s * use.bandwidth)
    compute_s = 2 * shape.active_parameters * batch / (count * flops_per_s(shape, accelerator) * use.decode_flops)
    collectives_s = 2 * shape.layers * use.all_reduce_s if count > 1 else 0.0
    return max(memory_s, compute_s) + layers_s(shape, accelerator) + collectives_s + batch * use.sequence_s


def layers_s(shape: ModelShape, accelerator: Accelerator) -> float:
    """Seconds that an iteration costs whatever its batch: launching the kernels of every layer."""
    use = accelerator.vendor.efficiency
    return shape.layers * (use.layer_s + (use.expert_layer_s if shape.experts else 0.0))


def prefill_flops(shape: ModelShape, input_tokens: float) -> float:
    """FLOPs to read one prompt; attention is causal, so half the square."""
    return 2 * shape.active_parameters * input_tokens + 2 * shape.layers * input_tokens**2 * shape.attention_width


def prefill_s(shape: ModelShape, accelerator: Accelerator, count: int, input_tokens: float) -> float:
    """Seconds to read one prompt: its FLOPs or the weights' bytes, whichever takes longer, and fixed costs."""
    use = accelerator.vendor.efficiency
    compute_s = prefill_flops(shape, input_tokens) / (count * flops_per_s(shape, accelerator) * use.prefill_flops)
    bandwidth_bytes_per_s = count * accelerator.memory_bandwidth_bytes_per_s * use.bandwidth
    memory_s = weight_bytes(shape, input_tokens) / bandwidth_bytes_per_s
    exchanged_bytes = 4 * shape.layers * input_tokens * shape.width * (count - 1) / count
    exchange_s = exchanged_bytes / accelerator.interconnect_bytes_per_s
    return max(compute_s, memory_s) + exchange_s + layers_s(shape, accelerator)


@lru_cache(maxsize=1 << 14)  # a turn asks for the same few thousands as the turn before
def capacity(
    shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape, slo: Slo
) -> Estimate | DoesNotFit:
    """The most requests a second that one replica of `count` accelerators serves within the SLO, less headroom.

    Both times grow with the batch, and so does the rate; the largest batch within SLO and
    memory is the best. Raises ValueError if count isn't positive.

    >>> from costwain.domain.hardware import ACCELERATORS
    >>> from costwain.domain.models import shape_of
    >>> capacity(shape_of("Qwen/Qwen3-32B"), ACCELERATORS["l4"], 1, RequestShape(1000, 200), Slo(2, 0.05)).sentence
    'qwen3-32b needs 65.6 GB of weights plus 2.0 GB a device, 1 x l4 has 21.6 GB usable'
    """
    if count < 1:
        raise ValueError(f"accelerators: must be at least 1 (found {count})")
    fits = concurrency_in_memory(shape, accelerator, count, request)
    if fits < 1:
        return DoesNotFit(_shortage(shape, accelerator, count, request))
    low, high = 0, fits
    while low < high:
        middle = (low + high + 1) // 2
        found = at_batch(shape, accelerator, count, request, middle)
        if found.tpot_s <= slo.tpot_s and found.ttft_s <= slo.ttft_s:
            low = middle
        else:
            high = middle - 1
    return replace(at_batch(shape, accelerator, count, request, max(low, 1)), meets_slo=low >= 1)


def at_batch(shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape, batch: float) -> Estimate:
    """The replica at a steady batch, whatever the SLO: decode steps share the device with the prefills of newcomers."""
    step = step_s(shape, accelerator, count, batch, request.input_tokens + request.output_tokens / 2)
    prefill = prefill_s(shape, accelerator, count, request.input_tokens)
    tpot_s = step + batch * prefill / request.output_tokens
    ttft_s = TTFT_FIXED_S + prefill * (1 + TTFT_PREFILLS_AHEAD * batch) + step
    requests_per_s = HEADROOM * batch / (ttft_s + request.output_tokens * tpot_s)
    return Estimate(requests_per_s, math.floor(batch), ttft_s, tpot_s)


def tokens_per_s(
    shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape, running: float
) -> float:
    """Tokens of answers a second while so many requests run; none runs yet in the fixed part of its first token."""
    at = at_batch(shape, accelerator, count, request, running)
    return running * request.output_tokens / (at.ttft_s - TTFT_FIXED_S + request.output_tokens * at.tpot_s)


def flops_per_s(shape: ModelShape, accelerator: Accelerator) -> float:
    """The rate for the model's precision; 4-bit weights are widened and computed in BF16."""
    if shape.bytes_per_weight == 1 and accelerator.fp8_flops_per_s is not None:
        return accelerator.fp8_flops_per_s
    return accelerator.bf16_flops_per_s


def tokens_held(request: RequestShape) -> float:
    """Tokens of KV cache that a request holds in the mean over its life."""
    return request.input_tokens + KV_SHARE_OF_OUTPUT * request.output_tokens


def concurrency_in_memory(shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape) -> int:
    """Requests whose KV cache fits at a time, at most what vLLM takes; less than 1: not even one does."""
    tokens = kv_capacity_tokens(shape, accelerator, count)
    return min(math.floor(tokens / tokens_held(request)), MAX_CONCURRENCY)


def _shortage(shape: ModelShape, accelerator: Accelerator, count: int, request: RequestShape) -> str:
    usable_bytes = count * accelerator.memory_bytes * USABLE_MEMORY
    needs = f"{shape.name} needs {resident_bytes(shape) / 1e9:.1f} GB of weights plus 2.0 GB a device"
    if resident_bytes(shape) + count * RESERVED_BYTES_PER_DEVICE <= usable_bytes:
        cache_bytes = tokens_held(request) * kv_bytes_per_token(shape)
        needs += f" plus {cache_bytes / 1e9:.1f} GB of KV cache for one request"
    return f"{needs}, {count} x {accelerator.name} has {usable_bytes / 1e9:.1f} GB usable"

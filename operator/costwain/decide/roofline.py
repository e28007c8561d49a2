"""Roofline: seconds of a decode step and of a prompt, and bytes of memory, of one replica.

Time is bytes over bandwidth or FLOPs over rate, whichever is longer, plus fixed costs a layer; the constants are
measured ones (`domain/hardware.py`). Against published vLLM figures the median error of the time per output token is
8 % on models that they were fitted to and 12 % on others (`make bench-capacity`).
"""

import math

from costwain.domain.hardware import Accelerator
from costwain.domain.models import ModelShape

# vLLM leaves the rest of the memory alone, and spends 2 GB a device on activations and graphs.
USABLE_MEMORY = 0.90
RESERVED_BYTES_PER_DEVICE = 2_000_000_000


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


def flops_per_s(shape: ModelShape, accelerator: Accelerator) -> float:
    """The rate for the model's precision; 4-bit weights are widened and computed in BF16."""
    if shape.bytes_per_weight == 1 and accelerator.fp8_flops_per_s is not None:
        return accelerator.fp8_flops_per_s
    return accelerator.bf16_flops_per_s

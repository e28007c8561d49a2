"""Model shapes as records: the numbers of a config.json that decide speed and memory.

A model that isn't in the table needs `shape` in its variant. Sliding-window layers
(gpt-oss, gemma-3) are counted as full attention: their KV cache is an upper bound here.
"""

import math
from dataclasses import dataclass, replace

# Bytes a weight takes, scales included.
PRECISION_BYTES: dict[str, float] = {
    "bf16": 2.0,
    "fp16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "int4": 0.531,
    "mxfp4": 0.531,
    "nvfp4": 0.531,
}


@dataclass(frozen=True)
class ModelShape:
    """What the capacity model must know of a model.

    `active_parameters` are those one token passes through (all of them, unless there are
    experts). `heads` and `hidden` None: estimated from the parameters. `kv_element_bytes` is 2
    unless the checkpoint or the engine's arguments ask for an FP8 cache.
    Raises ValueError on a precision that has no size, on a count that isn't positive, on more
    active parameters than there are, and on experts without their number per token.
    """

    name: str
    parameters: int
    active_parameters: int
    layers: int
    kv_heads: int
    head_dim: int
    heads: int | None = None
    hidden: int | None = None
    experts: int | None = None
    experts_per_token: int | None = None
    precision: str = "bf16"
    kv_element_bytes: int = 2

    def __hash__(self) -> int:  # the rest seldom differs, and capacities are looked up thousands of times a turn
        return hash((self.name, self.precision))

    def __post_init__(self) -> None:
        if self.precision not in PRECISION_BYTES:
            known = ", ".join(PRECISION_BYTES)
            raise ValueError(f"shape.precision: must be one of {known} (found {self.precision!r})")
        for field in ("parameters", "active_parameters", "layers", "kv_heads", "head_dim", "kv_element_bytes"):
            if getattr(self, field) <= 0:
                raise ValueError(f"shape.{field}: must be positive (found {getattr(self, field)})")
        if self.active_parameters > self.parameters:
            raise ValueError(
                f"shape.active_parameters: must not exceed the {self.parameters} parameters "
                f"(found {self.active_parameters})"
            )
        if self.experts is not None and not 0 < (self.experts_per_token or 0) <= self.experts:
            raise ValueError(
                f"shape.experts_per_token: must be between 1 and the {self.experts} experts "
                f"(found {self.experts_per_token})"
            )

    @property
    def bytes_per_weight(self) -> float:
        """Bytes of one weight at the model's precision."""
        return PRECISION_BYTES[self.precision]

    @property
    def width(self) -> float:
        """The hidden size; where unknown, from parameters = 12 x layers x width^2 of a plain transformer."""
        return self.hidden or math.sqrt(self.active_parameters / (12 * self.layers))

    @property
    def attention_width(self) -> float:
        """Heads x head_dim; where the heads are unknown, the hidden size."""
        return self.heads * self.head_dim if self.heads else self.width


def _dense(billions: float, layers: int, heads: tuple[int, int], head_dim: int, hidden: int) -> ModelShape:
    parameters = round(billions * 1e9)
    query, kv = heads
    return ModelShape("", parameters, parameters, layers, kv, head_dim, query, hidden)


def _experts(dense: ModelShape, active_billions: float, experts: tuple[int, int]) -> ModelShape:
    total, per_token = experts
    active = round(active_billions * 1e9)
    return replace(dense, active_parameters=active, experts=total, experts_per_token=per_token)


_QWEN3 = {
    "0.6B": _dense(0.596, 28, (16, 8), 128, 1024),
    "1.7B": _dense(1.72, 28, (16, 8), 128, 2048),
    "4B": _dense(4.02, 36, (32, 8), 128, 2560),
    "8B": _dense(8.19, 36, (32, 8), 128, 4096),
    "14B": _dense(14.77, 40, (40, 8), 128, 5120),
    "32B": _dense(32.8, 64, (64, 8), 128, 5120),
    "30B-A3B": _experts(_dense(30.5, 48, (32, 4), 128, 2048), 3.3, (128, 8)),
    "235B-A22B": _experts(_dense(235.1, 94, (64, 4), 128, 4096), 22.0, (128, 8)),
}
_QWEN25 = {
    "0.5B": _dense(0.494, 24, (14, 2), 64, 896),
    "1.5B": _dense(1.54, 28, (12, 2), 128, 1536),
    "3B": _dense(3.09, 36, (16, 2), 128, 2048),
    "7B": _dense(7.62, 28, (28, 4), 128, 3584),
    "14B": _dense(14.77, 48, (40, 8), 128, 5120),
    "32B": _dense(32.76, 64, (40, 8), 128, 5120),
    "72B": _dense(72.7, 80, (64, 8), 128, 8192),
}
_LLAMA = {
    "3.1-8B": _dense(8.03, 32, (32, 8), 128, 4096),
    "3.1-70B": _dense(70.6, 80, (64, 8), 128, 8192),
    "3.1-405B": _dense(405.9, 126, (128, 8), 128, 16384),
    "3.2-1B": _dense(1.24, 16, (32, 8), 64, 2048),
    "3.2-3B": _dense(3.21, 28, (24, 8), 128, 3072),
}
_LLAMA["3.3-70B"] = _LLAMA["3.1-70B"]


def _fp8(shape: ModelShape, *, kv_cache: bool = False) -> ModelShape:
    """FP8 weights; a checkpoint that carries scales for the cache has vLLM keep that in FP8 too."""
    return replace(shape, precision="fp8", kv_element_bytes=1 if kv_cache else 2)


_SHAPES: dict[str, ModelShape] = {
    **{f"Qwen/Qwen3-{size}": shape for size, shape in _QWEN3.items()},
    **{f"Qwen/Qwen3-{size}-FP8": _fp8(shape) for size, shape in _QWEN3.items()},
    **{f"Qwen/Qwen3-{size}-Instruct-2507": _QWEN3[size] for size in ("4B", "30B-A3B", "235B-A22B")},
    **{f"Qwen/Qwen3-{size}-Thinking-2507": _QWEN3[size] for size in ("4B", "30B-A3B", "235B-A22B")},
    **{f"Qwen/Qwen2.5-{size}-Instruct": shape for size, shape in _QWEN25.items()},
    **{f"meta-llama/Llama-{size}-Instruct": shape for size, shape in _LLAMA.items()},
    "meta-llama/Llama-3.1-405B-Instruct-FP8": _fp8(_LLAMA["3.1-405B"]),
    "nvidia/Llama-3.1-8B-Instruct-FP8": _fp8(_LLAMA["3.1-8B"], kv_cache=True),
    "nvidia/Llama-3.3-70B-Instruct-FP8": _fp8(_LLAMA["3.3-70B"], kv_cache=True),
    "amd/Llama-3.1-70B-Instruct-FP8-KV": _fp8(_LLAMA["3.1-70B"], kv_cache=True),
    "amd/Llama-3.1-405B-Instruct-FP8-KV": _fp8(_LLAMA["3.1-405B"], kv_cache=True),
    "deepseek-ai/DeepSeek-R1-Distill-Llama-70B": _LLAMA["3.3-70B"],
    "deepseek-ai/DeepSeek-R1-Distill-Llama-8B": _LLAMA["3.1-8B"],
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B": _QWEN25["32B"],
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B": _QWEN25["14B"],
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B": _QWEN25["7B"],
    # Its head is not tied to the embedding, unlike that of the Qwen it comes from.
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": _dense(1.78, 28, (12, 2), 128, 1536),
    "deepseek-ai/DeepSeek-R1-0528-Qwen3-8B": _QWEN3["8B"],
    "openai/gpt-oss-20b": replace(_experts(_dense(20.9, 24, (64, 8), 64, 2880), 3.6, (32, 4)), precision="mxfp4"),
    "openai/gpt-oss-120b": replace(_experts(_dense(116.8, 36, (64, 8), 64, 2880), 5.1, (128, 4)), precision="mxfp4"),
    "mistralai/Mistral-Small-24B-Instruct-2501": _dense(23.6, 40, (32, 8), 128, 5120),
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": _dense(24.0, 40, (32, 8), 128, 5120),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": _experts(_dense(46.7, 32, (32, 8), 128, 4096), 12.9, (8, 2)),
    "MiniMaxAI/MiniMax-M2.5": _fp8(_experts(_dense(228.7, 62, (48, 8), 128, 3072), 10.0, (256, 8))),
    "google/gemma-3-27b-it": _dense(27.4, 62, (32, 16), 128, 5376),
    "google/gemma-3-12b-it": _dense(12.2, 48, (16, 8), 256, 3840),
    "google/gemma-3-4b-it": _dense(4.3, 34, (8, 4), 256, 2560),
    "google/gemma-3-1b-it": _dense(1.0, 26, (4, 1), 256, 1152),
    "microsoft/phi-4": _dense(14.7, 40, (40, 10), 128, 5120),
}

KNOWN_MODELS: dict[str, ModelShape] = {
    model: replace(shape, name=model.rpartition("/")[2].lower()) for model, shape in _SHAPES.items()
}


def shape_of(model: str) -> ModelShape | None:
    """The shape of a Hugging Face id, with or without `hf://`; None for a model that the table lacks.

    >>> shape_of("hf://Qwen/Qwen3-32B").layers
    64
    >>> shape_of("pvc://weights/mine") is None
    True
    """
    return KNOWN_MODELS.get(model.removeprefix("hf://"))

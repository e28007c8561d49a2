"""Among how many accelerators vLLM splits a model, told by its heads."""

import pytest

from costwain.decide.parallel import split_refused
from costwain.domain.hardware import ACCELERATORS
from costwain.domain.models import KNOWN_MODELS, ModelShape

UNKNOWN = ModelShape("mine", 8_000_000_000, 8_000_000_000, 36, 8, 128)
MODELS: dict[str, tuple[ModelShape, str, list[int]]] = {  # story: (model, accelerator, sizes up to 16 that it takes)
    "powers of two": (KNOWN_MODELS["Qwen/Qwen3-8B"], "h100", [1, 2, 4, 8, 16]),
    "fourteen heads, two of them for keys": (KNOWN_MODELS["Qwen/Qwen2.5-0.5B-Instruct"], "h100", [1, 2, 14]),
    "four would leave two and a half of its ten for keys": (KNOWN_MODELS["microsoft/phi-4"], "mi300x", [1, 2, 5, 10]),
    "one for keys is copied": (KNOWN_MODELS["google/gemma-3-1b-it"], "h100", [1, 2, 4]),
    "cores are not split": (KNOWN_MODELS["Qwen/Qwen3-8B"], "cpu", list(range(1, 17))),
    "heads that nobody knows": (UNKNOWN, "h100", list(range(1, 17))),
}


@pytest.mark.parametrize(("shape", "accelerator", "sizes"), MODELS.values(), ids=MODELS)
def test_sizes_that_vllm_takes(shape: ModelShape, accelerator: str, sizes: list[int]) -> None:
    device = ACCELERATORS[accelerator]
    assert [n for n in range(1, 17) if split_refused(shape, device, n) is None] == sizes


def test_every_known_model_has_heads_to_judge_by() -> None:
    assert [name for name, shape in KNOWN_MODELS.items() if not shape.heads or shape.heads % shape.kv_heads] == []

"""The table of known models, and what a shape refuses."""

from typing import Any

import pytest

from costwain.domain.models import KNOWN_MODELS, ModelShape, shape_of


@pytest.mark.parametrize("model", KNOWN_MODELS)
def test_every_known_model_is_found_by_id_and_by_uri(model: str) -> None:
    shape = shape_of(model)
    assert shape is not None
    assert shape == shape_of(f"hf://{model}")
    assert shape.name == model.rpartition("/")[2].lower()


@pytest.mark.parametrize("uri", ["pvc://weights/Qwen3-32B", "hf://Qwen/Qwen3-33B", "Qwen3-32B", ""])
def test_a_model_that_the_table_lacks_is_unknown_rather_than_guessed(uri: str) -> None:
    assert shape_of(uri) is None


@pytest.mark.parametrize("shape", KNOWN_MODELS.values(), ids=KNOWN_MODELS)
def test_layers_and_width_account_for_about_the_parameters_of_a_dense_model(shape: ModelShape) -> None:
    if shape.experts is not None:
        assert shape.active_parameters < shape.parameters
        return
    assert shape.hidden is not None
    attention = shape.hidden * shape.head_dim * (2 * (shape.heads or 0) + 2 * shape.kv_heads)
    share = shape.layers * attention / shape.parameters
    assert 0.05 < share < 0.35, "the rest is the feed-forward part and the embeddings"


def _shape(**differs: Any) -> ModelShape:
    plain: dict[str, Any] = {
        "name": "mine",
        "parameters": 8_000_000_000,
        "active_parameters": 8_000_000_000,
        "layers": 32,
        "kv_heads": 8,
        "head_dim": 128,
    }
    return ModelShape(**{**plain, **differs})


REFUSED = {
    "no such precision": (
        {"precision": "fp5"},
        "shape.precision: must be one of bf16, fp16, fp8, int8, int4, mxfp4, nvfp4 (found 'fp5')",
    ),
    "no layers": ({"layers": 0}, "shape.layers: must be positive (found 0)"),
    "more active than there are": (
        {"active_parameters": 9_000_000_000},
        "shape.active_parameters: must not exceed the 8000000000 parameters (found 9000000000)",
    ),
    "experts without a number per token": (
        {"experts": 8},
        "shape.experts_per_token: must be between 1 and the 8 experts (found None)",
    ),
}


@pytest.mark.parametrize(("differs", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_shape_that_cannot_be_is_refused(differs: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match="shape") as refusal:
        _shape(**differs)
    assert str(refusal.value) == sentence


def test_a_width_that_nobody_gave_comes_from_the_parameters() -> None:
    llama = shape_of("meta-llama/Llama-3.1-8B-Instruct")
    assert llama is not None
    assert llama.hidden is not None
    assert _shape().width == pytest.approx(llama.hidden, rel=0.15)
    assert _shape(hidden=4096).width == 4096
    assert _shape(heads=32).attention_width == 4096

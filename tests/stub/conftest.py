"""The server that the conformance suite asks: COSTWAIN_VLLM_URL names a real vLLM; without it the stub.

A real server must have been started with `--served-model-name chat alias --max-model-len 512`.
"""

import os
from collections.abc import Iterator

import pytest
from tests.stub.process import Api, stub


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    if url := os.environ.get("COSTWAIN_VLLM_URL"):
        yield Api(url, "chat")
        return
    with stub("--max-model-len", "512") as started:
        yield started.serving().api

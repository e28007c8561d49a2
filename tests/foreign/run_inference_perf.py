"""inference-perf, as it comes, against the gateway: to the end and without an error. `make conformance` runs it."""

import json

import pytest
import yaml
from tests.foreign.environments import environment, run, tiny_model

from costwain.domain.gateway import Tenant

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
KEY, RATE, SECONDS, TOKENS = "sk-blue-0123456789", 20, 10, 24
KINDS = {"chats, streamed": ("chat", True), "chats at once": ("chat", False), "texts, streamed": ("completion", True)}


def _settings(url, model, out, kind):
    """Conversations that share a system prompt, at a fixed mean rate."""
    shared = {"num_groups": 4, "num_prompts_per_group": 10, "system_prompt_len": 40, "question_len": 30}
    return {
        "api": {"type": kind[0], "streaming": kind[1]},
        "data": {"type": "shared_prefix", "shared_prefix": {**shared, "output_len": TOKENS}},
        "load": {"type": "poisson", "num_workers": 1, "stages": [{"rate": RATE, "duration": SECONDS}]},
        "server": {"type": "vllm", "model_name": "chat-model", "base_url": url, "api_key": KEY, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": model},
        "report": {"request_lifecycle": {"summary": True}},
        "storage": {"local_storage": {"path": str(out)}},
    }


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_inference_perf_gets_an_answer_to_every_request(gateway, tmp_path, kind):
    programs, out, settings = environment("inference-perf"), tmp_path / "out", tmp_path / "settings.yaml"
    tenant = Tenant(name="blue", requests_per_second=1000)
    async with gateway(keys={"blue": KEY}, tenants=(tenant,)) as (world, _):
        await world.join([world.start_vllm_stub("full") for _ in range(2)], "full")
        model = await tiny_model(programs, tmp_path)
        settings.write_text(yaml.safe_dump(_settings(world.url, model, out, kind)), encoding="utf-8")
        await run(programs / "inference-perf", "-c", str(settings), folder=tmp_path)
    summary = json.loads((out / "summary_lifecycle_metrics.json").read_text(encoding="utf-8"))
    assert (summary["successes"]["count"], summary["failures"]["count"]) == (RATE * SECONDS, 0)
    said = json.loads((out / "validation.json").read_text(encoding="utf-8"))
    assert said["global"]["errors"] == []
    assert [report for report in said["reports"].values() if report["errors"]] == []

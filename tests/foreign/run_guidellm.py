"""guidellm, as it comes, against the gateway: to the end and without an error. `make conformance` runs it."""

import json

import pytest
from tests.foreign.environments import environment, run, tiny_model

from costwain.domain.gateway import Tenant

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
KEY, REQUESTS = "sk-blue-0123456789", 150
PROFILES = {
    "a fixed number at a time": "kind=concurrent,streams=8",
    "a fixed mean rate": "kind=poisson,rate=20",
    "as many as the gateway takes": "kind=throughput,max_concurrency=64",
}


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
async def test_guidellm_gets_an_answer_to_every_request(gateway, tmp_path, profile):
    programs, report = environment("guidellm"), tmp_path / "report.json"
    tenant = Tenant(name="blue", requests_per_second=1000)
    async with gateway(keys={"blue": KEY}, tenants=(tenant,)) as (world, _):
        await world.join([world.start_vllm_stub("full") for _ in range(2)], "full")
        await run(
            programs / "guidellm",
            *("run", "--disable-progress", "--profile", profile),
            *("--backend", f"kind=openai_http,target={world.url},api_key={KEY},model=chat-model"),
            *("--constraint", f"kind=max_requests,count={REQUESTS}"),
            *("--tokenizer", f"kind=huggingface_auto,model={await tiny_model(programs, tmp_path)}"),
            *("--data", "kind=synthetic_text,prompt_tokens=64,output_tokens=32"),
            *("--output", f"kind=json,path={report}"),
            folder=tmp_path,
        )
    (benchmark,) = json.loads(report.read_text(encoding="utf-8"))["benchmarks"]
    totals = benchmark["metrics"]["request_totals"]
    assert (totals["successful"], totals["errored"]) == (REQUESTS, 0)
    tokens = benchmark["metrics"]["output_token_count"]["successful"]
    assert (tokens["min"], tokens["max"]) == (32, 32)

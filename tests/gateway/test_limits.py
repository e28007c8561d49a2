"""What the gateway refuses, and how: always in OpenAI's error shape, so that clients' libraries understand it."""

import asyncio
import io
import json

import aiohttp
import pytest
from tests.gateway.client import Client, gather, lost
from tests.gateway.raw import request, send
from tests.gateway.world import World

from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
_MAX_BODY = 1 << 20


def _error(outcome):
    return json.loads(outcome.body)["error"]


async def test_models_are_listed_without_a_pod(gateway):
    async with gateway() as (_, client):
        outcome = await client.get("/v1/models")
        assert outcome.status == 200
        models = json.loads(outcome.body)
        assert models["object"] == "list"
        assert [(model["id"], model["object"]) for model in models["data"]] == [("chat-model", "model")]


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/invocations", id="generates without a key"),
        pytest.param("/inference/v1/generate", id="of the engine's own"),
        pytest.param("/sleep", id="of a development mode"),
        pytest.param("/metrics", id="the pod's metrics"),
        pytest.param("/v1/chat/completions/", id="a slash too many"),
        pytest.param("/v1/models", id="the list, but posted to"),
    ],
)
async def test_what_is_not_known_to_be_safe_does_not_exist(gateway, path):
    async with gateway() as (_, client):
        outcome = await client.ask(path=path)
        assert (outcome.status, _error(outcome)["type"]) == (404, "invalid_request_error")


# What a vLLM pod answers without asking for its own key, or only in modes for developers: all of it stays inside.
_INSIDE = (
    "/health", "/ping", "/version", "/load", "/metrics", "/metrics_x", "/tokenize", "/detokenize", "/invocations",
    "/generative_scoring", "/docs", "/redoc", "/openapi.json", "/tokenizer_info", "/inference/v1/generate",
    "/inference/v1/abort_requests", "/v1/chat/completions/render", "/v1/completions/render", "/scale_elastic_ep",
    "/is_scaling_elastic_ep", "/sleep", "/wake_up", "/is_sleeping", "/pause", "/resume", "/is_paused",
    "/server_info", "/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache", "/abort_requests",
    "/collective_rpc", "/update_weights", "/init_weight_transfer_engine", "/get_world_size", "/start_profile",
    "/stop_profile", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/rerank", "/score", "/classify",
    "/pooling", "/v2/rerank", "/v2/embed",
)  # fmt: skip


async def test_no_unprotected_path_of_vllm_reaches_a_pod_by_any_method_or_spelling(gateway):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        spellings = ("{}", "/{}", "{}/", "/v1/..{}", "{}?x=/v1/completions", "/v1/completions/..%2f..{}")
        for path in _INSIDE:
            for target in {spelling.format(path) for spelling in spellings} - {"/health/", "//health"}:
                for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
                    answer = await send(world.bind, request(path=target, method=method))
                    own = path == "/health" and target.startswith("/health")
                    assert answer.status == (200 if own else 404), (method, target)
        stats = json.loads((await client.get_from(f"http://{pod.address}:{names.MODEL_PORT}/stats")).body)
        assert stats["seen"] == 0


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings", "/v1/responses", "/v1/messages"])
async def test_what_is_safe_reaches_a_pod(gateway, path):
    async with gateway() as (world, client):
        await world.add_pods("full")
        outcome = await client.ask(path=path)
        assert (outcome.status, outcome.variant) == (200, "full")


async def test_a_body_at_the_limit_is_served(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full")
        frame = len(json.dumps({"prompt": ""}))
        at_limit = json.dumps({"prompt": "x" * (_MAX_BODY - frame)}).encode()
        assert len(at_limit) == _MAX_BODY
        headers = {"content-type": "application/json"}
        assert (await client.post("/v1/completions", io.BytesIO(at_limit), headers)).status == 200


async def test_a_body_over_the_limit_is_refused_before_it_was_sent(gateway):
    async with gateway() as (world, _):
        reader, writer = await asyncio.open_connection(world.bind, names.GATEWAY_PORT)
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {_MAX_BODY + 1}\r\n\r\n"
        writer.write(head.encode() + b"x" * 70_000)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}}")
        writer.close()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"the request body is too large" in answer


async def test_an_empty_body_is_for_the_pod_to_judge(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full")
        outcome = await client.post("/v1/completions", b"")
        assert (outcome.status, outcome.body, outcome.variant) == (400, "a JSON object is wanted", "full")


async def test_a_body_without_a_length_is_refused(gateway):
    async with gateway() as (_, client):

        async def pieces():
            yield b"{}"

        outcome = await client.post("/v1/completions", pieces())
        assert (outcome.status, _error(outcome)["message"]) == (411, "content-length is required")


async def test_headers_that_never_end_are_cut_off(gateway):
    async with gateway() as (world, _):
        reader, writer = await asyncio.open_connection(world.bind, names.GATEWAY_PORT)
        writer.write(b"POST /v1/completions HTTP/1.1\r\nhost: x\r\n")
        async with asyncio.timeout(15):
            answer = await reader.read()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_tokens_arrive_one_by_one(gateway):
    async with gateway() as (world, _):
        await world.add_pods("full")
        loop, times = asyncio.get_running_loop(), []
        body = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "chunks": 5, "gap_ms": 100}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{world.url}/v1/chat/completions", json=body) as response,
        ):
            async for line in response.content:
                if line.startswith(b"data: {"):
                    times.append(loop.time())
        assert len(times) == 5
        assert times[-1] - times[0] > 0.3  # buffered, they would come at once


async def test_before_the_program_is_known_a_request_waits_and_health_says_no(folder, haproxy_binary):
    world = World(folder)
    try:
        world.start_haproxy(haproxy_binary)
        async with Client(world.url) as client:
            assert (await client.get("/health")).status == 503
            task = asyncio.create_task(client.get("/v1/models"))
            assert (await client.get("/health")).status == 503
            assert not task.done()
            program = (await world.state()).maps["program.map"].number
            await world.runtime.command(f"set map #{program} model chat-model")
            await world.runtime.command(f"set map #{program} state serving")
            assert (await task).status == 200
    finally:
        world.end()


async def test_a_variant_is_not_disclosed_where_that_is_not_wanted(gateway):
    async with gateway(disclose=False) as (world, client):
        await world.add_pods("full")
        outcomes = await gather(client.ask(f"q {i}") for i in range(3))
        assert lost(outcomes) == []
        assert {outcome.variant for outcome in outcomes} == {None}

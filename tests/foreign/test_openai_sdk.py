"""OpenAI's own library against the gateway: a real HAProxy, and behind it the stub that answers as vLLM does."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest
from tests.support import eventually_async

from costwain.agent.metrics import queue_depth
from costwain.domain.gateway import Tenant

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
KEY, SLOW_KEY = "sk-blue-0123456789", "sk-slow-0123456789"
TENANTS = (Tenant(name="slow", requests_per_minute=1),)
HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [
    {
        "type": "function",
        "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
]


@asynccontextmanager
async def library(world, key=KEY, **how):
    """The library's client, as its documentation makes one: only base_url and api_key are ours."""
    async with openai.AsyncOpenAI(base_url=f"{world.url}/v1", api_key=key, **{"max_retries": 0, **how}) as client:
        yield client


@pytest.fixture
def fleet(gateway):
    """`async with fleet() as world`: a gateway with keys, and a pod that is the stub."""

    @asynccontextmanager
    async def start(pods=1, **differs):
        keys = {"blue": KEY, "slow": SLOW_KEY}
        async with gateway(keys=keys, tenants=TENANTS, **differs) as (world, _):
            await world.join([world.start_vllm_stub("full") for _ in range(pods)], "full")
            yield world

    return start


async def test_models_are_listed(fleet):
    async with fleet(pods=0) as world, library(world) as client:
        assert [model.id async for model in client.models.list()] == ["chat-model"]


async def test_a_plain_answer_says_which_variant_gave_it(fleet):
    async with fleet() as world, library(world) as client:
        raw = await client.chat.completions.with_raw_response.create(model="chat-model", messages=HELLO, max_tokens=5)
        answer = raw.parse()
        assert raw.headers["x-costwain-variant"] == "full"
        assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 5)
        text = await client.completions.create(model="chat-model", prompt="hello", max_tokens=3)
        assert text.usage.completion_tokens == 3


async def test_a_stream_comes_token_by_token_with_its_usage_at_the_end(fleet):
    async with fleet() as world, library(world) as client:
        stream = await client.chat.completions.create(
            model="chat-model", messages=HELLO, max_tokens=20, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
        words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
        assert len(words) == 20
        assert chunks[-1].usage.completion_tokens == 20


async def test_a_stream_that_is_left_frees_its_pod(fleet):
    async with fleet() as world, library(world) as client:
        stream = await client.chat.completions.create(
            model="chat-model", messages=HELLO, max_tokens=400, stream=True, extra_body={"ignore_eos": True}
        )
        async for _ in stream:
            break
        assert (await world.state()).busy == 1
        await stream.close()

        async def free():
            return (await world.state()).busy == 0

        await eventually_async(free, 5, "the gateway has let it go")


async def test_a_request_that_is_cancelled_while_it_waits_leaves_the_queue(fleet):
    async with fleet(pods=0) as world, library(world) as client:
        asked = asyncio.create_task(client.chat.completions.create(model="chat-model", messages=HELLO))

        async def waiting(count):
            return queue_depth(await world.state(), "full") == count

        await eventually_async(lambda: waiting(1), 5, "it waits")
        asked.cancel()
        await eventually_async(lambda: waiting(0), 5, "it is gone")
        assert asked.cancelled()


async def test_tools_pass_both_ways_as_they_are(fleet):
    call = {"id": "call-1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Köln"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    given = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "chat-model",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
    }
    async with fleet(pods=0) as world, library(world) as client:
        (pod,) = await world.add_pods("full")
        answer = await client.chat.completions.create(
            model="chat-model",
            messages=HELLO,
            tools=TOOLS,
            tool_choice="required",
            parallel_tool_calls=False,
            response_format={"type": "json_object"},
            extra_body={"answer": given},
        )
        assert answer.choices[0].message.tool_calls[0].to_dict() == call
        async with aiohttp.ClientSession() as session, session.get(f"http://{pod.address}:8000/stats") as stats:
            seen = json.loads((await stats.json())["body"])
        assert (seen["tools"], seen["tool_choice"], seen["parallel_tool_calls"]) == (TOOLS, "required", False)
        assert seen["response_format"] == {"type": "json_object"}


async def test_vllm_takes_a_request_with_tools(fleet):
    async with fleet() as world, library(world) as client:
        answer = await client.chat.completions.create(model="chat-model", messages=HELLO, tools=TOOLS, max_tokens=2)
        assert answer.choices[0].message.content == " la la"


async def test_refusals_become_the_librarys_own_errors(fleet):
    async with fleet() as world:
        async with library(world, "sk-nobody-0123456789") as client:
            with pytest.raises(openai.AuthenticationError) as refused:
                await client.models.list()
            assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")
        async with library(world, SLOW_KEY) as client:
            await client.chat.completions.create(model="chat-model", messages=HELLO, max_tokens=1)
            with pytest.raises(openai.RateLimitError) as too_fast:
                await client.chat.completions.create(model="chat-model", messages=HELLO, max_tokens=1)
            assert too_fast.value.code == "rate_limit_exceeded"
        async with library(world) as client:
            with pytest.raises(openai.NotFoundError) as unknown:
                await client.files.list()
            assert unknown.value.code == "unknown_url"
            with pytest.raises(openai.NotFoundError, match="does not exist"):  # vLLM's own
                await client.chat.completions.create(model="other", messages=HELLO)


async def test_the_library_comes_again_by_itself_when_the_queue_was_full(fleet):
    async with fleet(pods=0, max_queued=1) as world, library(world, max_retries=5) as client:
        first = asyncio.create_task(client.chat.completions.create(model="chat-model", messages=HELLO, max_tokens=1))

        async def waiting():
            return queue_depth(await world.state(), "full") == 1

        await eventually_async(waiting, 5, "one waits")
        async with library(world) as strict:
            with pytest.raises(openai.InternalServerError) as full:
                await strict.chat.completions.create(model="chat-model", messages=HELLO, max_tokens=1)
            assert (full.value.status_code, full.value.code) == (503, "queue_full")
        second = asyncio.create_task(client.chat.completions.create(model="chat-model", messages=HELLO, max_tokens=1))
        await world.join([world.start_vllm_stub("full")], "full")
        answers = await asyncio.gather(first, second)
        assert [answer.usage.completion_tokens for answer in answers] == [1, 1]


async def test_several_choices_and_how_likely_their_tokens_were_arrive_as_the_library_knows_them(fleet):
    async with fleet() as world, library(world) as client:
        answer = await client.chat.completions.create(
            model="chat-model", messages=HELLO, max_tokens=2, n=2, logprobs=True, top_logprobs=2
        )
        assert [len(choice.logprobs.content) for choice in answer.choices] == [2, 2]
        text = await client.completions.create(model="chat-model", prompt=["hello", "world"], max_tokens=2)
        assert [choice.index for choice in text.choices] == [0, 1]


async def test_the_responses_api_arrives_whole_and_as_a_stream(fleet):
    async with fleet() as world, library(world) as client:
        answer = await client.responses.create(model="chat-model", input="hello", max_output_tokens=3)
        assert (answer.status, answer.usage.output_tokens, bool(answer.output_text)) == ("incomplete", 3, True)
        stream = await client.responses.create(model="chat-model", input="hello", max_output_tokens=3, stream=True)
        kinds = [event.type async for event in stream]
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")

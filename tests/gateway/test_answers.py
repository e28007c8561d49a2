"""Answers on their way through: HAProxy waits for a stream's first byte and for a whole answer's last."""

import asyncio
import json
from contextlib import suppress

import pytest
from tests.gateway.client import lost
from tests.support import eventually_async

from costwain.adapters.metrics import parse
from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
_PROMPT, _COMPLETION = (f"costwain_gateway_{kind}_tokens_total" for kind in ("prompt", "completion"))
_UNTOLD = "costwain_gateway_answers_without_usage_total"
both_kinds = pytest.mark.parametrize(
    "how", [{"stream": True, "gap_ms": 60_000}, {"pieces": 2, "gap_ms": 60_000}], ids=["a stream", "a whole answer"]
)


async def _stats(client, pod):
    return json.loads((await client.get_from(f"http://{pod.address}:{names.MODEL_PORT}/stats")).body)


async def _begun(client, pod, **how):
    """A request of whose answer the pod has sent the header."""
    asking = asyncio.create_task(client.ask(**how))

    async def sent():
        return (await _stats(client, pod))["begun"] == 1

    await eventually_async(sent, 5, "the answer's header")
    return asking


async def _sum(world, name):
    page = parse(await world.running_agent.observer.page(await world.state()), {name})
    return sum(page.values())


@both_kinds
async def test_who_leaves_before_the_first_byte_leaves_the_pod_too(gateway, how):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        asking = await _begun(client, pod, **how)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

        async def left():
            return (await _stats(client, pod))["active"] == 0

        await eventually_async(left, 5, "the pod without the request")
        assert lost([await client.ask()]) == []


@both_kinds
async def test_a_pod_that_dies_between_an_answers_header_and_its_body_is_answered_for(gateway, how):
    async with gateway() as (world, client):
        (pod,) = await world.add_pods("full")
        asking = await _begun(client, pod, **how)
        pod.kill()
        outcome = await asking
        assert (outcome.status, json.loads(outcome.body)["error"]["code"]) == (502, "invalid_answer")


async def test_an_answer_that_comes_slowly_comes_whole(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full")
        answer = {"pod": "x" * 200_000}
        outcomes = [await client.ask(pieces=8, gap_ms=200, answer=what) for what in ({"pod": "p"}, answer)]
        assert lost(outcomes) == []
        assert json.loads(outcomes[1].body) == answer


async def test_of_answers_longer_than_haproxys_buffer_only_the_first_is_without_usage(gateway):
    async with gateway(observed_percent=0) as (world, client):
        await world.add_pods("full")
        answer = {"data": "x" * 200_000, "usage": {"prompt_tokens": 7, "total_tokens": 7}}
        for number in range(4):
            outcome = await client.ask(answer=answer)
            assert json.loads(outcome.body) == answer
            assert (await _sum(world, _UNTOLD), await _sum(world, _PROMPT)) == (1, 7 * number)
        assert json.loads((await client.ask(answer={"usage": {"input_tokens": 5, "output_tokens": 2}})).body)
        assert (await _sum(world, _UNTOLD), await _sum(world, _PROMPT)) == (1, 7 * 3 + 5)
        assert lost([await client.ask(stream=True) for _ in range(3)]) == []
        assert await _sum(world, _COMPLETION) == 2  # no stream is looked at because of them

"""A thousand bad requests: none crashes the gateway, none gets what isn't in docs/errors.md, none is smuggled."""

import asyncio
import json
from collections import Counter

import pytest
from tests.gateway.bad_requests import HIDDEN_PATH, KEY, bad_requests
from tests.gateway.raw import Answer, read
from tests.support import eventually_async

from costwain.domain import names
from costwain.render.haproxy.errors import ERRORS

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
SEED, COUNT, AT_ONCE = 20261124, 1000, 25
_FIRST_S, _NEXT_S = 1.0, 0.05  # a request that is cut short gets no answer in time, and needs none here
_CODES = {error.code: error.status for error in ERRORS}


async def _answers(address: str, data: bytes) -> list[Answer]:
    """All answers on one connection, until it is silent."""
    reader, writer = await asyncio.open_connection(address, names.GATEWAY_PORT)
    answers: list[Answer] = []
    try:
        writer.write(data)
        while not answers or answers[-1].status:
            async with asyncio.timeout(_NEXT_S if answers else _FIRST_S):
                answers.append(await read(reader))
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return [answer for answer in answers if answer.status]


def _surprise(answer: Answer) -> bool:
    """Whether docs/errors.md doesn't know it; a pod's own answers, and HAProxy's page on what isn't HTTP, it does."""
    if answer.error and isinstance(answer.error["code"], str):
        return _CODES.get(answer.error["code"]) != answer.status
    return answer.status not in (200, 400, 408, 417, 422)


async def test_bad_requests_are_refused_and_nothing_of_them_gets_past(gateway):
    async with gateway(keys={"blue": KEY}, slots=64) as (world, client):
        (pod,) = await world.add_pods("full")
        turns, seen, surprises = asyncio.Semaphore(AT_ONCE), Counter(), []

        async def one(kind: str, data: bytes) -> None:
            async with turns:
                for answer in await _answers(world.bind, data):
                    seen[answer.status] += 1
                    if _surprise(answer):
                        surprises.append((kind, data[:300], answer))

        await asyncio.gather(*(one(kind, data) for kind, data in bad_requests(SEED, COUNT)))
        assert surprises == []
        assert seen[200] > 50, seen  # some are good enough, so that what is behind them is looked at too
        assert seen[400] > 300, seen

        async def idle():
            return (await world.state()).busy == 0

        await eventually_async(idle, 10, "nothing is left behind")
        stats = json.loads((await client.get_from(f"http://{pod.address}:8000/stats")).body)
        assert HIDDEN_PATH not in stats["paths"]
        (server,) = (await world.state()).pods("variant.full").values()
        assert seen[200] <= stats["seen"] <= server.total  # a pod counts no request that the gateway did not send
        assert (await client.ask(headers={"authorization": f"Bearer {KEY}"})).status == 200
        assert world.haproxy_runs


def test_the_thousand_are_the_same_each_time():
    assert list(bad_requests(SEED, 100)) == list(bad_requests(SEED, 100))
    assert len({data for _, data in bad_requests(SEED, COUNT)}) > 0.7 * COUNT

"""What the agent says of requests against what the clients counted themselves."""

import asyncio
from collections import Counter
from contextlib import suppress

import aiohttp
import pytest
from tests.gateway.client import gather, lost
from tests.gateway.counting import MODEL, drawn, send_all
from tests.support import eventually_async

from costwain.adapters.metrics import parse
from costwain.agent.observe import Observer

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
TENANTS = {"blue": "sk-blue-0123456789", "red": "sk-red-01234567890"}
_G = "costwain_gateway_"
_FIRST, _QUEUE, _GAPS = (f"{_G}{name}_seconds" for name in ("time_to_first_token", "queue_time", "inter_token_latency"))
_NAMES = {f"{_G}{name}_total" for name in ("answers", "answers_cut", "answers_without_usage", "unobserved_requests")}
_NAMES |= {f"{_G}{name}_total" for name in ("prompt_tokens", "completion_tokens", "broken_records")}
_NAMES |= {f"{name}_{part}" for name in (_FIRST, _QUEUE, _GAPS) for part in ("sum", "count")}
_NAMES |= {f"{_G}tenant_requests"}


async def _page(world, observer=None):
    """The samples of a page."""
    return parse(await (observer or world.running_agent.observer).page(await world.state()), _NAMES)


def _by(samples, name, *labels):
    """Sums of a metric by some of its labels; zeros are left out."""
    sums = Counter()
    for (found, pairs), value in samples.items():
        if found == name:
            known = dict(pairs)
            sums[tuple(known[label] for label in labels)] += value
    return {key if len(key) > 1 else key[0]: value for key, value in sums.items() if value}


def _one(samples, name):
    return sum(value for (found, _), value in samples.items() if found == name)


def _keyed(counts):
    return {key: value for key, value in counts.items() if value}


async def test_codes_tokens_and_times_are_what_the_clients_count(gateway):
    async with gateway(keys=TENANTS, slots=8, observed_percent=100) as (world, _):
        await world.join([world.start_vllm_stub("full") for _ in range(2)], "full")
        told = await send_all(world.url, drawn(7, 300, TENANTS))
        page = await _page(world)
        assert _by(page, f"{_G}answers_total", "tenant", "code") == told.answers
        assert _by(page, f"{_G}prompt_tokens_total", "tenant") == told.prompt
        assert _by(page, f"{_G}completion_tokens_total", "tenant", "source") == _keyed(told.completion)
        assert _by(page, f"{_G}answers_without_usage_total", "tenant") == told.without_usage
        assert _by(page, f"{_FIRST}_count", "tenant") == told.streams
        assert _by(page, f"{_GAPS}_count", "tenant") == told.gaps
        assert _by(page, f"{_QUEUE}_count", "tenant") == Counter(dict(_by_tenant(told.answers)))
        for tenant, streams in told.streams.items():  # the client's clock begins before its connection
            early_s = told.first_byte_s[tenant] - _by(page, f"{_FIRST}_sum", "tenant")[tenant]
            assert 0 < early_s < 0.1 * streams
        assert {(v, p) for v, p in _by(page, f"{_G}answers_total", "variant", "pool")} == {("full", "spot")}
        assert _one(page, f"{_G}unobserved_requests_total") == _one(page, f"{_G}broken_records_total") == 0
        assert _one(page, f"{_G}answers_cut_total") == 0


def _by_tenant(answers):
    sums = Counter()
    for (tenant, _), count in answers.items():
        sums[tenant] += count
    return sums


async def test_where_few_streams_are_looked_at_the_others_tokens_are_estimated(gateway):
    async with gateway(keys=TENANTS, slots=16, observed_percent=1) as (world, _):
        await world.join([world.start_vllm_stub("full")], "full")
        body = {"model": MODEL, "stream": True, "max_tokens": 64, "ignore_eos": True}
        requests = [
            (tenant, key, {**body, "messages": [{"role": "user", "content": f"{n}"}]})
            for n in range(60)
            for tenant, key in TENANTS.items()
        ]
        # The first makes the variant known, the next is looked at, and so is all that begins before that one answers.
        first = await send_all(world.url, requests[:2], at_once=1)
        told = await send_all(world.url, requests[2:])
        page = await _page(world)
        assert _by(page, f"{_FIRST}_count", "tenant") == first.streams + told.streams
        known = _by(page, f"{_G}completion_tokens_total", "tenant")
        assert known == {tenant: pytest.approx(60 * 64, rel=0.02) for tenant in TENANTS}
        sources = _by(page, f"{_G}completion_tokens_total", "source")
        assert sources["estimated"] > 10 * sources["counted"] > 0
        assert _one(page, f"{_G}unobserved_requests_total") == 0


async def test_a_stream_that_its_client_leaves_counts_as_far_as_it_came(gateway):
    async with gateway(observed_percent=100) as (world, _):
        await world.add_pods("full")
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "stream": True}
        async with (
            aiohttp.ClientSession(world.url) as session,
            session.post("/v1/chat/completions", json=body | {"chunks": 1000, "gap_ms": 5}) as response,
        ):
            got = b""
            while got.count(b"\n\n") < 20:
                got += await response.content.readany()
            response.close()

        async def ended():
            return _by(await _page(world), f"{_G}answers_cut_total", "by", "tenant") == {("client", "none"): 1}

        await eventually_async(ended, 5, "the cut stream in the numbers")
        page = await _page(world)
        assert _by(page, f"{_G}answers_total", "code", "variant") == {("200", "full"): 1}
        assert 20 <= _one(page, f"{_G}completion_tokens_total") < 1000
        assert _one(page, f"{_G}unobserved_requests_total") == 0


async def test_what_the_gateway_answers_itself_and_who_left_the_queue_count_too(gateway):
    async with gateway(keys=TENANTS, slots=1) as (world, client):
        blue = {"authorization": f"Bearer {TENANTS['blue']}"}
        assert (await client.ask()).status == 401
        assert (await client.get("/nothing", headers=blue)).status == 404
        waits = asyncio.create_task(client.ask(headers=blue))

        async def tenant_requests():
            return _by(await _page(world), f"{_G}tenant_requests", "tenant") == {"blue": 1}

        await eventually_async(tenant_requests, 5, "blue's request waits")
        waits.cancel()
        with suppress(asyncio.CancelledError):
            await waits

        async def left():
            return _by(await _page(world), f"{_G}answers_total", "variant", "tenant", "code") == {
                ("none", "none", "401"): 1,
                ("none", "none", "404"): 1,
                ("full", "blue", "none"): 1,
            }

        await eventually_async(left, 5, "three ends of requests")
        assert _one(await _page(world), f"{_G}unobserved_requests_total") == 0


async def test_a_request_routed_anew_counts_once_where_it_was_answered(gateway):
    async with gateway(slots=8) as (world, client):
        asks = asyncio.gather(*(client.ask(f"conversation {n}") for n in range(20)))

        async def held():
            return sum(row.queued for row in (await world.state()).backends.values()) == 20

        await eventually_async(held, 5, "all wait for full")
        await world.add_pods("small")
        world.set_program(small=100)
        outcomes = await asks
        assert lost(outcomes) == []
        page = await _page(world)
        assert _by(page, f"{_G}answers_total", "variant", "pool", "code") == {("small", "spot", "200"): 20}
        assert _one(page, f"{_QUEUE}_sum") > 0
        assert _one(page, f"{_G}unobserved_requests_total") == 0


async def test_an_agent_that_was_away_reads_what_it_missed_and_nothing_twice(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full")
        assert lost(await gather(client.ask(wait_ms=0) for _ in range(50))) == []
        late = Observer(world.runtime)
        for _ in range(2):  # the second time the ring says the same again
            reading = asyncio.create_task(late.run())

            async def caught_up():
                return _by(await _page(world, late), f"{_G}answers_total", "code") == {"200": 50}

            await eventually_async(caught_up, 5, "the records of fifty requests")
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
        assert lost(await gather(client.ask(wait_ms=0) for _ in range(30))) == []
        page = await _page(world, late)  # nobody reads any more
        assert _one(page, f"{_G}unobserved_requests_total") == 30

"""Who gets in, how often and to which variant: API keys and tenants, through a real HAProxy."""

import asyncio
import json

import pytest
from tests.gateway.client import by_status, by_variant, gather, lost
from tests.gateway.stub_process import StubPod
from tests.support import eventually_async

from costwain.agent.keys import hash_of
from costwain.agent.metrics import queue_depth
from costwain.domain.gateway import Tenant

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]
BLUE, RED, NEW = "sk-blue-0123456789", "sk-red-0123456789,with-a-comma", "sk-new-0123456789"
KEYS = {"blue": f"{BLUE}\n", "red": RED}


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def _error(outcome):
    return json.loads(outcome.body)["error"]


async def _known(world, *keys):
    async def known():
        return (await world.state()).maps["keys.map"].entries.keys() == set(map(hash_of, keys))

    await eventually_async(known, 5, f"{len(keys)} keys in HAProxy")


async def _stats(client, pod: StubPod):
    return json.loads((await client.get_from(f"http://{pod.address}:8000/stats")).body)


STRANGERS = {  # story: headers
    "no key": {},
    "a key that nobody has": bearer("sk-wrong-0123456789"),
    "another scheme": {"authorization": f"Basic {BLUE}"},
    "a key without a scheme": {"authorization": BLUE},
    "a key with something behind": {"authorization": f"Bearer {BLUE} {BLUE}"},
    "a key's hash": bearer(hash_of(BLUE)),
    "an empty key": bearer(""),
    "a tenant's name": bearer("blue"),
}


@pytest.mark.parametrize("headers", STRANGERS.values(), ids=STRANGERS)
async def test_a_stranger_is_told_so_and_reaches_no_pod(gateway, headers):
    async with gateway(keys=KEYS) as (world, client):
        (pod,) = await world.add_pods("full")
        outcome = await client.ask(headers=headers)
        assert outcome.status == 401
        assert _error(outcome)["code"] == "invalid_api_key"
        assert outcome.headers["www-authenticate"] == "Bearer"
        assert (await client.get("/v1/models")).status == 401
        assert (await client.get("/health")).status == 200
        assert (await _stats(client, pod))["seen"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(bearer(BLUE), id="as OpenAI's clients send it"),
        pytest.param({"Authorization": f"bearer  {RED}"}, id="a comma in the key, and two spaces"),
        pytest.param({"x-api-key": RED}, id="as Anthropic's clients send it"),
    ],
)
async def test_a_tenant_gets_in_and_its_key_stays_outside(gateway, headers):
    async with gateway(keys=KEYS) as (world, client):
        (pod,) = await world.add_pods("full")
        assert (await client.ask(headers=headers)).status == 200
        assert not {"authorization", "x-api-key"} & set((await _stats(client, pod))["headers"])
        assert (await client.get("/v1/models", headers)).status == 200


async def test_without_a_secret_everybody_gets_in(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full")
        assert (await client.ask(headers=bearer("whatever"))).status == 200


async def test_keys_rotate_without_a_restart_and_without_a_gap(gateway):
    async with gateway(keys=KEYS) as (world, client):
        await world.add_pods("full")
        pid = (await world.runtime.command("show info")).partition("Pid: ")[2].split()[0]
        world.set_keys(blue=f"{BLUE}\n{NEW}\n")
        await _known(world, BLUE, NEW)
        outcomes = [(await client.ask(headers=bearer(key))).status for key in (BLUE, NEW, RED)]
        assert outcomes == [200, 200, 401]
        world.set_keys(blue=NEW)
        await _known(world, NEW)
        assert [(await client.ask(headers=bearer(key))).status for key in (BLUE, NEW)] == [401, 200]
        world.set_keys()
        await _known(world)
        assert (await client.ask(headers=bearer(NEW))).status == 401
        assert f"Pid: {pid}\n" in await world.runtime.command("show info") + "\n"


async def test_keys_are_told_again_to_a_haproxy_that_was_started_again(gateway, haproxy_binary):
    async with gateway(keys=KEYS) as (world, client):
        await world.add_pods("full")
        world.kill_haproxy()
        world.start_haproxy(haproxy_binary)
        await client.get("/health")  # notices that the old connection is gone
        assert (await client.ask(headers=bearer(BLUE))).status == 200


async def test_no_key_is_in_a_file_of_haproxy_a_log_or_an_answer_of_its_socket(gateway, caplog):
    caplog.set_level("DEBUG")
    async with gateway(keys=KEYS, tenants=(Tenant(name="blue", requests_per_second=5),)) as (world, client):
        world.set_keys(blue=f"{BLUE}\n{NEW}\nsk-too-short\n", red=BLUE)
        await _known(world, BLUE, NEW)
        await client.ask(headers=bearer("sk-wrong-0123456789"))
        await client.get("/v1/models", bearer(BLUE))
        texts = [path.read_text() for path in world.folder.iterdir() if path.is_file()]
        texts += [await world.runtime.command(f"show {what}") for what in ("map", "errors", "sess", "stat")]
        texts += [
            await world.runtime.command(f"show map #{live.number}") for live in (await world.state()).maps.values()
        ]
        texts.append(caplog.text)
        assert not [key for key in (BLUE, NEW, RED, "sk-too-short") if any(key in text for text in texts)]
        assert "API keys: blue: line 3: a key has at least 16 characters" in caplog.text
        assert "API keys: red: line 1: blue has this key already" in caplog.text


async def test_a_rate_a_second_lets_its_number_in_and_says_when_to_come_again(gateway):
    tenants = (Tenant(name="blue", requests_per_second=5),)
    async with gateway(keys=KEYS, tenants=tenants, slots=64) as (world, client):
        await world.add_pods("full")
        outcomes = await gather(client.ask(headers=bearer(BLUE), wait_ms=0) for _ in range(30))
        assert 5 <= by_status(outcomes)[200] <= 10  # at most two windows were touched
        refused = next(outcome for outcome in outcomes if outcome.status == 429)
        assert (_error(refused)["code"], refused.headers["retry-after"]) == ("rate_limit_exceeded", "1")
        assert lost(await gather(client.ask(headers=bearer(RED), wait_ms=0) for _ in range(30))) == []

        async def let_in_again():
            return (await client.ask(headers=bearer(BLUE), wait_ms=0)).status == 200

        await eventually_async(let_in_again, 3, "the second is over")


async def test_a_rate_a_minute_says_how_long_one_request_takes(gateway):
    tenants = (Tenant(name="blue", requests_per_minute=12),)
    async with gateway(keys=KEYS, tenants=tenants, slots=64) as (world, client):
        await world.add_pods("full")
        outcomes = await gather(client.ask(headers=bearer(BLUE), wait_ms=0) for _ in range(20))
        assert by_status(outcomes) == {200: 12, 429: 8}
        assert {o.headers["retry-after"] for o in outcomes if o.status == 429} == {"5"}


async def test_a_tenant_has_so_many_requests_at_once_those_that_wait_included(gateway):
    tenants = (Tenant(name="blue", max_concurrent_requests=3),)
    async with gateway(keys=KEYS, tenants=tenants) as (world, client):
        held = [asyncio.create_task(client.ask(f"q {i}", bearer(BLUE))) for i in range(3)]

        async def waiting():
            return queue_depth(await world.state(), "full") == 3

        await eventually_async(waiting, 5, "three wait")
        refused = await client.ask(headers=bearer(BLUE))
        assert (refused.status, _error(refused)["code"]) == (429, "concurrency_limit_exceeded")
        assert refused.headers["retry-after"] == "1"
        world.set_program(small=100)  # they are routed anew, and count once all the same

        async def moved():
            return queue_depth(await world.state(), "small") == 3

        await eventually_async(moved, 5, "they wait for the other")
        held.pop().cancel()

        async def left():
            return queue_depth(await world.state(), "small") == 2

        await eventually_async(left, 5, "one hung up")
        held.append(asyncio.create_task(client.ask("its place", bearer(BLUE))))
        await eventually_async(moved, 5, "its place is taken")
        await world.add_pods("small")
        assert lost(await gather(held)) == []


@pytest.mark.parametrize(
    ("owed", "asked", "want"),
    [
        pytest.param("middle", None, {"full", "middle"}, id="the tenant's minimum"),
        pytest.param("middle", "full", {"full"}, id="a request that wants better"),
        pytest.param("middle", "small", {"full", "middle"}, id="a request that would take less"),
        pytest.param(None, "middle", {"full", "middle"}, id="the request's minimum alone"),
    ],
)
async def test_a_tenant_never_gets_less_than_its_minimum(gateway, owed, asked, want):
    tenants = (Tenant(name="blue", min_variant=owed),)
    async with gateway(keys=KEYS, tenants=tenants, ladder=("full", "middle", "small"), slots=64) as (world, client):
        for variant in world.ladder:
            await world.add_pods(variant)
        world.set_program(full=20, middle=20, small=60)

        async def told():
            return (await world.state()).program["shares"] == "2000,4000,10000"

        await eventually_async(told, 5, "shares in HAProxy")
        headers = bearer(BLUE) | ({"x-costwain-min-variant": asked} if asked else {})
        outcomes = await gather(client.ask(f"q {i}", headers) for i in range(60))
        assert lost(outcomes) == []
        assert set(by_variant(outcomes)) == want


async def test_a_tenants_minimum_holds_when_its_request_is_routed_anew(gateway):
    tenants = (Tenant(name="blue", min_variant="middle"),)
    async with gateway(keys=KEYS, tenants=tenants, ladder=("full", "middle", "small")) as (world, client):
        tasks = [asyncio.create_task(client.ask(f"q {i}", bearer(BLUE))) for i in range(10)]

        async def waiting():
            return queue_depth(await world.state(), "full") == 10

        await eventually_async(waiting, 5, "ten wait for the best variant")
        world.set_program(middle=10, small=90)
        for variant in ("middle", "small"):
            await world.add_pods(variant)
        outcomes = await gather(tasks)
        assert by_variant(outcomes) == {"middle": 10}


async def test_a_minimum_that_this_haproxy_does_not_know_yet_serves_nothing_less(gateway):
    tenants = (Tenant(name="blue", min_variant="huge"),)
    async with gateway(keys=KEYS, tenants=tenants) as (world, client):
        await world.add_pods("full")
        outcome = await client.ask(headers=bearer(BLUE))
        assert (outcome.status, _error(outcome)["code"]) == (503, "minimum_unavailable")
        assert (await client.ask(headers=bearer(RED))).status == 200

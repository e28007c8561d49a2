"""Which pod of a variant answers: the same one for what shares a prefix, but never at the price of waiting."""

import asyncio
import json
import random
from collections import Counter, defaultdict

import aiohttp
import pytest
from tests.gateway.client import Client, gather, lost

from costwain.domain import names

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


async def _pods_of_sessions(client, count):
    """One after another, so that load plays no part."""
    return [(await client.ask("hi", {"x-session-id": f"s{n}"}, wait_ms=0)).pod for n in range(count)]


async def test_a_session_finds_its_pod_again_even_through_a_haproxy_that_knows_nothing(gateway, haproxy_binary):
    async with gateway() as (world, client):
        pods = await world.add_pods("full", 3)
        first = await _pods_of_sessions(client, 30)
        assert set(first) == {pod.address for pod in pods}
        assert await _pods_of_sessions(client, 30) == first
        world.kill_haproxy()
        world.start_haproxy(haproxy_binary)
        async with Client(world.url) as anew:
            assert await _pods_of_sessions(anew, 30) == first


def _chat(number, turn, parts=False):
    """The messages of a conversation's n-th turn, behind a long system prompt that all conversations share."""
    says = f"question {number}"
    messages = [{"role": "system", "content": "y" * 2000}]
    messages += [{"role": "user", "content": [{"type": "text", "text": says}] if parts else says}]
    return messages + [{"role": "assistant", "content": "more"}, {"role": "user", "content": f"and {turn}"}] * turn


@pytest.mark.parametrize("parts", [False, True], ids=["as text", "as parts"])
async def test_conversations_behind_one_system_prompt_spread_and_each_finds_its_pod_again(gateway, parts):
    async with gateway() as (world, client):
        pods = await world.add_pods("full", 3)
        turns = [[(await client.ask(messages=_chat(n, turn, parts))).pod for n in range(20)] for turn in range(3)]
        assert turns[0] == turns[1] == turns[2]
        assert set(turns[0]) == {pod.address for pod in pods}


async def test_what_is_no_chat_shares_a_pod_with_what_begins_alike(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full", 3)
        bodies = [json.dumps({"model": "chat-model", "prompt": "y" * 2000 + str(n)}) for n in range(10)]
        answers = [await client.post("/v1/completions", body) for body in bodies]
        assert len({answer.pod for answer in answers}) == 1


async def test_a_pod_that_joins_takes_its_own_sessions_and_moves_no_other(gateway):
    async with gateway() as (world, client):
        await world.add_pods("full", 3)
        before = await _pods_of_sessions(client, 60)
        (new,) = await world.add_pods("full")
        after = await _pods_of_sessions(client, 60)
        moved = [pod for pod, old in zip(after, before, strict=True) if pod != old]
        assert set(moved) == {new.address}
        assert len(moved) <= 30  # a quarter is fair


async def test_without_affinity_a_conversation_goes_to_whichever_pod_is_least_busy(gateway):
    async with gateway(affinity=False) as (world, client):
        pods = await world.add_pods("full", 3)
        session = {"x-session-id": "one"}
        found = Counter([(await client.ask("hi", session, wait_ms=0)).pod for _ in range(30)])
        assert set(found) == {pod.address for pod in pods}
        assert lost(await gather(client.ask("hi", session, wait_ms=300) for _ in range(24))) == []
        assert [await _most_at_once(pod) for pod in pods] == [8, 8, 8]


async def test_one_hot_session_uses_every_pod_rather_than_wait(gateway):
    async with gateway(slots=4) as (world, client):
        pods = await world.add_pods("full", 3)
        session = {"x-session-id": "hot"}
        tasks = [asyncio.create_task(client.ask("hi", session, wait_ms=1000)) for _ in range(12)]
        outcomes = await gather(tasks)
        assert lost(outcomes) == []
        assert {pod.address: 4 for pod in pods} == {
            pod: sum(outcome.pod == pod for outcome in outcomes) for pod in {outcome.pod for outcome in outcomes}
        }


async def test_no_pod_gets_more_at_once_than_its_slots(gateway):
    async with gateway(slots=5) as (world, client):
        pods = await world.add_pods("full", 2)
        assert lost(await gather(client.ask(f"q {i}", wait_ms=20) for i in range(150))) == []
        for pod in pods:
            stats = await _stats(pod)
            assert stats["most"] == 5
            assert stats["seen"] > 30


# At full size: ten pods of eight slots, a thousand conversations. Names alone decide who gets which, so the chance
# that is in a thousand keys falls the same way every time.
PODS, KEYS = 10, 1000
FAIR = 1 / (PODS + 1)  # of the keys, those that a pod should take when it joins ten others, or give up when it leaves
CHANCE = 3 * (FAIR * (1 - FAIR) / KEYS) ** 0.5
CALM = 4  # requests at a time: fewer than the six with which a pod is too busy for its own conversations


async def _pod_of_each(client):
    """The pod of every conversation while there is little to do."""
    free = asyncio.Semaphore(CALM)

    async def one(key):
        async with free:
            return (await client.ask("hi", {"x-session-id": f"s{key}"}, wait_ms=0)).pod

    return await asyncio.gather(*(one(key) for key in range(KEYS)))


def _share(where, of, differs=True):
    """The share of conversations that are elsewhere than they were, or at the same place."""
    return sum((now != then) is differs for now, then in zip(where, of, strict=True)) / KEYS


async def test_of_a_thousand_conversations_a_pod_that_comes_or_goes_moves_its_own_part_and_no_other(gateway):
    async with gateway() as (world, client):
        pods = await world.add_pods("full", PODS)
        before = await _pod_of_each(client)
        again = _share(await _pod_of_each(client), before, differs=False)
        (new,) = await world.add_pods("full")
        with_it = await _pod_of_each(client)
        added = _share(with_it, before)
        await world.drain([pods[0]])
        without_first = await _pod_of_each(client)
        removed = _share(without_first, with_it)
        print(f"same pod on repeat {again:.3f}, moved: add {added:.3f}, remove {removed:.3f}, fair {FAIR:.3f}")
        assert again == 1
        assert {now for now, then in zip(with_it, before, strict=True) if now != then} == {new.address}
        assert {then for now, then in zip(without_first, with_it, strict=True) if now != then} == {pods[0].address}
        assert abs(added - FAIR) < CHANCE
        assert abs(removed - FAIR) < CHANCE


# story: (requests at a time of 80 slots, least share that finds its last pod, and one that has its prefix)
LOADS = {"half full": (40, 0.75, 0.93), "at four fifths": (64, 0.45, 0.85), "half as much again": (120, 0.05, 0.45)}


@pytest.mark.parametrize(("at_once", "least_last", "least_known"), LOADS.values(), ids=LOADS)
async def test_conversations_as_unequal_as_words_find_their_prefix_and_no_pod_gets_too_much(
    gateway, at_once, least_last, least_known
):
    async with gateway() as (world, client):
        pods = await world.add_pods("full", PODS)
        draw = random.Random(1)
        asked = iter(draw.choices(range(KEYS), [1 / (rank + 1) for rank in range(KEYS)], k=1500))  # Zipf: 13 % on one
        been, last, found, outcomes = defaultdict(set), {}, Counter(), []

        async def ask_on():
            for key in asked:
                outcome = await client.ask("hi", {"x-session-id": f"s{key}"}, wait_ms=100)
                outcomes.append(outcome)
                if key in last:
                    found.update(later=1, last=outcome.pod == last[key], known=outcome.pod in been[key])
                last[key] = outcome.pod
                been[key].add(outcome.pod)

        await asyncio.gather(*(ask_on() for _ in range(at_once)))
        same, known = found["last"] / found["later"], found["known"] / found["later"]
        most = [await _most_at_once(pod) for pod in pods]
        print(f"{at_once} in flight: same pod as last {same:.3f}, one with the prefix {known:.3f}, most a pod {most}")
        assert lost(outcomes) == []
        assert (same > least_last, known > least_known) == (True, True)
        assert max(most) <= world.slots


async def test_a_hot_conversation_takes_three_quarters_of_a_pod_and_then_goes_to_its_next(gateway):
    async with gateway() as (world, client):
        pods = await world.add_pods("full", PODS)
        session = {"x-session-id": "hot"}
        tasks = [asyncio.create_task(client.ask("hi", session, wait_ms=1500)) for _ in range(12)]
        assert lost(await gather(tasks)) == []
        assert sorted([await _most_at_once(pod) for pod in pods], reverse=True)[:3] == [6, 6, 0]


async def _most_at_once(pod):
    """Requests that a pod was given at a time, at most."""
    return (await _stats(pod))["most"]


async def _stats(pod):
    url = f"http://{pod.address}:{names.MODEL_PORT}/stats"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.json()

"""Two gateways, real HAProxies and agents: together never more for a pod than its limit, whoever comes or dies."""

import asyncio

import pytest
from tests.gateway.client import by_status, gather, lost
from tests.gateway.fake_cluster import FLEET
from tests.gateway.pair import pair_of
from tests.gateway.test_keys import BLUE, KEYS, bearer
from tests.support import eventually_async

from costwain.adapters.resources import PODS
from costwain.domain.gateway import Tenant

pytestmark = [pytest.mark.gateway, pytest.mark.anyio]


async def test_a_pods_limit_holds_while_a_second_gateway_comes_works_and_is_killed(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary) as pair:
        first = await pair.start(0)
        pods = await pair.worlds[0].add_pods("full", 2)
        stop, outcomes, at_second = asyncio.Event(), [], []

        async def user(client, found, n):
            while not stop.is_set() and not lost(found[-1:]):
                found.append(await client.ask(f"user {n}", wait_ms=40, stream=n % 3 == 0))

        users = [asyncio.create_task(user(first, outcomes, n)) for n in range(30)]
        await pair.until_limits([8, 8])
        second = await pair.start(1)
        users += [asyncio.create_task(user(second, at_second, n)) for n in range(30)]
        await pair.until_limits([4, 4], [4, 4])

        async def enough():
            return len(at_second) >= 300

        await eventually_async(enough, 30, "300 answers of the second gateway")
        assert lost(at_second) == []
        await pair.kill(1)
        await pair.until_limits([8, 8], deadline_s=5)
        stop.set()
        await asyncio.gather(*users)
        assert lost(outcomes) == []
        assert await pair.most(pods) == [8, 8]


async def test_a_gateway_that_comes_takes_what_the_first_gives_up_as_its_requests_end(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary) as pair:
        first = await pair.start(0)
        (pod,) = await pair.worlds[0].add_pods("full")
        short = [asyncio.create_task(first.ask(f"short {n}", wait_ms=3000)) for n in range(2)]
        streams = [asyncio.create_task(first.ask(f"long {n}", stream=True, chunks=60, gap_ms=100)) for n in range(6)]

        async def all_run():
            return (await pair.worlds[0].state()).servers["variant.full", f"spot:{pod.name}"].sessions == 8

        await eventually_async(all_run, 10, "eight run")
        second = await pair.start(1)
        held = [asyncio.create_task(second.ask(f"held {n}")) for n in range(40)]
        await pair.until_limits([4], [2])  # two of the first have ended, two beyond its part are still there
        assert not any(task.done() for task in streams)
        assert lost(await gather([*short, *held, *streams])) == []
        await pair.until_limits([4], [4])
        assert await pair.most([pod]) == [8]


async def test_the_depths_of_both_queues_add_up_to_what_waits(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary) as pair:
        clients = [await pair.start(0), await pair.start(1)]
        tasks = [
            asyncio.create_task(client.ask(f"q {n}", wait_ms=400))
            for client, count in zip(clients, (30, 50), strict=True)
            for n in range(count)
        ]

        async def held(*want):
            return await pair.depths() == list(want)

        await eventually_async(lambda: held(30, 50), 10, "30 and 50 held")
        (pod,) = await pair.worlds[0].add_pods("full")
        await eventually_async(lambda: held(26, 46), 10, "72 wait, 8 run")
        assert lost(await gather(tasks)) == []
        assert await pair.most([pod]) == [8]


async def test_with_few_slots_one_serves_and_the_other_takes_over_within_seconds(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary, slots=4) as pair:
        await pair.start(0)
        second = await pair.start(1)
        (pod,) = await pair.worlds[0].add_pods("full")
        await pair.until_limits([4], [])
        assert pair.serving() == ["0"]
        await pair.kill(0)
        held = [asyncio.create_task(second.ask(f"q {n}", wait_ms=50)) for n in range(20)]
        await pair.until_limits([4], deadline_s=5)
        assert pair.serving()[-1] == "1"
        assert lost(await gather(held)) == []
        assert await pair.most([pod]) == [4]


async def test_who_stands_by_serves_what_comes_all_the_same_and_sends_its_client_away(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary, slots=4) as pair:
        first, second = await pair.start(0), await pair.start(1)
        (pod,) = await pair.worlds[0].add_pods("full")
        outcomes = await gather(client.ask(f"q {n}", wait_ms=100) for n in range(20) for client in (first, second))
        assert lost(outcomes) == []
        assert {o.headers.get("connection") for o in outcomes[1::2]} == {"close"}
        assert await pair.most([pod]) == [4]
        await pair.until_limits([4], [])


async def test_limits_that_sink_below_eight_change_to_one_gateway_without_a_loss(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary) as pair:
        clients = [await pair.start(0), await pair.start(1)]
        (pod,) = await pair.worlds[0].add_pods("full")
        await pair.until_limits([4], [4])
        tasks = [asyncio.create_task(c.ask(f"q {n}", wait_ms=100)) for n in range(40) for c in clients]
        pair.worlds[0].slots = 4
        pair.worlds[0].set_program(full=100)
        assert lost(await gather(tasks)) == []
        await pair.until_limits([], [4])  # the last of them leads
        assert pair.serving() == ["1"]
        pair.worlds[0].slots = 8
        pair.worlds[0].set_program(full=100)
        await pair.until_limits([4], [4])
        assert pair.serving() == ["0", "1"]
        assert max(await pair.most([pod])) <= 8


async def test_one_that_is_asked_to_leave_gets_its_queue_served_first(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary, slots=1) as pair:
        first, second = await pair.start(0), await pair.start(1)
        (pod,) = await pair.worlds[0].add_pods("full")
        old = [asyncio.create_task(first.ask(f"old {n}", wait_ms=50)) for n in range(20)]

        async def queued():
            return (await pair.depths())[0] >= 10

        await eventually_async(queued, 10, "requests wait at the first")
        item = pair.worlds[0].cluster.objects[PODS][f"{FLEET}-gateway-0"]
        item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        pair.worlds[0].cluster.put(PODS, item)
        new = [asyncio.create_task(second.ask(f"new {n}", wait_ms=50)) for n in range(5)]
        assert lost(await gather(old)) == []
        assert not all(task.done() for task in new)
        assert lost(await gather(new)) == []
        assert await pair.most([pod]) == [1]


async def test_a_haproxy_that_died_alone_is_given_its_part_again(folder, haproxy_binary):
    async with pair_of(folder, haproxy_binary) as pair:
        first, _ = await pair.start(0), await pair.start(1)
        (pod,) = await pair.worlds[0].add_pods("full")
        await pair.until_limits([4], [4])
        stop, outcomes = asyncio.Event(), []

        async def user(n):
            while not stop.is_set():
                outcomes.append(await first.ask(f"user {n}", wait_ms=30))

        users = [asyncio.create_task(user(n)) for n in range(16)]
        pair.worlds[1].kill_haproxy()
        pair.worlds[1].start_haproxy(haproxy_binary)
        await pair.until_limits([4], [4])
        stop.set()
        await asyncio.gather(*users)
        assert lost(outcomes) == []
        assert max(await pair.most([pod])) <= 8


async def test_a_tenants_limits_are_split_like_the_slots(folder, haproxy_binary):
    tenants = (Tenant(name="blue", max_concurrent_requests=7),)
    async with pair_of(folder, haproxy_binary, keys=KEYS, tenants=tenants) as pair:
        clients = [await pair.start(0), await pair.start(1)]

        async def told():
            maps = [(await world.state()).maps["tenants.map"].entries for world in pair.worlds]
            return [entries.get("concurrent/blue") for entries in maps] == ["4", "3"]

        await eventually_async(told, 10, "four and three")
        tasks = [asyncio.create_task(c.ask(f"q {n}", bearer(BLUE))) for n in range(10) for c in clients]

        async def refused():
            return sum(task.done() for task in tasks) == 13

        await eventually_async(refused, 10, "seven let in")
        assert by_status(task.result() for task in tasks if task.done()) == {429: 13}
        await pair.worlds[0].add_pods("full")
        assert by_status(await gather(tasks)) == {200: 7, 429: 13}

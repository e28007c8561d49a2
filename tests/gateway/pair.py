"""Two gateways of one fleet, real HAProxies and agents, which a test starts and kills one by one."""

import json
from contextlib import AsyncExitStack, asynccontextmanager

from tests.gateway.client import Client
from tests.gateway.conftest import running
from tests.gateway.fake_cluster import FLEET, FakeCluster, set_condition
from tests.gateway.world import World
from tests.support import eventually_async

from costwain.adapters.resources import PODS
from costwain.agent.metrics import queue_depth
from costwain.domain import names


class Pair:
    """Two gateways of one fleet; each is started, and may be killed, by itself."""

    def __init__(self, folder, binary, **differs):
        cluster = FakeCluster()
        self._binary = binary
        self.worlds = [
            World(folder / str(n), own_name=f"{FLEET}-gateway-{n}", cluster=cluster, **differs) for n in range(2)
        ]
        self.clients = [Client(world.url) for world in self.worlds]
        self._lives, self._open = {}, AsyncExitStack()

    async def start(self, number):
        world, life = self.worlds[number], AsyncExitStack()
        world.folder.mkdir()
        world.start_haproxy(self._binary)
        await life.enter_async_context(running(world))
        await self._open.enter_async_context(self.clients[number])
        self._lives[number] = life

        async def serves():
            return (await self.clients[number].get("/health")).status == 200

        await eventually_async(serves, 10, f"gateway {number} serves")
        return self.clients[number]

    async def kill(self, number):
        """HAProxy and agent at once, as its node's kubelet then says."""
        world = self.worlds[number]
        world.kill_haproxy()
        await self._lives.pop(number).aclose()
        self.tell(number, False)
        item = world.cluster.objects[PODS][world.own_name]
        item["status"]["containerStatuses"] = [{"name": "haproxy", "state": {"terminated": {}}}]
        world.cluster.put(PODS, item)

    def tell(self, number, ready):
        """What the kubelet says of a gateway's pod."""
        world = self.worlds[number]
        item = world.cluster.objects[PODS][world.own_name]
        for kind in ("ContainersReady", "Ready"):
            set_condition(item, kind, ready)
        world.cluster.put(PODS, item)

    async def limits(self, variant="full"):
        """Each gateway's limits of the pods, as HAProxy has them; those in maintenance get nothing."""
        states = [await self.worlds[number].state() for number in sorted(self._lives)]
        servers = [state.pods(f"variant.{variant}").values() for state in states]
        return [sorted(0 if row.in_maintenance else row.limit for row in rows) for rows in servers]

    async def until_limits(self, *want, deadline_s=10):
        async def so():
            return await self.limits() == list(want)

        await eventually_async(so, deadline_s, f"limits {want}")

    async def depths(self):
        return [queue_depth(await self.worlds[number].state(), "full") for number in sorted(self._lives)]

    def serving(self):
        """The gateways that the Service would choose."""
        pods = self.worlds[0].cluster.objects[PODS].values()
        return sorted(
            p["metadata"]["name"][-1] for p in pods if p["metadata"]["labels"].get(names.GATEWAY_SERVES) == "true"
        )

    async def most(self, pods):
        """How many requests each pod had at once at most, by its own count."""
        pages = [await self.clients[0].get_from(f"http://{pod.address}:{names.MODEL_PORT}/stats") for pod in pods]
        return [json.loads(page.body)["most"] for page in pages]

    async def end(self):
        for life in (*self._lives.values(), self._open):
            await life.aclose()
        for world in self.worlds:
            world.end()


@asynccontextmanager
async def pair_of(folder, binary, **differs):
    pair = Pair(folder, binary, **differs)
    pair.worlds[0].set_program(full=100)
    try:
        yield pair
    finally:
        await pair.end()

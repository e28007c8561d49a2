"""The demo: a real control plane, the operator, HAProxy and stub pods on this machine, and a load through them."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from costwain.adapters.clock import Clock
from costwain.adapters.kube import Kube
from costwain.adapters.resources import EVENTS, MODEL_DEPLOYMENTS
from costwain.local import cluster, demo_fleet, stage
from costwain.local.load import Load
from costwain.local.load_request import Pace, Target
from costwain.local.view import showing
from costwain.local.view_end import Ending
from costwain.local.view_model import Look, told_of, view_of
from costwain.render.conditions import rfc3339
from costwain.sim.arrival import Arrival

FLEET, NAMESPACE = "chat", "default"
FACTOR = 30.0  # a budget hour passes in two minutes
WINDOW_S = 3600.0
IDLE_S = 60.0  # wall: until the fleet has gone to zero after the last request
_HASTE = {
    "COSTWAIN_TURN_SECONDS": "0.5",
    "COSTWAIN_STATUS_SECONDS": "1",
    "COSTWAIN_LEASE_SECONDS": "6",
    "COSTWAIN_RELIST_SECONDS": "20",
}
SWAPS = ("SteppedDown", "SteppedUp", "BudgetExhausted", "BudgetFloor")

Say = Callable[[str], None]


def start(name: str, directory: Path | None, say: Say) -> tuple[cluster.Cluster, Clock]:
    """A control plane with the operator and one process node a pool; where that fails, nothing of it stays."""
    clock = _clock(time.time())
    it = stage.Stage(demo_fleet.manifests(), demo_fleet.node_capacity(), clock, _HASTE)
    return stage.start(name, directory, it, say), clock


async def play(running: cluster.Cluster, clock: Clock, trace: list[Arrival], say: Say) -> Ending:
    """Sends the trace through the gateway and shows what happens; raises LocalError where the gateway doesn't come."""
    async with await Kube.connect(str(running.kubeconfig)) as kube:
        url = await stage.gateway_url(kube, NAMESPACE, FLEET)
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
        ledger, now_s = await stage.ledger_of(kube, NAMESPACE, FLEET), clock.now_s()
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


async def _until_zero(kube: Kube) -> None:
    async def gone() -> bool:
        pods = await stage.model_pods(kube, NAMESPACE, FLEET)
        return not pods and not (await stage.ledger_of(kube, NAMESPACE, FLEET)).open

    await stage.within(IDLE_S, "the fleet to go to zero and its bill to be closed", gone)


async def _show(kube: Kube, clock: Clock, load: Load) -> None:
    """Shows the fleet: redrawn on a terminal, a line whenever the picture changes where there is none."""
    with showing(Console()) as show:
        while True:
            fleet = await kube.get(MODEL_DEPLOYMENTS, FLEET, NAMESPACE)
            if fleet is not None:
                pods = await stage.model_pods(kube, NAMESPACE, FLEET)
                events, _ = await kube.list(EVENTS, NAMESPACE)
                show(view_of(Look(fleet, pods, events, clock, clock.now_s()), load.counters))
            await asyncio.sleep(0.5)

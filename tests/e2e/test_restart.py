"""The operator killed with -9 in the middle of a scale-out and of a swap: the same end, and no dollar lost."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.e2e.ledgers import clocks_apart_micro, independent_micro, ledger_of

from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import MODEL_DEPLOYMENTS
from costwain.local import cluster, demo, demo_fleet
from costwain.local.view_end import Ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


def scaling_out(status: dict[str, Any]) -> bool:
    return sum(p["replicas"] - p["readyReplicas"] for p in status.get("placements", [])) > 0


def swapping(status: dict[str, Any]) -> bool:
    return any(0 < v.get("sharePercent", 0) < 100 for v in status.get("variants", []))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[cluster.Cluster, Ending, list[str]]]:
    folder, told, kills = tmp_path_factory.mktemp("kill") / "c", list[str](), list[str]()
    running, clock = demo.start("killed", folder, told.append)

    async def story() -> Ending:
        killer = asyncio.create_task(_kill(running, kills))
        try:
            return await demo.play(running, clock, demo_fleet.seeded_trace(), told.append)
        finally:
            killer.cancel()

    try:
        yield running, asyncio.run(story()), kills
    finally:
        cluster.down("killed", folder, told.append)


def test_it_was_killed_in_the_middle_of_both(killed: Any) -> None:
    assert killed[2] == ["scaling_out", "swapping"]


def test_nothing_was_lost_and_the_story_ends_the_same(killed: Any) -> None:
    _, ended, _ = killed
    assert ended.load.lost_by_cause == {}
    kinds = [swap.code for swap in ended.swaps]
    assert kinds[0] == "SteppedDown"
    assert "SteppedUp" in kinds
    assert ended.held


def test_the_ledger_still_is_the_sum_over_pod_lifetimes(killed: Any) -> None:
    running, _, _ = killed
    ledger = asyncio.run(ledger_of(running))
    assert ledger.open == []
    true_micro, metered_micro = independent_micro(running), ledger.spent_micro(0.0, 1e12)
    # What went while nobody watched is charged up to the moment it was missed, and said to be uncertain.
    apart_micro = clocks_apart_micro(running)
    assert true_micro - apart_micro <= metered_micro <= true_micro + apart_micro + ledger.uncertain_micro(0.0)


async def _kill(running: cluster.Cluster, kills: list[str]) -> None:
    async with await Kube.connect(str(running.kubeconfig)) as kube:
        for moment in (scaling_out, swapping):
            await _until(kube, moment)
            pid = next(row.pid for row in running.status() if row.name == "operator")
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(running.restart, "operator")
            kills.append(moment.__name__)


async def _until(kube: Kube, moment: Callable[[dict[str, Any]], bool]) -> None:
    while True:  # ends with the story, which cancels this
        try:
            fleet = await kube.get(MODEL_DEPLOYMENTS, demo.FLEET, demo.NAMESPACE) or {}
        except (ApiError, TimeoutError):
            fleet = {}
        if moment(fleet.get("status", {})):
            return
        await asyncio.to_thread(threading.Event().wait, 0.1)

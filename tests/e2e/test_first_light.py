"""The whole thing on real parts: control plane, operator, HAProxy, process nodes with stub pods, two budget hours."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.ledgers import clocks_apart_micro, independent_micro, ledger_of

from costwain.local import cluster, demo, demo_fleet
from costwain.local.view_end import Ending

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> Iterator[tuple[cluster.Cluster, Ending]]:
    folder = tmp_path_factory.mktemp("first") / "c"
    running, clock = demo.start("first-light", folder, told.append)
    try:
        yield running, asyncio.run(demo.play(running, clock, demo_fleet.seeded_trace(), told.append))
    finally:
        cluster.down("first-light", folder, told.append)


def test_nothing_is_lost_from_zero_through_two_swaps_and_back_to_zero(played: Any) -> None:
    _, ended = played
    summary = ended.load
    assert summary.requests >= 2000
    assert (summary.lost, summary.lost_by_cause) == (0, {})


def test_both_vendors_serve_since_the_cheaper_pool_is_too_small(played: Any) -> None:
    running, _ = played
    ledger = asyncio.run(ledger_of(running))
    assert {line.pool for line in ledger.closed if line.variant == "qwen3-32b"} == {"h100", "mi300x"}


def test_no_hour_spends_more_than_its_budget(played: Any) -> None:
    _, ended = played
    assert len(ended.windows) >= 2
    assert ended.held


def test_the_budget_binds_and_the_swaps_say_why(played: Any) -> None:
    _, ended = played
    kinds = [swap.code for swap in ended.swaps]
    assert kinds[0] == "SteppedDown"
    assert "SteppedUp" in kinds
    assert re.fullmatch(
        r"qwen3-32b needs \$\d+\.\d\d/h for \d\.\d requests/s, "
        r"\$\d\.\d\d of \$4\.00 is left until \d\d:00: qwen3-8b serves for \$1\.99/h",
        ended.swaps[0].sentence,
    )
    assert set(ended.load.by_variant) == {"qwen3-32b", "qwen3-8b"}  # minQuality bars qwen3-4b


def test_the_ledger_is_the_sum_over_pod_lifetimes_that_the_nodes_wrote_down(played: Any) -> None:
    running, _ = played
    ledger = asyncio.run(ledger_of(running))
    metered_micro = ledger.spent_micro(0.0, 1e12)
    assert ledger.open == []
    assert abs(metered_micro - independent_micro(running)) <= clocks_apart_micro(running)

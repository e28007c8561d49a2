"""`costwain simulate`: pools on which nothing could run, for a while or at all."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.cli.test_simulate import FLEET, POOL, written
from tests.cli.test_simulate_bad_input import refused

from costwain.cli.simulate import simulate

BRIEF = "synthetic:step,rate=0.5,peak=1,duration=120"
NO_ROOM: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {  # story: (placement, pool, found)
    "every replica is larger than the pool": (
        {"accelerators": 16}, {}, "full on h100: accelerators a replica 16, in the pool 8; small on h100: accelerators",
    ),
    "a pool of nothing": ({}, {"accelerators": 0}, "full on h100: accelerators a replica 1, in the pool 0"),
    "placements that may hold nothing": ({"maxReplicas": 0}, {}, "full on h100: maxReplicas is 0; small on h100: max"),
}  # fmt: skip


def placed(**placement: object) -> dict[str, Any]:
    spec: Any = FLEET["spec"]
    variants = [{**each, "placements": [{"pool": "h100", **placement}]} for each in spec["variants"]]
    return {**FLEET, "spec": {**spec, "variants": variants}}


@pytest.mark.parametrize(("placement", "pool", "found"), NO_ROOM.values(), ids=NO_ROOM)
def test_a_fleet_that_finds_room_nowhere_is_told_why(
    tmp_path: Path, placement: dict[str, Any], pool: dict[str, Any], found: str
) -> None:
    fleet = written(tmp_path / "fleet.yaml", POOL, placed(**placement))
    scenario = written(tmp_path / "scenario.yaml", {"pools": {"h100": pool}})
    said = refused(tmp_path, fleet, "--trace", BRIEF, "--scenario", scenario)
    assert said.startswith(f"ModelDeployment chat: want a variant that could run (found {found}")


def test_a_pool_that_gives_nothing_for_a_while_is_no_reason_to_refuse(tmp_path: Path) -> None:
    out = {"stockOuts": [{"fromSeconds": 0, "untilSeconds": 60, "reclaims": True}]}
    scenario = written(tmp_path / "scenario.yaml", {"pools": {"h100": out}})
    fleet = written(tmp_path / "fleet.yaml", POOL, FLEET)
    result = CliRunner().invoke(simulate, [fleet, "--trace", BRIEF, "--scenario", scenario])
    assert result.exit_code == 0, result.output


FREE = {  # story: (source of the pool's own price, code, what is said)
    "a pool that is rented": ("", 2, "the source 'owned' (found '0')"),
    "a pool that is owned": ("owned", 0, "requests, 1 seed"),
}


@pytest.mark.parametrize(("source", "code", "what"), FREE.values(), ids=FREE)
def test_a_scenario_gives_only_away_what_is_owned(tmp_path: Path, source: str, code: int, what: str) -> None:
    changes = [{"atSeconds": 0, "amount": "2.40"}, {"atSeconds": 9, "amount": "0"}]
    scenario = written(tmp_path / "scenario.yaml", {"pools": {"h100": {"prices": changes}}})
    spec: Any = POOL["spec"]
    pool = {**POOL, "spec": {**spec, "price": {"amount": "2.40", "source": source}}}
    fleet = written(tmp_path / "fleet.yaml", pool, FLEET)
    result = CliRunner().invoke(simulate, [fleet, "--trace", BRIEF, "--scenario", scenario])
    said = " ".join(result.output.split())
    assert (result.exit_code, what in said) == (code, True), said
    assert ("scenario: pools.h100.prices.1.amount: want more than 0" in said) is (code == 2)

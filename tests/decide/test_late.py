"""Rungs that miss their SLO even with one request at a time: they serve, and a person is told."""

import doctest

import pytest
from tests.decide.builders import fleet, load, pool, pools, snapshot, variant
from tests.decide.fleets import only

from costwain.decide import late as module
from costwain.domain.memory import Learned, Memory
from costwain.domain.plan import Why

BOTH, ONE = ("h100", "mi300x"), ("h100",)
SLOW = "full: the SLO asks 2000 ms to the first token and {} ms for each one after it, one request at a time takes {}"
FAST = Memory(learned=[Learned(variant="full", pool="h100", at_s=0.0, ratio=2.0, scalar=2.0, evidence=60.0)])

CASES: dict[str, tuple[int, tuple[str, ...], Memory, str | None]] = {  # story: (ms asked, pools, memory, found)
    "an SLO that it meets": (50, BOTH, Memory(), None),
    "nowhere, told once with each pool": (1, BOTH, Memory(), "133 and 26.1 ms on h100, 133 and 21.1 ms on mi300x"),
    "on the dearer of two pools, where it doesn't run": (24, BOTH, Memory(), None),
    "by measured speed it meets it": (20, ONE, FAST, None),
    "measured, and still too slow": (10, ONE, FAST, "66.7 and 13.1 ms on h100"),
}


def test_doctests_hold() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("asked", "where", "memory", "found"), CASES.values(), ids=CASES)
def test_who_is_told_that_the_slo_is_missed(
    asked: int, where: tuple[str, ...], memory: Memory, found: str | None
) -> None:
    slo = {"timePerOutputTokenMilliseconds": asked}
    plan = only(snapshot(fleet(variants=[variant("full", where)], slo=slo, load=load(0.2), memory=memory)))
    told = () if found is None else (Why("SloUnreachable", SLOW.format(asked, found)),)
    assert plan.problems == told
    assert sum(plan.replicas.values()) > 0


def test_each_rung_is_told_once_and_a_replica_gets_one_request_at_a_time() -> None:
    plan = only(snapshot(fleet(load=load(4.0), slo={"timePerOutputTokenMilliseconds": 1})))
    assert [why.sentence.split(":")[0] for why in plan.problems] == ["full", "small"]
    assert {why.code for why in plan.problems} == {"SloUnreachable"}
    assert set(plan.slots.values()) == {1}
    assert any(plan.replicas.values())


def test_a_rung_that_runs_where_it_is_late_says_so_and_nobody_has_to_mend_it() -> None:
    where = pools(pool("h100"), pool("mi300x", total=1))
    plan = only(
        snapshot(
            fleet(variants=[variant("full")], slo={"timePerOutputTokenMilliseconds": 24}, load=load(0.9)), where=where
        )
    )
    assert plan.replicas[("full", "h100")] > 0
    assert (Why("SloUnreachable", SLOW.format(24, "133 and 26.1 ms on h100")) in plan.reasons, plan.problems) == (
        True,
        (),
    )

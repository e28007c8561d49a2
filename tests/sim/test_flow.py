"""Turns drawn whole are those that listed requests would make: as many, as bursty, as long."""

import math
import random
import statistics
from pathlib import Path

import pytest
from tests.sim.test_servegen import FLAT, files

from costwain.sim import flow
from costwain.sim.arrival import Take
from costwain.sim.batches import Batch, batches
from costwain.sim.compare import Trace, load_of
from costwain.sim.trace import read_trace

LONG = "0,0,10,25,50,75,90,95,990,1,2,3,4,5,6,70\n"
TURN_S = 15.0


def both(folder: Path, rates: str, take: Take, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Batch], list[Batch]]:
    """The turns drawn whole, and those of the listed requests."""
    monkeypatch.setattr(flow, "LARGE", 0)
    source = files(folder, rates, LONG)
    drawn = flow.turns(Path(source), take, TURN_S)
    assert drawn is not None
    return drawn, batches(read_trace(source, take=take), TURN_S)


def windows(count: int, row: str) -> str:
    return "".join(f"0,{600 * i},{row}\n" for i in range(count))


BURSTS = {
    "few requests, calm": (1.0, "0.5,1,Gamma,1,1"),
    "few requests, in bursts": (1.0, "0.5,4,Gamma,0.05,40"),
    "thousands, calm": (1.0, "9,1,Gamma,1,1"),
    "thousands, in bursts": (1.0, "9,10,Gamma,0.01,11"),
    "a tenth of thousands": (0.1, "9,3,Gamma,0.1,1"),
    "thousands of another law": (1.0, "9,3,Weibull,0.4,1"),
}


@pytest.mark.long
@pytest.mark.parametrize(("scale", "row"), BURSTS.values(), ids=BURSTS)
def test_turns_vary_as_those_of_listed_requests(
    tmp_path: Path, scale: float, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, listed = both(tmp_path, windows(30, row), Take(scale=scale), monkeypatch)
    assert sum(b.count for b in drawn) == pytest.approx(sum(b.count for b in listed), abs=30)
    spread = [statistics.stdev(b.count for b in each) for each in (drawn, listed)]
    assert spread[0] == pytest.approx(spread[1], rel=0.2)


def test_tokens_of_many_requests_have_the_mean_and_the_spread_of_their_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, listed = both(tmp_path, windows(20, "10,1,Gamma,1,1"), Take(), monkeypatch)
    for field in ("mean_input", "mean_output"):
        own, other = ([getattr(b, field) for b in each if b.count] for each in (drawn, listed))
        assert statistics.mean(own) == pytest.approx(statistics.mean(other), rel=0.02)
        assert statistics.stdev(own) == pytest.approx(statistics.stdev(other), rel=0.15)


def test_a_part_is_the_part_of_the_whole_and_the_same_for_a_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = windows(4, "8,1,Gamma,0.2,1")
    whole, _ = both(tmp_path, rates, Take(seed=2), monkeypatch)
    part, _ = both(tmp_path, rates, Take(seed=2, start_s=900, duration_s=600), monkeypatch)
    assert [b.count for b in part] == [b.count for b in whole[60:100]]
    assert whole == both(tmp_path, rates, Take(seed=2), monkeypatch)[0]
    assert whole != both(tmp_path, rates, Take(seed=3), monkeypatch)[0]


def test_a_small_part_is_listed_and_so_is_one_for_the_event_engine(tmp_path: Path) -> None:
    source = files(tmp_path, "0,0,2,1,Gamma,1,1\n", f"0,0,{FLAT}\n")
    assert flow.turns(Path(source), Take(), TURN_S) is None
    assert flow.turns(Path(source), Take(scale=flow.LARGE, duration_s=0.4), TURN_S) is None
    large = Take(scale=flow.LARGE)
    drawn = load_of(Trace(source, None, large), 600.0, (0, "fluid"))
    assert [(b.count, b.arrivals) for b in drawn] == [(pytest.approx(1.2e9), ())]
    listed = load_of(Trace(source), TURN_S, (0, "event"))
    assert all(len(b.arrivals) == b.count for b in listed)


def test_shapes_that_vanish_still_split_a_stretch() -> None:
    draw = random.Random(1)
    parts = [flow._beta(1e-5, 3e-5, draw) for _ in range(4000)]
    assert all(0 <= part <= 1 and math.isfinite(part) for part in parts)
    assert statistics.mean(parts) == pytest.approx(0.25, abs=0.03)


def test_a_stretch_that_ends_within_a_turn_has_its_part_of_the_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "LARGE", 0)
    source = Path(files(tmp_path, windows(1, "1000,1,Gamma,1,1"), LONG))
    drawn = flow.turns(source, Take(duration_s=1.5 * TURN_S), TURN_S) or []
    assert drawn[1].count == pytest.approx(drawn[0].count / 2, rel=0.05)


@pytest.mark.parametrize("row", ["0.2,1,Gamma,1,1", "9,1,Gamma,1,1", "9,1,Weibull,1.5,1"])
def test_a_stretch_holds_no_request_of_after_its_end_and_all_of_before(
    tmp_path: Path, row: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns of 7 s: the 85 before 595 s hold the same in each stretch, the last one what comes until its end."""
    monkeypatch.setattr(flow, "LARGE", 0)
    source = Path(files(tmp_path, windows(2, row), LONG))
    whole, until_595, until_600, until_602 = (
        [b.count for b in flow.turns(source, Take(duration_s=end_s), 7.0) or ()] for end_s in (1200, 595, 600, 602)
    )
    assert until_595 == whole[:85] == until_600[:85] == until_602[:85]
    assert until_602 == whole[:86]
    assert 0 < until_600[85] <= whole[85]
    per_s = float(row.partition(",")[0])
    assert sum(until_600) == pytest.approx(600 * per_s, abs=1)


def test_a_trace_that_ends_within_a_turn_is_played_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "LARGE", 0)
    source = files(tmp_path, windows(1, "9,1,Gamma,1,1"), LONG)
    drawn = flow.turns(Path(source), Take(), 599.0)
    assert drawn is not None
    assert sum(b.count for b in drawn) == 5400

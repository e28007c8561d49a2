"""The figures of `make bench-real`, and its simulated side on a small trace."""

from pathlib import Path

import pytest
from tests.bench.real import simulated
from tests.bench.real.seen import Sample, Seen, changes, figures, gap

from costwain.sim.arrival import Arrival
from costwain.sim.fleet_file import read_fleet
from costwain.sim.scenario import read_scenario

HERE = Path(__file__).parent / "real"
PLACE = ("full", "h100")


def seen(*samples: tuple[float, int, int]) -> Seen:
    """A run of these (instant, staying, ready)."""
    return Seen(1.0, 2, 0, 1.0, [(0.1, 0.02), (0.3, 0.04)], [Sample(t, {PLACE: n}, ready) for t, n, ready in samples])


def test_replicas_are_weighed_by_time_and_only_moves_within_the_stretch_count() -> None:
    found = figures(seen((-5.0, 1, 0), (-1.0, 1, 1), (50.0, 2, 1), (75.0, 2, 2), (120.0, 1, 1)), 100.0)
    assert found["ready replicas, mean"] == 1.25
    assert found["ready replicas, most"] == 2
    assert found["scale actions"] == 1


def test_times_are_quantiles_of_the_answers_and_absent_without_any() -> None:
    one = seen((0.0, 1, 1))
    assert figures(one, 10.0)["TPOT p99"] == 40.0
    none = Seen(1.0, 2, 0, 1.0, None, one.samples)
    assert "TTFT p50" not in figures(none, 10.0)


GAPS = {
    "dollars, in percent of the real ones": ("dollars", 2.0, 3.0, (50.0, "%")),
    "a share, in points": ("in SLO", 99.0, 97.0, (-2.0, "points")),
    "a count, as a difference": ("scale actions", 3.0, 1.0, (-2.0, "")),
    "lost requests, as a difference, since there should be none": ("lost", 0.0, 4.0, (4.0, "requests")),
}


@pytest.mark.parametrize(("row", "real", "found", "want"), GAPS.values(), ids=GAPS)
def test_gap(row: str, real: float, found: float, want: tuple[float, str]) -> None:
    assert gap(row, real, found) == want


def test_a_change_is_told_once() -> None:
    told = list(changes(seen((0.0, 1, 0), (1.0, 1, 0), (2.0, 1, 1)).samples))
    assert told == [(0.0, "h100 1; ready 0"), (2.0, "h100 1; ready 1")]


@pytest.mark.parametrize("engine", simulated.ENGINES)
def test_the_simulated_side_counts_after_its_warm_up(engine: str) -> None:
    scenario = read_scenario(HERE / "scenario.yaml")
    requests = [Arrival(float(t), 500, 100) for t in range(120)]
    play = simulated.Play(read_fleet(HERE / "fleet.yaml", scenario), scenario, requests, warm_s=60.0, idle_s=120.0)
    found = simulated.play(play, engine, phase_s=2.0)
    assert found.lost == 0
    assert found.requests in range(57, 61)  # a cohort of the fluid engine is counted by its first
    assert found.in_slo == pytest.approx(1.0)
    assert found.dollars == pytest.approx(1.99 * 59 / 3600, rel=1e-3)  # one replica on the cheaper pool, from 0 to 59 s
    assert found.answers is None or len(found.answers) == 60

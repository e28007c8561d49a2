"""The oracle: its programme, and bounds that can be told by hand."""

from dataclasses import replace

import pytest
from tests.sim.worlds import carries, setup, steady

from costwain.sim import oracle as module
from costwain.sim.arrival import InputError
from costwain.sim.compare import _budgeted
from costwain.sim.oracle import _programme, _slots, oracle
from costwain.sim.report import bound_line
from costwain.sim.scenario import CALM, Scenario

HOUR_S = 3600.0


def test_without_a_budget_only_the_best_variant_is_asked() -> None:
    given = setup()
    slots, slot_s = _slots(given.fleet, CALM, steady(1.0, 2 * HOUR_S))
    assert (len(slots), slot_s) == (120, 60.0)
    assert {o.place[0] for s in slots for o in s.options} == {"full"}
    assert slots[3].per_s == pytest.approx(1.0, abs=0.02)


def test_a_day_has_slots_of_ten_minutes_and_a_row_for_its_budget() -> None:
    fleet = replace(setup().fleet, spec=_budgeted(setup().fleet.spec, "20.00"))
    slots, slot_s = _slots(fleet, CALM, steady(0.05, 24 * HOUR_S))
    programme, columns = _programme(fleet, slots, slot_s)
    assert (len(slots), slot_s) == (144, 600.0)
    assert {o.place[0] for row in columns for o, _, _ in row} == {"full", "small"}
    (budget,) = [row for row in programme.rows if row[1] == 20.0]
    assert len(budget[2]) == 144 * 2
    assert set(budget[2].values()) == {4.0 / 6}


def bounds() -> tuple[module.Bound, module.Bound]:
    """Twice what one replica carries, for two hours: without a budget, and with half of what that costs."""
    given = setup()
    load = steady(1.9 * carries(given), 2 * HOUR_S)
    half = replace(given.fleet, spec=_budgeted(given.fleet.spec, "8.00"))
    return oracle(given.fleet, CALM, load), oracle(half, CALM, load)


def test_the_bound_of_a_steady_load_is_its_replicas_times_its_hours() -> None:
    """Two replicas at $4 an hour; for $8 small carries all for one replica's price, so some may stay with full."""
    free, poor = bounds()
    assert free.dollars == pytest.approx(16.0)
    assert free.bound == pytest.approx(16.0, rel=0.02)
    assert free.quality == pytest.approx(72.7)
    assert poor.dollars <= 8.0 + 1e-6
    assert 64.3 - 0.1 <= poor.quality <= poor.bound + 0.1 < 72.7
    assert "no plan below $16.00" in bound_line(None, free)
    assert "no plan above" in bound_line("8.00", poor)


def test_where_not_everything_can_be_carried_there_is_no_bound() -> None:
    given = setup()
    poor = replace(given.fleet, spec=_budgeted(given.fleet.spec, "3.00"))
    bound = oracle(poor, CALM, steady(9 * carries(given), 0.5 * HOUR_S))
    assert bound.bound is None
    assert bound.lost > 0
    assert "requests can't be carried, so no bound" in bound_line("3.00", bound)


def test_a_floor_that_the_budget_never_pays_has_no_plan() -> None:
    given = setup(scaling={"minReplicas": 2, "maxReplicas": 8})
    poor = replace(given.fleet, spec=_budgeted(given.fleet.spec, "1.00"))
    with pytest.raises(InputError, match="no plan with 2"):
        oracle(poor, CALM, steady(1.0, 2 * HOUR_S))


def test_the_bound_is_at_the_prices_of_the_time() -> None:
    """Two hours of one replica: $4 in the first, $1 in the second."""
    cheap = {"pools": {"h100": {"prices": [{"atSeconds": HOUR_S, "amount": "1.00"}]}}}
    bound = oracle(setup().fleet, Scenario.model_validate(cheap), steady(1.0, 2 * HOUR_S))
    assert bound.dollars == pytest.approx(5.0, rel=0.02)


def test_the_solver_is_not_heard_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    """It is written in C++, so what it says goes past Python's own stream."""
    given = setup()
    oracle(given.fleet, CALM, steady(1.0, 600.0))
    assert capfd.readouterr() == ("", "")

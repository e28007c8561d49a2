"""The world: what a fixed fleet costs, serves and loses, told with loads whose answer is known by hand."""

from dataclasses import replace

import pytest
from tests.sim.worlds import carries, fleet_file, pool, setup, steady

from costwain.domain.plan import FleetPlan, Money, Plan
from costwain.domain.snapshot import Snapshot, State
from costwain.sim.policy import Ours
from costwain.sim.world import World, cost_micro

pytestmark = pytest.mark.long

HOUR_S = 3600.0


class Fixed:
    """Always the same count of `full` on h100."""

    def __init__(self, count: int) -> None:
        self.count = count

    def decide(self, snapshot: Snapshot) -> Plan:
        (fleet,) = snapshot.fleets
        place = ("full", "h100")
        plan = FleetPlan(
            fleet.namespace, fleet.name, "full", {place: self.count}, {"full": 100}, {place: 32}, fleet.memory, Money(0)
        )
        return Plan(snapshot.now_s, (plan,))


COLD_S = 65.6e9 / 1.5e9 + 60  # the weights at 1.5 GB/s, and a minute


def test_a_pod_is_on_the_bill_from_its_node_until_it_is_gone() -> None:
    world = World(setup(scenario={"tailSeconds": 0, "coldStart": {"nodeSeconds": 100}}), Fixed(2))
    score = world.run(steady(1.0, HOUR_S))
    assert score.dollars == pytest.approx(2 * 4.00 * (HOUR_S - 100) / HOUR_S, abs=1e-6)
    assert score.cold_minutes == pytest.approx(2 * COLD_S / 60)


def test_a_load_that_fits_is_answered_in_time_and_one_before_the_first_pod_is_late() -> None:
    world = World(setup(), Fixed(1))
    score = world.run(steady(0.5 * carries(setup()), 2 * HOUR_S))
    late = COLD_S / (2 * HOUR_S)  # and as long again until the queue that it made is worked off
    assert score.lost == 0
    assert 1 - 2.2 * late < score.attainment < 1 - 0.8 * late
    assert score.tpot_attainment > 0.97


def test_more_than_a_replica_can_do_waits_gives_up_and_is_refused() -> None:
    given = setup(gateway={"queueTimeoutSeconds": 60, "maxQueuedRequests": 50}, scenario={"tailSeconds": 0})
    score = World(given, Fixed(1)).run(steady(4 * carries(given), HOUR_S))
    answered = score.requests - score.lost
    most_per_s = carries(given) / 0.8  # the policy's head-room is the server's own
    assert 0.8 < answered / (most_per_s * (HOUR_S - COLD_S)) < 1.2
    assert score.attainment < 0.05


def test_every_request_is_answered_or_lost() -> None:
    given = setup(gateway={"queueTimeoutSeconds": 60})
    world = World(given, Fixed(1))
    score = world.run(steady(2 * carries(given), 1200))
    assert sum(world.tally.answered.values()) + world.tally.lost == pytest.approx(score.requests)


def test_a_stock_out_keeps_a_pod_waiting_and_costs_nothing() -> None:
    stock_out = {"pools": {"h100": {"stockOuts": [{"fromSeconds": 0, "untilSeconds": 600}]}}}
    world = World(setup(scenario={**stock_out, "tailSeconds": 0}), Fixed(1))
    for batch in steady(1.0, 590):
        world.turn(batch)
    assert [p.state for p in world.pods] == [State.PENDING]
    score = World(setup(scenario={**stock_out, "tailSeconds": 0}), Fixed(1)).run(steady(1.0, HOUR_S))
    assert score.dollars == pytest.approx(4.00 * 3000 / HOUR_S, abs=0.02)


def test_a_reclaimed_pool_takes_its_pods_and_the_bill_ends_with_them() -> None:
    taken = {"fromSeconds": 1800, "untilSeconds": 3600, "reclaims": True}
    given = setup(scenario={"pools": {"h100": {"stockOuts": [taken]}}, "tailSeconds": 0})
    score = World(given, Fixed(1)).run(steady(1.0, HOUR_S))
    assert score.dollars == pytest.approx(2.00, abs=0.02)


def test_spot_nodes_go_at_random_but_alike_for_a_seed() -> None:
    spot = {"pools": {"h100": {"lossesPerDay": 48.0}}}
    scores = [World(setup(scenario=spot, seed=seed), Fixed(4)).run(steady(1.0, HOUR_S)) for seed in (1, 1, 2)]
    assert scores[0].cold_minutes == scores[1].cold_minutes
    assert scores[0].cold_minutes > 4 * COLD_S / 60
    assert scores[0].dollars != scores[2].dollars


def test_a_price_change_is_paid_from_its_instant_on() -> None:
    dearer = {"pools": {"h100": {"prices": [{"atSeconds": 1800, "amount": "8.00"}]}}, "tailSeconds": 0}
    score = World(setup(scenario=dearer), Fixed(1)).run(steady(1.0, HOUR_S))
    assert score.dollars == pytest.approx(6.00, abs=0.03)


def test_a_slower_pool_than_the_model_thinks_answers_later() -> None:
    slow = {"pools": {"h100": {"capacityFactor": 0.5}}}
    load = steady(0.7 * carries(setup()), HOUR_S)
    assert World(setup(scenario=slow), Fixed(1)).run(load).attainment < 0.2
    assert World(setup(), Fixed(1)).run(load).attainment > 0.9


def test_the_operators_own_decide_serves_from_nothing_and_lets_go() -> None:
    given = setup(scaling={"minReplicas": 0, "maxReplicas": 8, "scaleToZeroAfterSeconds": 300})
    world = World(given, Ours())
    score = world.run(steady(1.5 * carries(given), HOUR_S))
    assert score.attainment > 0.9
    assert score.lost == 0
    assert list(world.pods) == []


def test_a_budget_is_kept_and_told_by_window() -> None:
    given = setup(budget={"amount": "5.00", "period": "Hour"})
    load = steady(2.5 * carries(given), 3 * HOUR_S)
    score = World(given, Ours()).run(load)
    assert (score.windows, score.windows_over, score.overspend, score.prefix_overspend) == (3, 0, 0.0, 0.0)
    assert score.swaps >= 1
    free = World(replace(given, fleet=fleet_file()), Ours()).run(load)
    assert free.dollars > 1.3 * score.dollars
    assert (free.overspend, free.quality) == (None, 72.7)


def test_who_heeds_no_budget_overspends_and_it_is_said_by_how_much() -> None:
    given = setup(budget={"amount": "4.00", "period": "Hour"}, scenario={"tailSeconds": 0})
    score = World(given, Fixed(2)).run(steady(1.0, 2 * HOUR_S))
    assert score.overspend == pytest.approx(1.0, abs=0.01)
    assert score.windows_over == 2
    assert score.prefix_overspend == pytest.approx(2.0, abs=0.01)


def test_a_trace_has_a_price_under_another_spec() -> None:
    own = fleet_file((pool("h100"), pool("mi300x")))
    arrivals = [a for batch in steady(1.0, HOUR_S) for a in batch.arrivals]
    assert cost_micro(own.spec, own.pools, arrivals, 1_800_000_000.0) == pytest.approx(3_000_000 * 1.25, rel=0.05)

"""Pair: where accelerators don't reach for the better rung, the next one takes a part, or everybody steps down."""

from tests.decide.builders import NOW_S, fleet, load, option, pool, pools, purse, replicas, rung, serving, snapshot
from tests.decide.fleets import only
from tests.decide.ladders import MIDDLE, ONE_FULL, SMALL, chosen

from costwain.domain.memory import Demand
from costwain.domain.plan import Why


def test_accelerators_that_run_out_leave_a_part_to_the_next_rung_and_say_why() -> None:
    """One pool of eight: seven of full and one of small carry 81 requests/s, eight of full don't."""
    got = chosen(*ONE_FULL, per_s=81.0, memory=serving("full"))
    assert got.why == Why(
        "ServesBoth",
        "full has accelerators for 70.0 of 81.0 requests/s: small serves 15 % of conversations, both for $74.00/h",
    )
    assert (got.mix.replicas, got.beside and got.beside.mix.replicas, got.news) == (7, 1, None)


def test_accelerators_for_hardly_anybody_step_down_and_say_why() -> None:
    one = rung(option("full/h100", 1.0, "10.00", most=1))
    got = chosen(*ONE_FULL, ladder=(one, SMALL), per_s=30.0, memory=serving("full"))
    assert got.news == Why("SteppedDown", "full has accelerators for 1.0 of 30.0 requests/s: small serves for $4.00/h")


def test_the_part_goes_to_the_next_rung_that_has_room_for_it() -> None:
    full = rung(option("full/h100", 10.0, "10.00", most=2))
    nowhere = rung(option("middle/h100", 20.0, "6.00", most=0))
    small = rung(option("small/l40s", 40.0, "4.00"))
    got = chosen(*ONE_FULL, ladder=(full, nowhere, small), per_s=40.0, memory=serving("full"))
    assert (got.rung.name, got.beside and got.beside.rung.name) == ("full", "small")


def test_a_part_that_the_money_does_not_pay_is_a_step_down() -> None:
    full, small = rung(option("full/h100", 10.0, "10.00", most=2)), rung(option("small/l40s", 40.0, "4.00"))
    poor, rich = (
        chosen(*ONE_FULL, ladder=(full, small), per_s=40.0, money=purse(left), memory=serving("full"))
        for left in ("4.50", "90.00")
    )
    assert (poor.rung.name, poor.beside) == ("small", None)
    assert (rich.rung.name, rich.beside and rich.beside.percent) == ("full", 50)


def test_a_step_down_for_accelerators_takes_the_best_rung_that_carries_all() -> None:
    one = rung(option("full/h100", 1.0, "10.00", most=1))
    got = chosen(*ONE_FULL, ladder=(one, MIDDLE, SMALL), per_s=81.0, memory=serving("full"))
    assert (got.rung.name, got.beside) == ("middle", None)


def test_a_floor_is_shared_too_where_the_best_has_no_room_for_it() -> None:
    """Three replicas at least, and an accelerator for one; nobody asks, so nobody is sent to the lower one."""
    one = rung(option("full/h100", 10.0, "10.00", most=1))
    got = chosen(ladder=(one, SMALL), per_s=0.0, scaling={"minReplicas": 3})
    assert (got.rung.name, got.mix.replicas) == ("full", 1)
    assert got.beside is not None
    assert (got.beside.rung.name, got.beside.mix.replicas, got.beside.percent) == ("small", 2, 0)
    assert got.why.sentence == "full has room for 1 of 3 replicas: small has the others, both for $18.00/h"


def test_a_part_on_spot_beside_one_that_lasts_is_not_spot_alone() -> None:
    """The lower variant holds the only on-demand accelerator."""
    these = (*replicas("small/h100", 1), *replicas("small/mi300x", 1))
    asks = Demand(at_s=NOW_S - 5, fast_per_s=20.0, slow_per_s=20.0, input_tokens=512, output_tokens=128)
    memory = serving("full", shares={"small": 100}, demand=asks)
    of = fleet(*these, load=load(20.0, running=20), scaling={"maxReplicas": 2}, memory=memory)
    spot = pool("mi300x", price="1.00", capacityType="Spot")
    plan = only(snapshot(of, where=pools(pool("h100", total=1), spot, using=these)))
    assert [why.code for why in plan.reasons] == ["ServesBoth", "AtMaxReplicas"]


THREE = (
    rung(option("full/h100", 10.0, "10.00", most=1)),
    rung(option("middle/h100", 20.0, "6.00", most=8)),
    rung(option("small/h100", 40.0, "4.00", most=8)),
)


def test_a_partner_that_runs_is_kept_where_a_better_one_has_no_slot_beside_it() -> None:
    """Else the small one would be drained for a middle one, the queue of that would want a small one, and so on."""
    pods = (*ONE_FULL, *replicas("small/h100", 1))
    tight, roomy = (chosen(*pods, ladder=THREE, per_s=25.0, scaling={"maxReplicas": most}) for most in (2, 3))
    assert tight.beside is not None
    assert (tight.beside.rung.name, tight.beside.percent) == ("small", 60)
    assert roomy.beside is not None
    assert roomy.beside.rung.name == "middle"


def test_a_partner_that_runs_is_kept_where_a_better_one_has_no_accelerator_now() -> None:
    pods = (*ONE_FULL, *replicas("small/h100", 1))
    later = rung(option("middle/h100", 20.0, "6.00", most=8, most_now=0))
    got = chosen(*pods, ladder=(THREE[0], later, THREE[2]), per_s=25.0)
    assert got.beside is not None
    assert got.beside.rung.name == "small"


def test_where_no_partner_runs_the_next_one_is_waited_for() -> None:
    later = rung(option("middle/h100", 20.0, "6.00", most_now=0))
    got = chosen(*ONE_FULL, ladder=(THREE[0], later), per_s=25.0)
    assert got.beside is not None
    assert got.beside.rung.name == "middle"

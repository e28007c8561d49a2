"""Claims: what a busy hour of one member takes from the others of its budget."""

from dataclasses import replace

from tests.decide.builders import NOW_S, fleet, load, replicas, serving, snapshot
from tests.decide.shared_world import shared

from costwain.decide import decide
from costwain.domain.memory import Claim, Demand, Season
from costwain.domain.money import micro_of
from costwain.domain.snapshot import Fleet, Snapshot

USUAL_PER_S = 12.0
HOURS = {str(hour): USUAL_PER_S for hour in range(24)}


def gold(per_s: float, running: int) -> Fleet:
    """A member above the others that serves `full` on so many of mi300x, asked more or less than on any other day."""
    memory = serving(
        demand=Demand(at_s=NOW_S, fast_per_s=per_s, slow_per_s=per_s),
        season=Season(hour_s=NOW_S, hours=HOURS, error=0.0, input_tokens=512.0, output_tokens=128.0),
    )
    made = fleet(
        *replicas("full/mi300x", running), memory=memory, load=load(per_s), name="gold", uid="gold", priority=1
    )
    return replace(made, memory=memory)


def under(*members: Fleet) -> Snapshot:
    return replace(snapshot(*members), budgets=(shared(amount="300", period="Day"),))


def claim(member: Fleet) -> Claim:
    (found,) = decide(under(member)).fleets
    assert found.memory.claim is not None
    return found.memory.claim


def test_what_is_more_than_usual_is_claimed_for_an_hour_and_not_for_the_period() -> None:
    usual, busy = claim(gold(USUAL_PER_S, 2)), claim(gold(5 * USUAL_PER_S, 2))
    more = busy.hourly_micro + busy.moving_micro - usual.hourly_micro - usual.moving_micro
    assert more >= micro_of("9.00")
    assert busy.hourly_micro <= 2 * usual.hourly_micro
    assert (busy.moving_micro >= more / 2, busy.moving_s) == (True, 3600.0)


def test_a_busy_hour_of_one_leaves_the_others_what_the_rest_of_the_day_does_not_need() -> None:
    """As $36 an hour until midnight, 14 hours from now, it would take all of the $300."""
    low = fleet(name="low", uid="low", load=load(USUAL_PER_S))
    for per_s in (USUAL_PER_S, 5 * USUAL_PER_S):
        (budget,) = decide(under(gold(per_s, 2), low)).budgets
        assert next(share.left_micro for share in budget.shares if share.name == "low") > micro_of("100.00")


def test_a_load_below_the_usual_claims_what_runs() -> None:
    found = claim(gold(USUAL_PER_S / 6, 1))
    assert (found.hourly_micro, found.moving_micro) == (micro_of("3.00"), 0)

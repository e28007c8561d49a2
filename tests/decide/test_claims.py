"""Claims: what members ask of a shared budget, and what a busy hour of one takes from the others."""

from dataclasses import replace

from tests.decide.builders import NOW_S, fleet, load, replicas, serving, snapshot
from tests.decide.shared_world import shared

from costwain.decide import decide
from costwain.domain.memory import Claim, Demand, Memory, Season
from costwain.domain.money import micro_of
from costwain.domain.snapshot import Fleet, SharedBudget, Snapshot

USUAL_PER_S = 12.0
HOURS = {str(hour): USUAL_PER_S for hour in range(24)}
DAY = shared(amount="300", period="Day")


def under(*members: Fleet, budgets: tuple[SharedBudget, ...] = (DAY,), now_s: float = NOW_S) -> Snapshot:
    return replace(snapshot(*members), budgets=budgets, now_s=now_s)


def gold(per_s: float, running: int) -> Fleet:
    """A member above the others that serves `full` on so many of mi300x, asked more or less than on any other day."""
    memory = serving(
        demand=Demand(at_s=NOW_S, fast_per_s=per_s, slow_per_s=per_s),
        season=Season(hour_s=NOW_S, hours=HOURS, error=0.0, input_tokens=512.0, output_tokens=128.0),
    )
    pods = replicas("full/mi300x", running)
    return fleet(*pods, memory=memory, load=load(per_s), name="gold", uid="gold", priority=1)


def remembered(of: Snapshot) -> Memory:
    (found,) = decide(of).fleets
    return found.memory


def claim(of: Snapshot) -> Claim:
    found = remembered(of).claim
    assert found is not None
    return found


def test_what_is_more_than_usual_is_claimed_for_an_hour_and_not_for_the_period() -> None:
    usual, busy = claim(under(gold(USUAL_PER_S, 2))), claim(under(gold(5 * USUAL_PER_S, 2)))
    more = busy.hourly_micro + busy.moving_micro - usual.hourly_micro - usual.moving_micro
    assert more >= micro_of("9.00")
    assert busy.hourly_micro <= 2 * usual.hourly_micro
    assert busy.moving_micro >= more / 2
    assert busy.moving_s == 3600.0


def test_a_busy_hour_of_one_leaves_the_others_what_the_rest_of_the_day_does_not_need() -> None:
    """As $36 an hour until midnight, 14 hours from now, it would take all of the $300."""
    low = fleet(name="low", uid="low", load=load(USUAL_PER_S))
    for per_s in (USUAL_PER_S, 5 * USUAL_PER_S):
        (budget,) = decide(under(gold(per_s, 2), low)).budgets
        assert next(share.left_micro for share in budget.shares if share.name == "low") > micro_of("100.00")


def test_a_load_below_the_usual_claims_what_runs() -> None:
    found = claim(under(gold(USUAL_PER_S / 6, 1)))
    assert (found.hourly_micro, found.moving_micro) == (micro_of("3.00"), 0)


def test_the_rate_that_is_asked_for_rises_at_once_and_falls_after_a_quarter_of_an_hour() -> None:
    member, rates = fleet(load=load(20.0), scaling={"scaleDownStabilizationSeconds": 0}), list[int]()
    for minute in range(30):
        member = replace(member, load=load(20.0 if minute < 5 else 0.0))
        memory = remembered(under(member, now_s=NOW_S + 60 * minute))
        member = replace(member, memory=memory)
        assert memory.claim is not None
        rates.append(memory.claim.hourly_micro)
    assert rates[:19] == rates[:1] * 19
    assert rates[-1] < rates[0]


def test_what_is_more_than_usual_stays_asked_for_as_long_as_the_rate_does() -> None:
    """A load that swings must not swap the variants of others, under a budget of an hour neither."""
    busy = gold(5 * USUAL_PER_S, 2)
    found = remembered(under(busy))
    first, asked_micro = found.claim, list[int]()
    for minute in (1, 14, 16):
        demand = Demand(at_s=NOW_S + 60 * minute, fast_per_s=USUAL_PER_S, slow_per_s=USUAL_PER_S)
        memory = found.model_copy(update={"demand": demand, "peaks": []})
        again = claim(under(replace(busy, load=load(USUAL_PER_S), memory=memory), now_s=NOW_S + 60 * minute))
        asked_micro.append(again.hourly_micro + again.moving_micro)
    assert first is not None
    assert asked_micro[:2] == [first.hourly_micro + first.moving_micro] * 2
    assert asked_micro[2] < asked_micro[0] / 2


def test_who_is_no_member_any_more_asks_for_nothing() -> None:
    was = remembered(under(fleet()))
    assert was.claim is not None
    assert remembered(under(fleet(memory=was), budgets=())).claim is None

"""Shared budgets at one instant: who is a member, what counts as spent, and one purse a member."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.decide.builders import (
    HOUR_S,
    NOW_S,
    fleet,
    ledger,
    line,
    load,
    pool,
    replica,
    replicas,
    serving,
    snapshot,
    variant,
)
from tests.decide.fleets import fleets, snapshots
from tests.decide.shared_world import shared

from costwain.decide import decide
from costwain.domain.ledger import Labelled, SpendLedgerSpec
from costwain.domain.money import decimal_of, micro_of
from costwain.domain.plan import BudgetPlan, FleetPlan, Share, Why
from costwain.domain.snapshot import Fleet, Replica, SharedBudget, Snapshot, Undecided

law = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
DAY = {"period": "Day"}


def under(*budgets: SharedBudget, fleets: tuple[Fleet, ...] = (), others: tuple[Undecided, ...] = ()) -> Snapshot:
    return replace(snapshot(*fleets), budgets=budgets, undecided=others)


def split_of(budget: SharedBudget, *these: Fleet, others: tuple[Undecided, ...] = ()) -> BudgetPlan:
    (found,) = decide(under(budget, fleets=these, others=others)).budgets
    return found


def spent(budget: SharedBudget, *these: Fleet, others: tuple[Undecided, ...] = ()) -> str:
    return decimal_of(split_of(budget, *these, others=others).spent_micro)


def named(name: str, *these: Replica, **change: object) -> Fleet:
    return fleet(*these, name=name, uid=name, **change)


def past(usd: str, **change: object) -> SpendLedgerSpec:
    """So many dollars spent in the hour before now."""
    return SpendLedgerSpec(closed=[line(usd, "gone", NOW_S - HOUR_S, NOW_S)], **change)


def one(plan_of: Snapshot, name: str) -> FleetPlan:
    return next(plan for plan in decide(plan_of).fleets if plan.name == name)


BLUE = shared(**DAY, amount="100", selector={"matchLabels": {"team": "blue"}})


def test_members_are_selected_by_namespace_and_labels() -> None:
    these = (
        named("a", labels={"team": "blue", "tier": "1"}),
        named("b", labels={"team": "red"}),
        named("c", labels={"team": "blue"}, namespace="elsewhere"),
    )
    blue_here = {"matchLabels": {"team": "blue"}, "namespaces": ["default"]}
    assert [x.name for x in split_of(BLUE, *these).shares] == ["a", "c"]
    assert [x.name for x in split_of(shared(amount="1", selector=blue_here), *these).shares] == ["a"]
    assert [x.name for x in split_of(shared(amount="1"), *these).shares] == ["a", "b", "c"]


def test_what_members_spent_counts_and_what_others_spent_does_not() -> None:
    blue, red = named("a", labels={"team": "blue"}, ledger=past("4")), named("b", ledger=past("5"))
    assert spent(BLUE, blue, red) == "4.00"
    assert spent(shared(**DAY, amount="100"), blue, red) == "9.00"


def test_what_was_spent_before_the_period_does_not_count() -> None:
    assert spent(shared(amount="100"), named("a", ledger=past("4"))) == "0.00"


def test_a_deleted_member_s_dollars_still_count() -> None:
    kept = past("4", labelled=[Labelled(since_milliseconds=0, labels={"team": "blue"})])
    gone = Undecided("default", "gone", kept)
    assert spent(BLUE, named("a", labels={"team": "blue"}, ledger=past("1")), others=(gone,)) == "5.00"
    assert spent(replace(BLUE), others=(replace(gone, ledger=past("4")),)) == "0.00"  # it never was a member


def test_a_fleet_that_is_relabelled_leaves_its_dollars_behind() -> None:
    """Half of the hour it was red's, the other half blue's."""
    since = [(0, "red"), (round((NOW_S - HOUR_S / 2) * 1000), "blue")]
    worn = [Labelled(since_milliseconds=at, labels={"team": team}) for at, team in since]
    moved = named("a", labels={"team": "blue"}, ledger=past("4", labelled=worn))
    red = shared(**DAY, amount="100", selector={"matchLabels": {"team": "red"}})
    assert (spent(BLUE, moved), spent(red, moved)) == ("2.00", "2.00")
    assert split_of(red, moved).shares == ()


def test_pods_on_which_nobody_decides_are_paid_first() -> None:
    """One at $4 an hour: deleted, it is gone in seven minutes; with a spec that can't be used, it stays."""
    bill = ledger(running=(replica("full/h100"),))
    gone, stays = (Undecided("default", "x", bill, stays=on) for on in (False, True))
    budget = shared(amount="10")
    for other, reserved in ((gone, 4 * 420 / 3600), (stays, 4.0)):
        found = split_of(budget, named("a"), others=(other,))
        assert found.reserved_micro == round(reserved * 1e6)
        assert found.shares[0].left_micro == micro_of("10") - found.reserved_micro


def test_what_runs_in_a_member_is_paid_before_the_rest_is_shared() -> None:
    """$3 an hour for the seven minutes that a stop takes, though the higher priority could use every dollar."""
    high = named("high", load=load(200.0), priority=1, scaling={"maxReplicas": 100})
    low = replace(named("low"), **_standing("small/mi300x"))
    found = split_of(shared(amount="10"), high, low)
    assert found.shares == (
        Share("default", "high", 0, micro_of("9.65")), Share("default", "low", 0, micro_of("0.35")),
    )  # fmt: skip


def _standing(place: str) -> dict[str, object]:
    """The pod that runs, its Deployment and its bill, of a fleet that serves with it."""
    made = fleet(*replicas(place, 1), memory=serving(place.partition("/")[0]), load=load(4.0))
    return {"replicas": made.replicas, "deployed": made.deployed, "ledger": made.ledger, "memory": made.memory,
            "load": made.load}  # fmt: skip


def test_who_has_no_more_than_its_stop_costs_stops_and_says_why() -> None:
    high = named("high", load=load(200.0), priority=1, scaling={"maxReplicas": 100})
    low = replace(named("low"), **_standing("small/mi300x"))
    plan = one(under(shared(amount="10"), fleets=(high, low)), "low")
    sentence = "$0.35 is left for it of the $10.00 in InferenceBudget team, no more than stopping costs: "
    assert plan.reasons[-1] == Why("BudgetExhausted", sentence + "nothing runs until there is more")
    assert plan.drain == tuple(r.pod for r in low.replicas)
    assert plan.money.shared == "team"


def test_a_declared_floor_is_paid_before_the_rest_is_shared() -> None:
    high = named("high", load=load(200.0), priority=1, scaling={"maxReplicas": 100})
    low = replace(named("low", scaling={"minReplicas": 1}), **_standing("small/mi300x"))
    for ends, left in (("ScaleToFloor", "3.00"), ("ScaleToZero", "0.35")):
        found = split_of(shared(amount="10", onExhausted=ends), high, low)
        assert found.shares[1].left_micro == micro_of(left)
        assert sum(x.left_micro for x in found.shares) == micro_of("10")


def test_a_fleet_obeys_the_tightest_of_its_budgets() -> None:
    """$5 of an hour pay small alone; each of the others would pay full."""
    rich, poor = {"amount": "1000", "period": "Hour"}, {"amount": "5", "period": "Hour"}
    for own, first, second in ((poor, rich, rich), (rich, poor, rich), (rich, rich, poor)):
        budgets = (shared("one", **first), shared("two", **second))
        plan = one(under(*budgets, fleets=(named("a", load=load(20.0), budget=own),)), "a")
        assert plan.target == "small"
        assert plan.money.limit_micro == micro_of("5")
    assert one(under(shared("one", **rich), fleets=(named("a", load=load(20.0), budget=rich),)), "a").target == "full"


def test_what_a_fleet_s_own_budget_keeps_it_from_spending_goes_to_the_others() -> None:
    high = named("high", load=load(20.0), priority=1, budget={"amount": "2", "period": "Hour"})
    found = split_of(shared(amount="14"), high, named("low", load=load(20.0)))
    (first, second) = found.shares
    assert first.left_micro == micro_of("2")
    assert second.left_micro == micro_of("12")


def test_a_paused_member_runs_on_to_the_end_of_the_period() -> None:
    idle = replace(named("low", scaling={"mode": "Paused"}), **_standing("small/mi300x"))
    high = named("high", load=load(200.0), priority=1, scaling={"maxReplicas": 100})
    assert split_of(shared(amount="10"), high, idle).shares[1].left_micro == micro_of("3")


def test_an_unknown_time_zone_is_said_and_the_dollars_stay_guarded() -> None:
    found = split_of(shared(amount="10", timeZone="Mars/Base"), named("a"))
    sentence = "timeZone: unknown IANA time zone, found 'Mars/Base': its periods go by Etc/UTC"
    assert found.problems == (Why("InvalidBudget", sentence),)
    assert found.end_s == NOW_S + HOUR_S


def test_a_selector_that_matches_nothing_is_said() -> None:
    assert split_of(BLUE, named("a")).problems == (Why("NoMembers", "the selector matches no ModelDeployment"),)


@law
@given(snapshots(least_budgets=1))
def test_law_the_shares_and_what_is_reserved_are_exactly_what_is_left(given_: Snapshot) -> None:
    for found in decide(given_).budgets:
        left = max(0, found.limit_micro - found.spent_micro - found.reserved_micro)
        assert sum(x.left_micro for x in found.shares) == (left if found.shares else 0)


def test_the_budget_that_is_short_speaks_even_where_another_one_would_move_to_what_costs_less() -> None:
    """Two of h100 stay as the floor, since nothing may be started; the fleet's own budget would start two of mi300x."""
    standing = replicas("small/h100", 2)
    variants = [variant("small", ("h100", "mi300x"))]
    of = named(
        "a", *standing, variants=variants, memory=serving("small"), load=load(1.0),
        budget={"amount": "1000", "period": "Day"}, scaling={"minReplicas": 2},
    )  # fmt: skip
    cheap = {"h100": pool("h100", price="9.00", used=2), "mi300x": pool("mi300x", price="0.50")}
    plan = one(replace(under(shared(amount="0"), fleets=(of,)), pools=cheap), "a")
    assert plan.reasons[0].code == "BudgetFloor"
    assert {place: n for place, n in plan.replicas.items() if n} == {("small", "h100"): 2}


@law
@given(snapshots(least_budgets=1), st.integers(0, 100))
def test_law_more_dollars_never_give_a_member_less(given_: Snapshot, more: int) -> None:
    first, *rest = given_.budgets
    amount = decimal_of(micro_of(first.spec.amount) + micro_of(str(more)))
    richer = replace(first, spec=first.spec.model_copy(update={"amount": amount}))
    before, after = decide(given_).budgets[0], decide(replace(given_, budgets=(richer, *rest))).budgets[0]
    for poor, rich in zip(before.shares, after.shares, strict=True):
        assert rich.left_micro >= poor.left_micro


@law
@given(
    fleets("high"), fleets("low"), st.sampled_from(["0", "2.00", "24.00", "90.00"]), st.sampled_from(["Hour", "Day"])
)
def test_law_the_higher_priority_chooses_as_if_it_were_alone(high: Fleet, low: Fleet, amount: str, period: str) -> None:
    """Beside what the lower one has spent; pods of its own would have to be stopped first."""
    bare = low.spec.scaling.model_copy(update={"min_replicas": 0})
    first = replace(high, spec=high.spec.model_copy(update={"priority": 5}), labels={})
    second = replace(low, replicas=(), deployed={}, labels={}, spec=low.spec.model_copy(update={"scaling": bare}))
    second = replace(second, ledger=second.ledger.model_copy(update={"open": []}))
    budget = shared(amount=amount, period=period)
    alone = Undecided("default", "low", second.ledger)
    both = one(replace(snapshot(first, second), budgets=(budget,)), "high")
    only = one(replace(snapshot(first), budgets=(budget,), undecided=(alone,)), "high")
    ladder = [v.name for v in first.spec.variants]
    assert (both.target in ladder) == (only.target in ladder)
    if both.target in ladder and only.target in ladder:
        assert ladder.index(both.target or "") <= ladder.index(only.target or "")

"""Owed: nothing starts or is taken back whose stop can't be paid beside what all else owes until it is gone."""

from dataclasses import replace

import pytest
from tests.decide.builders import fleet, pools, purse, replica, replicas

from costwain.decide.budget import Purse, Terms
from costwain.decide.guards import Draft, Facts, guarded, held
from costwain.decide.placement import Arrangement, arrange
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Replica, State

AMD, NVIDIA = ("small", "mi300x"), ("small", "h100")
PENDING, STARTING, DRAINING, DRAINED = State.PENDING, State.STARTING, State.DRAINING, State.DRAINED
LEAVES = replica("small/h100", DRAINING, 150.0)
BESIDE = "{} is left: nothing comes beside what runs or leaves, for its stop couldn't be paid"

Counts = dict[Place, int]
# A whole stop takes 420 s: $0.35 at the $3 of mi300x, $0.4667 at the $4 of h100, of which LEAVES owes $0.30.
STORIES: dict[str, tuple[str, tuple[Replica, ...], Counts, Counts, tuple[str, ...]]] = {
    # story: (dollars left, pods, wanted, what the Deployments ask for, pods that are taken back)
    "all can be paid": ("1.17", (*replicas("small/mi300x", 2), LEAVES), {AMD: 2, NVIDIA: 1}, {AMD: 2, NVIDIA: 1},
        ("chat-small-h100-1",),
    ),
    "what leaves isn't taken back for what it couldn't stop with": (
        "1.16", (*replicas("small/mi300x", 2), LEAVES), {AMD: 2, NVIDIA: 1}, {AMD: 2, NVIDIA: 1}, (),
    ),
    "what was to go instead of it stays": (
        "1.01", (*replicas("small/mi300x", 2), LEAVES), {AMD: 1, NVIDIA: 1}, {AMD: 2, NVIDIA: 1}, (),
    ),
    "one that was drained is gone then": (
        "1.16", (*replicas("small/mi300x", 2), replica("small/h100", DRAINED)),
        {AMD: 2, NVIDIA: 1}, {AMD: 2, NVIDIA: 0}, (),
    ),
    "one that was drained waits where Kubernetes would delete a new one in its stead": (
        "0.80", (replica("small/h100#2", STARTING), replica("small/h100", DRAINED)), {NVIDIA: 2}, {NVIDIA: 2}, (),
    ),
    "nothing starts beside what leaves": ("0.76", (LEAVES,), {AMD: 2}, {AMD: 1, NVIDIA: 1}, ()),
    "one that waits for a node goes again": (
        "0.60", (*replicas("small/mi300x", 1), replica("small/mi300x#2", PENDING)), {AMD: 2}, {AMD: 1}, (),
    ),
    "a start goes before what serves at once": (
        "0.80", (LEAVES,), {AMD: 1, NVIDIA: 1}, {AMD: 0, NVIDIA: 1}, ("chat-small-h100-1",),
    ),
    "the dearest start goes first": ("0.80", (), {AMD: 1, NVIDIA: 1}, {AMD: 1, NVIDIA: 0}, ()),
}  # fmt: skip


def facts(this: Fleet, *purses: Purse, floor: Counts | None = None) -> Facts:
    return Facts(this, purses, lambda: dict(floor or {}), pools())


def arranged(this: Fleet, draft: Draft) -> Arrangement:
    return arrange(this, draft.counts, draft.away)


@pytest.mark.parametrize(("left", "pods", "want", "asked", "back"), STORIES.values(), ids=STORIES)
def test_what_is_left_pays_every_stop(
    left: str, pods: tuple[Replica, ...], want: Counts, asked: Counts, back: tuple[str, ...]
) -> None:
    this = fleet(*pods)
    got = guarded(Draft(dict(want)), facts(this, purse(left)))
    assert arranged(this, got).replicas == asked
    assert arranged(this, got).undrain == back
    unchanged = arrange(this, want) == arranged(this, got)
    assert got.reasons == (() if unchanged else (Why("BudgetShort", BESIDE.format(f"${left}")),))


def test_a_declared_floor_comes_above_the_budget_and_says_so() -> None:
    keeps = purse("0.20")
    got = guarded(Draft({AMD: 2}), facts(fleet(), keeps, floor={AMD: 1}))
    assert got.counts == {AMD: 1}
    assert got.reasons == (Why("BudgetFloor", "$0.20 is left: only the declared floor comes, above the budget"),)
    spent = replace(keeps, terms=Terms(keeps_floor=False))
    assert guarded(Draft({AMD: 2}), facts(fleet(), keeps, spent, floor={AMD: 1})).counts == {AMD: 0}


def test_who_is_blind_keeps_every_count_but_what_waits_for_a_node_and_could_not_be_stopped() -> None:
    blind, waits = Why("Blind", "holding every count"), replica("small/mi300x#2", PENDING)
    this = fleet(*replicas("small/mi300x", 1), waits, LEAVES)
    assert held(blind, facts(this, purse("1.00"))).reasons == (blind,)
    got = held(blind, facts(this, purse("0.99")))
    assert arranged(this, got) == Arrangement({AMD: 1, NVIDIA: 1}, (), ())
    assert [why.code for why in got.reasons] == ["Blind", "BudgetShort"]


def test_what_is_said_is_of_the_purse_that_binds() -> None:
    """Its own $0.20 would keep the floor; the team's $0.30 doesn't, and it is the team's that is said."""
    own, team = purse("0.20"), replace(purse("0.30"), terms=Terms(keeps_floor=False, shared="team", where=" of team"))
    this = fleet(*replicas("small/mi300x", 1))
    (why,) = guarded(Draft({AMD: 1}), facts(this, own, team, floor={AMD: 1})).reasons
    assert why.sentence.startswith("$0.30 is left of team, no more than stopping costs")


def test_what_starts_late_in_a_period_is_stopped_out_of_the_next() -> None:
    """A minute before the end two of $3 an hour cost $0.10; to stop them in the next hour takes $0.70."""
    for next_micro, asked in ((700_000, 2), (699_999, 1), (0, 0)):
        late = replace(purse("1.00", left_s=60.0), terms=Terms(keeps_floor=False, next_micro=next_micro))
        assert guarded(Draft({AMD: 2}), facts(fleet(), late)).counts == {AMD: asked}

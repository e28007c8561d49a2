"""Split: parts by hand, and laws that hold for any amount and any members."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.decide.split import Stake, split

A, B, C = ("default", "a"), ("default", "b"), ("default", "c")


def stakes(*members: tuple[int, int, int, int]) -> list[Stake]:
    """(priority, used, committed, needed) of a, b and c."""
    return [Stake(key, *member) for key, member in zip((A, B, C), members, strict=False)]


PARTS = {  # story: (left, sharing, members as (priority, used, committed, needed), parts)
    "nobody to share with": (100, "Priority", (), []),
    "alone, all of it, needed or not": (100, "Priority", ((0, 0, 0, 10),), [100]),
    "the higher priority first": (100, "Priority", ((1, 0, 0, 80), (0, 0, 0, 80)), [80, 20]),
    "the higher priority takes all": (60, "Priority", ((1, 0, 0, 80), (0, 0, 0, 80)), [60, 0]),
    "what can't be stopped goes before any priority": (60, "Priority", ((1, 0, 0, 80), (0, 0, 25, 80)), [35, 25]),
    "equal priorities alike": (60, "Priority", ((1, 0, 0, 80), (1, 0, 0, 80)), [30, 30]),
    "what nobody needs is shared alike": (100, "Priority", ((1, 0, 0, 30), (0, 0, 0, 10)), [50, 50]),
    "what nobody needs goes first to who got least": (100, "Priority", ((1, 0, 0, 70), (0, 0, 0, 10)), [70, 30]),
    "fair: alike": (60, "FairShare", ((1, 0, 0, 80), (0, 0, 0, 80)), [30, 30]),
    "fair: what one doesn't need goes to the other": (60, "FairShare", ((0, 0, 0, 10), (0, 0, 0, 80)), [10, 50]),
    "fair: among three": (60, "FairShare", ((0, 0, 0, 10), (0, 0, 0, 80), (0, 0, 0, 30)), [10, 25, 25]),
    "fair over the whole period": (60, "FairShare", ((0, 40, 0, 80), (0, 0, 0, 80)), [10, 50]),
    "fair: who had more than its part waits": (30, "FairShare", ((0, 40, 0, 80), (0, 0, 0, 80)), [0, 30]),
    "too little to stop all": (10, "FairShare", ((0, 0, 20, 0), (0, 0, 20, 0)), [5, 5]),
    "too little to stop all, by priority": (10, "Priority", ((0, 0, 20, 0), (1, 0, 20, 0)), [0, 10]),
    "the odd one goes by name": (101, "FairShare", ((0, 0, 0, 80), (0, 0, 0, 80)), [51, 50]),
}  # fmt: skip


@pytest.mark.parametrize(("left", "sharing", "members", "parts"), PARTS.values(), ids=PARTS)
def test_parts(left: int, sharing: str, members: Sequence[tuple[int, int, int, int]], parts: list[int]) -> None:
    assert list(split(left, stakes(*members), sharing).values()) == parts


MICRO = st.one_of(st.integers(0, 20), st.integers(0, 10**9))
SHARING = st.sampled_from(["Priority", "FairShare"])
STAKES = st.lists(
    st.builds(Stake, st.tuples(st.just("d"), st.sampled_from("abcdefgh")), st.integers(-1, 1), MICRO, MICRO, MICRO),
    min_size=1,
    max_size=6,
    unique_by=lambda stake: stake.key,
)


@given(MICRO, STAKES, SHARING)
def test_law_the_parts_add_up_exactly(left: int, members: list[Stake], sharing: str) -> None:
    parts = split(left, members, sharing)
    assert sum(parts.values()) == left
    assert min(parts.values()) >= 0


@given(MICRO, MICRO, STAKES, SHARING)
def test_law_more_dollars_never_give_a_member_less(left: int, more: int, members: list[Stake], sharing: str) -> None:
    poor, rich = split(left, members, sharing), split(left + more, members, sharing)
    assert all(rich[key] >= poor[key] for key in poor)


@given(MICRO, STAKES, SHARING, st.randoms())
def test_law_the_order_of_the_members_changes_nothing(
    left: int, members: list[Stake], sharing: str, order: st.DataObject
) -> None:
    shuffled = list(members)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert split(left, members, sharing) == split(left, shuffled, sharing)


@given(MICRO, STAKES)
def test_law_a_lower_priority_gets_nothing_beyond_its_commitment_before_the_higher_has_its_need(
    left: int, members: list[Stake]
) -> None:
    parts = split(left, members, "Priority")
    for high in members:
        for low in members:
            if high.priority > low.priority and parts[low.key] > low.committed_micro:
                assert parts[high.key] >= high.committed_micro + high.needed_micro


@given(MICRO, STAKES)
def test_law_fair_is_max_min(left: int, members: list[Stake]) -> None:
    """Who got more than its commitment had no more in all than anybody whose need is unmet; but for the odd one."""
    parts = split(left, members, "FairShare")
    for poor in members:
        for rich in members:
            unmet = parts[poor.key] < poor.committed_micro + poor.needed_micro
            if unmet and parts[rich.key] > rich.committed_micro:
                assert rich.used_micro + parts[rich.key] <= poor.used_micro + parts[poor.key] + 1


@given(MICRO, STAKES, st.integers(0, 10**6))
def test_law_what_a_higher_one_needs_does_not_depend_on_what_a_lower_one_needs(
    left: int, members: list[Stake], more: int
) -> None:
    lowest = min(stake.priority for stake in members)
    greedy = [replace(s, needed_micro=s.needed_micro + more) if s.priority == lowest else s for s in members]
    before, after = split(left, members, "Priority"), split(left, greedy, "Priority")
    for stake in members:
        if stake.priority > lowest:
            asked = stake.committed_micro + stake.needed_micro
            assert min(after[stake.key], asked) == min(before[stake.key], asked)

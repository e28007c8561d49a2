"""Split: what is left of one amount into whole micro-dollars a member. It adds up exactly."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Key = tuple[str, str]
"""(namespace, name)."""


@dataclass(frozen=True)
class Stake:
    """What a member has to do with a shared budget's period; micro-dollars.

    `used`: spent in it. `committed`: what it costs whatever is decided. `needed`: beyond that, for its demand.
    """

    key: Key
    priority: int
    used_micro: int
    committed_micro: int
    needed_micro: int


def split(left_micro: int, stakes: Iterable[Stake], sharing: str) -> dict[Key, int]:
    """A part of `left_micro` (>= 0) for each member; with a member at all, their sum is `left_micro`.

    First what is committed, then what is needed, both by the order of `sharing`: Priority serves the higher first
    and equals alike, FairShare all alike. Alike is max-min fair over the whole period: the one that had least gets
    next, none gets more than it needs. What nobody needs is shared alike too. More to split never gives less to one.
    """
    ordered = sorted(stakes, key=lambda stake: stake.key)
    tiers = _tiers(ordered) if sharing == "Priority" else [ordered]
    grants = dict.fromkeys((stake.key for stake in ordered), 0)
    rest = left_micro
    wishes: tuple[Callable[[Stake], int], ...] = (lambda s: s.committed_micro, lambda s: s.needed_micro)
    for wish in wishes:
        for tier in tiers:
            rest -= _pour(rest, [(stake, wish(stake)) for stake in tier], grants)
    _pour(rest, [(stake, rest) for stake in ordered], grants)
    return grants


def _tiers(stakes: Sequence[Stake]) -> list[list[Stake]]:
    priorities = sorted({stake.priority for stake in stakes}, reverse=True)
    return [[stake for stake in stakes if stake.priority == priority] for priority in priorities]


def _pour(rest: int, wishes: Sequence[tuple[Stake, int]], grants: dict[Key, int]) -> int:
    """Raises the grants of these by at most their wish, the lowest first, and says by how much in all.

    As water finds its level: `had` is the ground below each, and a micro-dollar that doesn't divide goes by name.
    """
    had = [stake.used_micro + grants[stake.key] for stake, _ in wishes]
    wish = [most for _, most in wishes]
    if sum(wish) <= rest:
        more = wish
    else:
        level = _level(rest, had, wish)
        more = [min(max(level - ground, 0), most) for ground, most in zip(had, wish, strict=True)]
        odd = rest - sum(more)
        for i, (ground, most) in enumerate(zip(had, wish, strict=True)):
            if odd and more[i] < most and ground <= level:
                more[i] += 1
                odd -= 1
    for (stake, _), n in zip(wishes, more, strict=True):
        grants[stake.key] += n
    return sum(more)


def _level(rest: int, had: Sequence[int], wish: Sequence[int]) -> int:
    """The highest level that the rest can pay."""
    low, high = min(had), max(ground + most for ground, most in zip(had, wish, strict=True))
    while high - low > 1:
        middle = (low + high) // 2
        paid = sum(min(max(middle - ground, 0), most) for ground, most in zip(had, wish, strict=True))
        low, high = (middle, high) if paid <= rest else (low, middle)
    return low

"""Fleet-wide: who gets the accelerators for which several fleets compete.

The higher priority chooses first; what a class got is settled before the next one chooses. Within a class the
programme decides for all at once, and fleets that take turns, by name, are what it is checked against.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from costwain.decide.programme import solved
from costwain.decide.rivals import Rival, Share, total, worth

Room = tuple[tuple[str, int], ...]
"""(pool, accelerators) of every pool that the rivals can use, by name."""


@lru_cache(maxsize=1 << 6)  # rivals whose demand is steady ask the same in every turn
def allot(rivals: tuple[Rival, ...], room: Room) -> tuple[Share, ...]:
    """A share for each rival; together they never hold more than there is."""
    left, found = dict(room), dict[Rival, Share]()
    for priority in sorted({rival.priority for rival in rivals}, reverse=True):
        these = [rival for rival in rivals if rival.priority == priority]
        for rival, share in zip(these, _best(these, left), strict=True):
            found[rival] = share
            left = _less(left, rival, share)
    return tuple(found[rival] for rival in rivals)


def _best(rivals: Sequence[Rival], room: Mapping[str, int]) -> Sequence[Share]:
    turns = in_turn(rivals, room)
    shares = solved(rivals, room)
    if shares is None or not fits(rivals, shares, room) or total(rivals, shares) < total(rivals, turns):
        return turns
    return shares


def fits(rivals: Sequence[Rival], shares: Sequence[Share], room: Mapping[str, int]) -> bool:
    """Whether shares stay within every bound; a solver works in floating point."""
    left = dict(room)
    for rival, share in zip(rivals, shares, strict=True):
        if share.level is None:
            continue
        ways = rival.levels[share.level].ways
        if sum(share.counts) > rival.most or any(n > w.most for n, w in zip(share.counts, ways, strict=True)):
            return False
        left = _less(left, rival, share)
    return all(n >= 0 for n in left.values())


def in_turn(rivals: Sequence[Rival], room: Mapping[str, int]) -> list[Share]:
    """Each takes, in order, what is worth most to it of what the earlier ones left."""
    left, shares = dict(room), list[Share]()
    for rival in rivals:
        found = [_filled(rival, i, left) for i in range(len(rival.levels))]
        best = max(found, key=lambda share: worth(rival, share), default=Share(None))
        shares.append(best if worth(rival, best) > 0 else Share(None))
        left = _less(left, rival, shares[-1])
    return shares


def _filled(rival: Rival, level: int, room: Mapping[str, int]) -> Share:
    """A level filled a replica at a time, each where it adds most worth."""
    ways, left = rival.levels[level].ways, dict(room)
    share, value = Share(level, (0,) * len(ways)), 0.0
    while sum(share.counts) < rival.most:
        tried = []
        for i, way in enumerate(ways):
            if share.counts[i] < way.most and way.accelerators <= left[way.pool]:
                counts = tuple(n + (i == j) for j, n in enumerate(share.counts))
                tried.append((worth(rival, Share(level, counts)), -i, Share(level, counts)))
        better, at, following = max(tried, key=lambda t: t[:2], default=(value, 0, share))
        if better <= value and sum(share.counts) >= rival.least:
            return share
        if following is share:
            return share
        share, value = following, better
        left[ways[-at].pool] -= ways[-at].accelerators
    return share


def _less(room: Mapping[str, int], rival: Rival, share: Share) -> dict[str, int]:
    left = dict(room)
    for pool, n in share.held(rival):
        left[pool] -= n
    return left

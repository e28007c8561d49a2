"""Rivals: fleets that want more accelerators than there are, as plain numbers, and what an allotment is worth to them.

Worth is counted in requests a second. What a fleet carries counts by its rung's quality, a share of the fleet's best,
since scores of two ladders can't be compared; a tenth more where it is carried by replicas that run, so that nothing
moves for less. Spot alone costs a little, and dollars decide between what is worth the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from costwain.decide.split import Key
from costwain.domain.money import MICRO

STAYS = 0.10  # what running replicas carry counts so much more: a move must gain that
SPARE = 0.5  # what is carried beyond what comes counts so much less: a burst or a queue ends within minutes
LASTS = 0.05  # of a fleet's demand, what it costs to be on spot alone
DOLLAR = 0.001  # requests/s that a dollar an hour is worth: it decides only between what carries alike
FLOOR = 0.5  # of the demand, what all of minReplicas together are worth beyond what they carry


@dataclass(frozen=True)
class Way:
    """One option of a rung: what a replica carries, costs and holds, how many there may be and how many run."""

    pool: str
    per_s: float
    hourly_micro: int
    accelerators: int
    most: int
    running: int
    lasting: bool


@dataclass(frozen=True)
class Level:
    """One rung that may serve: its quality as a share (0 to 1] of the fleet's best, and its ways."""

    quality: float
    ways: tuple[Way, ...]

    @property
    def could_last(self) -> bool:
        """Whether it may run on spot and on capacity that lasts."""
        return len({way.lasting for way in self.ways}) == 2


@dataclass(frozen=True)
class Rival:
    """One fleet: levels best first, requests/s that it wants carried and those that come, and bounds of replicas.

    What it wants beyond what comes is room for bursts and a queue.
    """

    key: Key
    priority: int
    levels: tuple[Level, ...]
    per_s: float
    coming_per_s: float
    least: int
    most: int


@dataclass(frozen=True)
class Share:
    """What one rival gets: replicas by way of one of its levels; nothing where the level is None."""

    level: int | None
    counts: tuple[int, ...] = ()

    def held(self, rival: Rival) -> Iterator[tuple[str, int]]:
        """(pool, accelerators) of each way."""
        if self.level is not None:
            for way, n in zip(rival.levels[self.level].ways, self.counts, strict=True):
                yield way.pool, n * way.accelerators


def worth(rival: Rival, share: Share) -> float:
    """What a share is worth to a rival, in requests/s."""
    if share.level is None or not any(share.counts):
        return 0.0
    level = rival.levels[share.level]
    pairs = list(zip(level.ways, share.counts, strict=True))
    carried = min(rival.per_s, sum(way.per_s * n for way, n in pairs))
    coming = min(carried, rival.coming_per_s)
    kept = min(carried, sum(way.per_s * min(n, way.running) for way, n in pairs))
    alone = level.could_last and not any(n and way.lasting for way, n in pairs)
    missing = max(0, rival.least - sum(share.counts))
    dollars = sum(way.hourly_micro * n for way, n in pairs) / MICRO
    return (
        level.quality * (coming + SPARE * (carried - coming) + STAYS * kept)
        - (LASTS * rival.per_s if alone else 0.0)
        - (FLOOR * rival.per_s * missing / rival.least if missing else 0.0)
        - DOLLAR * dollars
    )


def total(rivals: Sequence[Rival], shares: Sequence[Share]) -> float:
    """What all shares together are worth."""
    return sum(worth(rival, share) for rival, share in zip(rivals, shares, strict=True))

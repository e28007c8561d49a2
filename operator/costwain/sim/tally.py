"""Tally: what became of the requests. Denominators are arrivals: who was never answered counts as well."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answers:
    """Requests that one variant answered, in fractions where the engine counts in shares.

    `in_ttft`, `in_tpot`, `in_both` of them were within the SLO's bounds.
    """

    count: float
    in_ttft: float
    in_tpot: float
    in_both: float
    tokens: float


@dataclass
class Tally:
    """Counts of the requests that came at `since_s` or later; `quality` by variant."""

    quality: Mapping[str, float]
    since_s: float = -math.inf
    arrived: int = 0
    lost: float = 0.0
    answered: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, float] = field(default_factory=dict)
    in_ttft: float = 0.0
    in_tpot: float = 0.0
    good: dict[str, float] = field(default_factory=dict)

    def lose(self, count: float, arrived_s: float) -> None:
        """Counts requests that are lost."""
        if arrived_s >= self.since_s:
            self.lost += count

    def add(self, variant: str, answers: Answers, arrived_s: float) -> None:
        """Counts answers of a variant."""
        if arrived_s < self.since_s:
            return
        self.answered[variant] = self.answered.get(variant, 0.0) + answers.count
        self.tokens[variant] = self.tokens.get(variant, 0.0) + answers.tokens
        self.good[variant] = self.good.get(variant, 0.0) + answers.in_both
        self.in_ttft += answers.in_ttft
        self.in_tpot += answers.in_tpot

    def forget(self, since_s: float) -> None:
        """Begins anew with what comes from an instant on."""
        fresh = Tally(self.quality, since_s)
        self.__dict__.update(fresh.__dict__)

    @property
    def attainment(self) -> float:
        """Share of the arrivals that were answered within both bounds."""
        return self._share(sum(self.good.values()))

    @property
    def mean_quality(self) -> float | None:
        """Quality of the answers, weighed by their tokens; None without any."""
        tokens = sum(self.tokens.values())
        return sum(self.quality[v] * n for v, n in self.tokens.items()) / tokens if tokens else None

    @property
    def effective_quality(self) -> float:
        """Quality over all arrivals, where late and lost are worth nothing."""
        return self._share(sum(self.quality[v] * n for v, n in self.good.items()))

    def share_of(self, variant: str) -> float:
        """Share of the arrivals that a variant answered."""
        return self._share(self.answered.get(variant, 0.0))

    def _share(self, part: float) -> float:
        return part / self.arrived if self.arrived else 1.0


def joined(tallies: Mapping[str, Tally]) -> Tally:
    """One tally of several fleets; variants are told apart by the fleet's name before theirs."""
    total = Tally({f"{name}/{v}": q for name, each in tallies.items() for v, q in each.quality.items()})
    for name, each in tallies.items():
        total.arrived += each.arrived
        total.lost += each.lost
        total.in_ttft += each.in_ttft
        total.in_tpot += each.in_tpot
        for into, own in ((total.answered, each.answered), (total.tokens, each.tokens), (total.good, each.good)):
            into.update({f"{name}/{v}": n for v, n in own.items()})
    return total

"""Case and Choice: what a choice rests on, and what it says."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from costwain.decide.budget import Purse
from costwain.decide.forecast import Forecast
from costwain.decide.options import Rung
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet


@dataclass(frozen=True)
class Case:
    """Everything on which a choice rests; `purse` None without a budget."""

    fleet: Fleet
    rungs: tuple[Rung, ...]
    expected: Forecast
    purse: Purse | None
    now_s: float

    @cached_property
    def eligible(self) -> tuple[Rung, ...]:
        """Rungs that may serve and could run somewhere, best first."""
        return tuple(r for r in self.rungs if r.barred is None and r.options)

    @cached_property
    def want(self) -> Want:
        scaling = self.fleet.spec.scaling
        return Want(self.expected.stable_per_s, max(scaling.min_replicas, 1), scaling.max_replicas)

    def mix(self, rung: Rung, want: Want) -> Mix:
        return cheapest(rung.options, want, self.running(rung))

    def running(self, rung: Rung) -> dict[Place, int]:
        """Its living replicas by place."""
        return {place: n for place, n in self.fleet.counts.items() if place[0] == rung.name}

    def count(self, rung: Rung) -> int:
        return sum(self.running(rung).values())

    def clock(self, at_s: float) -> str:
        """An instant as the budget's time zone writes it."""
        budget = self.fleet.spec.budget
        zone = ZoneInfo(budget.time_zone if budget else "Etc/UTC")
        return datetime.fromtimestamp(at_s, zone).strftime("%H:%M")


@dataclass(frozen=True)
class Choice:
    """The rung that is to serve with its mix, why, and, where it changed, the news."""

    rung: Rung
    mix: Mix
    why: Why
    news: Why | None = None

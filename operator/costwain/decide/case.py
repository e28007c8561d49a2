"""Case and Choice: what a choice rests on, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from zoneinfo import ZoneInfo

from costwain.decide.budget import Purse
from costwain.decide.forecast import Forecast, usual_shape
from costwain.decide.options import Rung, ladder
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet, Pool

DOWN_MARGIN = 0.10  # the mean request wanders by so much: what it seems to spare now is needed again in minutes


@dataclass(frozen=True)
class Case:
    """Everything on which a choice rests; `purse`, the one of the `purses` that binds, None without a budget.

    `pools` as the rungs saw them.
    """

    fleet: Fleet
    rungs: tuple[Rung, ...]
    expected: Forecast
    purse: Purse | None
    now_s: float
    purses: tuple[Purse, ...] = ()
    pools: Mapping[str, Pool] = field(default_factory=dict)

    @cached_property
    def eligible(self) -> tuple[Rung, ...]:
        """Rungs that may serve and could run somewhere, best first."""
        return tuple(r for r in self.rungs if r.barred is None and r.options)

    @cached_property
    def usual(self) -> tuple[Rung, ...]:
        """The rungs as they carry the mean request of the last hours."""
        return ladder(self.fleet, self.pools, usual_shape(self.fleet.memory), self.now_s)

    @cached_property
    def want(self) -> Want:
        scaling = self.fleet.spec.scaling
        return Want(self.expected.stable_per_s, max(scaling.min_replicas, 1), scaling.max_replicas)

    @property
    def least_want(self) -> Want:
        """What must be carried for a rung to stay: what comes, without the room for bursts and a queue."""
        return replace(self.want, per_s=min(self.expected.stable_per_s, self.expected.arriving_per_s))

    def mix(self, rung: Rung, want: Want) -> Mix:
        """The cheapest mix; fewer replicas than run only where they carry the demand with a margin."""
        running = self.running(rung)
        mix = cheapest(rung.options, want, running)
        standing = sum(running.values())
        if mix.short or mix.replicas >= standing or want.per_s <= 0:
            return mix
        wide = cheapest(rung.options, replace(want, per_s=want.per_s * (1 + DOWN_MARGIN)), running)
        return wide if wide.replicas <= standing and not wide.short else mix

    def running(self, rung: Rung) -> dict[Place, int]:
        """Its living replicas by place."""
        return {place: n for place, n in self.fleet.counts.items() if place[0] == rung.name}

    def count(self, rung: Rung) -> int:
        return sum(self.running(rung).values())

    def clock(self, at_s: float) -> str:
        """An instant as the budget's time zone writes it."""
        zone = ZoneInfo(self.purse.terms.time_zone if self.purse else "Etc/UTC")
        return datetime.fromtimestamp(at_s, zone).strftime("%H:%M")


@dataclass(frozen=True)
class Choice:
    """The rung that is to serve with its mix, why, and, where it changed, the news."""

    rung: Rung
    mix: Mix
    why: Why
    news: Why | None = None

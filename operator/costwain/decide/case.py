"""Case and Choice: what a choice rests on, and what it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from costwain.decide.budget import Purse
from costwain.decide.forecast import Forecast, usual_shape
from costwain.decide.known import known
from costwain.decide.options import Option, Rung, ladder
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.memory import Memory
from costwain.domain.once import changed, lazy
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
    _mixes: dict[tuple[str, Want], Mix] = field(default_factory=dict, init=False, repr=False, compare=False)

    def remembering(self, memory: Memory) -> "Case":
        """The same case with another memory of its fleet."""
        return changed(self, fleet=self.fleet.remembering(memory))

    def paid_from(self, purse: Purse | None, purses: tuple[Purse, ...]) -> "Case":
        """The same case with this purse, of these."""
        return changed(self, purse=purse, purses=purses)

    @lazy
    def eligible(self) -> tuple[Rung, ...]:
        """Rungs that may serve and could run somewhere, best first."""
        return tuple(r for r in self.rungs if r.barred is None and r.options)

    @lazy
    def usual(self) -> tuple[Rung, ...]:
        """The rungs as they carry the mean request of the last hours."""
        return ladder(self.fleet, self.pools, usual_shape(self.fleet.memory), self.now_s)

    @lazy
    def want(self) -> Want:
        """What is to be carried; of an idle fleet nothing, though room for the bursts of before decays more slowly."""
        scaling = self.fleet.spec.scaling
        per_s = 0.0 if self.expected.idle else self.expected.stable_per_s
        return Want(per_s, max(scaling.min_replicas, 1), scaling.max_replicas)

    @property
    def least_want(self) -> Want:
        """What must be carried for a rung to stay: what comes, without the room for bursts and a queue."""
        want = self.want
        return Want(min(want.per_s, self.expected.arriving_per_s), want.least, want.most)

    @lazy
    def offers(self) -> tuple[tuple[Rung, Mix], ...]:
        """What each of them would take for all that is wanted; where any has room, none that could run nothing now.

        A mix of nothing costs nothing, and would look like what can always be paid.
        """
        found = tuple((rung, self.mix(rung, self.want)) for rung in self.eligible)
        return tuple(offer for offer in found if offer[1].counts) or found

    def mix(self, rung: Rung, want: Want) -> Mix:
        """The cheapest mix; fewer replicas than run only where they carry the demand with a margin."""
        found = self._mixes.get((rung.name, want))
        if found is None:
            found = self._mixes[rung.name, want] = self._mix(rung, want)
        return found

    def _mix(self, rung: Rung, want: Want) -> Mix:
        running = self.running(rung)
        mix = cheapest(rung.options, want, running)
        standing = sum(running.values())
        if mix.short or mix.replicas >= standing or want.per_s <= 0:
            return mix
        wide = cheapest(rung.options, replace(want, per_s=want.per_s * (1 + DOWN_MARGIN)), running)
        return wide if wide.replicas <= standing and not wide.short else mix

    def running(self, rung: Rung) -> Mapping[Place, int]:
        """Its living replicas by place."""
        return self.fleet.by_variant.get(rung.name, {})

    def count(self, rung: Rung) -> int:
        return sum(self.running(rung).values())

    def at_ceiling(self, rung: Rung, mix: Mix) -> bool:
        """Whether maxReplicas keeps a mix from growing: a pool of the rung has room for one more replica."""
        return mix.replicas >= self.want.most and any(self._has_room(option, mix) for option in rung.options)

    def _has_room(self, option: Option, mix: Mix) -> bool:
        """Whether one more than the mix would find accelerators there, and its placement allows it."""
        pool, sites = self.pools.get(option.place[1]), known(self.fleet.spec).sites
        if pool is None or mix.counts.get(option.place, 0) >= sites[option.place][1].ceiling < self.want.most:
            return False
        taken = sum(n * sites[place][1].accelerators for place, n in mix.counts.items() if place[1] == pool.name)
        return pool.free + self.fleet.held(pool.name) >= taken + option.accelerators

    def clock(self, at_s: float) -> str:
        """An instant as the budget's time zone writes it."""
        zone = ZoneInfo(self.purse.terms.time_zone if self.purse else "Etc/UTC")
        return datetime.fromtimestamp(at_s, zone).strftime("%H:%M")


@dataclass(frozen=True)
class Beside:
    """A lower rung that takes a part of the traffic: its replicas, and how many percent."""

    rung: Rung
    mix: Mix
    percent: int


@dataclass(frozen=True)
class Choice:
    """The rung that is to serve with its mix, why, where it changed the news, and who takes a part of its traffic."""

    rung: Rung
    mix: Mix
    why: Why
    news: Why | None = None
    beside: Beside | None = None

    @property
    def hourly_micro(self) -> int:
        return self.mix.hourly_micro + (self.beside.mix.hourly_micro if self.beside else 0)

    @property
    def lasts_beside(self) -> bool:
        """Whether the lower rung has its part on capacity that nobody takes away."""
        low = self.beside
        return low is not None and any(n and low.rung.by_place[place].lasting for place, n in low.mix.counts.items())

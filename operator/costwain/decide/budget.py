"""Budget: what the rest of a period can pay, and whether a rung fits into it.

Money is spent while it lasts, not evenly: the best rung serves as long as enough stays behind to pay the
cheapest acceptable rung (the reserve) until the period ends. So a budget that binds costs one step down a
period, and a load that falls later has cost no quality before.
"""

from collections.abc import Set
from dataclasses import dataclass

from costwain.decide.window import Window, window
from costwain.domain.money import cost_micro, dollars, micro_of
from costwain.domain.once import lazy, once
from costwain.domain.plan import Money
from costwain.domain.snapshot import Fleet, State
from costwain.domain.spec import Budget, ModelDeploymentSpec

UP_MARGIN = 0.10  # a step up must fit with so much to spare, a stay need only fit
SERVE_S = 600.0  # what a start is worth, where the money doesn't last to the period's end
STOP_S = 300.0  # from the decision to stop a pod until it is off the bill: the longest answers that it still gives

_LEAVING = (State.DRAINING, State.DRAINED, State.TERMINATING)


@dataclass(frozen=True)
class Terms:
    """Whose money it is and how it ends; `shared` names the InferenceBudget, None is the fleet's own.

    `where` goes into sentences after what is left. `next_micro`: what the next period gives, None as much again.
    `dry`: all that is left for the fleet is needed to stop what it runs.
    """

    time_zone: str = "Etc/UTC"
    keeps_floor: bool = True
    shared: str | None = None
    where: str = ""
    next_micro: int | None = None
    dry: bool = False


@dataclass(frozen=True)
class Purse:
    """The running period's money: micro-dollars, fleet seconds. The limit of a shared one is the fleet's part."""

    window: Window
    limit_micro: int
    spent_micro: int
    uncertain_micro: int
    now_s: float
    terms: Terms = Terms()

    @lazy
    def left_micro(self) -> int:
        return max(0, self.limit_micro - self.spent_micro)

    @property
    def next_micro(self) -> int:
        """What the next period gives."""
        return self.limit_micro if self.terms.next_micro is None else self.terms.next_micro

    @lazy
    def left_s(self) -> float:
        return self.window.left_s(self.now_s)

    @lazy
    def even_micro_per_h(self) -> int:
        """The rate at which what is left lasts exactly until the period ends."""
        return round(self.left_micro * 3600 / max(self.left_s, 1.0))

    def growing_micro_per_h(self, start_s: float) -> float:
        """What may run at most after a start: the even rate with a margin, and late in a period the next one's too."""
        rate = self.even_micro_per_h / (1 + UP_MARGIN)
        if self.left_s >= start_s + SERVE_S:
            return rate
        return min(rate, self.next_micro * 3600 / (self.window.end_s - self.window.start_s))

    def lasts_s(self, hourly_micro: int, reserve_micro: int) -> float:
        """Seconds for which a rate can be paid if the reserve rate is to be paid after it."""
        if hourly_micro <= reserve_micro:
            return self.left_s if self.pays(hourly_micro, self.left_s) else 0.0
        spare = self.left_micro - cost_micro(reserve_micro, self.left_s)
        return max(0.0, min(self.left_s, spare * 3600 / (hourly_micro - reserve_micro)))

    def pays(self, hourly_micro: int, duration_s: float) -> bool:
        return cost_micro(hourly_micro, duration_s) <= self.left_micro


def purse(fleet: Fleet, now_s: float) -> Purse | None:
    """The fleet's money at this instant, or None without a budget; raises ValueError for an unknown time zone."""
    budget = fleet.spec.budget
    if budget is None:
        return None
    period = window(budget.period, budget.time_zone, now_s)
    return Purse(
        window=period,
        limit_micro=micro_of(budget.amount),
        spent_micro=fleet.ledger.spent_micro(period.start_s, now_s),
        uncertain_micro=fleet.ledger.uncertain_micro(period.start_s),
        now_s=now_s,
        terms=own_terms(budget),
    )


def own_terms(budget: Budget) -> Terms:
    """The terms of a fleet's own budget."""
    return Terms(budget.time_zone, budget.on_exhausted == "ScaleToFloor")


@dataclass(frozen=True)
class Step:
    """What it takes to move to another rung: both run for `both_s`.

    The lowest rung costs the reserve rate; `serving_micro_per_h` is the rate of what serves now.
    """

    reserve_micro_per_h: int
    both_s: float
    serving_micro_per_h: int = 0


def may_stay(purse: Purse, hourly_micro: int, step: Step) -> bool:
    """Whether a rung can be paid a little longer, with its own replacement and the reserve after it."""
    if purse.pays(hourly_micro, purse.left_s):
        return True
    double_micro = cost_micro(hourly_micro, min(step.both_s, purse.left_s))
    return double_micro + cost_micro(step.reserve_micro_per_h, purse.left_s) <= purse.left_micro


def may_start(purse: Purse, hourly_micro: int, dwell_s: float, step: Step) -> bool:
    """Whether a rung that doesn't run yet can be paid to the period's end or, like a rise, for its dwell time."""
    to_the_end = cost_micro(hourly_micro, purse.left_s) + _until_it_serves(purse, step)
    return to_the_end <= purse.left_micro or may_rise(purse, hourly_micro, dwell_s, step)


def may_grow(purse: Purse, hourly_micro: int, beside_micro: int, start_s: float, step: Step) -> bool:
    """Whether a rung that runs may have more replicas, or others: paid to the end, or until they served for a while.

    What else runs until they serve is paid beside them, and after them the way down. A margin keeps what can't be paid
    for long from being bought in one turn and given back in the next.
    """
    double_micro = cost_micro(beside_micro, min(step.both_s, purse.left_s))
    if cost_micro(hourly_micro, purse.left_s) + double_micro <= purse.left_micro:
        return True
    serve_s = min(start_s + SERVE_S, purse.left_s)
    way_down_s = min(step.both_s, purse.left_s - serve_s)
    reserve_micro = cost_micro(step.reserve_micro_per_h, purse.left_s - serve_s)
    needed = cost_micro(hourly_micro, serve_s + way_down_s) + reserve_micro + double_micro
    return needed * (1 + UP_MARGIN) <= purse.left_micro


def may_rise(purse: Purse, hourly_micro: int, dwell_s: float, step: Step) -> bool:
    """Whether a higher rung can be paid for its dwell time, or to the period's end, and the way down again."""
    stay_s = min(purse.left_s, dwell_s)
    way_down_s = 0.0 if stay_s == purse.left_s else min(step.both_s, purse.left_s - stay_s)
    needed = (
        cost_micro(hourly_micro, stay_s + way_down_s)
        + cost_micro(step.reserve_micro_per_h, purse.left_s - stay_s)
        + _until_it_serves(purse, step)
    )
    if needed * (1 + UP_MARGIN) > purse.left_micro:
        return False
    next_s = max(0.0, dwell_s - purse.left_s)  # part of the dwell that the next period must pay
    return next_s == 0 or next_pays(purse, hourly_micro, next_s, step)


def next_pays(purse: Purse, hourly_micro: int, duration_s: float, step: Step) -> bool:
    """Whether the next period can pay a rate for so long, and the reserve for the rest of it."""
    period_s = purse.window.end_s - purse.window.start_s
    for_s = min(duration_s, period_s)
    needed = cost_micro(hourly_micro, for_s) + cost_micro(step.reserve_micro_per_h, period_s - for_s)
    return needed * (1 + UP_MARGIN) <= purse.next_micro


def _until_it_serves(purse: Purse, step: Step) -> int:
    return cost_micro(step.serving_micro_per_h, min(step.both_s, purse.left_s))


def worth_a_start(fleet: Fleet, purse: Purse, hourly_micro: int, start_s: float) -> bool:
    """Whether a replica that can't be paid to the period's end can at least load, serve for a while, and stop.

    Beside it all that is on the bill still stops.
    """
    for_s = min(start_s + SERVE_S + stopping_s(fleet), purse.left_s)
    return cost_micro(hourly_micro, for_s) + owed_micro(fleet, purse.now_s, purse.left_s) <= purse.left_micro


def must_stop(fleet: Fleet, purse: Purse, hourly_micro: int) -> bool:
    """Whether a rate must end now so that its bills are closed before the money is gone."""
    return not purse.pays(hourly_micro, min(stopping_s(fleet), purse.left_s))


def must_stop_all(fleet: Fleet, purse: Purse) -> bool:
    """The same for all that is on the bill."""
    return purse.terms.dry or owed_micro(fleet, purse.now_s, purse.left_s) > purse.left_micro


def owed_micro(fleet: Fleet, now_s: float, left_s: float, back: Set[str] = frozenset()) -> int:
    """What all on the bill still costs if it is stopped now; what is leaving owes only the rest of its time.

    `back`: pods that are taken back, so they aren't leaving. Of one that should be gone nobody knows when it will be:
    it owes the longest answers again, as it may well stay until the others have stopped.
    """
    leaving = {r.uid: r.since_s for r in fleet.replicas if r.state in _LEAVING and r.pod not in back}
    stop_s, owed = stopping_s(fleet), 0
    for line in fleet.ledger.open:
        rest_s = leaving.get(line.uid, now_s) + stop_s - now_s
        owed += cost_micro(line.hourly_micro, min(rest_s if rest_s > 0 else STOP_S, left_s))
    return owed


def stopping_s(fleet: Fleet) -> float:
    """The longest time from the decision to stop a pod until it is off the bill."""
    return STOP_S + _longest_shutdown_s(fleet.spec)


@once(1 << 13)
def _longest_shutdown_s(spec: ModelDeploymentSpec) -> int:
    return max(v.engine.shutdown_timeout_seconds for v in spec.variants)


def running_micro_per_h(fleet: Fleet) -> int:
    """What all pods on the bill cost an hour, from the ledger."""
    return sum(line.hourly_micro for line in fleet.ledger.open)


def money(fleet: Fleet, purse: Purse | None, planned_micro_per_h: int) -> Money:
    """The figures for the status."""
    hourly = running_micro_per_h(fleet)
    if purse is None:
        return Money(hourly_micro=hourly, planned_micro_per_h=planned_micro_per_h)
    return Money(
        hourly_micro=hourly,
        start_s=purse.window.start_s,
        end_s=purse.window.end_s,
        spent_micro=purse.spent_micro,
        uncertain_micro=purse.uncertain_micro,
        limit_micro=purse.limit_micro,
        forecast_micro=purse.spent_micro + cost_micro(planned_micro_per_h, purse.left_s),
        allowance_micro_per_h=purse.even_micro_per_h,
        planned_micro_per_h=planned_micro_per_h,
        shared=purse.terms.shared,
    )


def priced(micro_per_h: int) -> str:
    """A rate as a person reads it."""
    return f"{dollars(micro_per_h)}/h"

"""Score: what one run came to, and the track that is kept of it turn by turn."""

import statistics
from dataclasses import dataclass

from costwain.decide.window import Window, window
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.money import MICRO, micro_of
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, State
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.tally import Tally

FLAP_S = 900.0  # a reversal within so long is a flap


@dataclass(frozen=True)
class Score:
    """Dollars, shares of the arrivals (0 to 1), counts and milliseconds; None is what doesn't exist here.

    `overspend` is the worst window's, `prefix_overspend` the most by which the spend since the start ever exceeded
    the amounts of all windows begun; both as a share of one amount.
    """

    dollars: float
    requests: int
    attainment: float
    ttft_attainment: float
    tpot_attainment: float
    lost: float
    quality: float | None
    effective_quality: float
    best_share: float
    overspend: float | None
    windows: int
    windows_over: int
    prefix_overspend: float | None
    swaps: int
    scale_actions: int
    flaps: int
    cold_minutes: float
    decide_ms: float
    decide_p99_ms: float


class Track:
    """Money and moves of a run."""

    def __init__(self, spec: ModelDeploymentSpec, start_s: float, spent_micro: int = 0) -> None:
        """Counts from `start_s` on, when so many micro-dollars had been spent already."""
        self._start_s, self._before_micro = start_s, spent_micro
        self._budget, self._best = spec.budget, spec.variants[0].name
        self._limit = None if spec.budget is None else micro_of(spec.budget.amount)
        self._window: Window | None = None
        self._windows: list[int] = []
        self._decide_s: list[float] = []
        self._target: str | None = None
        self._counts: dict[str, int] = {}
        self._moved: dict[str, tuple[float, int]] = {}
        self._swaps = self._actions = self._flaps = 0
        self._closed = False
        self.spent_micro = 0

    def turn(self, plan: FleetPlan, fleet: Fleet, now_s: float, took_s: float) -> None:
        """Notes one turn; what happens after the books are closed is nobody's cost and no flap."""
        if self._closed:
            return
        self._decide_s.append(took_s)
        self._budgeted(fleet.ledger, now_s)
        target = max(plan.shares, key=lambda v: (plan.shares[v], v)) if plan.shares else None
        if target is not None and self._target is not None and target != self._target:
            self._swaps += 1
        self._target = target or self._target
        self._moves(plan, fleet, now_s)

    def _moves(self, plan: FleetPlan, fleet: Fleet, now_s: float) -> None:
        """Counts of serving or coming replicas by variant: each change is an action, a reversal soon after a flap."""
        staying = {v.name: 0 for v in fleet.spec.variants}
        for (variant, _), n in plan.replicas.items():
            staying[variant] = staying.get(variant, 0) + n
        back = set(plan.undrain)
        for r in fleet.alive:
            if (r.state is State.DRAINING and r.pod not in back) or r.pod in plan.drain:  # a drained one is gone there
                staying[r.variant] -= 1
        for variant, n in staying.items():
            delta = n - self._counts.get(variant, 0)
            if not delta:
                continue
            self._actions += 1
            at_s, before = self._moved.get(variant, (-FLAP_S, 0))
            if before * delta < 0 and now_s - at_s < FLAP_S:
                self._flaps += 1
            self._moved[variant] = (now_s, delta)
        self._counts = staying

    def _budgeted(self, ledger: SpendLedgerSpec, now_s: float) -> None:
        """Closes windows that have ended; spend only grows within one, so its end is its worst instant."""
        if self._budget is None:
            return
        if self._window is None:
            self._window = window(self._budget.period, self._budget.time_zone, self._start_s)
        while now_s >= self._window.end_s:
            self._windows.append(ledger.spent_micro(self._window.start_s, self._window.end_s))
            self._window = window(self._budget.period, self._budget.time_zone, self._window.end_s)

    def close(self, ledger: SpendLedgerSpec, now_s: float) -> None:
        """Closes the books, at the last arrival: what a fleet costs after it says nothing of the trace."""
        if self._window is not None and now_s > self._window.start_s:
            self._windows.append(ledger.spent_micro(self._window.start_s, now_s))
        self.spent_micro = total_micro(ledger, now_s) - self._before_micro
        self._closed = True

    def score(self, tally: Tally, cold_s: float) -> Score:
        """The whole run."""
        arrived = max(tally.arrived, 1)
        overs, prefix = None, None
        if self._limit:
            overs = [max(0, spent - self._limit) / self._limit for spent in self._windows]
            sums = [sum(self._windows[: i + 1]) - (i + 1) * self._limit for i in range(len(self._windows))]
            prefix = max(0, *sums) / self._limit if sums else 0.0
        ordered = sorted(self._decide_s)
        return Score(
            dollars=self.spent_micro / MICRO,
            requests=tally.arrived,
            attainment=tally.attainment,
            ttft_attainment=tally.in_ttft / arrived,
            tpot_attainment=tally.in_tpot / arrived,
            lost=tally.lost,
            quality=tally.mean_quality,
            effective_quality=tally.effective_quality,
            best_share=tally.share_of(self._best),
            overspend=max(overs, default=0.0) if overs is not None else None,
            windows=len(self._windows),
            windows_over=sum(over > 0 for over in overs or ()),
            prefix_overspend=prefix,
            swaps=self._swaps,
            scale_actions=self._actions,
            flaps=self._flaps,
            cold_minutes=cold_s / 60,
            decide_ms=1000 * statistics.fmean(ordered),
            decide_p99_ms=1000 * ordered[int(0.99 * (len(ordered) - 1))],
        )


def total_micro(ledger: SpendLedgerSpec, now_s: float) -> int:
    """All that a ledger has ever seen, micro-dollars."""
    return ledger.spent_micro(0.0, now_s) + sum(day.amount_micro for day in ledger.days)

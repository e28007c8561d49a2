"""Score: what one run came to, and the track that is kept of it turn by turn."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.money import MICRO
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet, State
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.tally import Tally, joined
from costwain.sim.windows import Windows

FLAP_S = 900.0  # a reversal within so long is a flap


@dataclass(frozen=True)
class Score:
    """Dollars, shares of the arrivals (0 to 1), counts and milliseconds; None is what doesn't exist here.

    `overspend` is the worst window's, `prefix_overspend` the most by which the spend since the start ever exceeded
    the amounts of all windows begun; both as a share of one amount, infinite where that is nothing.
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
        self._best, budget = spec.variants[0].name, spec.budget
        self._windows: Windows | None = None
        if budget is not None:
            self._windows = Windows((budget.amount, budget.period, budget.time_zone), start_s)
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
        if self._windows is not None:
            self._windows.turn(fleet.ledger.spent_micro, now_s)
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

    def close(self, ledger: SpendLedgerSpec, now_s: float) -> None:
        """Closes the books, at the last arrival: what a fleet costs after it says nothing of the trace."""
        if self._windows is not None:
            self._windows.close(ledger.spent_micro, now_s)
        self.spent_micro = total_micro(ledger, now_s) - self._before_micro
        self._closed = True

    def score(self, tally: Tally, cold_s: float) -> Score:
        """The whole run."""
        arrived = max(tally.arrived, 1)
        overs, prefix, windows = _kept(() if self._windows is None else (self._windows,))
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
            windows=windows,
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


def _kept(budgets: Sequence[Windows]) -> tuple[list[float] | None, float | None, int]:
    """(overspend by window, the largest prefix overspend, windows) of budgets; None where there are none."""
    if not budgets:
        return None, None, 0
    windows = sum(len(each) for each in budgets)
    return [over for each in budgets for over in each.overs], max(each.prefix for each in budgets), windows


def summed(parts: Mapping[str, tuple[Score, Tally]], shared: Sequence[Windows]) -> Score:
    """Several fleets as one: what they share is judged by the shared budgets, everything else adds up."""
    scores, total = [score for score, _ in parts.values()], joined({name: tally for name, (_, tally) in parts.items()})
    arrived, (overs, prefix, windows) = max(total.arrived, 1), _kept(shared)
    return Score(
        dollars=sum(s.dollars for s in scores),
        requests=total.arrived,
        attainment=total.attainment,
        ttft_attainment=total.in_ttft / arrived,
        tpot_attainment=total.in_tpot / arrived,
        lost=total.lost,
        quality=total.mean_quality,
        effective_quality=total.effective_quality,
        best_share=sum(s.best_share * s.requests for s in scores) / arrived,
        overspend=None if overs is None else max(overs, default=0.0),
        windows=windows,
        windows_over=sum(over > 0 for over in overs or ()),
        prefix_overspend=prefix,
        swaps=sum(s.swaps for s in scores),
        scale_actions=sum(s.scale_actions for s in scores),
        flaps=sum(s.flaps for s in scores),
        cold_minutes=sum(s.cold_minutes for s in scores),
        decide_ms=scores[0].decide_ms,
        decide_p99_ms=scores[0].decide_p99_ms,
    )

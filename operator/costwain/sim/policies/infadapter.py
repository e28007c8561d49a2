"""InfAdapter's idea on accelerators and dollars: every 30 s the mix of variants with the highest mean accuracy that
carries the expected load within what may be spent.

Source: Salmani et al., Reconciling High Accuracy, Cost-Efficiency, and Low Latency of Inference Serving Systems
(EuroMLSys 2023): ILP over variants with replicas and a share of the traffic, new pods before the old ones go, and the
highest load of the last window as forecast (the paper's LSTM is left out). Its limit of cores is an even rate of
dollars here: the budget's amount over its period.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from costwain.decide.capacity import RequestShape
from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.lengths import plain
from costwain.decide.options import ladder
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.money import micro_of
from costwain.domain.plan import Place, Plan
from costwain.domain.snapshot import Fleet, Snapshot, State
from costwain.sim.policies.base import plan_of

_PERIOD_H = {"Hour": 1.0, "Day": 24.0}
_NONE = Mix({}, 0.0, 0, False)


@dataclass(frozen=True)
class _Pick:
    """A mix of at most two variants: shares in percent by variant."""

    quality: float
    hourly_micro: int
    counts: dict[Place, int]
    shares: dict[str, int]
    short: bool


@dataclass
class InfAdapter:
    """`interval_s` between two solutions, `window_s` of the load that is looked at."""

    interval_s: float = 30.0
    window_s: float = 120.0
    _past: deque[tuple[float, float]] = field(default_factory=deque, init=False, repr=False)
    _asked_s: float = field(default=-math.inf, init=False, repr=False)
    _pick: _Pick | None = field(default=None, init=False, repr=False)
    _shape: RequestShape = field(default=FIRST_GUESS, init=False, repr=False)

    def decide(self, snapshot: Snapshot) -> Plan:
        """A plan for the one fleet of the snapshot."""
        (fleet,) = snapshot.fleets
        self._observe(fleet, snapshot.now_s)
        if snapshot.now_s - self._asked_s >= self.interval_s - 1e-6:
            self._asked_s = snapshot.now_s
            self._pick = self._solve(fleet, snapshot) or self._pick
        if self._pick is None:
            return Plan(snapshot.now_s, (plan_of(fleet, dict(fleet.deployed), None),))
        counts, shares = _before_old_ones_go(fleet, self._pick)
        return Plan(snapshot.now_s, (plan_of(fleet, counts, shares),))

    def _observe(self, fleet: Fleet, now_s: float) -> None:
        load = fleet.load
        if load is None:
            return
        self._past.append((now_s, load.arrivals_per_s or 0.0))
        while self._past[0][0] < now_s - self.window_s:
            self._past.popleft()
        load = plain(load, fleet)  # ladder() makes longer what a longer variant answers
        if load.input_tokens and load.output_tokens:
            old = self._shape
            self._shape = RequestShape(
                max(1.0, 0.9 * old.input_tokens + 0.1 * load.input_tokens),
                max(1.0, 0.9 * old.output_tokens + 0.1 * load.output_tokens),
            )

    def _solve(self, fleet: Fleet, snapshot: Snapshot) -> _Pick | None:
        """The best mix of two variants within the rate; where none fits, the cheapest that carries the load."""
        rungs = [r for r in ladder(fleet, snapshot.pools, self._shape, snapshot.now_s) if r.options and not r.barred]
        expected = max((per_s for _, per_s in self._past), default=0.0)
        most = fleet.spec.scaling.max_replicas
        picks = []
        for i, high in enumerate(rungs):
            whole = cheapest(high.options, Want(expected, 1, most), {})
            for n in range(whole.replicas + 1):
                part = cheapest(high.options, Want(0.0, n, n), {}) if n < whole.replicas else whole
                share = 1.0 if n == whole.replicas else min(1.0, part.per_s / max(expected, 1e-9))
                for low in rungs[i + 1 :] if share < 1 else (high,):
                    rest = _NONE
                    if share < 1:
                        rest = cheapest(low.options, Want(expected * (1 - share), 1, most - n), {})
                    both = part.plus(rest)
                    percent = round(100 * share)
                    quality = share * float(high.variant.quality) + (1 - share) * float(low.variant.quality)
                    shares = {k: v for k, v in ((high.name, percent), (low.name, 100 - percent)) if v}
                    shares = {high.name: 100} if low is high else shares
                    picks.append(
                        _Pick(quality, both.hourly_micro, dict(both.counts), shares, whole.short or rest.short)
                    )
        return _best(picks, self._rate(fleet))

    def _rate(self, fleet: Fleet) -> float:
        budget = fleet.spec.budget
        return math.inf if budget is None else micro_of(budget.amount) / _PERIOD_H[budget.period]


def _best(picks: list[_Pick], rate: float) -> _Pick | None:
    fitting = [p for p in picks if p.hourly_micro <= rate and not p.short]
    if fitting:
        return max(fitting, key=lambda p: (round(p.quality, 6), -p.hourly_micro))
    return min(picks, key=lambda p: (p.short, p.hourly_micro), default=None)


def _before_old_ones_go(fleet: Fleet, pick: _Pick) -> tuple[dict[Place, int], dict[str, int]]:
    """What was picked, and what is ready beside it until the new pods are."""
    ready: dict[Place, int] = {}
    for r in fleet.alive:
        if r.state is State.READY:
            ready[r.place] = ready.get(r.place, 0) + 1
    if all(ready.get(place, 0) >= n for place, n in pick.counts.items()):
        return dict(pick.counts), pick.shares
    counts = {p: max(pick.counts.get(p, 0), ready.get(p, 0)) for p in {*pick.counts, *ready}}
    standing = {name for (name, _) in ready}
    shares = {name: n for name, n in pick.shares.items() if name in standing}
    if not shares and standing:
        shares = {min(standing, key=[v.name for v in fleet.spec.variants].index): 100}
    if not shares:
        return counts, pick.shares
    missing = 100 - sum(shares.values())
    largest = max(shares, key=lambda v: (shares[v], v))
    return counts, {**shares, largest: shares[largest] + missing}

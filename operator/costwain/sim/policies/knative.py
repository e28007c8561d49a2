"""Knative's KPA on concurrency.

Source: knative/serving, pkg/autoscaler/scaling/autoscaler.go and config-autoscaler: stable window 60 s, panic window a
tenth of it, panic from 200 % on, up-rate 1000, down-rate 2, target 100 at 70 %; a tick every 2 s, here every turn.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from costwain.sim.policies.base import Peer, View


@dataclass
class KnativeKpa(Peer):
    """`target`: requests a replica at once, of which 70 % are used."""

    target: float = 100.0
    utilization: float = 0.7
    stable_s: float = 60.0
    panic_share: float = 0.1
    _past: deque[tuple[float, float]] = field(default_factory=deque, init=False, repr=False)
    _panic_s: float = field(default=-math.inf, init=False, repr=False)
    _panic_most: int = field(default=0, init=False, repr=False)

    interval_s = 2.0

    def desired(self, view: View) -> int:
        self._past.append((view.now_s, float(view.waiting + view.active)))
        while self._past[0][0] <= view.now_s - self.stable_s:
            self._past.popleft()
        ready, each = max(1, view.ready), self.target * self.utilization
        stable = self._bounded(self._mean(view.now_s, self.stable_s) / each, ready)
        panic = self._bounded(self._mean(view.now_s, self.stable_s * self.panic_share) / each, ready)
        if panic / ready >= 2:
            self._panic_s = view.now_s
        elif view.now_s - self._panic_s > self.stable_s:
            self._panic_s, self._panic_most = -math.inf, 0
        if self._panic_s == -math.inf:
            return stable
        self._panic_most = max(self._panic_most, panic, view.ready)
        return self._panic_most

    def _mean(self, now_s: float, window_s: float) -> float:
        recent = [value for at_s, value in self._past if at_s > now_s - window_s] or [self._past[-1][1]]
        return sum(recent) / len(recent)

    def _bounded(self, replicas: float, ready: int) -> int:
        return int(min(max(math.ceil(replicas), math.floor(ready / 2)), 1000 * ready))

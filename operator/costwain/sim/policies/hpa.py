"""HorizontalPodAutoscaler, autoscaling/v2, on a mean value a pod.

Source: kubernetes/kubernetes, pkg/controller/podautoscaler: replicas = ceil(sum / target) unless within the
tolerance of 0.1, sync every 15 s, down only to the highest of the last 300 s, up by at most 100 % or 4 pods in 15 s.
It publishes no target for LLMs; 100 requests a pod is what KubeAI takes.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from costwain.sim.policies.base import Peer, View


@dataclass
class Hpa(Peer):
    """`target`: requests a replica, waiting and running."""

    target: float = 100.0
    tolerance: float = 0.1
    down_s: float = 300.0
    _past: deque[tuple[float, int]] = field(default_factory=deque, init=False, repr=False)

    def metric(self, view: View) -> float:
        """The sum over the pods."""
        return view.waiting + view.active

    def desired(self, view: View) -> int:
        now = max(1, view.replicas)
        wanted = math.ceil(self.metric(view) / self.target)
        if abs(self.metric(view) / (self.target * now) - 1) <= self.tolerance:
            wanted = now
        self._past.append((view.now_s, wanted))
        while self._past[0][0] < view.now_s - self.down_s:
            self._past.popleft()
        if wanted < now:
            return min(now, max(n for _, n in self._past))
        return min(wanted, max(2 * now, now + 4))

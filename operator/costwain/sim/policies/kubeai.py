"""KubeAI's autoscaler.

Source: kubeai-project/kubeai, internal/modelautoscaler and internal/movingaverage: every 10 s, the mean of active
requests (held ones too) over 10 minutes, zeros before the start; ceil(mean / targetRequests), default 100; up at once,
down after scaleDownDelaySeconds 30 as three earlier rounds, a counter that only an equal or higher round resets.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from costwain.sim.policies.base import Peer, View


@dataclass
class KubeAi(Peer):
    """`target`: active requests a replica."""

    target: float = 100.0
    window_s: float = 600.0
    down_delay_s: float = 30.0
    _ring: deque[float] = field(default_factory=deque, init=False, repr=False)
    _lower: int = field(default=0, init=False, repr=False)

    interval_s = 10.0

    def desired(self, view: View) -> int:
        rounds = math.ceil(self.window_s / self.interval_s)
        self._ring = self._ring or deque([0.0] * rounds, maxlen=rounds)
        self._ring.append(float(view.waiting + view.active))
        wanted = min(max(math.ceil(sum(self._ring) / rounds / self.target), view.least), view.most)
        if wanted >= view.replicas:
            self._lower = 0
            return wanted
        if self._lower >= math.ceil(self.down_delay_s / self.interval_s):
            return wanted
        self._lower += 1
        return view.replicas

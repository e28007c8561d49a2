"""AIBrix's APA on the KV cache.

Source: vllm-project/aibrix, pkg/controller/podautoscaler/algorithm/apa.go and client: every 10 s, the mean over pods;
above 1.1 x target up to ceil(now x ratio) but at most twice, below 0.9 x target down but at most to half; a scale-down
takes the lowest answer of the last 300 s, so that window doesn't delay it. Target: half of the cache, as in samples.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from costwain.sim.policies.base import Peer, View


@dataclass
class AibrixApa(Peer):
    """`target`: share of the KV cache in use."""

    target: float = 0.5
    tolerance: float = 0.1
    down_s: float = 300.0
    _past: deque[tuple[float, int]] = field(default_factory=deque, init=False, repr=False)

    interval_s = 10.0

    def desired(self, view: View) -> int:
        now, ratio = max(1, view.replicas), self._use(view) / self.target
        wanted = now
        if ratio > 1 + self.tolerance:
            wanted = min(math.ceil(now * ratio), 2 * now)
        elif ratio < 1 - self.tolerance:
            wanted = max(math.ceil(now * ratio), now // 2)
        self._past.append((view.now_s, wanted))
        while self._past[0][0] < view.now_s - self.down_s:
            self._past.popleft()
        return wanted if wanted >= now else min(n for _, n in self._past)

    def _use(self, view: View) -> float:
        """Requests that wait fill the cache of the engine's own queue: full is full."""
        return 1.0 if view.waiting else view.kv_use

"""llm-d's variant autoscaler, saturation engine.

Source: llm-d-incubation/workload-variant-autoscaler, internal/saturationv1/analyzer.go: every 15 s; a replica is
saturated at 0.80 of its KV cache or 5 waiting; one more of the cheapest variant when the mean spare of the others is
below 0.10 or 3, one less of the dearest when both would still be there after load x N / (N - 1); no decision while any
replica is on its way. A variant there is what a pool is here.
"""

import math
from dataclasses import dataclass, field

from costwain.decide.forecast import FIRST_GUESS
from costwain.decide.options import Option, ladder
from costwain.domain.plan import Place, Plan
from costwain.domain.snapshot import Fleet, Snapshot, State
from costwain.sim.policies.base import held_tokens, kv_tokens, plan_of


@dataclass
class WvaSaturation:
    """Thresholds of the KV cache (share) and of the queue (requests a replica)."""

    kv: float = 0.80
    queue: float = 5.0
    kv_spare: float = 0.10
    queue_spare: float = 3.0
    interval_s: float = 15.0
    _asked_s: float = field(default=-math.inf, init=False, repr=False)
    _counts: dict[Place, int] = field(default_factory=dict, init=False, repr=False)

    def decide(self, snapshot: Snapshot) -> Plan:
        """A plan for the one fleet of the snapshot."""
        (fleet,) = snapshot.fleets
        options = ladder(fleet, snapshot.pools, FIRST_GUESS, snapshot.now_s)[0].options
        if options and snapshot.now_s - self._asked_s >= self.interval_s - 1e-6:
            self._asked_s = snapshot.now_s
            self._round(fleet, snapshot, sorted(options, key=lambda o: (o.hourly_micro, o.place)))
        return Plan(snapshot.now_s, (plan_of(fleet, dict(self._counts), None),))

    def _round(self, fleet: Fleet, snapshot: Snapshot, options: list[Option]) -> None:
        """One round; `options` the cheapest first."""
        least = max(1, fleet.spec.scaling.min_replicas)
        if not sum(self._counts.values()):
            self._counts = {options[0].place: least}
            return
        ready = [r for r in fleet.alive if r.state is State.READY]
        if fleet.load is None or len(ready) < sum(self._counts.values()) or len(ready) < len(fleet.alive):
            return
        n, caches = len(ready), sum(kv_tokens(fleet, snapshot, r.place) for r in ready)
        kv_use = min(1.0, fleet.load.active * held_tokens(fleet) / caches)
        queue = fleet.load.waiting / n
        if self._spare(kv_use, queue):
            if n > least and kv_use < self.kv and queue < self.queue and self._spare_after_one_less(kv_use, queue, n):
                dearest = max(
                    (o for o in options if self._counts.get(o.place)), key=lambda o: (o.hourly_micro, o.place)
                )
                self._counts[dearest.place] -= 1
            return
        room = [o for o in options if self._counts.get(o.place, 0) < o.most]
        if room and n < fleet.spec.scaling.max_replicas:
            self._counts[room[0].place] = self._counts.get(room[0].place, 0) + 1

    def _spare(self, kv_use: float, queue: float) -> bool:
        return self.kv - kv_use >= self.kv_spare and self.queue - queue >= self.queue_spare

    def _spare_after_one_less(self, kv_use: float, queue: float, n: int) -> bool:
        return n >= 2 and self._spare(kv_use * n / (n - 1), queue * n / (n - 1))

"""A fixed count of replicas, as most fleets are sized. It knows the trace beforehand, as nobody does."""

import math
from dataclasses import dataclass

from costwain.decide.capacity import RequestShape
from costwain.sim.policies.base import Facts, Peer, View


@dataclass
class StaticPeak(Peer):
    """What the busiest five minutes of the trace need; or so many `replicas`."""

    facts: Facts
    replicas: float = 0.0

    def shape(self) -> RequestShape:
        return self.facts.shape

    def load_per_s(self) -> float:
        """The load that is to be carried."""
        return self.facts.peak_per_s

    def desired(self, view: View) -> int:
        return round(self.replicas) or math.ceil(self.load_per_s() / view.option.per_s)


@dataclass
class StaticMean(StaticPeak):
    """What the mean load of the trace needs."""

    def load_per_s(self) -> float:
        return self.facts.mean_per_s

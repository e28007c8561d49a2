"""KEDA with the usual trigger for vLLM: waiting requests.

Source: kedacore/keda, pkg/scaling/executor, and the HPA that it makes: AverageValue, polling every 30 s, down by the
HPA's stabilisation of 300 s; cooldown 300 s only matters for zero. Default of `target`: 5 waiting a replica.
"""

from dataclasses import dataclass

from costwain.sim.policies.base import View
from costwain.sim.policies.hpa import Hpa


@dataclass
class Keda(Hpa):
    """`target`: waiting requests a replica."""

    target: float = 5.0

    interval_s = 30.0

    def metric(self, view: View) -> float:
        return view.waiting

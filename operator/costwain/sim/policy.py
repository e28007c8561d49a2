"""Policy: who is asked each turn. The operator's own `decide` is one of them."""

from typing import Protocol

from costwain.decide import decide
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Snapshot


class Policy(Protocol):
    """Answers a snapshot with a plan. It may remember what it likes; a new one is made for every run."""

    def decide(self, snapshot: Snapshot) -> Plan:
        """What every fleet is to become."""
        ...


class Ours:
    """The operator itself."""

    def decide(self, snapshot: Snapshot) -> Plan:
        """The same function as in a cluster."""
        return decide(snapshot)

"""Policy: who is asked each turn. The operator's own `decide` is one of them."""

from typing import Protocol

from costwain.decide import decide
from costwain.decide.gathered import Unheard, gathered
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Snapshot


class Policy(Protocol):
    """Answers a snapshot with a plan. It may remember what it likes; a new one is made for every run.

    A fleet that isn't in the plan stays as it is.
    """

    def decide(self, snapshot: Snapshot) -> Plan:
        """What every fleet is to become."""
        ...


class Ours:
    """The operator itself."""

    def __init__(self) -> None:
        self._unheard = dict[str, Unheard]()

    def decide(self, snapshot: Snapshot) -> Plan:
        """The same function as in a cluster, told the same of fleets that rested."""
        seen, self._unheard = gathered(self._unheard, snapshot)
        return decide(seen)

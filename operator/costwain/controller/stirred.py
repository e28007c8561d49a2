"""Stirred: fleets of which something changed, so that the next turn decides on them even where many others rest."""

from dataclasses import replace

from costwain.adapters.ledger import Key
from costwain.decide.rest import awake
from costwain.domain.snapshot import Snapshot


class Stirred:
    """Keeps them until a turn takes them."""

    def __init__(self) -> None:
        self._fleets, self._all = set[Key](), False

    def add(self, fleet: Key | None) -> None:
        """One fleet, or all of them."""
        if fleet is None:
            self._all = True
        else:
            self._fleets.add(fleet)

    def taken(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot in which they rest no longer; nobody is stirred after that."""
        fleets, everybody = self._fleets, self._all
        self._fleets, self._all = set(), False
        if not fleets and not everybody:
            return snapshot
        stirred = (f.remembering(awake(f.memory)) if everybody or f.key in fleets else f for f in snapshot.fleets)
        return replace(snapshot, fleets=tuple(stirred))

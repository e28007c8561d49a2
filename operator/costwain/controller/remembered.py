"""Remembered: what was made of each object, made anew only when the object is another."""

from collections.abc import Callable, Collection
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Remembered(Generic[Made]):
    """By uid; a turn looks at every object, and nearly all are what they were in the turn before."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Made]] = {}

    def of(self, uid: str, state: object, make: Callable[[], Made]) -> Made:
        """What was made of this state of an object, else what `make` makes of it now."""
        known = self._known.get(uid)
        if known is None or known[0] != state:
            known = self._known[uid] = (state, make())
        return known[1]

    def only(self, uids: Collection[str]) -> None:
        """Forgets all others."""
        if len(self._known) > len(uids):
            self._known = {uid: known for uid, known in self._known.items() if uid in uids}

"""Which variants' queues are late: whether the oldest request of a queue has waited for longer than a bound.

HAProxy tells how many came so far and how many wait now, not since when. A queue is first in, first out: what came
and doesn't wait has been dispatched, so the oldest is late if fewer were dispatched than had come a bound ago. Example,
a bound of 10 s: 50 had come 10 s ago, 80 came so far, and 35 wait. 45 went on, so numbers 46 to 50 are late.
"""

from collections import deque

from costwain.agent.haproxy import State
from costwain.agent.program import Program
from costwain.render.haproxy import SERVING, backend

_BACK_BELOW = 0.5  # of the bound: a queue is late until its oldest waits for less than that, or it would flap
LATE, TAKES, NEITHER = "L", "T", "-"  # as route.lua reads them


class Waits:
    """Remembers when how many had come, as far back as the bound."""

    def __init__(self) -> None:
        self._came: dict[str, deque[tuple[float, int]]] = {}
        self._late: frozenset[str] = frozenset()

    def late(self, state: State, bound_s: float | None, now_s: float) -> frozenset[str]:
        """The variants that are late at an instant (monotonic); none without a bound."""
        if bound_s is None:
            self._came.clear()
            self._late = frozenset()
            return self._late
        self._late = frozenset(name for name in state.ladder if self._is_late(state, name, bound_s, now_s))
        return self._late

    def _is_late(self, state: State, variant: str, bound_s: float, now_s: float) -> bool:
        row = state.backends[backend(SERVING, variant)]
        came = self._came.setdefault(variant, deque())
        if came and row.total < came[-1][1]:  # another HAProxy
            came.clear()
        came.append((now_s, row.total))
        while len(came) > 1 and came[1][0] <= now_s - bound_s:
            came.popleft()
        patience_s = bound_s * (_BACK_BELOW if variant in self._late else 1)
        due = max((count for at_s, count in came if at_s <= now_s - patience_s), default=0)
        return row.queued > 0 and row.total - row.queued < due


def spill_marks(program: Program, state: State) -> str:
    """One letter a variant, in ladder order: it is late, it takes what others can't serve in time, or neither.

    Who takes has a share and a pod that is up, and isn't late itself.
    """
    return "".join(
        LATE
        if variant.name in program.late
        else TAKES
        if variant.share_percent > 0 and any(row.is_up for row in state.pods(backend(SERVING, variant.name)).values())
        else NEITHER
        for variant in program.variants
    )

"""Status writes: at once when something changed that a person or a restart needs, else now and then."""

from collections.abc import Collection
from typing import Any

from costwain.controller.apply import Applier
from costwain.controller.pace import Pace
from costwain.domain import names

Object = dict[str, Any]
MOVING_PER_S = 20.0  # writes of nothing but numbers: of many fleets, each waits longer for its own
KEPT = ("target", "targetSinceS", "shares", "steppedAtS", "refusals")  # what a restart must not forget of the memory
_MOVING = ("cost", "queue", "spent", "forecast", "percent", "shares")  # numbers that change by themselves
_SPARE = 1.25  # of the time that all need for a write each, so that the first ones' next doesn't keep the last waiting


class Statuses:
    """Writes the status of custom resources through one applier."""

    def __init__(self, applier: Applier, every_s: float) -> None:
        self._applier, self._every_s = applier, every_s
        self._written: dict[str, tuple[Object, float]] = {}
        self._pace = Pace(MOVING_PER_S)

    async def write(self, owner: Object, status: Object, wall_s: float, *, now: bool = False) -> None:
        """Applies the status of `owner` unless only numbers moved, and the last write is recent or others are due."""
        metadata = owner["metadata"]
        still = _still(status)
        # Whoever led before wrote what stands there, and not long ago.
        left = _still(owner.get("status", {})) if metadata["uid"] not in self._written else {}
        before, at_s = self._written.setdefault(metadata["uid"], (left, wall_s))
        if not now and still == before and not self._is_due(at_s, wall_s):
            return
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": owner["kind"],
            "metadata": {key: metadata[key] for key in ("namespace", "name") if key in metadata},
            "status": status,
        }
        await self._applier.apply(manifest, subresource="status")
        self._written[metadata["uid"]] = (still, wall_s)

    def only(self, uids: Collection[str]) -> None:
        """Forgets all other owners: what is gone neither needs a write nor makes others wait for one."""
        self._written = {uid: written for uid, written in self._written.items() if uid in uids}

    def _is_due(self, written_s: float, wall_s: float) -> bool:
        """Whether numbers that were written at an instant are old, and there is room for one more write."""
        every_s = max(self._every_s, _SPARE * len(self._written) / MOVING_PER_S)
        return wall_s - written_s >= every_s and self._pace.allows(wall_s)


def _still(status: Object) -> Object:
    """The status without its moving numbers, and without the numbers in its sentences."""
    memory = {k: v for k, v in status.get("memory", {}).items() if k in KEPT}
    conditions = [{k: v for k, v in c.items() if k != "message"} for c in status.get("conditions", [])]
    reasons = [reason["code"] for reason in (status.get("decision") or {}).get("reasons", [])]
    variants = [{k: v for k, v in x.items() if k != "reason"} for x in status.get("variants", [])]
    rest = {k: v for k, v in status.items() if k not in (*_MOVING, "memory", "conditions", "decision", "variants")}
    return rest | {"memory": memory, "conditions": conditions, "reasons": reasons, "variants": variants}

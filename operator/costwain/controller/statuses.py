"""Status writes: at once when something changed that a person or a restart needs, else now and then."""

import json
from typing import Any

from costwain.controller.apply import Applier
from costwain.domain import names

Object = dict[str, Any]
_MOVING = ("cost", "queue", "spent", "forecast", "percent", "shares")  # numbers that change by themselves
_MOVING_MEMORY = ("demand", "peaks", "busyAtS", "learned", "claim")


class Statuses:
    """Writes the status of custom resources through one applier."""

    def __init__(self, applier: Applier, every_s: float) -> None:
        self._applier, self._every_s = applier, every_s
        self._written: dict[str, tuple[str, float]] = {}

    async def write(self, owner: Object, status: Object, wall_s: float, *, now: bool = False) -> None:
        """Applies the status of `owner` unless only numbers moved and the last write is recent."""
        metadata = owner["metadata"]
        still = json.dumps(_still(status), sort_keys=True)
        before, at_s = self._written.get(metadata["uid"], ("", 0.0))
        if not now and still == before and wall_s - at_s < self._every_s:
            return
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": owner["kind"],
            "metadata": {key: metadata[key] for key in ("namespace", "name") if key in metadata},
            "status": status,
        }
        await self._applier.apply(manifest, subresource="status")
        self._written[metadata["uid"]] = (still, wall_s)


def _still(status: Object) -> Object:
    """The status without its moving numbers, and without the numbers in its sentences."""
    memory = {k: v for k, v in status.get("memory", {}).items() if k not in _MOVING_MEMORY}
    conditions = [{k: v for k, v in c.items() if k != "message"} for c in status.get("conditions", [])]
    reasons = [reason["code"] for reason in (status.get("decision") or {}).get("reasons", [])]
    variants = [{k: v for k, v in x.items() if k != "reason"} for x in status.get("variants", [])]
    rest = {k: v for k, v in status.items() if k not in (*_MOVING, "memory", "conditions", "decision", "variants")}
    return rest | {"memory": memory, "conditions": conditions, "reasons": reasons, "variants": variants}

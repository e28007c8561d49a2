"""Events: what a person sees in `kubectl describe`, one for each verdict that changes something."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from costwain.adapters.kube import Kube
from costwain.domain import names

_NOTE_MOST = 1024  # bytes; the API server refuses longer ones
_WARNINGS = ("SteppedDown", "Budget", "Accelerators", "Pool", "NoVariant", "Invalid")


async def post(kube: Kube, regarding: dict[str, Any], reason: str, note: str, wall_s: float) -> None:
    """Writes an events.k8s.io/v1 Event about an object; raises ApiError where the API server refuses it."""
    metadata = regarding["metadata"]
    digest = hashlib.sha256(f"{metadata['uid']} {reason} {note} {wall_s}".encode()).hexdigest()[:12]
    await kube.create(
        {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": metadata["namespace"], "name": f"{metadata['name']}.{digest}"},
            "eventTime": datetime.fromtimestamp(wall_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": f"{names.GROUP}/operator",
            "reportingInstance": names.FIELD_MANAGER,
            "action": "Decided",
            "reason": reason,
            "note": note[:_NOTE_MOST],
            "type": "Warning" if reason.startswith(_WARNINGS) else "Normal",
            "regarding": {
                "apiVersion": names.API_VERSION,
                "kind": "ModelDeployment",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        }
    )

"""News: whether what a watch brings differs in what a turn reads of it; heartbeats and our own words don't.

Every status that we write comes back as an event. Were that news, each write would bring a turn, which may write.
"""

from typing import Any

from costwain.adapters.resources import NODES, TOLD, Resource

Object = dict[str, Any]
_METADATA = ("uid", "generation", "labels", "annotations", "deletionTimestamp")


def is_news(resource: Resource, before: Object | None, after: Object) -> bool:
    """Whether the next turn should come soon, since an object isn't what it was."""
    return before is None or _read(resource, before) != _read(resource, after)


def _read(resource: Resource, obj: Object) -> Object:
    """What a turn may read of it."""
    found = {field: obj["metadata"].get(field) for field in _METADATA}
    if resource in TOLD:
        return found | {"spec": obj.get("spec")}
    status = obj.get("status", {})
    if resource is NODES:
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        status = {"allocatable": status.get("allocatable"), "conditions": conditions}
    return found | {"spec": obj.get("spec"), "status": status}

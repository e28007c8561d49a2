"""The gateway's replicas as an agent sees them, and the claims that they write on their own pods."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from costwain.domain import names

Object = dict[str, Any]
_HAPROXY = "haproxy"  # the container


@dataclass(frozen=True)
class Claim:
    """What a replica keeps to: division `number`, and who of `active` (first come first) has a part of a pod's limit.

    `over`: requests that it still runs beyond its part, by server. `busy`: it gets no new requests but has some.
    """

    number: int
    active: tuple[str, ...]
    over: Mapping[str, int] = field(default_factory=dict)
    busy: bool = False

    @property
    def text(self) -> str:
        """The annotation's value."""
        said = {"number": self.number, "active": list(self.active), "over": dict(self.over), "busy": self.busy}
        return json.dumps(said, sort_keys=True, separators=(",", ":"))

    def same_division(self, other: "Claim") -> bool:
        return (self.number, self.active) == (other.number, other.active)


@dataclass(frozen=True)
class Gateway:
    """A replica; `gone`: its HAProxy has ended, or its node is lost. `serves`: the Service sends it new requests."""

    name: str
    ready: bool
    leaving: bool
    gone: bool = False
    serves: bool = False
    claim: Claim | None = None


def gateway_of(item: Object) -> Gateway | None:
    """The gateway replica, or None for any other pod."""
    metadata, status = item["metadata"], item.get("status", {})
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if labels.get(names.ROLE) != names.ROLE_GATEWAY:
        return None
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    return Gateway(
        name=metadata["name"],
        ready=conditions.get("Ready", {}).get("status") == "True",
        leaving="deletionTimestamp" in metadata,
        gone=_gone(status, conditions),
        serves=labels.get(names.GATEWAY_SERVES) == "true",
        claim=claim_of(annotations.get(names.GATEWAY_CLAIM)),
    )


def claim_of(text: str | None) -> Claim | None:
    """The claim in an annotation; None where there is none, or what is there is no claim."""
    try:
        said = json.loads(text or "null")
        active, over = tuple(map(str, said["active"])), {str(name): int(n) for name, n in said["over"].items()}
        return Claim(int(said["number"]), active, over, bool(said["busy"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _gone(status: Object, conditions: Mapping[str, Object]) -> bool:
    """Whether the cluster says that this replica can send no pod a request any more."""
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    states = {c["name"]: c.get("state") or {} for c in status.get("containerStatuses") or ()}
    if _HAPROXY in states and "running" not in states[_HAPROXY]:
        return True
    # Only the node controller contradicts a kubelet like that: the node doesn't report any more.
    ready, containers = conditions.get("Ready", {}), conditions.get("ContainersReady", {})
    lost = ready.get("status") == "False" and containers.get("status") == "True"
    return lost and ready.get("reason") != "ReadinessGatesNotReady"

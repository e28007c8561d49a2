"""Pods as the agent sees them: raw Kubernetes objects in, values out."""

from dataclasses import dataclass
from typing import Any

from costwain.domain import names

Object = dict[str, Any]
_DRAINED_IN = f"{names.DRAINED}-in."  # annotation of a gateway replica that has let go of the pod
_KEPT_NAME = 40  # an annotation's name has 63 characters; a gateway pod differs at its end


@dataclass(frozen=True)
class Pod:
    """A pod of one variant; `in_gateway` is None while nobody has said."""

    name: str
    variant: str
    pool: str
    address: str | None  # ip:port
    ready: bool  # its containers are
    draining: bool  # the operator has asked
    leaving: bool  # it is being deleted, or has ended
    in_gateway: bool | None = None
    drained: bool = False
    drained_in: frozenset[str] = frozenset()


def pod_of(item: Object) -> Pod | None:
    """The model pod, or None for any other."""
    metadata, status = item["metadata"], item.get("status", {})
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if labels.get(names.ROLE) != names.ROLE_MODEL:
        return None
    in_gateway = _condition(item, names.IN_GATEWAY)
    return Pod(
        name=metadata["name"],
        variant=labels.get(names.VARIANT, ""),
        pool=labels.get(names.POOL, ""),
        address=f"{status['podIP']}:{names.MODEL_PORT}" if status.get("podIP") else None,
        ready=_condition(item, "ContainersReady") == "True",
        draining=labels.get(names.DRAIN) == "true",
        leaving="deletionTimestamp" in metadata or status.get("phase") in ("Succeeded", "Failed"),
        in_gateway=None if in_gateway is None else in_gateway == "True",
        drained=labels.get(names.DRAINED) == "true",
        drained_in=frozenset(key.removeprefix(_DRAINED_IN) for key in annotations if key.startswith(_DRAINED_IN)),
    )


def replica_key(gateway_name: str) -> str:
    """How a replica signs in an annotation."""
    return gateway_name[-_KEPT_NAME:].lstrip("-.")


def drained_annotation(gateway_name: str) -> str:
    """The annotation by which one replica says that it has let go of a pod."""
    return _DRAINED_IN + replica_key(gateway_name)


def _condition(item: Object, kind: str) -> str | None:
    for condition in item.get("status", {}).get("conditions") or ():
        if condition["type"] == kind:
            return str(condition["status"])
    return None

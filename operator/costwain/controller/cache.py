"""What the watches have said so far, as raw objects; lists replace it, so that a lost event does no lasting harm.

Objects are found by their name, and by the fleet to which they belong: a turn looks for those of every fleet.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from costwain.adapters.resources import PODS, SCALERS, Resource
from costwain.domain import names

Object = dict[str, Any]
Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped kinds."""

_ENDED = ("Succeeded", "Failed")


@dataclass
class Cache:
    """Objects by kind and key, and when pods were first seen bound and last seen gone (wall seconds)."""

    _objects: dict[str, dict[Key, Object]] = field(default_factory=dict)
    _belonging: dict[tuple[str, Key], dict[Key, Object]] = field(default_factory=dict)  # by kind and what has them
    _owners: dict[tuple[str, Key], Key] = field(default_factory=dict)  # by kind and key, what has them
    bound_wall_s: dict[str, float] = field(default_factory=dict)
    gone_wall_s: dict[str, float] = field(default_factory=dict)

    def put(self, resource: Resource, obj: Object, wall_s: float) -> None:
        """An object was added or modified."""
        key, owner = key_of(obj), owner_of(resource, obj)
        self._remove(resource, key)
        self._objects.setdefault(resource.kind, {})[key] = obj
        self._belonging.setdefault((resource.kind, owner), {})[key] = obj
        self._owners[resource.kind, key] = owner
        if resource is PODS:
            self._note_pod(obj, wall_s)

    def drop(self, resource: Resource, obj: Object, wall_s: float) -> None:
        """An object was deleted."""
        self._remove(resource, key_of(obj))
        if resource is PODS:
            self.gone_wall_s.setdefault(obj["metadata"]["uid"], wall_s)

    def replace(self, resource: Resource, items: Iterable[Object], wall_s: float) -> None:
        """A list: what is not in it is gone, at an instant that nobody saw."""
        for key in list(self.all(resource)):
            self._remove(resource, key)
        for obj in items:
            self.put(resource, obj, wall_s)

    def all(self, resource: Resource) -> Mapping[Key, Object]:
        """Every object of a kind."""
        return self._objects.get(resource.kind, {})

    def of(self, resource: Resource, owner: Key) -> list[Object]:
        """Those of a kind that belong to a fleet by their label, by name; scalers, to what they scale."""
        return [obj for _, obj in sorted(self._belonging.get((resource.kind, owner), {}).items())]

    def forget(self, uids: Iterable[str]) -> None:
        """Drops the instants of pods whose bills are closed."""
        for uid in uids:
            self.bound_wall_s.pop(uid, None)
            self.gone_wall_s.pop(uid, None)

    def _remove(self, resource: Resource, key: Key) -> None:
        if self._objects.get(resource.kind, {}).pop(key, None) is None:
            return
        owner = self._owners.pop((resource.kind, key))
        others = self._belonging[resource.kind, owner]
        del others[key]
        if not others:
            del self._belonging[resource.kind, owner]

    def _note_pod(self, pod: Object, wall_s: float) -> None:
        uid = pod["metadata"]["uid"]
        if pod.get("spec", {}).get("nodeName"):
            self.bound_wall_s.setdefault(uid, wall_s)
        if pod.get("status", {}).get("phase") in _ENDED:
            self.gone_wall_s.setdefault(uid, wall_s)


def owner_of(resource: Resource, obj: Object) -> Key:
    """(namespace, name) of the fleet that an object's label names, or of what a scaler scales."""
    metadata = obj["metadata"]
    if resource is SCALERS:
        return metadata.get("namespace", ""), obj["spec"]["scaleTargetRef"]["name"]
    return metadata.get("namespace", ""), (metadata.get("labels") or {}).get(names.FLEET, "")


def key_of(obj: Object) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

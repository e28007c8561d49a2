"""What the watches have said so far, as raw objects; lists replace it, so that a lost event does no lasting harm."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from costwain.adapters.resources import PODS, Resource

Object = dict[str, Any]
Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped kinds."""

_ENDED = ("Succeeded", "Failed")


@dataclass
class Cache:
    """Objects by kind and key, and when pods were first seen bound and last seen gone (wall seconds)."""

    objects: dict[str, dict[Key, Object]] = field(default_factory=dict)
    bound_wall_s: dict[str, float] = field(default_factory=dict)
    gone_wall_s: dict[str, float] = field(default_factory=dict)
    listed_wall_s: float | None = None

    def put(self, resource: Resource, obj: Object, wall_s: float) -> None:
        """An object was added or modified; an older version than the one known is ignored."""
        kind = self.objects.setdefault(resource.kind, {})
        kind[key_of(obj)] = obj
        if resource is PODS:
            self._note_pod(obj, wall_s)

    def drop(self, resource: Resource, obj: Object, wall_s: float) -> None:
        """An object was deleted."""
        self.objects.setdefault(resource.kind, {}).pop(key_of(obj), None)
        if resource is PODS:
            self.gone_wall_s.setdefault(obj["metadata"]["uid"], wall_s)

    def replace(self, resource: Resource, items: Iterable[Object], wall_s: float) -> None:
        """A list: what is not in it is gone, at an instant that nobody saw."""
        self.objects[resource.kind] = {key_of(obj): obj for obj in items}
        if resource is PODS:
            for obj in self.objects[resource.kind].values():
                self._note_pod(obj, wall_s)

    def all(self, resource: Resource) -> dict[Key, Object]:
        return self.objects.get(resource.kind, {})

    def forget(self, uids: Iterable[str]) -> None:
        """Drops the instants of pods whose bills are closed."""
        for uid in uids:
            self.bound_wall_s.pop(uid, None)
            self.gone_wall_s.pop(uid, None)

    def _note_pod(self, pod: Object, wall_s: float) -> None:
        uid = pod["metadata"]["uid"]
        if pod.get("spec", {}).get("nodeName"):
            self.bound_wall_s.setdefault(uid, wall_s)
        if pod.get("status", {}).get("phase") in _ENDED:
            self.gone_wall_s.setdefault(uid, wall_s)


def key_of(obj: Object) -> Key:
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

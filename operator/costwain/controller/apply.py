"""Writes manifests by server-side apply, and none of them twice: an unchanged world costs no call."""

import hashlib
import json
from typing import Any

from costwain.adapters.kube import Kube
from costwain.adapters.resources import Resource

Object = dict[str, Any]


class Applier:
    """Remembers by hash what it has applied; `forget` makes it write again, against drift by other hands."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._applied: dict[tuple[str, str, str, str], str] = {}

    async def apply(self, manifest: Object, *, subresource: str = "", force: bool = False) -> bool:
        """Applies the manifest unless it is the one applied last; whether it was written."""
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"], subresource)
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        if not force and self._applied.get(key) == digest:
            return False
        await self._kube.apply(manifest, subresource=subresource or None)
        self._applied[key] = digest
        return True

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Deletes an object that was applied, so that it is written again when it is wanted again."""
        await self._kube.delete(resource, name, namespace)
        self._applied.pop((resource.kind, namespace, name, ""), None)

    def forget(self) -> None:
        self._applied.clear()

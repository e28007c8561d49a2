"""Writes manifests by server-side apply, and none of them twice: an unchanged world costs no call."""

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from costwain.adapters.kube import Kube
from costwain.adapters.resources import DEPLOYMENTS, Resource
from costwain.controller.pace import Pace
from costwain.domain import names

Object = dict[str, Any]
AGAIN_PER_S = 5.0  # of a thousand fleets' manifests each is then looked after within a quarter of an hour
FORGOTTEN_S = 3600.0  # no fleet rests for longer, so that what it has isn't asked for
_UNSURE = object()  # made of we don't know what: it is old, or only a part of it was written


class Applier:
    """Remembers what it has applied, and after `again_s` seconds writes it again, against drift by other hands."""

    def __init__(self, kube: Kube, again_s: float) -> None:
        self._kube, self._again_s, self._now_s = kube, again_s, 0.0
        self._pace = Pace(AGAIN_PER_S)
        self._applied: dict[tuple[str, str, str, str], str] = {}
        self._forgotten_s = 0.0
        self._kept: dict[Hashable, tuple[object, float]] = {}  # what was made of what and when, the oldest first

    def begin(self, now_s: float) -> None:
        """A turn begins, at an instant of a monotonic clock: what is old is written in it, so much of it a second."""
        self._now_s = now_s
        if now_s - self._forgotten_s >= self._again_s:  # or what is gone for good would stay in it
            self._applied.clear()
            self._forgotten_s = now_s
        for what, (made_of, at_s) in list(self._kept.items()):
            if now_s - at_s < self._again_s:
                return
            if made_of is _UNSURE:
                if now_s - at_s >= self._again_s + FORGOTTEN_S:  # nobody has wanted it since
                    del self._kept[what]
            elif self._pace.allows(now_s):
                self._kept[what] = (_UNSURE, at_s)

    async def keep(
        self,
        what: Hashable,
        made_of: object,
        make: Callable[[], Iterable[Object]],
        standing: Object | None = None,
        *,
        drifted: bool = False,
    ) -> None:
        """Applies the manifests that `make` makes of `made_of`; they are neither made nor written while that is equal.

        `standing` is the Deployment, the last of them, as the cluster has it; `drifted`: it is seen not to be what was
        applied. Where its annotation says that all of them were written by whoever led before, nothing is.
        """
        known, _ = self._kept.get(what, (None, 0.0))
        if known == made_of and not drifted:
            return
        manifests = list(make())
        digest = _digest(manifests)
        if known is not None or drifted or standing is None or _applied(standing) != digest:
            self._keep(what, _UNSURE)
            for manifest in manifests:
                deploys = manifest["kind"] == DEPLOYMENTS.kind
                made = _marked(manifest, digest) if deploys else manifest
                await self.apply(made, force=known is None or known is _UNSURE or (drifted and deploys))
        self._keep(what, made_of)

    def _keep(self, what: Hashable, made_of: object) -> None:
        self._kept.pop(what, None)  # it is the youngest now
        self._kept[what] = (made_of, self._now_s)

    async def apply(self, manifest: Object, *, subresource: str = "", force: bool = False) -> bool:
        """Applies the manifest unless it is the one applied last; whether it was written."""
        metadata = manifest["metadata"]
        key = (manifest["kind"], metadata.get("namespace", ""), metadata["name"], subresource)
        digest = _digest(manifest)
        if not force and self._applied.get(key) == digest:
            return False
        await self._kube.apply(manifest, subresource=subresource or None)
        self._applied[key] = digest
        return True

    async def delete(self, resource: Resource, namespace: str, name: str) -> None:
        """Deletes an object that was applied, so that it is written again when it is wanted again."""
        await self._kube.delete(resource, name, namespace)
        self._applied.pop((resource.kind, namespace, name, ""), None)


def _digest(made: Object | list[Object]) -> str:
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()


def _marked(manifest: Object, digest: str) -> Object:
    """The manifest with what was written before it in an annotation."""
    metadata = manifest["metadata"]
    annotations = {**metadata.get("annotations", {}), names.APPLIED: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def _applied(standing: Object) -> str | None:
    found: str | None = (standing["metadata"].get("annotations") or {}).get(names.APPLIED)
    return found

"""A local copy of all objects of one kind, kept current by one list and one watch."""

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import aiohttp

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import Resource

_log = logging.getLogger(__name__)
_TROUBLE = (aiohttp.ClientError, TimeoutError, ValueError)  # ValueError: a line cut off by a dying server
Change = Literal["changed", "deleted"]
Key = tuple[str, str]  # namespace, name


class Mirror:
    """Objects by namespace and name; `on_change` hears of each that came, changed or went.

    A deletion that fell into a gap between two watches is found by the next list and told as well; so is an
    object that was replaced by another of the same name.
    """

    def __init__(self, kube: Kube, resource: Resource, on_change: Callable[[Change, Object], None], retry_s: float):
        self._kube, self._resource, self._on_change, self._retry_s = kube, resource, on_change, retry_s
        self._objects: dict[Key, Object] = {}
        self._complete = asyncio.Event()

    def get(self, namespace: str, name: str) -> Object | None:
        return self._objects.get((namespace, name))

    def objects(self) -> list[Object]:
        return list(self._objects.values())

    async def complete(self) -> None:
        """Waits for the first list."""
        await self._complete.wait()

    async def run(self) -> None:
        """Follows the server until cancelled; every failure is logged and answered by a new list."""
        while True:
            try:
                await self._list_and_watch()
            except ApiError as error:
                if not error.is_gone:
                    _log.warning("watch of %s: %s", self._resource.plural, error)
                    await asyncio.sleep(self._retry_s)
            except _TROUBLE as error:
                _log.warning("watch of %s: %s", self._resource.plural, str(error) or repr(error))
                await asyncio.sleep(self._retry_s)

    async def _list_and_watch(self) -> None:
        items, version = await self._kube.list(self._resource)
        fresh = {_key(item): item for item in items}
        for key in [key for key in self._objects if key not in fresh]:
            self._forget(key)
        for item in items:
            self._remember(item)
        self._complete.set()
        while True:  # the server ends a watch every few minutes; the version then goes on from there
            async for event, item in self._kube.watch(self._resource, version):
                version = item["metadata"]["resourceVersion"]
                if event == "DELETED":
                    self._forget(_key(item), item)
                elif event != "BOOKMARK":
                    self._remember(item)

    def _remember(self, item: Object) -> None:
        known = self._objects.get(_key(item))
        if known is not None and known["metadata"]["uid"] != item["metadata"]["uid"]:
            self._forget(_key(item))
        elif known is not None and known["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]:
            return
        self._objects[_key(item)] = item
        self._on_change("changed", item)

    def _forget(self, key: Key, last: Object | None = None) -> None:
        known = self._objects.pop(key, None)
        if known is not None:
            self._on_change("deleted", last or known)


def _key(item: Object) -> Key:
    metadata = item["metadata"]
    return metadata.get("namespace", ""), metadata["name"]

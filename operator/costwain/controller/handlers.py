"""kopf handlers: glue only. They keep the cache and wake the loop; a line here which decides something is misplaced."""

import logging
import time
from typing import Any

import kopf

from costwain.adapters.resources import ACCELERATOR_POOLS, INFERENCE_BUDGETS, MODEL_DEPLOYMENTS, Resource
from costwain.controller.cache import Key, key_of, owner_of
from costwain.controller.loop import WATCHED, Loop
from costwain.controller.news import is_news
from costwain.domain import names

ALIVE_TURNS = 12  # turns without an end before the liveness probe fails


def registry_for(loop: Loop, turn_s: float) -> kopf.OperatorRegistry:
    """A registry with one event handler a kind; no finalizers, no patches, no annotations."""
    registry = kopf.OperatorRegistry()
    for resource, selector in WATCHED:
        _watch(registry, loop, resource, selector is not None)

    @kopf.on.startup(registry=registry)
    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.peering.standalone = True
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.persistence.finalizer = f"{names.GROUP}/unused"
        settings.watching.server_timeout, settings.watching.client_timeout = 300, 330
        settings.watching.connect_timeout = 10
        settings.networking.request_timeout, settings.networking.connect_timeout = 30, 5
        settings.networking.error_backoffs = [1, 1, 2, 3, 5, 8, 13, 21] + [30] * 20  # about 11 minutes
        settings.queueing.worker_limit = None
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> Any:
        return kopf.login_with_service_account(**kwargs) or kopf.login_via_client(**kwargs)  # reads a tokenFile too

    @kopf.on.probe(registry=registry, id="loop", errors=kopf.ErrorsMode.PERMANENT)
    async def alive(**_: Any) -> str:
        turned_at_s = loop.turned_at_s
        if turned_at_s is not None and time.monotonic() - turned_at_s > ALIVE_TURNS * max(turn_s, 5.0):
            raise kopf.PermanentError("the decision loop doesn't turn")
        return "turning"

    return registry


def _watch(registry: kopf.OperatorRegistry, loop: Loop, resource: Resource, managed: bool) -> None:
    group, _, version = resource.api_version.rpartition("/")
    labels = {names.MANAGED_BY: names.FIELD_MANAGER} if managed else None

    async def seen(type: str | None, body: kopf.Body, **_: Any) -> None:
        hear(loop, resource, type, dict(body))

    kopf.on.event(group, version, resource.plural, registry=registry, labels=labels, id=f"see-{resource.plural}")(seen)


def hear(loop: Loop, resource: Resource, what: str | None, obj: dict[str, Any]) -> None:
    """Keeps what a watch told (`what` None: it was there when the watch began), and wakes the loop if it is news."""
    before = loop.cache.all(resource).get(key_of(obj))
    if what == "DELETED":
        loop.cache.drop(resource, obj, time.time())
    else:
        loop.cache.put(resource, obj, time.time())
    if what == "DELETED" or is_news(resource, before, obj):
        loop.wake(_whose(resource, obj))


def _whose(resource: Resource, obj: dict[str, Any]) -> Key | None:
    """The fleet for which it is news, or None for all; a node's, of which there are many, is nobody's."""
    if resource in (ACCELERATOR_POOLS, INFERENCE_BUDGETS):
        return None
    return key_of(obj) if resource is MODEL_DEPLOYMENTS else owner_of(resource, obj)

"""A fleet of one gateway and one engine in the operator's cache, and pages that either could show."""

from collections.abc import Callable

from aiohttp import web

from costwain.adapters.resources import MODEL_DEPLOYMENTS, PODS
from costwain.controller.cache import Cache
from costwain.domain import names

KEY = ("default", "chat")


def cache_of(mode: str = "Managed") -> Cache:
    cache = Cache()
    fleet = {"metadata": {"name": KEY[1], "namespace": KEY[0]}, "spec": {"gateway": {"mode": mode}}}
    cache.put(MODEL_DEPLOYMENTS, fleet, 0.0)
    for role in (names.ROLE_GATEWAY, names.ROLE_MODEL):
        labels = {names.ROLE: role, names.FLEET: KEY[1], names.VARIANT: "full"}
        metadata = {"name": role, "namespace": KEY[0], "uid": role, "labels": labels}
        status = {"podIP": "127.0.0.1", "containerStatuses": [{"started": True}]}
        cache.put(PODS, {"metadata": metadata, "spec": {}, "status": status}, 0.0)
    return cache


class Page:
    """A /metrics page on a free port; None answers 503."""

    def __init__(self, address: str, text: str | None) -> None:
        self._address, self.text, self.port = address, text, 0
        self.when_read: Callable[[], None] = lambda: None

    async def __aenter__(self) -> "Page":
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        self.when_read()
        return web.Response(status=503) if self.text is None else web.Response(text=self.text)

"""The agent's own port: metrics, probes, and the hook that holds a gateway pod until it is empty."""

from aiohttp import web

from costwain.agent.agent import Agent
from costwain.agent.metrics import CONTENT_TYPE, metrics_text


def application(agent: Agent, drain_deadline_s: float) -> web.Application:
    """Routes: /metrics, /healthz (alive), /readyz (may get new requests), /drain (answers when nobody is served)."""

    async def metrics(_: web.Request) -> web.Response:
        state = await agent.state()
        text = metrics_text(state) + await agent.observer.page(state)
        return web.Response(text=text, headers={"content-type": CONTENT_TYPE})

    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        return web.Response(text="ready\n") if agent.ready else web.Response(text="not ready\n", status=503)

    async def drain(_: web.Request) -> web.Response:
        # Waits only: that this pod leaves is told by its deletion, so a stranger's call does no harm.
        done = await agent.wait_until_idle(drain_deadline_s)
        return web.Response(text="idle\n" if done else "still busy\n", status=200 if done else 503)

    app = web.Application()
    for path, handler in {"/metrics": metrics, "/healthz": alive, "/readyz": ready, "/drain": drain}.items():
        app.router.add_get(path, handler)
    return app

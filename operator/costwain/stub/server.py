"""The HTTP side of the stub: vLLM's paths, statuses and headers."""

import enum
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from costwain.domain.hardware import VLLM_VERSION
from costwain.stub import openai, responses
from costwain.stub.answering import Outbox, Rendering, stream, whole
from costwain.stub.args import Settings
from costwain.stub.engine import Engine
from costwain.stub.metrics import Metrics
from costwain.stub.openai import Choice
from costwain.stub.pump import Pump
from costwain.stub.refusal import ApiError, busy, dead, draining, scale_out
from costwain.stub.reply import Reply, compact
from costwain.stub.sequence import Emit, Sequence
from costwain.stub.tokens import detokenize, tokenize

# vLLM sets no bound of its own; a body of this size is no prompt.
_MAX_BODY_BYTES = 64 * 1024**2
_KEYED = ("/v1/",)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Mode(enum.Enum):
    """Draining still answers /health with 200, as vLLM does: readiness can't show it."""

    SERVING = enum.auto()
    DRAINING = enum.auto()
    DEAD = enum.auto()


class Server:
    """Answers for one engine process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._created_s = time.time()
        cache = _cache_config(settings)
        self._metrics = Metrics(settings.served_names[0], settings.max_model_len, self._created_s, cache)
        self._engine = Engine(settings, self._metrics)
        self.pump = Pump(self._engine, settings.clock)
        self.mode = Mode.SERVING
        self._in_flight = 0

    def app(self) -> web.Application:
        """The application with vLLM's routes."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[self._guard])
        app.router.add_get("/health", self._health, allow_head=False)
        app.router.add_route("GET", "/ping", self._health)
        app.router.add_post("/ping", self._health)
        app.router.add_get("/version", self._version, allow_head=False)
        app.router.add_get("/load", self._load, allow_head=False)
        app.router.add_get("/metrics", self._page, allow_head=False)
        app.router.add_get("/v1/models", self._models, allow_head=False)
        app.router.add_post("/v1/completions", self._completions)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/responses", self._responses)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/detokenize", self._detokenize)
        for path in ("/v1/completions/render", "/v1/chat/completions/render"):
            app.router.add_post(path, self._render)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keys on /v1 alone, and refusals in vLLM's words."""
        if self._settings.api_keys and request.path.startswith(_KEYED) and not self._knows(request):
            return _json({"error": "Unauthorized"}, 401)
        try:
            return await handler(request)
        except ApiError as error:
            return _json(error.body(), error.status)
        except web.HTTPNotFound:
            return _json({"detail": "Not Found"}, 404)
        except web.HTTPMethodNotAllowed as error:
            response = _json({"detail": "Method Not Allowed"}, 405)
            response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
            return response

    def _knows(self, request: web.Request) -> bool:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and key in self._settings.api_keys

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=503 if self.mode is Mode.DEAD else 200)

    async def _version(self, _: web.Request) -> web.Response:
        return _json({"version": VLLM_VERSION})

    async def _load(self, _: web.Request) -> web.Response:
        return _json({"server_load": self._in_flight if self._settings.tracks_load else 0})

    async def _page(self, request: web.Request) -> web.Response:
        text = self._metrics.render(self._engine.running, self._engine.waiting, self._engine.kv_usage)
        version = "1.0.0" if "version=1.0.0" in request.headers.get("Accept", "") else "0.0.4"
        kind = f"text/plain; version={version}; charset=utf-8"
        return web.Response(body=text.encode(), headers={"Content-Type": kind})

    async def _models(self, _: web.Request) -> web.Response:
        return _json({"object": "list", "data": [_model(name, self._settings) for name in self._settings.served_names]})

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=False)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, chat=True)

    async def _render(self, _: web.Request) -> web.StreamResponse:
        raise scale_out()

    async def _tokenize(self, request: web.Request) -> web.Response:
        return _json(tokenize(await request.read(), request.content_type, self._settings))

    async def _detokenize(self, request: web.Request) -> web.Response:
        return _json(detokenize(await request.read(), request.content_type, self._settings))

    async def _complete(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        body = await request.read()
        ask = openai.parse(chat=chat, body=body, content_type=request.content_type, settings=self._settings)
        name = f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex[:16]}"
        reply = Reply(ask, name, self._settings.served_names[0], int(time.time()))
        return await self._answer(request, ask.choices, reply, streamed=ask.stream)

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        wish = responses.parse(await request.read(), request.content_type, self._settings)
        name = f"resp_{uuid.uuid4().hex[:16]}"
        response = responses.Response(wish, name, self._settings.served_names[0], int(time.time()))
        return await self._answer(request, wish.choices, response, streamed=wish.stream)

    async def _answer(
        self, request: web.Request, choices: tuple[Choice, ...], rendering: Rendering, *, streamed: bool
    ) -> web.StreamResponse:
        """Queues and answers; a client that leaves takes its sequences out of the batch."""
        self._admit()
        outbox = Outbox(len(choices), stream=streamed)
        sequences = [self._sequence(choice, partial(outbox.put, index)) for index, choice in enumerate(choices)]
        self._in_flight += 1
        for sequence in sequences:
            self.pump.submit(sequence)
        try:
            return await (stream(request, outbox, rendering) if streamed else whole(outbox, rendering))
        finally:
            self._in_flight -= 1
            for sequence in sequences:
                self.pump.drop(sequence)

    def _admit(self) -> None:
        if self.mode is not Mode.SERVING:
            raise draining() if self.mode is Mode.DRAINING else dead()
        limit = self._settings.max_num_queued_reqs
        if limit is not None and self._engine.waiting >= limit:
            self._metrics.count("admission_rejections", value="max_num_queued_reqs")
            raise busy()

    def _sequence(self, choice: Choice, emit: Emit) -> Sequence:
        return Sequence(
            prompt_tokens=choice.prompt_tokens,
            target_tokens=choice.answer_tokens,
            max_tokens=choice.max_tokens,
            finish_reason=choice.finish_reason,
            arrived_s=self._settings.clock.now_s(),
            emit=emit,
            siblings=choice.siblings,
        )


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=compact(value), status=status, content_type="application/json")


def _model(name: str, settings: Settings) -> dict[str, object]:
    created_s = int(time.time())
    permission = {
        "id": f"modelperm-{uuid.uuid4().hex[:16]}",
        "object": "model_permission",
        "created": created_s,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    head = {"id": name, "object": "model", "created": created_s, "owned_by": "vllm", "root": settings.model}
    return head | {"parent": None, "max_model_len": settings.max_model_len, "permission": [permission]}


def _cache_config(settings: Settings) -> dict[str, str]:
    block_tokens = 16
    return {
        "block_size": str(block_tokens),
        "cache_dtype": "auto",
        "enable_prefix_caching": "True",
        "gpu_memory_utilization": "0.92",
        "kv_cache_max_concurrency": str(settings.kv_tokens / settings.max_model_len),
        "kv_cache_size_tokens": str(settings.kv_tokens),
        "num_gpu_blocks": str(settings.kv_tokens // block_tokens),
    }

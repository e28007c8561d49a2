"""The load client against a small server: what it counts as lost, when it sends, what it measures."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.local.load_servers import DONE, LAST, TEXT, Handler, busy, half, plain, replay, silent, stream_of

from costwain.local.load import Counters, Load, LoadResult, Pace, Target
from costwain.sim.trace import Arrival, TraceError

OUTCOMES: dict[str, tuple[Handler, dict[str, object], str | None]] = {
    "a whole answer": (plain, {}, None),
    "a whole stream": (stream_of(TEXT, LAST, DONE), {"stream_share": 1.0}, None),
    "a stream without [DONE]": (stream_of(TEXT, LAST), {"stream_share": 1.0}, "stream without [DONE]"),
    "a stream that is cut": (stream_of(TEXT, b""), {"stream_share": 1.0}, "connection cut"),
    "an answer that stops short of its length": (half, {}, "connection cut"),
    "a full queue": (busy, {}, "status 503"),
    "no answer within the time": (silent, {"timeout_s": 5.0}, "timeout"),
    "nobody there": (plain, {"url": "http://127.0.0.1:1"}, "no connection"),
}


@pytest.mark.parametrize(("handler", "target", "lost"), OUTCOMES.values(), ids=OUTCOMES)
def test_anything_but_a_whole_answer_is_lost_and_says_how(
    handler: Handler, target: dict[str, object], lost: str | None
) -> None:
    result = replay(handler, **target)
    assert [record.lost for record in result.records] == [lost]
    assert result.summary().lost == (lost is not None)


def test_the_variant_that_answered_is_known_even_of_a_stream_that_was_cut() -> None:
    for handler in (stream_of(TEXT, LAST, DONE), stream_of(TEXT, b"")):
        (record,) = replay(handler, stream_share=1.0).records
        assert (record.variant, record.status) == ("big", 200)


@pytest.mark.parametrize(("key", "sent"), [(None, None), ("sk-blue-0123456789", "Bearer sk-blue-0123456789")])
def test_a_key_is_sent_and_shown_nowhere(key: str | None, sent: str | None) -> None:
    seen: list[str | None] = []

    async def keyed(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("authorization"))
        return await plain(request)

    assert replay(keyed, api_key=key).summary().lost == 0
    assert seen == [sent]
    assert "sk-blue" not in repr(Target("http://x", "chat", api_key=key))


def test_retry_after_is_obeyed_only_when_asked_to() -> None:
    asked = 0

    async def busy_at_first(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await (busy if asked % 2 else plain)(request)

    (record,) = replay(busy_at_first, retries=True).records
    assert (record.lost, record.retries, record.status) == (None, 1, 200)
    assert replay(busy_at_first).summary().lost == 1


def test_a_request_asks_for_what_the_trace_says() -> None:
    seen: list[tuple[str, dict[str, str], dict[str, object]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, dict(request.headers), await request.json()))
        return await plain(request)

    replay(handler, (Arrival(0, 50, 7, session="s1"), Arrival(0.1, 1, 1)))
    path, headers, body = seen[0]
    assert path == "/v1/chat/completions"
    assert headers["x-session-id"] == "s1"
    assert (body["model"], body["max_tokens"], body["ignore_eos"]) == ("chat", 7, True)
    assert len(str(body["messages"][0]["content"]).split()) == 50
    assert "x-session-id" not in seen[1][1]


def test_completions_are_asked_at_their_own_path_and_streams_ask_for_the_count() -> None:
    seen: list[tuple[str, dict[str, object]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.path, await request.json()))
        return await stream_of(TEXT, LAST, DONE)(request)

    replay(handler, api="completions", stream_share=1.0)
    assert seen[0][0] == "/v1/completions"
    assert seen[0][1]["stream_options"] == {"include_usage": True}
    assert str(seen[0][1]["prompt"]).startswith("Conversation 0:")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_share_of_streams_is_exact(share: float) -> None:
    target = Target("http://localhost", "chat", stream_share=share)
    assert sum(target.streams(index) for index in range(1000)) == round(1000 * share)


def test_an_endpoint_without_a_scheme_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^url: want http:// or https:// and a host \(found 'localhost:8080'\)$"):
        Target("localhost:8080", "chat")


def test_slow_answers_never_hold_back_the_next_request() -> None:
    arrived = 0
    everybody = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal arrived
        arrived += 1
        if arrived == 200:
            everybody.set()
        await everybody.wait()  # nobody is answered before the last has asked
        return await plain(request)

    result = replay(handler, tuple(Arrival(i * 0.1, 2, 1) for i in range(200)))
    assert result.summary().complete == 200


class Wall:
    """A clock that the server turns; `looked` is set whenever the client has looked at it."""

    def __init__(self) -> None:
        self.at_s = 1000.0
        self.looked = asyncio.Event()

    def __call__(self) -> float:
        self.looked.set()
        return self.at_s


def test_times_are_those_of_the_text_in_fleet_seconds() -> None:
    wall = Wall()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for wait_s, part in ((0.5, TEXT), (0.1, TEXT), (0.1, LAST), (7.0, DONE)):
            wall.at_s += wait_s
            wall.looked.clear()
            await response.write(part)
            await wall.looked.wait()
        return response

    (record,) = replay(handler, pace=Pace(10.0, wall), stream_share=1.0).records
    assert record.ttft_s == pytest.approx(5.0)
    assert record.tpot_s == pytest.approx(1.0)
    assert record.total_s == pytest.approx(77.0)
    assert record.delay_s == 0.0


def test_the_clients_own_lateness_is_recorded() -> None:
    wall = Wall()

    def arrivals() -> Iterator[Arrival]:
        yield Arrival(0, 1, 1)
        wall.at_s += 3
        yield Arrival(10, 1, 1)

    (_, second) = replay(plain, arrivals(), pace=Pace(10.0, wall)).records
    assert second.delay_s == pytest.approx(20.0)


def test_stop_sends_nothing_more_and_waits_for_what_is_under_way() -> None:
    async def run() -> tuple[Counters, LoadResult]:
        seen: list[Counters] = []

        async def handler(request: web.Request) -> web.StreamResponse:
            seen.append(load.counters)
            load.stop()
            return await plain(request)

        app = web.Application()
        app.router.add_post("/{tail:.*}", handler)
        async with TestServer(app) as server:
            load = Load(Target(str(server.make_url("/")), "chat", stream_share=0.0), Pace())
            result = await load.run([Arrival(0, 1, 1), Arrival(3600, 1, 1)])
        return seen[0], result

    counters, result = asyncio.run(run())
    assert (counters, counters.in_flight) == (Counters(sent=1), 1)
    assert result.summary().complete == 1


def test_a_trace_that_turns_out_faulty_is_told_after_what_was_sent_is_answered() -> None:
    answered = []

    async def handler(request: web.Request) -> web.StreamResponse:
        response = await plain(request)
        answered.append(json.loads(await request.read()))
        return response

    def arrivals() -> Iterator[Arrival]:
        yield Arrival(0, 1, 1)
        raise TraceError("trace.csv:3", "want times in ascending order", "1 s after 2 s")

    with pytest.raises(TraceError, match=r"^trace\.csv:3: "):
        replay(handler, arrivals())
    assert len(answered) == 1

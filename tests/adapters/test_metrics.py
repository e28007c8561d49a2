"""Pages of pods: what is read from them, and that a bad page is unknown, never zero."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from costwain.adapters.metrics import (
    GATEWAY_METRICS,
    POD_METRICS,
    GatewayReading,
    PodReading,
    Readings,
    Samples,
    gateway_reading,
    parse,
    pod_reading,
    scrape,
)

VLLM_PAGE = """\
# HELP python_info Python platform information
# TYPE python_info gauge
python_info{implementation="CPython",major="3",minor="12"} 1.0
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="chat"} 3.0
vllm:num_requests_running{engine="1",model_name="chat"} 2.0
vllm:num_requests_waiting{engine="0",model_name="chat"} 4.0
vllm:num_requests_waiting{engine="1",model_name="chat"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="chat",reason="capacity"} 4.0
vllm:kv_cache_usage_perc{engine="0",model_name="chat"} 0.9620253164556962
vllm:kv_cache_usage_perc{engine="1",model_name="chat"} 0.25
vllm:prompt_tokens_total{engine="0",model_name="chat"} 433.0
vllm:prompt_tokens_total{engine="1",model_name="chat"} 67.0
vllm:prompt_tokens_created{engine="0",model_name="chat"} 1.7954616104417338e+09
vllm:prompt_tokens_by_source_total{engine="0",model_name="chat",source="local_cache_hit"} 288.0
vllm:generation_tokens_total{engine="0",model_name="chat"} 10298.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="chat"} 5.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="chat"} 1.0
vllm:request_prompt_tokens_bucket{engine="0",le="+Inf",model_name="chat"} 6.0
vllm:request_prompt_tokens_count{engine="0",model_name="chat"} 6.0
vllm:request_prompt_tokens_sum{engine="0",model_name="chat"} 181.0
vllm:request_generation_tokens_sum{engine="0",model_name="chat"} 7501.0
vllm:iteration_tokens_total_count{engine="0",model_name="chat"} 3407.0
"""
VLLM_READING = PodReading(5, 4, 0.9620253164556962, 500, 10298, 6, 6, 181, 7501)

AGENT_PAGE = """\
# TYPE costwain_gateway_up gauge
costwain_gateway_up 1
costwain_gateway_queue_depth{variant="big"} 12
costwain_gateway_queue_depth{variant="small"} 0
costwain_gateway_in_flight{variant="big",pool="h100"} 30
costwain_gateway_in_flight{variant="big",pool="mi300x"} 41
costwain_gateway_requests_total{variant="big"} 1500
costwain_gateway_responses_total{variant="big",code="2xx"} 1400
"""

LINES = {  # story: (page, samples of "m")
    "a sample without labels": ("m 3", {("m", ()): 3.0}),
    "a timestamp is left alone": ("m 3 1700000000000", {("m", ()): 3.0}),
    "labels are sorted, so that order means nothing": ('m{b="2",a="1"} 3', {("m", (("a", "1"), ("b", "2"))): 3.0}),
    "a label may hold any sign": (r'm{a="x}y,\"z\" \\ \n"} 3', {("m", (("a", 'x}y,"z" \\ \n'),)): 3.0}),
    "a trailing comma is allowed": ('m{a="1",} 3', {("m", (("a", "1"),)): 3.0}),
    "empty braces are no labels": ("m{} 3", {("m", ()): 3.0}),
    "a name that only begins like it is another one": ('mm 1\nm_total 2\nm:x{a="1"} 3', {}),
    "NaN is unknown": ("m NaN", {}),
    "infinity is unknown": ('m{a="1"} +Inf', {}),
    "no value is unknown": ("m\nm{}\nm ", {}),
    "words are no value": ("m many", {}),
    "comments are no samples": ("# TYPE m gauge\n# m 3", {}),
    "an empty page says nothing": ("", {}),
    "an HTML page says nothing": ("<html>\nm</html>", {}),
}


@pytest.mark.parametrize(("page", "want"), LINES.values(), ids=LINES)
def test_what_a_line_means(page: str, want: Samples) -> None:
    assert parse(page, {"m"}) == want


@given(
    st.text() | st.lists(st.sampled_from(['m{a="', '"} ', "m ", "1", "NaN", "{", "}", "\\", "\n", ","])).map("".join)
)
def test_law_the_parser_takes_any_text(page: str) -> None:
    for (name, labels), value in parse(page, {"m"}).items():
        assert name == "m"
        assert list(labels) == sorted(labels)
        assert value - value == 0  # finite


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(), st.text())
def test_law_what_is_written_is_read_back(value: float, first: str, second: str) -> None:
    def quoted(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    page = f'm{{a="{quoted(first)}",b="{quoted(second)}"}} {value!r}'
    assert parse(page, {"m"}) == {("m", (("a", first), ("b", second))): value}


PODS = {  # story: (page, reading)
    "engines and reasons are summed, the fullest cache counts": (VLLM_PAGE, VLLM_READING),
    "what isn't there is unknown": ("vllm:num_requests_running 0", PodReading(running=0)),
    "NaN is unknown and not zero": (
        "vllm:num_requests_running 1\nvllm:num_requests_waiting NaN\nvllm:kv_cache_usage_perc NaN",
        PodReading(running=1),
    ),
    "a negative count is a lie": ("vllm:num_requests_running -1", PodReading()),
    "another server's page is no reading": ("python_info 1", None),
}


@pytest.mark.parametrize(("page", "want"), PODS.values(), ids=PODS)
def test_what_a_vllm_page_says(page: str, want: PodReading | None) -> None:
    assert pod_reading(parse(page, POD_METRICS)) == want


GATEWAYS = {  # story: (page, reading)
    "by variant and by pool": (
        AGENT_PAGE,
        GatewayReading({"big": 12, "small": 0}, {"big": 1500}, {("big", "h100"): 30, ("big", "mi300x"): 41}),
    ),
    "HAProxy is away: unknown": ("costwain_gateway_up 0", None),
    "up and empty: nothing waits": ("costwain_gateway_up 1", GatewayReading({}, {}, {})),
    "not the agent's page": ("python_info 1", None),
}


@pytest.mark.parametrize(("page", "want"), GATEWAYS.values(), ids=GATEWAYS)
def test_what_the_agents_page_says(page: str, want: GatewayReading | None) -> None:
    assert gateway_reading(parse(page, GATEWAY_METRICS)) == want


class Pod:
    """A server on loopback whose page a test may change; `url` where it is."""

    def __init__(self) -> None:
        self.status, self.page, self.headers = 200, VLLM_PAGE, dict[str, str]()
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        return web.Response(status=self.status, body=self.page.encode("latin-1"), headers=self.headers)


@pytest.fixture
async def pod(anyio_backend: str) -> AsyncIterator[Pod]:
    made, app = Pod(), web.Application()
    app.router.add_get("/metrics", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
    yield made
    await runner.cleanup()


@pytest.fixture
async def session(anyio_backend: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


BAD = {  # story: what differs from a good page
    "an error": {"status": 503},
    "a redirect, which a pod has no business to make": {"status": 302, "headers": {"Location": "/metrics"}},
}


@pytest.mark.anyio
@pytest.mark.parametrize("differs", BAD.values(), ids=BAD)
async def test_a_page_that_is_no_page(pod: Pod, session: aiohttp.ClientSession, differs: dict[str, Any]) -> None:
    assert await scrape(session, pod.url, POD_METRICS, 2)
    vars(pod).update(differs)
    assert await scrape(session, pod.url, POD_METRICS, 2) is None


@pytest.mark.anyio
async def test_broken_bytes_do_not_hide_the_good_lines(pod: Pod, session: aiohttp.ClientSession) -> None:
    pod.page = "\xff\xfe\nvllm:num_requests_running 2"
    assert await scrape(session, pod.url, POD_METRICS, 2) == {("vllm:num_requests_running", ()): 2.0}


@pytest.mark.anyio
async def test_nobody_there_is_unknown(session: aiohttp.ClientSession) -> None:
    assert await scrape(session, "http://127.0.0.1:1/metrics", POD_METRICS, 2) is None


@pytest.mark.anyio
async def test_a_failed_turn_keeps_the_last_good_reading_and_its_age(pod: Pod, session: aiohttp.ClientSession) -> None:
    clock = iter([100.0, 105.0, 115.0])
    readings = Readings.of_pods(session, lambda: next(clock))
    first = (await readings.turn([pod.url]))[pod.url]
    assert (first.value, first.at_s, first.before) == (VLLM_READING, 100, None)
    second = (await readings.turn([pod.url]))[pod.url]
    pod.status = 500
    kept = (await readings.turn([pod.url]))[pod.url]
    assert kept == second
    pod.status = 200
    third = (await readings.turn([pod.url]))[pod.url]
    assert third.before is not None
    assert (third.at_s, third.before.at_s, third.before.before) == (115, 105, None)


@pytest.mark.anyio
async def test_a_pod_that_is_gone_is_forgotten_and_a_dead_one_hides_no_other(
    pod: Pod, session: aiohttp.ClientSession
) -> None:
    readings = Readings.of_pods(session, lambda: 100.0)
    dead = "http://127.0.0.1:1/metrics"
    assert set(await readings.turn([pod.url, dead, pod.url])) == {pod.url}
    assert await readings.turn([]) == {}
    assert (await readings.turn([pod.url]))[pod.url].before is None

"""Load: the gateway first, the engines and Prometheus where it can't be read, unknown where nothing can."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.agent.builders import server, state
from tests.controller.pages import KEY, Page, cache_of

from costwain.adapters.clock import Clock
from costwain.adapters.metrics import GATEWAY_METRICS, gateway_reading, parse
from costwain.adapters.resources import PODS
from costwain.agent.haproxy import Runtime
from costwain.agent.metrics import metrics_text
from costwain.agent.observe import Observer
from costwain.controller import load as load_module
from costwain.controller.load import Loads
from costwain.domain import names
from costwain.domain.snapshot import Answers, Load

GATEWAY = """costwain_gateway_up 1
costwain_gateway_queue_depth{variant="full"} 3
costwain_gateway_requests_total{variant="full"} 10
costwain_gateway_in_flight{variant="full",pool="h100"} 5
"""
ENGINE = """vllm:num_requests_running{engine="0",model_name="m"} 7
vllm:num_requests_waiting{engine="0",model_name="m"} 2
vllm:request_time_per_output_token_seconds_bucket{engine="0",le="0.05",model_name="m"} 8
vllm:request_time_per_output_token_seconds_bucket{engine="0",le="+Inf",model_name="m"} 9
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Depths:
    """A Prometheus that knows one queue."""

    async def queue_depths(self) -> Mapping[tuple[str, str], float] | None:
        return {KEY: 40.0}


# story: (the gateway's page, the engine's page, Prometheus, waiting and running, or None)
CASES: dict[str, tuple[str | None, str | None, Any, tuple[int, int] | None]] = {
    "the gateway knows exactly": (GATEWAY, ENGINE, None, (3, 5)),
    "without the gateway the engines say what they have": (None, ENGINE, None, (2, 7)),
    "and Prometheus what waits": (None, ENGINE, Depths(), (40, 7)),
    "an engine that can't be read could do anything": (None, None, Depths(), None),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("gateway", "engine", "prometheus", "want"), CASES.values(), ids=CASES)
async def test_where_the_load_comes_from(
    gateway: str | None,
    engine: str | None,
    prometheus: Any,
    want: tuple[int, int] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Page("127.0.0.1", gateway) as agent, Page("127.0.0.1", engine) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            found = (await Loads(session, Clock(), prometheus).turn(cache_of()))[KEY]
    assert _numbers(found) == want
    assert found is None or found.arrivals_per_s is None  # one look makes no rate


@pytest.mark.anyio
async def test_what_a_pod_worked_is_known_by_its_address_from_the_second_look_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counted = ENGINE + 'vllm:generation_tokens_total{engine="0",model_name="m"} 100\n'
    async with Page("127.0.0.1", GATEWAY) as agent, Page("127.0.0.1", counted) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads = Loads(session, Clock())
            await loads.turn(cache_of())
            assert loads.work == {}
            await loads.turn(cache_of())
    assert (loads.work["127.0.0.1"].batch, loads.work["127.0.0.1"].tokens_per_s) == (7.0, 0.0)


@dataclass(frozen=True)
class Hand(Clock):
    """A clock that a test sets."""

    at: list[float] = field(default_factory=lambda: [1000.0])

    def now_s(self) -> float:
        return self.at[0]


@pytest.mark.anyio
async def test_when_the_agent_goes_its_last_page_serves_until_it_is_stale_and_then_the_engines_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Hand()
    async with Page("127.0.0.1", GATEWAY) as agent, Page("127.0.0.1", ENGINE) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads, seen = Loads(session, clock), []
            for later_s, page in ((0, GATEWAY), (5, None), (11, None), (1, GATEWAY)):
                clock.at[0] += later_s
                agent.text = page
                seen.append(_numbers((await loads.turn(cache_of()))[KEY]))
    assert seen == [(3, 5), (3, 5), (2, 7), (3, 5)]


@pytest.mark.anyio
async def test_answers_count_once_though_a_page_that_fails_stays_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hand()
    pages = [ENGINE, ENGINE.replace("} 8\n", "} 18\n").replace("} 9\n", "} 29\n"), None]
    async with Page("127.0.0.1", GATEWAY) as agent, Page("127.0.0.1", ENGINE) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads, seen = Loads(session, clock), []
            for page in pages:
                clock.at[0] += 5
                vllm.text = page
                load = (await loads.turn(cache_of()))[KEY]
                assert load is not None
                seen.append(dict(load.answers))
    assert seen == [{}, {"full": Answers(20, ((0.05, 10),))}, {}]


@pytest.mark.anyio
async def test_a_pod_that_goes_while_its_page_is_read_ends_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = cache_of()
    async with Page("127.0.0.1", GATEWAY) as agent, Page("127.0.0.1", ENGINE) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads = Loads(session, Clock())
            await loads.turn(cache)
            vllm.when_read = lambda: cache.replace(PODS, [], 0.0)
            assert (await loads.turn(cache))[KEY] is not None


COUNTED = ENGINE + 'vllm:request_success_total{engine="0",finished_reason="stop",model_name="m"} 100\n'
BARE = {  # story: (the engine's page now, arrivals a second, by variant what waits and runs), five seconds later
    "what ended and what is in it more came": (COUNTED.replace("} 100", "} 130").replace("} 2", "} 12"), 8.0, (12, 7)),
    "clients that left never make a negative rate": (COUNTED.replace('"m"} 7', '"m"} 0'), 0.0, (2, 0)),
}


@pytest.mark.anyio
@pytest.mark.parametrize(("page", "arrivals_per_s", "want"), BARE.values(), ids=BARE)
async def test_a_fleet_without_a_gateway_is_known_by_its_engines_alone_whatever_still_leaves(
    page: str, arrivals_per_s: float, want: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Hand()
    async with Page("127.0.0.1", GATEWAY) as agent, Page("127.0.0.1", COUNTED) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads, cache = Loads(session, clock, Depths()), cache_of(mode="None")  # type: ignore[arg-type]
            first = (await loads.turn(cache))[KEY]
            assert (_numbers(first), first and first.arrivals_per_s) == ((2, 7), None)
            vllm.text = page
            clock.at[0] += 5
            load = (await loads.turn(cache))[KEY]
    assert load is not None
    assert load.arrivals_per_s == arrivals_per_s
    assert (load.queued, load.running) == ({"full": want[0]}, {"full": want[1]})


@pytest.mark.anyio
async def test_without_a_gateway_no_engine_is_no_load_and_one_that_cannot_be_read_is_unknown_unless_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Page("127.0.0.1", None) as vllm:
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads, cache = Loads(session, Clock()), cache_of(mode="None")
            assert (await loads.turn(cache))[KEY] is None
            cache.all(PODS)[KEY[0], names.ROLE_MODEL]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
            assert (await loads.turn(cache))[KEY] == Load(None, {}, {})
            cache.replace(PODS, [], 0.0)
            assert (await loads.turn(cache))[KEY] == Load(None, {}, {})


@pytest.mark.anyio
async def test_an_engine_is_idle_as_long_as_it_says_so_in_this_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = ENGINE.replace("} 7", "} 0").replace("} 2", "} 0")
    clock, cache, seen = Hand(), cache_of(mode="None"), list[bool]()
    async with Page("127.0.0.1", ENGINE) as vllm:
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            loads = Loads(session, clock)
            for page in (ENGINE, calm, None):
                vllm.text = page
                clock.at[0] += 5
                await loads.turn(cache)
                seen.append("127.0.0.1" in loads.idle)
    assert seen == [False, True, False]


def test_the_queues_depth_is_read_from_a_page_with_everything_observed_on_it() -> None:
    known = state({"full/a": server(sessions=5)}, queued={"variant.full": 3}, keys={"hash": "blue"})
    observer = Observer(Runtime(Path("nobody")))
    observer.take("api 1.1 variant.full spot:a 200 -- 12 5127 blue - 1000000 1250000 20 20,4443,6,21,5412,1:19")
    page = metrics_text(known) + asyncio.run(observer.page(None))
    reading = gateway_reading(parse(page, GATEWAY_METRICS))
    assert reading is not None
    assert (reading.queue_depth["full"], reading.in_flight["full", "spot"]) == (3, 5)


@pytest.mark.anyio
@pytest.mark.parametrize(("line", "want"), [("", None), ("costwain_gateway_api_keys 0\n", 0)], ids=["open", "keyless"])
async def test_how_many_api_keys_a_gateway_knows(line: str, want: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Page("127.0.0.1", GATEWAY + line) as agent, Page("127.0.0.1", ENGINE) as vllm:
        monkeypatch.setattr(load_module.names, "AGENT_PORT", agent.port)
        monkeypatch.setattr(load_module.names, "MODEL_PORT", vllm.port)
        async with aiohttp.ClientSession() as session:
            found = (await Loads(session, Clock()).turn(cache_of()))[KEY]
    assert found is not None
    assert found.api_keys == want


def _numbers(load: Load | None) -> tuple[int, int] | None:
    return None if load is None else (load.waiting, load.active)

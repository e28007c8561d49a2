"""The event engine: one replica by hand, the gateway's queue, and how far the fluid engine is from it."""

from dataclasses import replace

import pytest
from tests.sim.test_world import Fixed
from tests.sim.worlds import carries, setup, steady

from costwain.decide.capacity import TTFT_FIXED_S
from costwain.sim.batches import batches
from costwain.sim.engine import Scene
from costwain.sim.event import Event
from costwain.sim.fluid import Fluid
from costwain.sim.policy import Ours
from costwain.sim.replica import Replica, Request
from costwain.sim.scenario import CALM
from costwain.sim.server import Server, servers
from costwain.sim.trace import read_trace
from costwain.sim.world import World

pytestmark = pytest.mark.long

HOUR_S = 3600.0


@pytest.fixture(name="server")
def _server() -> Server:
    own = setup().fleet
    return servers(own.spec, own.pools, CALM)["full", "h100"]


def played(server: Server, *requests: Request) -> dict[int, float]:
    """When each request ends, by its place in the row."""
    ends: dict[int, float] = {}
    order = list(requests)
    replica = Replica(server, 0.0, lambda r, at_s: ends.update({order.index(r): at_s}))
    for request in sorted(order, key=lambda r: r.arrived_s):
        replica.advance(request.arrived_s)
        replica.submit(request, request.arrived_s)
    replica.advance(1e6)
    assert replica.outstanding == 0
    return ends


def test_a_lone_request_takes_its_prefill_and_its_steps(server: Server) -> None:
    request = Request(10.0, 512, 101)
    (end_s,) = played(server, request).values()
    first_s = 10.0 + TTFT_FIXED_S + server.prefill_s(512)
    assert request.first_s == pytest.approx(first_s)
    assert end_s - first_s == pytest.approx(100 * server.step_s(1, 513), rel=0.01)


def test_an_answer_of_one_token_ends_with_its_prompt(server: Server) -> None:
    request = Request(0.0, 512, 1)
    assert played(server, request) == {0: request.first_s}


def test_a_long_prompt_is_read_in_chunks(server: Server) -> None:
    request = Request(0.0, 20_000, 1)
    (end_s,) = played(server, request).values()
    chunks = [8192, 8192, 20_000 - 2 * 8192]
    assert end_s == pytest.approx(TTFT_FIXED_S + sum(server.prefill_s(n) for n in chunks))


def test_two_share_their_steps(server: Server) -> None:
    alone, together = played(server, Request(0.0, 512, 500)), played(server, *(Request(0.0, 512, 500) for _ in "ab"))
    assert max(together.values()) < 1.2 * alone[0]


def test_a_full_cache_sends_one_back_and_all_are_answered(server: Server) -> None:
    tight = replace(server, kv_tokens=3000)
    requests = [Request(0.0, 600, 1000) for _ in range(4)]
    ends = played(tight, *requests)
    assert len(ends) == 4
    assert max(ends.values()) > 1.3 * max(played(server, *(Request(0.0, 600, 1000) for _ in range(4))).values())


def test_no_more_than_its_slots_and_the_rest_waits_at_the_gateway() -> None:
    given = setup(engine=Event, scenario={"tailSeconds": 0})
    world = World(given, Fixed(1))
    for batch in steady(3 * carries(given), 600):
        world.turn(batch)
    load = world.fleet.load
    assert load is not None
    assert load.running == {"full": 32}
    assert load.queued["full"] > 500


def test_every_request_is_answered_or_lost() -> None:
    given = setup(engine=Event, gateway={"queueTimeoutSeconds": 60, "maxQueuedRequests": 100})
    world = World(given, Fixed(1))
    score = world.run(steady(2 * carries(given), 1200))
    assert score.lost > 0
    assert sum(world.tally.answered.values()) + world.tally.lost == score.requests


def test_what_a_lost_node_was_answering_is_lost() -> None:
    taken = {"fromSeconds": 600, "untilSeconds": 700, "reclaims": True}
    pools = {"h100": {"stockOuts": [taken], "noticeSeconds": 0}}
    score = World(setup(engine=Event, scenario={"pools": pools}), Fixed(1)).run(steady(2.0, 1200))
    assert 1 <= score.lost <= 32


def test_a_swap_and_its_drains_lose_nothing() -> None:
    given = setup(engine=Event, budget={"amount": "5.00", "period": "Hour"})
    score = World(given, Ours()).run(steady(2.5 * carries(given), 1.5 * HOUR_S))
    assert score.swaps >= 1
    assert score.lost == 0
    assert score.overspend == 0


def test_the_gap_between_the_engines_is_small_on_a_small_trace() -> None:
    """Attainment within three points and dollars within 5 %, for a fixed fleet and for ours."""
    load = batches(read_trace("synthetic:burst,rate=4,peak=9,duration=3600,input=512,output=128,seed=3"), 10.0)
    gaps = {}
    for name, policy in (("fixed", lambda: Fixed(3)), ("costwain", Ours)):
        runs = [
            World(setup(engine=engine, scenario={"warmUpSeconds": 600}), policy()).run(load)
            for engine in (Fluid, Event)
        ]
        gaps[name] = (runs[0].attainment - runs[1].attainment, runs[0].dollars / runs[1].dollars - 1)
    print("\n".join(f"{name}: attainment {a:+.4f}, dollars {d:+.2%}" for name, (a, d) in gaps.items()))
    assert all(abs(a) < 0.03 and abs(d) < 0.05 for a, d in gaps.values()), gaps


def test_an_iteration_takes_what_the_capacity_model_says() -> None:
    given = setup()
    server = servers(given.fleet.spec, given.fleet.pools, given.scenario)["full", "h100"]
    for batch in (1, 7, 64, 256):
        for context in (0, 10, 500, 5000):
            assert server.iteration_s(batch, batch * context) == pytest.approx(server.step_s(batch, context))
    assert server.read_s(700) == server.read_s(700) == server.prefill_s(700)


def test_in_turns_of_a_fraction_requests_come_when_the_trace_says(monkeypatch: pytest.MonkeyPatch) -> None:
    came, arrive = list[float](), Event._arrive

    def noted(engine: Event, request: Request, scene: Scene) -> None:
        came.append(request.arrived_s - CALM.start_s)
        arrive(engine, request, scene)

    monkeypatch.setattr(Event, "_arrive", noted)
    trace = list(read_trace("synthetic:step,rate=2,peak=2,duration=20000"))
    World(setup(scenario={"turnSeconds": 1.1}, engine=Event), Fixed(2)).run(batches(trace, 1.1))
    assert came == pytest.approx([arrival.t_s for arrival in trace], abs=0.1)

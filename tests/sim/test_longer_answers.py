"""Variants that write longer answers than the trace says: what they cost, and that the operator finds it out."""

from typing import Any

import pytest
from tests.sim.worlds import OUTPUT, setup, steady

from costwain.decide.lengths import lengths_of
from costwain.domain.memory import Memory
from costwain.sim.batches import Batch, batches
from costwain.sim.compare import ENGINES
from costwain.sim.oracle import _slots
from costwain.sim.policies.infadapter import InfAdapter
from costwain.sim.policy import Ours
from costwain.sim.trace import read_trace
from costwain.sim.world import Setup, World

MODELS = {"full": ("hf://Qwen/Qwen3-32B", "72.7"), "small": ("hf://Qwen/Qwen3-8B", "64.3")}
CHAT = {"minReplicas": 1, "maxReplicas": 8}
BY_HAND = {"mode": "Manual", "variant": "small"}


def given(engine: str, told: str = "1", true: float | None = None, **change: Any) -> Setup:
    """A fleet of two on h100 whose small variant is said, and really, to be so long."""
    rungs = [
        {"name": n, "model": {"uri": uri}, "quality": q, "placements": [{"pool": "h100"}], "answerLength": length}
        for (n, (uri, q)), length in zip(MODELS.items(), ("1", told), strict=True)
    ]
    scenario = {} if true is None else {"answerLengths": {"small": true}}
    return setup(engine=ENGINES[engine], scenario=scenario, variants=rungs, **{"scaling": CHAT, **change})


def ran(given_: Setup, load: list[Batch], policy: Any = None) -> World:
    world = World(given_, policy or Ours())
    for batch in load:
        world.turn(batch)
    return world


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_cost_more_for_a_longer_variant(engine: str) -> None:
    load, paid = steady(20, 1200), {}
    for told, true in (("1", None), ("5", None), ("1", 5.0)):
        world = World(given(engine, told, true, swap=BY_HAND), Ours())
        paid[told, true] = world.run(load).dollars
    assert paid["5", None] > 1.7 * paid["1", None]
    assert paid["1", 5.0] > 1.5 * paid["1", None]


@pytest.mark.parametrize("engine", ENGINES)
def test_engines_tell_what_was_written_and_quality_weighs_what_was_asked(engine: str) -> None:
    world = ran(given(engine, "5", swap=BY_HAND), steady(4, 900))
    load = world.fleet.load
    assert load is not None
    assert load.output_tokens == 5 * OUTPUT
    told = load.answers["small"]
    assert told.tokens == pytest.approx(told.count * 5 * OUTPUT)
    assert sum(world.tally.tokens.values()) / sum(world.tally.answered.values()) == pytest.approx(512 + OUTPUT)


def test_what_waits_for_a_variant_that_goes_is_answered_as_the_other_does() -> None:
    batch = steady(1, 10)[0]
    assert batch.longer(1.0) is batch
    assert (batch.longer(5.0).mean_output, batch.longer(0.001).outputs) == (5 * OUTPUT, (1,) * 5)
    assert batch.longer(5.0).inputs == batch.inputs


@pytest.mark.parametrize("engine", ENGINES)
def test_a_peer_knows_the_spec_and_takes_no_answer_twice_as_long(engine: str) -> None:
    cents = {"amount": "0.50", "period": "Hour"}  # an even rate of which pays nothing but the cheapest
    peer = InfAdapter()
    world = ran(given(engine, "5", budget=cents), steady(40, 900), peer)
    assert world.fleet.load is not None
    assert world.fleet.load.output_tokens is not None
    assert world.fleet.load.output_tokens > 2 * OUTPUT
    assert peer._shape.output_tokens == pytest.approx(OUTPUT, rel=0.05)


def test_the_oracle_knows_the_true_lengths() -> None:
    load, budget = steady(4, 600), {"amount": "100.00"}
    plain, long, told = (
        _slots(s.fleet, s.scenario, load)[0][0].options
        for s in (
            given("fluid", budget=budget),
            given("fluid", "1", 5.0, budget=budget),
            given("fluid", "5", budget=budget),
        )
    )
    assert long == told
    assert plain[0] == long[0]
    assert plain[1].per_s > 1.5 * long[1].per_s


@pytest.mark.long
@pytest.mark.parametrize("engine", ENGINES)
def test_a_length_that_the_spec_does_not_say_is_learned_when_dollars_move_the_traffic(engine: str) -> None:
    load = batches(read_trace("synthetic:step,rate=1,peak=12,at=0.33,duration=10800"), 10.0)
    world = ran(given(engine, "1", 5.0, budget={"amount": "14.00", "period": "Hour"}), load)
    memory = Memory.model_validate_json(world.fleet.memory.model_dump_json())
    small = next(x for x in memory.lengths if x.variant == "small")
    assert small.used == pytest.approx(5, rel=0.25)
    assert lengths_of(world.fleet.spec, memory)["full"] == pytest.approx(1, rel=0.25)

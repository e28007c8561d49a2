"""Two rungs that serve together at maxReplicas, told over an hour: the pair that runs is kept."""

import pytest
from tests.sim.worlds import pool, setup

from costwain.sim.arrival import Arrival
from costwain.sim.batches import batches
from costwain.sim.policy import Ours
from costwain.sim.world import World

pytestmark = pytest.mark.long

RUNGS = (("big", "Qwen3-32B", "72.7"), ("mid", "Qwen3-14B", "67.5"), ("small", "Qwen3-4B", "58.6"))


@pytest.mark.parametrize("per_s", [2.5, 3.5])
def test_a_pair_at_the_ceiling_is_not_taken_apart_for_a_better_partner_that_has_no_slot(per_s: float) -> None:
    """Once the first queue is gone mid would do beside big, or two of big; each was begun again every ten minutes."""
    given = setup(
        [pool("mi300x", 4)],
        variants=[
            {
                "name": name,
                "model": {"uri": f"hf://Qwen/{model}"},
                "quality": quality,
                "placements": [{"pool": "mi300x"}],
            }
            for name, model, quality in RUNGS
        ],
        scaling={"minReplicas": 0, "maxReplicas": 2},
        slo={"timeToFirstTokenMilliseconds": 1000, "timePerOutputTokenMilliseconds": 175, "percentile": 50},
    )
    load = batches((Arrival(i / per_s, 3000, 150) for i in range(round(per_s * 3600))), 10.0)
    score = World(given, Ours()).run(load)
    assert score.flaps <= 1
    assert score.scale_actions <= 4
    assert score.attainment > 0.6

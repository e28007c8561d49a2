"""The benchmark of rests: what it compares, and that a run beside itself costs nothing."""

import pytest
from tests.bench.bench_rest import NEVER, figures, run

TRACE = "synthetic:step,rate=1,peak=4,duration=1210"


def test_a_run_beside_itself_costs_nothing_and_decides_on_all() -> None:
    watched = run(2, TRACE, 0, NEVER)
    dearer, later, share, ratio = figures([watched], [watched])
    assert (dearer.value, later.value, share.value, ratio.value) == (0.0, 0.0, 100.0, 1.0)


@pytest.mark.long
def test_where_fleets_rest_fewer_are_decided_on_for_the_same_requests() -> None:
    watched, rested = run(6, TRACE, 0, NEVER), run(6, TRACE, 0, 1)
    assert rested.policy.decided < 0.8 * watched.policy.decided
    assert [s.requests for s in rested.scores] == [s.requests for s in watched.scores]

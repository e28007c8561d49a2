"""Many fleets in one simulation: most rest in a turn, as they do in a cluster."""

from dataclasses import replace

import pytest
from tests.decide.resting import settled
from tests.sim.worlds import carries, pool, setup, steady

from costwain.decide import decide
from costwain.decide.rest import FEW
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Snapshot
from costwain.sim.policy import Ours
from costwain.sim.town import Town

MANY = 2 * FEW


class Counting(Ours):
    """The operator's own decide, which notes on how many fleets each turn decided."""

    def __init__(self) -> None:
        super().__init__()
        self.decided: list[int] = []

    def decide(self, snapshot: Snapshot) -> Plan:
        plan = super().decide(snapshot)
        self.decided.append(len(plan.fleets))
        return plan


def test_the_policy_is_told_what_came_while_a_fleet_rested(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, shown = settled(), list[Snapshot]()

    def note(snapshot: Snapshot) -> Plan:
        shown.append(snapshot)
        return decide(snapshot)

    monkeypatch.setattr("costwain.sim.policy.decide", note)
    policy = Ours()
    for turn in range(2):
        policy.decide(replace(seen, now_s=seen.now_s + turn))
    assert shown[0].fleets[-1].load == seen.fleets[-1].load
    last = shown[1].fleets[-1].load
    assert last is not None
    assert last.fast_per_s is not None


@pytest.mark.long
def test_fleets_that_rest_are_served_and_paid_as_one_that_never_does() -> None:
    alone = setup([pool(total=1000)])
    load = steady(0.5 * carries(alone), 1800.0)
    each = [replace(alone, fleet=replace(alone.fleet, name=f"chat-{n}")) for n in range(MANY)]
    (one,) = Town([alone], Ours()).run([load])
    counting = Counting()
    scores = Town(each, counting).run([load] * MANY)
    assert counting.decided[-1] == FEW
    assert {(s.dollars, s.attainment, s.swaps, s.scale_actions) for s in scores} == {
        (one.dollars, one.attainment, one.swaps, one.scale_actions)
    }

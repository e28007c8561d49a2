"""Foresight: what keeping the SLO would cost somebody who knew every request, on the best variant and one pool.

The oracle of `sim/oracle.py` takes the modelled rate and so assumes the SLO. This one plays the trace with 1, 2, 3 ...
replicas from end to end and picks a count for every ten minutes, where it saves most late requests a replica first,
until the SLO's share is in time. Replicas come and go for nothing there, a slot doesn't feel the one before, and even
the luck of single requests is known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from costwain.sim import compare
from costwain.sim.batches import Batch
from costwain.sim.member import Setup
from costwain.sim.policies import policy_of
from costwain.sim.world import World

SLOT_S = 600.0
MORE = 1.25  # the next count over the last


@dataclass(frozen=True)
class Played:
    """A fixed count of replicas from end to end: requests that were late or lost, and requests, slot by slot."""

    replicas: int
    late: list[float]
    requests: int
    dollars: float

    @property
    def in_time(self) -> float:
        return 1 - sum(self.late) / self.requests


def foresight(contest: compare.Contest) -> float | None:
    """Dollars for the first seed's requests without a budget; None where not even `maxReplicas` keep the SLO."""
    spec = contest.fleet.spec.model_copy(update={"budget": None})
    share = spec.slo.percentile / 100
    load = compare.load_of(contest.trace, contest.scenario.turn_seconds, (0, contest.engine))
    played, count = list[Played](), 1
    while count <= spec.scaling.max_replicas and (not played or played[-1].in_time < share + (1 - share) * 0.9):
        fixed = replace(contest, fleet=replace(contest.fleet, spec=spec))
        played.append(_play(fixed, load, count))
        count = math.ceil(count * MORE)
    return None if played[-1].in_time < share else _cheapest(played, share)


def _play(contest: compare.Contest, load: Sequence[Batch], count: int) -> Played:
    turn_s = contest.scenario.turn_seconds
    setup = Setup(contest.fleet, contest.scenario, compare.ENGINES[contest.engine])
    seen = _Seen(World(setup, policy_of(f"static-peak:replicas={count}", compare.facts_of(load, turn_s))))
    warm = load[: round(contest.scenario.warm_up_seconds / turn_s)]
    for batch in warm:
        seen.world.turn(batch)
    seen.late()
    began = seen.world.fleet.ledger.spent_micro(0, seen.world.now_s)
    each, late = round(SLOT_S / turn_s), list[float]()
    for first in range(0, len(load), each):
        for batch in load[first : first + each]:
            seen.world.turn(batch)
        late.append(seen.late())
    spent = seen.world.fleet.ledger.spent_micro(0, seen.world.now_s) - began
    return Played(count, late, sum(batch.count for batch in load), spent / 1e6)


class _Seen:
    """What a world's tally says since it was last asked."""

    def __init__(self, world: World) -> None:
        self.world, self._before = world, 0.0

    def late(self) -> float:
        tally = self.world.tally
        total = tally.lost + sum(tally.answered.values()) - sum(tally.good.values())
        self._before, before = total, self._before
        return total - before


def _cheapest(played: Sequence[Played], share: float) -> float:
    """Dollars of the counts that keep the share, picked slot by slot."""
    slots = len(played[0].late)
    picked = [0] * slots
    allowed = (1 - share) * played[0].requests
    while sum(played[i].late[slot] for slot, i in enumerate(picked)) > allowed:
        steps = [(slot, i) for slot in range(slots) for i in range(picked[slot] + 1, len(played))]
        slot, to = max(steps, key=lambda step: _saved_a_replica(played, step[0], picked[step[0]], step[1]))
        picked[slot] = to
    return sum(played[i].dollars / slots for i in picked)


def _saved_a_replica(played: Sequence[Played], slot: int, now: int, then: int) -> float:
    saved = played[now].late[slot] - played[then].late[slot]
    return saved / (played[then].replicas - played[now].replicas)

"""Many fleets for which nothing is to be done, so that most of them rest."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.decide.builders import NOW_S, fleet, load, pool, pools, replica, serving, snapshot

from costwain.decide import decide
from costwain.decide.rest import FEW
from costwain.domain.memory import Demand
from costwain.domain.snapshot import Fleet, Pool, Snapshot

MANY, TURN_S = 3 * FEW, 5.0
COMES = 1.0  # requests/s of every fleet


def quiet(n: int, **change: Any) -> list[Fleet]:
    """So many fleets whose one pod has served the same load for long."""
    demand = Demand(
        at_s=NOW_S - TURN_S, fast_per_s=COMES, slow_per_s=COMES, input_tokens=512.0, output_tokens=128.0, shape_s=300.0
    )
    one = fleet(replica("full/mi300x"), load=load(COMES, running=4), memory=serving(demand=demand), **change)
    pods = [replace(one.replicas[0], pod=f"pod-{i:03}", uid=f"pod-{i:03}") for i in range(n)]
    return [replace(one, name=f"chat-{i:03}", uid=f"u-{i:03}", replicas=(pod,)) for i, pod in enumerate(pods)]


def wide(of: Sequence[Fleet]) -> dict[str, Pool]:
    """Pools with room for all."""
    standing = [r for f in of for r in f.replicas]
    return pools(pool("h100", total=1000), pool("mi300x", total=1000), using=standing)


def told(seen: Snapshot) -> tuple[Fleet, ...]:
    """The fleets with what a turn's decisions had them remember."""
    memories = {p.key: p.memory for p in decide(seen).fleets}
    return tuple(f.remembering(memories.get(f.key, f.memory)) for f in seen.fleets)


def settled(n: int = MANY, now_s: float = NOW_S, **change: Any) -> Snapshot:
    """So many quiet fleets, a turn after the first decision on all of them; the last one's turn is far away."""
    found = quiet(n, **change)
    first = snapshot(*found, where=wide(found), now_s=now_s)
    assert len(decide(first).fleets) == n
    return replace(first, fleets=told(first), now_s=now_s + TURN_S)


def beside(one: Fleet) -> Snapshot:
    """A fleet beside many quiet ones, a turn after all were decided on; nothing that was asked for was done."""
    others = settled()
    fleets = (*others.fleets, replace(one, name="one", uid="one"))
    first = replace(others, fleets=fleets, pools=wide(fleets), now_s=NOW_S)
    return replace(first, fleets=told(first), now_s=NOW_S + TURN_S)

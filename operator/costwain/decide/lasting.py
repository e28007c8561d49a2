"""Lasting: of the replicas that serve a fleet one is on capacity that nobody takes away, on demand or reserved.

A spot node may go with two minutes' notice, and all of a pool's often go together; a fleet that runs on them alone then
answers nothing until another replica has loaded. The rule is a bound of the search for the cheapest mix; it yields
where nothing else has room, and where the rest of a budget pays spot alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace

from costwain.decide.options import Option, Rung
from costwain.decide.search import Bounds, Kind
from costwain.domain.plan import Place, Why
from costwain.domain.snapshot import Fleet

Search = Callable[[Sequence[Kind], Bounds], tuple[int, ...] | None]


def obeyed(options: Sequence[Option], counts: Sequence[int]) -> bool:
    """Whether one replica lasts, or none runs at all."""
    return not any(counts) or any(n and o.lasting for o, n in zip(options, counts, strict=True))


def with_one(options: Sequence[Option], kinds: Sequence[Kind], bounds: Bounds, search: Search) -> list[tuple[int, ...]]:
    """What the search finds beside one replica that lasts, for each option that such a one could be of."""
    found = []
    for i, (option, kind) in enumerate(zip(options, kinds, strict=True)):
        if not option.lasting or kind.most < 1 or bounds.most < 1 or kind.hourly_micro > bounds.hourly_micro:
            continue
        others = [*kinds[:i], replace(kind, most=kind.most - 1), *kinds[i + 1 :]]
        rest = Bounds(
            bounds.per_s - kind.per_s, bounds.least - 1, bounds.most - 1, bounds.hourly_micro - kind.hourly_micro
        )
        counts = search(others, rest)
        if counts is not None:
            found.append((*counts[:i], counts[i] + 1, *counts[i + 1 :]))
    return found


def keep_one(fleet: Fleet, rungs: Iterable[Rung], mix: Mapping[Place, int], counts: dict[Place, int]) -> None:
    """Raises a count so that a ready replica that lasts stays until one of the mix's own is ready.

    At the ceiling one on spot makes way for it, of those that aren't ready yet where there are any.
    """
    options = {o.place: o for rung in rungs for o in rung.options}
    lasting = {r.place for r in fleet.ready if r.place in options and options[r.place].lasting}
    if not any(options[place].lasting for place in mix) or not lasting or any(counts.get(p) for p in lasting):
        return
    if sum(counts.values()) >= fleet.spec.scaling.max_replicas:
        spot = [place for place in counts if counts[place] and place in options and not options[place].lasting]
        if not spot:
            return
        ready = Counter(r.place for r in fleet.ready)
        counts[max(spot, key=lambda p: (counts[p] - ready[p], p))] -= 1
    counts[min(lasting, key=lambda p: (p[0] != fleet.memory.target, p))] = 1


def last_one(fleet: Fleet, counts: Mapping[Place, int], spot: Set[str]) -> Place | None:
    """Where a ready replica that lasts must be among those that stay, since others stay on the `spot` pools."""
    lasting = {r.place for r in fleet.ready if r.pool not in spot and counts.get(r.place)}
    if not any(n and place[1] in spot for place, n in counts.items()):
        return None
    return min(lasting, key=lambda p: (p[0] != fleet.memory.target, p), default=None)


def spot_of(rungs: Iterable[Rung]) -> Set[str]:
    """Pools of spot capacity that the rungs could run on."""
    return {o.place[1] for rung in rungs for o in rung.options if not o.lasting}


def spot_alone(rung: Rung, mix: Mapping[Place, int]) -> Why | None:
    """Says that a mix breaks the rule, and why; None where it obeys or the rung has no such placement."""
    options = rung.by_place
    lasting = sorted(o.place[1] for o in rung.options if o.lasting)
    if not any(mix.values()) or not lasting or any(n and options[p].lasting for p, n in mix.items() if p in options):
        return None
    where = " or ".join(lasting)
    if all(not o.most for o in rung.options if o.lasting):
        return Why("SpotAlone", f"{rung.name} runs on spot capacity alone: no room on {where}")
    return Why("SpotAlone", f"{rung.name} runs on spot capacity alone: the money doesn't pay {where} beside it")

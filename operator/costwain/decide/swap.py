"""Swap: how the shares of the traffic move to the rung that is to serve. No workflow: each turn takes the next step."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from costwain.decide.known import known
from costwain.domain.memory import Memory
from costwain.domain.snapshot import Fleet


@dataclass(frozen=True)
class Progress:
    """How far the new rung is: requests/s of its ready replicas, those needed, and whether more are coming.

    `beside`: the rung that takes a part for good, and how many percent.
    """

    ready_per_s: float
    needed_per_s: float
    complete: bool
    beside: tuple[str, int] | None = None


def step_shares(fleet: Fleet, target: str, progress: Progress, memory: Memory, now_s: float) -> Memory:
    """Memory with the shares of this turn.

    Where nothing else is ready the target gets everything at once, and the gateway holds what arrives. Else its
    share climbs the steps, each not before `stepSeconds` and not before its ready replicas carry that share. While
    none of them is ready, the others have it all.
    """
    swap, ready = fleet.spec.swap, {r.variant for r in fleet.ready}
    beside = progress.beside if progress.beside and progress.beside[0] in ready else None
    low, part = beside or ("", 0)
    others = serving(fleet, target, memory) or ({low: part} if low else {})
    if not others:
        return _with(memory, {target: 100}, now_s)
    if target not in ready:
        return _with(memory, _scaled(others, 100), None)
    share, most = memory.shares.get(target, 0), 100 - part
    if progress.beside and not beside:  # until its partner is ready, those that serve keep what it can't carry
        most = min(100 - progress.beside[1], _carried_percent(progress))
    if share >= most:  # what it can't carry is taken from it at once
        rest = {low: part} if low else _scaled(others, 100 - most)
        return _with(memory, {target: most, **rest}, now_s if share > most else None)
    waited_s = now_s - memory.stepped_at_s if memory.stepped_at_s is not None else math.inf
    following = min(most, next((p for p in swap.step_percents if p > share), 100))
    enough = progress.complete or progress.ready_per_s >= progress.needed_per_s * following / 100
    if waited_s <= 0 or waited_s < swap.step_seconds or not enough:
        return _with(memory, {target: share, **_scaled(others, 100 - share)}, None)
    rest = {low: part} if low and following == most else _scaled(others, 100 - following)
    return _with(memory, {target: following, **rest}, now_s)


def _carried_percent(progress: Progress) -> int:
    """What its ready replicas carry of what is needed."""
    return int(100 * min(1.0, progress.ready_per_s / progress.needed_per_s)) if progress.needed_per_s > 0 else 100


def serving(fleet: Fleet, target: str, memory: Memory) -> dict[str, int]:
    """Other variants of the ladder that serve now, with their shares; without any, the best that could and may."""
    standing = {r.variant for r in fleet.ready}
    others = [v.name for v in fleet.spec.variants if v.name in standing and v.name != target]
    serving = {name: memory.shares[name] for name in others if memory.shares.get(name, 0) > 0}
    if serving or target in standing:
        return serving
    may = [one.name for one in known(fleet.spec).variants if one.name in others and one.barred is None]
    return dict.fromkeys(may[:1], 100)


def held_shares(fleet: Fleet) -> dict[str, int]:
    """The shares as they are, among variants that the ladder has."""
    ladder = [v.name for v in fleet.spec.variants]
    known = {name: n for name, n in fleet.memory.shares.items() if name in ladder and n > 0}
    if known:
        return _scaled(known, 100)
    standing = {r.variant for r in fleet.ready}
    return {next((name for name in ladder if name in standing), ladder[0]): 100}


def _scaled(shares: Mapping[str, int], total: int) -> dict[str, int]:
    """Whole percents in the same proportion with a given sum; what rounding leaves goes to the largest.

    >>> _scaled({"a": 50, "b": 25}, 50)
    {'a': 34, 'b': 16}
    """
    whole = sum(shares.values())
    scaled = {name: n * total // whole for name, n in shares.items()}
    largest = max(shares, key=lambda name: (shares[name], name))
    scaled[largest] += total - sum(scaled.values())
    return scaled


def _with(memory: Memory, shares: Mapping[str, int], stepped_at_s: float | None) -> Memory:
    kept = {name: n for name, n in sorted(shares.items()) if n > 0}
    if kept == memory.shares:
        return memory
    moved = {"shares": kept} if stepped_at_s is None else {"shares": kept, "stepped_at_s": stepped_at_s}
    return memory.model_copy(update=moved)

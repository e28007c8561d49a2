"""Gathered: what was told of a fleet since its memory last took it in, where a turn or more didn't get that far.

That is so while it rests, and where a turn could not be carried out or read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from costwain.decide.learning import steady
from costwain.decide.smoothing import honest, is_busy, smoothed, summed
from costwain.domain.once import changed
from costwain.domain.snapshot import Fleet, Load, Replica, Snapshot, Work

LONGEST_S = 900.0  # what is older says nothing about now, as of a fleet that was paused


@dataclass(frozen=True)
class Unheard:
    """A load and what pods did, over so many seconds up to an instant (fleet seconds)."""

    load: Load
    replicas: tuple[Replica, ...]
    over_s: float
    until_s: float
    fast_per_s: float


def gathered(before: Mapping[str, Unheard], seen: Snapshot) -> tuple[Snapshot, dict[str, Unheard]]:
    """The snapshot with what no memory has taken in yet, by uid as the turn before left it; and that for the next."""
    fleets, kept = list[Fleet](), dict[str, Unheard]()
    for fleet in seen.fleets:
        told, demand = before.get(fleet.uid), fleet.memory.demand
        if told is not None and (demand is None or demand.at_s >= told.until_s or told.over_s > LONGEST_S):
            told = None
        load = None if fleet.load is None else honest(fleet.load)
        if load is None and told is not None:
            kept[fleet.uid] = told
        elif load is not None and demand is not None:
            over_s = seen.now_s - (demand.at_s if told is None else told.until_s)
            fast = smoothed(demand.fast_per_s if told is None else told.fast_per_s, load.arrivals_per_s, over_s)
            if told is not None:
                highest = max(told.fast_per_s, told.load.highest_per_s)
                load = replace(load, fast_per_s=fast, highest_per_s=highest)
                load = _both(told.load, load, (told.over_s, over_s))
                fleet = replace(fleet, load=load, replicas=_worked(told.replicas, fleet.replicas))
                over_s += told.over_s
            kept[fleet.uid] = Unheard(load, fleet.replicas, over_s, seen.now_s, fast)
        fleets.append(fleet)
    return replace(seen, fleets=tuple(fleets)), kept


def _both(before: Load, now: Load, for_s: tuple[float, float]) -> Load:
    """What came in both, each over so many seconds; what waits and runs is the newest."""
    rates = before.arrivals_per_s, now.arrivals_per_s
    came = [(rate or 0.0) * s for rate, s in zip(rates, for_s, strict=True)]
    return replace(
        now,
        arrivals_per_s=_mean(rates, for_s),
        input_tokens=_mean((before.input_tokens, now.input_tokens), came),
        output_tokens=_mean((before.output_tokens, now.output_tokens), came),
        tokens_per_s=_mean((before.tokens_per_s, now.tokens_per_s), for_s),
        earlier=summed(before.earlier, before.answers),
        quiet_s=0.0 if is_busy(now) else before.quiet_s + for_s[1],
    )


def _mean(values: Iterable[float | None], weights: Iterable[float]) -> float | None:
    """The weighted mean of those that are known; where none of them has weight, the newest."""
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in known)
    if total <= 0:
        return known[-1][0] if known else None
    return sum(value * weight for value, weight in known) / total


def _worked(before: Iterable[Replica], now: tuple[Replica, ...]) -> tuple[Replica, ...]:
    """The pods, with what each did in both."""
    did = {r.uid: r.work for r in before if r.work is not None}
    if not did:
        return now
    return tuple(
        changed(r, work=_longer(did[r.uid], r.work)) if r.uid in did and r.work is not None else r for r in now
    )


def _longer(before: Work, now: Work) -> Work:
    """What a pod did in two stretches, of which those count that say at which batch; the same one twice is one."""
    if now.at_s <= before.at_s:
        return before
    if not (steady(before) and steady(now)):
        return replace(before, at_s=now.at_s) if steady(before) else now
    over_s = before.over_s + now.over_s
    batch = (before.batch * before.over_s + now.batch * now.over_s) / over_s
    tokens = (before.tokens_per_s * before.over_s + now.tokens_per_s * now.over_s) / over_s
    return Work(now.at_s, over_s, batch, batch, tokens, before.readings + now.readings)

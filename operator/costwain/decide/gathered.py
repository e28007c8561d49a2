"""Gathered: what came since a fleet was last decided on, where a turn or more left it as it was."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from costwain.domain.once import changed
from costwain.domain.plan import Plan
from costwain.domain.snapshot import Answers, Fleet, Load, Replica, Snapshot, Work


def gathered(before: Snapshot, plan: Plan, now: Snapshot) -> Snapshot:
    """The snapshot in which no fleet has lost what its gateway and pods told in turns that didn't decide on it.

    `before` is the turn before, gathered itself, and `plan` what was decided on it.
    """
    decided = {fleet_plan.key for fleet_plan in plan.fleets}
    waiting = {f.uid: f for f in before.fleets if f.key not in decided}
    if not waiting:
        return now
    turn_s = now.now_s - before.now_s
    return replace(now, fleets=tuple(_since(waiting.get(f.uid), f, before.now_s, turn_s) for f in now.fleets))


def _since(before: Fleet | None, now: Fleet, at_s: float, turn_s: float) -> Fleet:
    """The fleet with what came before its newest readings, the turn before at `at_s`."""
    rest = now.memory.rest
    if before is None or rest is None or before.load is None or now.load is None:
        return now
    load = _both(before.load, now.load, (max(0.0, at_s - rest.since_s), turn_s))
    return replace(now, load=load, replicas=_worked(before.replicas, now.replicas))


def _both(before: Load, now: Load, for_s: tuple[float, float]) -> Load:
    """What came in both, each over so many seconds; what waits and runs is the newest."""
    came = [
        None if x.arrivals_per_s is None else x.arrivals_per_s * s for x, s in zip((before, now), for_s, strict=True)
    ]
    return replace(
        now,
        arrivals_per_s=_mean((before.arrivals_per_s, now.arrivals_per_s), for_s) if None not in came else None,
        input_tokens=_mean((before.input_tokens, now.input_tokens), came),
        output_tokens=_mean((before.output_tokens, now.output_tokens), came),
        tokens_per_s=_mean((before.tokens_per_s, now.tokens_per_s), for_s),
        answers=_summed(before.answers, now.answers),
        lately=None if now.arrivals_per_s is None else (now.arrivals_per_s, for_s[1]),
    )


def _mean(values: Iterable[float | None], weights: Iterable[float | None]) -> float | None:
    """The weighted mean of those that are known; of equal ones where nothing has weight, the newest."""
    known = [(value, weight or 0.0) for value, weight in zip(values, weights, strict=True) if value is not None]
    total = sum(weight for _, weight in known)
    if total <= 0:
        return known[-1][0] if known else None
    return sum(value * weight for value, weight in known) / total


def _summed(before: Mapping[str, Answers], now: Mapping[str, Answers]) -> Mapping[str, Answers]:
    if not before or not now:
        return now or before
    return {
        name: before[name] + now[name] if name in before and name in now else {**before, **now}[name]
        for name in sorted({*before, *now})
    }


def _worked(before: Iterable[Replica], now: tuple[Replica, ...]) -> tuple[Replica, ...]:
    """The pods, with what each did in both."""
    did = {r.uid: r.work for r in before if r.work is not None}
    if not did:
        return now
    return tuple(
        changed(r, work=_longer(did[r.uid], r.work)) if r.uid in did and r.work is not None else r for r in now
    )


def _longer(before: Work, now: Work) -> Work:
    """Two works of a pod one after the other; the same one twice is one."""
    if now.at_s <= before.at_s:
        return before
    over_s = before.over_s + now.over_s
    tokens = before.tokens_per_s * before.over_s + now.tokens_per_s * now.over_s
    return Work(now.at_s, over_s, before.running_before, now.running, tokens / over_s if over_s else 0.0)

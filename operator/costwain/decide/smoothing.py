"""Smoothing: the demand that a memory keeps, with one more reading in it."""

import math
from collections.abc import Mapping
from dataclasses import replace

from costwain.domain.memory import Demand
from costwain.domain.snapshot import Answers, Load

FAST_S = 45.0  # follows a burst within a minute
SLOW_S = 240.0  # remembers the level around it
SPREAD_S = 1800.0  # how long bursts are remembered
SHAPE_S = 300.0  # the mean request drifts slowly; a turn's few answers say little of it
GRID = 24  # steps an octave of mean tokens


def is_busy(load: Load) -> bool:
    """Whether any request came, waits or runs."""
    return load.waiting + load.active > 0 or (load.arrivals_per_s or 0.0) > 0


def honest(load: Load) -> Load:
    """The load without what no gauge can honestly show: a wrong figure would stay in the mean for ever."""
    told = load.arrivals_per_s, load.input_tokens, load.output_tokens
    if all(value is None or 0 <= value < math.inf for value in told):
        return load
    rate, tokens_in, tokens_out = (v if v is not None and 0 <= v < math.inf else None for v in told)
    return replace(load, arrivals_per_s=rate, input_tokens=tokens_in, output_tokens=tokens_out)


def taken_in(before: Demand | None, load: Load, now_s: float) -> Demand | None:
    """The demand with one more reading in it; None until there is a first rate."""
    rate = load.arrivals_per_s
    if before is None:
        if rate is None:
            return None
        return Demand(
            at_s=now_s,
            fast_per_s=rate,
            slow_per_s=rate,
            input_tokens=load.input_tokens,
            output_tokens=load.output_tokens,
            shape_s=0.0,
        )
    elapsed_s = max(0.0, now_s - before.at_s)
    if elapsed_s == 0:  # the same instant again, or a clock that stepped back
        return before.model_copy(update={"at_s": now_s})
    rates = {}
    if rate is not None:
        fast = smoothed(before.fast_per_s, rate, elapsed_s) if load.fast_per_s is None else load.fast_per_s
        slow = ewma(before.slow_per_s, rate, elapsed_s / SLOW_S)
        above = min(max(0.0, fast - slow), slow)  # a load that begins or ends is no burst
        variance = ewma(before.variance, 2 * above**2, elapsed_s / SPREAD_S)  # as much again lies below
        rates = {"fast_per_s": fast, "slow_per_s": slow, "variance": variance}
    return before.model_copy(
        update={
            "at_s": now_s,
            **rates,
            **_shaped(before, load, elapsed_s),
        }
    )


def _shaped(before: Demand, load: Load, elapsed_s: float) -> dict[str, float | None]:
    """The mean request: a plain mean over its first five minutes, then one that forgets.

    The first answers of a fleet are few, and short ones end first: with their turn's mean as the start of what forgets
    in five minutes, which second the first request came at decided whether one replica was bought or five.
    """
    if load.input_tokens is None or load.output_tokens is None:
        return {}
    if before.input_tokens is None or before.output_tokens is None:
        return {"input_tokens": load.input_tokens, "output_tokens": load.output_tokens, "shape_s": elapsed_s}
    new = max(elapsed_s / (before.shape_s + elapsed_s), 1 - math.exp(-elapsed_s / SHAPE_S))
    return {
        "input_tokens": before.input_tokens * (1 - new) + load.input_tokens * new,
        "output_tokens": before.output_tokens * (1 - new) + load.output_tokens * new,
        "shape_s": min(SHAPE_S, before.shape_s + elapsed_s),
    }


def on_grid(tokens: float) -> float:
    """The nearest of 24 steps an octave, 3 % apart: capacities don't follow every breath of a mean.

    >>> on_grid(128.0), on_grid(130.5), on_grid(0.2)
    (128.0, 131.75, 1.0)
    """
    if tokens <= 1:
        return 1.0
    return round(2 ** (round(math.log2(tokens) * GRID) / GRID), 2)


def summed(before: Mapping[str, Answers], now: Mapping[str, Answers]) -> Mapping[str, Answers]:
    """Answers by variant of two stretches of time."""
    if not before or not now:
        return now or before
    both = {name: before[name] + now[name] for name in before if name in now}
    return {**before, **now, **both}


def smoothed(fast_per_s: float, per_s: float | None, elapsed_s: float) -> float:
    """The fast mean of the rates with one more in it."""
    return fast_per_s if per_s is None else ewma(fast_per_s, per_s, elapsed_s / FAST_S)


def ewma(before: float, value: float, windows: float) -> float:
    """Exponential smoothing over uneven turns: what is `windows` old weighs 1/e^windows."""
    weight = math.exp(-windows)
    return before * weight + value * (1 - weight)

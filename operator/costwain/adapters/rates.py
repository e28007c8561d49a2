"""Rates out of counters: what two readings of a page say together. Pure."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from costwain.adapters.metrics import GatewayReading, PodReading, Reading
from costwain.domain.snapshot import Answers, Work


@dataclass(frozen=True)
class PodRates:
    """What a pod did between its last two readings; None where that can't be known.

    Tokens and requests a second of the readings' clock; mean tokens of the requests that ended in between.
    """

    prompt_tokens_per_s: float | None
    generation_tokens_per_s: float | None
    finished_per_s: float | None
    mean_input_tokens: float | None
    mean_output_tokens: float | None


def increase(now: float | None, before: float | None) -> float | None:
    """How far a counter went; one that is smaller than before began anew at 0, as Prometheus has it.

    >>> increase(7, 5), increase(2, 5), increase(7, None)
    (2, 2, None)
    """
    if now is None or before is None:
        return None
    return now - before if now >= before else now


def rate(now: float | None, before: float | None, elapsed_s: float) -> float | None:
    """The increase a second; None where no time has passed, or the clock went back.

    >>> rate(10, 4, elapsed_s=3), rate(10, 4, elapsed_s=0)
    (2.0, None)
    """
    gained = increase(now, before)
    return None if gained is None or elapsed_s <= 0 else gained / elapsed_s


def pod_rates(reading: Reading[PodReading]) -> PodRates:
    """The rates between a reading and the one before it."""
    ended = _gained(reading, lambda pod: pod.ended_total)
    return PodRates(
        prompt_tokens_per_s=_per_s(reading, lambda pod: pod.prompt_tokens_total),
        generation_tokens_per_s=_per_s(reading, lambda pod: pod.generation_tokens_total),
        finished_per_s=_per_s(reading, lambda pod: pod.requests_finished_total),
        mean_input_tokens=_mean(_gained(reading, lambda pod: pod.ended_prompt_tokens_total), ended),
        mean_output_tokens=_mean(_gained(reading, lambda pod: pod.ended_generation_tokens_total), ended),
    )


def work_of(reading: Reading[PodReading]) -> Work | None:
    """What the pod did between a reading and the one before it; None where that can't be known."""
    tokens_per_s = pod_rates(reading).generation_tokens_per_s
    running, before = reading.value.running, reading.before
    if before is None or before.value.running is None or running is None or tokens_per_s is None:
        return None
    return Work(reading.at_s, reading.at_s - before.at_s, before.value.running, running, tokens_per_s)


def answers_of(reading: Reading[PodReading]) -> Answers | None:
    """Answers between a reading and the one before it, by their times per token; None where that can't be known."""
    if reading.before is None:
        return None
    before = reading.before.value.token_times_total
    gained = {bound_s: increase(n, before.get(bound_s)) for bound_s, n in reading.value.token_times_total.items()}
    count = gained.pop(math.inf, None)
    if count is None:
        return None
    times = tuple(sorted((bound_s, n) for bound_s, n in gained.items() if n is not None))
    mean = pod_rates(reading).mean_output_tokens if count else 0.0  # a pod that answered nothing wrote nothing
    return Answers(count, times, None if mean is None else mean * count)


def entered_per_s(reading: Reading[PodReading]) -> float | None:
    """Requests a second that came to a pod since the reading before; None where that can't be known.

    What came is what ended and by how much more is in it now: vLLM counts no arrivals, and of a request whose client
    left it says nothing, so that one counts as if it had never come. Below 0 where more left than came.
    """
    now, before = reading.value, None if reading.before is None else reading.before.value
    if reading.before is None or before is None or reading.at_s <= reading.before.at_s:
        return None
    ended, inside, inside_before = (
        _gained(reading, lambda pod: pod.requests_finished_total),
        _inside(now),
        _inside(before),
    )
    if ended is None or inside is None or inside_before is None:
        return None
    began_anew = (now.requests_finished_total or 0) < (before.requests_finished_total or 0)
    return (ended + inside - (0 if began_anew else inside_before)) / (reading.at_s - reading.before.at_s)


def _inside(pod: PodReading) -> float | None:
    return None if pod.running is None or pod.waiting is None else pod.running + pod.waiting


def arrivals_per_s(reading: Reading[GatewayReading]) -> Mapping[str, float]:
    """Requests a second by variant; a variant is absent until it was read twice."""
    if reading.before is None:
        return {}
    before, elapsed_s = reading.before.value.requests_total, reading.at_s - reading.before.at_s
    found = {name: rate(now, before.get(name), elapsed_s) for name, now in reading.value.requests_total.items()}
    return {name: value for name, value in found.items() if value is not None}


Field = Callable[[PodReading], float | None]


def _gained(reading: Reading[PodReading], field: Field) -> float | None:
    return None if reading.before is None else increase(field(reading.value), field(reading.before.value))


def _per_s(reading: Reading[PodReading], field: Field) -> float | None:
    if reading.before is None:
        return None
    return rate(field(reading.value), field(reading.before.value), reading.at_s - reading.before.at_s)


def _mean(total: float | None, count: float | None) -> float | None:
    return total / count if total is not None and count else None

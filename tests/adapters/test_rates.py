"""Rates: two readings make one, resets and clocks that stand still included."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.adapters.metrics import GatewayReading, PodReading, Reading
from costwain.adapters.rates import (
    PodRates,
    answers_of,
    arrivals_per_s,
    entered_per_s,
    increase,
    pod_rates,
    rate,
    work_of,
)
from costwain.domain.snapshot import Answers, Work

RATES = {  # story: (now, before, elapsed seconds, a second)
    "a counter that goes on": (110.0, 100.0, 5.0, 2.0),
    "nothing happened: zero, and known to be": (100.0, 100.0, 5.0, 0.0),
    "the pod started anew: what it counted since": (10.0, 100.0, 5.0, 2.0),
    "the first reading": (100.0, None, 5.0, None),
    "the page lost the counter": (None, 100.0, 5.0, None),
    "no time has passed": (110.0, 100.0, 0.0, None),
    "the clock went back": (110.0, 100.0, -5.0, None),
}


@pytest.mark.parametrize(("now", "before", "elapsed_s", "want"), RATES.values(), ids=RATES)
def test_a_counters_rate(now: float | None, before: float | None, elapsed_s: float, want: float | None) -> None:
    assert rate(now, before, elapsed_s) == want


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_law_a_counter_never_goes_down(now: int, before: int) -> None:
    gained = increase(now, before)
    assert gained is not None
    assert 0 <= gained <= now


def of_pod(now: PodReading, before: PodReading | None) -> Reading[PodReading]:
    return Reading(now, 110.0, None if before is None else Reading(before, 100.0))


PACES = {  # story: (buckets now, buckets before, answers in between)
    "two readings": ({0.025: 5, 0.05: 9, math.inf: 10}, {0.025: 1, 0.05: 2, math.inf: 2}, (8, ((0.025, 4), (0.05, 7)))),
    "the pod started anew": ({0.05: 1, math.inf: 2}, {0.05: 9, math.inf: 9}, (2, ((0.05, 1),))),
    "the first reading": ({0.05: 1, math.inf: 2}, None, None),
    "an engine without this histogram": ({}, {}, None),
}


@pytest.mark.parametrize(("now", "before", "want"), PACES.values(), ids=PACES)
def test_answers_by_their_time_per_token(
    now: dict[float, float],
    before: dict[float, float] | None,
    want: tuple[float, tuple[tuple[float, float], ...]] | None,
) -> None:
    last = None if before is None else PodReading(token_times_total=before)
    found = answers_of(of_pod(PodReading(token_times_total=now), last))
    assert found == (None if want is None else Answers(*want))


WRITTEN = {  # story: (answers, ended, their tokens in all, of which so many before; tokens of the answers, or None)
    "as many as ended": ((10, 4), (20, 14), (1000, 400), 600.0),
    "one more was counted than ended at the moment of reading": ((10, 4), (19, 14), (1000, 500), 600.0),
    "nothing was answered": ((10, 10), (20, 20), (1000, 1000), 0.0),
    "an engine that doesn't say what ended": ((10, 4), (None, None), (None, None), None),
}


@pytest.mark.parametrize(("paces", "ended", "tokens", "want"), WRITTEN.values(), ids=WRITTEN)
def test_tokens_of_answers(
    paces: tuple[float, float],
    ended: tuple[float | None, float | None],
    tokens: tuple[float | None, float | None],
    want: float | None,
) -> None:
    now, before = (
        PodReading(token_times_total={math.inf: n}, ended_total=e, ended_generation_tokens_total=t)
        for n, e, t in zip(paces, ended, tokens, strict=True)
    )
    found = answers_of(of_pod(now, before))
    assert found is not None
    assert found.tokens == want


def has(finished: float | None, running: float | None = 0, waiting: float | None = 0) -> PodReading:
    return PodReading(running=running, waiting=waiting, requests_finished_total=finished)


ENTERED = {  # story: (now, before, requests a second that came)
    "as many are in it as before: what ended also came": (has(120, 3, 1), has(100, 1, 3), 2.0),
    "none ended, but ten more are in it": (has(100, 8, 2), has(100), 1.0),
    "those that were in it ended, and none came": (has(110), has(100, 10), 0.0),
    "a client left: it counts as if it had never come": (has(100), has(100, 1), -0.1),
    "the pod started anew: what it has had since": (has(10, 5, 5), has(100, 7), 2.0),
    "the first reading": (has(100), None, None),
    "the page doesn't say what runs": (has(100, None), has(100), None),
    "the page doesn't say what ended": (has(None), has(100), None),
}


@pytest.mark.parametrize(("now", "before", "want"), ENTERED.values(), ids=ENTERED)
def test_what_came_to_a_pod_that_counts_no_arrivals(
    now: PodReading, before: PodReading | None, want: float | None
) -> None:
    assert entered_per_s(of_pod(now, before)) == want


UNKNOWN = PodRates(None, None, None, None, None)
PODS = {  # story: (now, before, rates)
    "everything is known": (
        PodReading(None, None, None, 500, 2000, 30, 30, 400, 1900),
        PodReading(None, None, None, 100, 1000, 10, 10, 200, 900),
        PodRates(40, 100, 2, mean_input_tokens=10, mean_output_tokens=50),
    ),
    "no request ended: no mean, and no division by zero": (
        PodReading(None, None, None, 500, 2000, 10, 10, 200, 900),
        PodReading(None, None, None, 500, 1000, 10, 10, 200, 900),
        PodRates(0, 100, 0, None, None),
    ),
    "the first reading says nothing yet": (PodReading(1, 1, 1, 1, 1, 1, 1, 1, 1), None, UNKNOWN),
    "a page without counters": (PodReading(running=1), PodReading(running=1), UNKNOWN),
}


@pytest.mark.parametrize(("now", "before", "want"), PODS.values(), ids=PODS)
def test_what_a_pod_did(now: PodReading, before: PodReading | None, want: PodRates) -> None:
    assert pod_rates(of_pod(now, before)) == want


WORK = {  # story: (now, before, what it did)
    "two readings": (
        PodReading(running=8, generation_tokens_total=2000), PodReading(running=4, generation_tokens_total=1000),
        Work(110.0, 10.0, running_before=4, running=8, tokens_per_s=100),
    ),
    "the first reading": (PodReading(running=8, generation_tokens_total=2000), None, None),
    "nobody says how many ran": (
        PodReading(generation_tokens_total=2000), PodReading(running=4, generation_tokens_total=1000), None,
    ),
    "nobody counts tokens": (PodReading(running=8), PodReading(running=4), None),
}  # fmt: skip


@pytest.mark.parametrize(("now", "before", "want"), WORK.values(), ids=WORK)
def test_what_a_pod_has_worked(now: PodReading, before: PodReading | None, want: Work | None) -> None:
    assert work_of(of_pod(now, before)) == want


def gateway(**requests_total: float) -> GatewayReading:
    return GatewayReading({}, requests_total, {})


ARRIVALS = {  # story: (now, before, arrivals a second)
    "by variant": (gateway(big=150, small=30), gateway(big=100, small=20), {"big": 5, "small": 1}),
    "a new rung has no rate yet": (gateway(big=150, small=30), gateway(big=100), {"big": 5}),
    "a rung that went is gone": (gateway(big=150), gateway(big=100, small=20), {"big": 5}),
    "the first reading": (gateway(big=150), None, {}),
}


@pytest.mark.parametrize(("now", "before", "want"), ARRIVALS.values(), ids=ARRIVALS)
def test_what_arrived(now: GatewayReading, before: GatewayReading | None, want: dict[str, float]) -> None:
    reading = Reading(now, 110.0, None if before is None else Reading(before, 100.0))
    assert arrivals_per_s(reading) == want

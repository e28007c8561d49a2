"""Rates: two readings make one, resets and clocks that stand still included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.adapters.metrics import GatewayReading, PodReading, Reading
from costwain.adapters.rates import PodRates, arrivals_per_s, increase, pod_rates, rate, work_of
from costwain.domain.snapshot import Work

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

"""Traces of our own: the curve that was asked for comes out, and the same seed gives the same requests."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.sim import synthetic
from costwain.sim.trace import Take, TraceError, read_trace

KINDS = ("diurnal", "burst", "step", "ramp")


@given(
    kind=st.sampled_from(KINDS),
    rate=st.floats(0.2, 2),
    peak=st.floats(0.2, 5),
    seed=st.integers(0, 2**32),
    part=st.tuples(st.floats(0.5, 2), st.floats(0, 300), st.floats(50, 600)),
)
def test_arrivals_are_sorted_never_negative_and_inside_their_stretch(
    kind: str, rate: float, peak: float, seed: int, part: tuple[float, float, float]
) -> None:
    scale, start_s, duration_s = part
    take = Take(seed=seed, scale=scale, start_s=start_s, duration_s=duration_s)
    got = list(synthetic.read(f"synthetic:{kind},rate={rate},peak={peak},duration=600", take))
    assert all(0 <= a.t_s < duration_s for a in got)
    assert all(a.t_s <= b.t_s for a, b in itertools.pairwise(got))
    assert all(a.input_tokens >= 1 and a.output_tokens >= 1 for a in got)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_rate_and_the_mean_lengths_are_those_that_were_asked_for(kind: str) -> None:
    source = f"synthetic:{kind},rate=2,peak=8,duration=3600,input=500,output=120,seed=11"
    got = list(read_trace(source))
    assert len(got) / 3600 == pytest.approx(synthetic.parse(source).mean_per_s(), rel=0.05)
    assert sum(a.input_tokens for a in got) / len(got) == pytest.approx(500, rel=0.05)
    assert sum(a.output_tokens for a in got) / len(got) == pytest.approx(120, rel=0.05)


RATES = {
    "diurnal: quiet at first": ("diurnal,rate=1,peak=9,duration=1000", 0, 1),
    "diurnal: noon in the middle": ("diurnal,rate=1,peak=9,duration=1000", 500, 9),
    "diurnal: a period of its own": ("diurnal,rate=1,peak=9,duration=1000,period=500", 250, 9),
    "diurnal: a week has days": ("diurnal,rate=1,peak=9,duration=604800", 43200, 9),
    "burst: calm before": ("burst,rate=1,peak=9,duration=1000", 399, 1),
    "burst: from two fifths on": ("burst,rate=1,peak=9,duration=1000", 400, 9),
    "burst: for a fifth": ("burst,rate=1,peak=9,duration=1000", 600, 1),
    "burst: where and how long may be said": ("burst,rate=1,peak=9,duration=1000,at=10,length=5", 14.9, 9),
    "step: half way": ("step,rate=1,peak=9,duration=1000", 500, 9),
    "step: at zero it is there from the start": ("step,rate=1,peak=9,duration=1000,at=0", 0, 9),
    "step: a peak below the rate is a step down": ("step,rate=9,peak=1,duration=1000", 999, 1),
    "ramp: half way it is half way": ("ramp,rate=1,peak=9,duration=1000", 500, 5),
}


@pytest.mark.parametrize(("what", "t_s", "want"), RATES.values(), ids=RATES)
def test_the_rate_follows_the_curve(what: str, t_s: float, want: float) -> None:
    assert synthetic.parse(f"synthetic:{what}").per_s(t_s) == pytest.approx(want)


def test_the_same_seed_gives_the_same_requests_and_its_own_seed_beats_the_parts() -> None:
    source = "synthetic:ramp,duration=200"
    assert list(read_trace(source, take=Take(seed=4))) == list(read_trace(f"{source},seed=4", take=Take(seed=9)))
    assert list(read_trace(source, take=Take(seed=4))) != list(read_trace(source, take=Take(seed=9)))


REFUSED = {
    "an unknown curve": ("synthetic:zigzag", "want synthetic: and one of diurnal, burst, step, ramp (found 'zigzag')"),
    "an unknown name": (
        "synthetic:step,rps=3",
        "want one of rate, peak, duration, period, at, length, input, output, seed (found 'rps=3')",
    ),
    "a value that is none": ("synthetic:step,rate=", "rate: want a number (found '')"),
    "a negative rate": ("synthetic:step,rate=-1", "rate: want a positive number (found -1)"),
    "more than can be counted": ("synthetic:step,rate=1e300", "rate: want at most 1e+07 (found 1e300)"),
    "answers without an end": ("synthetic:step,output=1e300", "output: want at most 1e+09 (found 1e300)"),
    "more days than are simulated": ("synthetic:step,duration=1e9", "duration: want at most 3.456e+07 (found 1e9)"),
    "no time at all": ("synthetic:step,duration=0", "duration: want a positive number (found 0)"),
}


@pytest.mark.parametrize(("source", "want"), REFUSED.values(), ids=REFUSED)
def test_a_bad_description_is_refused(source: str, want: str) -> None:
    with pytest.raises(TraceError) as error:
        list(read_trace(source))
    assert str(error.value) == f"{source}: {want}"


def test_a_load_that_only_its_scale_makes_absurd_is_refused() -> None:
    want = r"synthetic:step: want at most 20000000 requests where each is followed \(found 5.4e\+10 or more\)"
    with pytest.raises(TraceError, match=want):
        list(read_trace("synthetic:step", take=Take(scale=3e6)))


def test_a_trace_without_any_rate_has_no_request() -> None:
    with pytest.raises(TraceError, match="want at least one request"):
        list(read_trace("synthetic:step,rate=0,peak=0"))

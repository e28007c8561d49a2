"""Traces of our own: Poisson arrivals whose rate follows one of four curves.

Written `synthetic:<curve>[,name=value...]`, for instance `synthetic:burst,rate=2,peak=12,duration=1800,seed=7`.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

from costwain.sim.arrival import MOST_PER_S, MOST_S, MOST_TOKENS, Arrival, Take, TraceError, check_listed, number_of

PREFIX = "synthetic:"
# Spread of prompt and answer lengths: the logarithm's standard deviation, about that of public chat traces.
_SIGMA = 0.8
_CUT = 20  # no length beyond so many times the mean


@dataclass(frozen=True)
class Curve:
    """What a synthetic trace is made of.

    `rate` and `peak` are requests a second, `duration`, `period`, `at` and `length` seconds (`at`, `length`:
    where a burst or step begins and how long a burst lasts), `input` and `output` mean tokens.
    """

    kind: str
    rate: float = 1.0
    peak: float = 5.0
    duration: float = 3600.0
    period: float | None = None
    at: float | None = None
    length: float | None = None
    input: float = 600.0
    output: float = 150.0
    seed: int | None = None

    def per_s(self, t_s: float) -> float:
        """Requests a second at an instant."""
        return self.rate + (self.peak - self.rate) * _CURVES[self.kind](self, t_s)

    def mean_per_s(self) -> float:
        """Mean of the rate over the trace, by the midpoint rule."""
        steps = 10_000
        return math.fsum(self.per_s((i + 0.5) * self.duration / steps) for i in range(steps)) / steps


def _diurnal(curve: Curve, t_s: float) -> float:
    """Night at 0, noon in the middle of the period (a day, or the whole trace if that is shorter)."""
    period_s = curve.period or min(86400.0, curve.duration)
    return (1 - math.cos(2 * math.pi * t_s / period_s)) / 2


def _burst(curve: Curve, t_s: float) -> float:
    at_s = 0.4 * curve.duration if curve.at is None else curve.at
    length_s = 0.2 * curve.duration if curve.length is None else curve.length
    return 1.0 if at_s <= t_s < at_s + length_s else 0.0


def _step(curve: Curve, t_s: float) -> float:
    return 1.0 if t_s >= (0.5 * curve.duration if curve.at is None else curve.at) else 0.0


def _ramp(curve: Curve, t_s: float) -> float:
    return t_s / curve.duration


_CURVES: dict[str, Callable[[Curve, float], float]] = {
    "diurnal": _diurnal,
    "burst": _burst,
    "step": _step,
    "ramp": _ramp,
}


def read(source: str, take: Take) -> Iterator[Arrival]:
    """The requests of a description; its own seed beats the part's. Raises TraceError on a bad description."""
    curve = parse(source)
    # Thinning (Lewis and Shedler 1979): draw at the highest rate, keep each with chance rate / highest.
    highest = max(curve.rate, curve.peak)
    draw = random.Random(take.seed if curve.seed is None else curve.seed)  # noqa: S311
    end_s, t_s = min(curve.duration, take.end_s), 0.0
    check_listed(highest * take.scale * end_s, source)
    while highest > 0:
        t_s += draw.expovariate(highest * take.scale)
        if t_s >= end_s:
            return
        kept = draw.random() * highest < curve.per_s(t_s)
        given, made = _length(curve.input, draw), _length(curve.output, draw)
        if kept and t_s >= take.start_s:
            yield Arrival(t_s - take.start_s, given, made)


def _length(mean: float, draw: random.Random) -> int:
    tokens = draw.lognormvariate(math.log(mean) - _SIGMA**2 / 2, _SIGMA)
    return max(1, round(min(tokens, _CUT * mean)))


def parse(source: str) -> Curve:
    """The curve that a description means; raises TraceError on an unknown curve, name or value."""
    kind, *settings = source.removeprefix(PREFIX).split(",")
    if kind not in _CURVES:
        raise TraceError(source, f"want synthetic: and one of {', '.join(_CURVES)}", repr(kind))
    names = [field.name for field in fields(Curve) if field.name != "kind"]
    values: dict[str, float] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in names or name in values:
            raise TraceError(source, f"want one of {', '.join(n for n in names if n not in values)}", repr(setting))
        values[name] = _value(name, text, source)
    seed = values.pop("seed", None)
    return Curve(kind, **values, seed=None if seed is None else int(seed))


_MOST = dict.fromkeys(("rate", "peak"), MOST_PER_S) | dict.fromkeys(("input", "output"), MOST_TOKENS)


def _value(name: str, text: str, source: str) -> float:
    value, most = number_of(text, source, name), _MOST.get(name, MOST_S)
    if name == "seed":
        if value != int(value):
            raise TraceError(source, "seed: want a whole number", text)
        return value
    if value < 0 or (value == 0 and name in ("duration", "period", "input", "output")):
        raise TraceError(source, f"{name}: want a positive number", text)
    if value > most or (name == "period" and value < 1):
        raise TraceError(source, f"{name}: want at most {most:g}" + " and at least 1" * (name == "period"), text)
    return value

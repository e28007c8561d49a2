"""One request of a trace, how much of a trace to take, and what is said of a trace that can't be read."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

MOST_S = 400 * 86400.0  # every turn is simulated, also those without requests
MOST_TOKENS = 10**9  # of one request
MOST_PER_S = 10**7  # requests; of more, counting them has no end
MOST_LISTED = 2 * 10**7  # requests that are held one by one, some 200 bytes each


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request: when it comes (seconds since the trace's start), its tokens, and who asks if that is known."""

    t_s: float
    input_tokens: int
    output_tokens: int
    tenant: str | None = None
    session: str | None = None


class InputError(ValueError):
    """What a user gave can't be used: `where` (file:line or field), `what` is wanted, what was `found`."""

    def __init__(self, where: str, what: str, found: str) -> None:
        super().__init__(f"{where}: {what} (found {found})")
        self.where, self.what, self.found = where, what, found

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, str, str]]:
        """Crosses to another process whole."""
        return type(self), (self.where, self.what, self.found)


class TraceError(InputError):
    """A trace that can't be read."""


@dataclass(frozen=True)
class Take:
    """Which part of a trace to take, and how much of it.

    `start_s` and `duration_s` (None: to the end) cut a stretch, whose arrivals then count from its start.
    `scale` is the share of the load: a recorded trace keeps each request with that chance, and beyond 1 repeats it
    so many times; where requests are drawn from rates it multiplies the rates. `seed` decides every draw.
    """

    seed: int = 0
    scale: float = 1.0
    start_s: float = 0.0
    duration_s: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.scale <= MOST_PER_S:
            raise TraceError("scale", f"want a positive number, at most {MOST_PER_S}", str(self.scale))
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise TraceError("duration_s", "want a positive number of seconds", str(self.duration_s))
        if not (math.isfinite(self.start_s) and self.start_s >= 0):
            raise TraceError("start_s", "want seconds from the trace's start, 0 or more", str(self.start_s))

    @property
    def end_s(self) -> float:
        """End of the stretch, seconds since the trace's start; infinite when it goes to the trace's end."""
        return math.inf if self.duration_s is None else self.start_s + self.duration_s

    def check_rate(self, per_s: float, source: str) -> None:
        """Raises TraceError where a trace's highest rate, scaled, is more requests a second than can be counted."""
        if per_s * self.scale > MOST_PER_S:
            wanted = f"want at most {MOST_PER_S} requests/s, scale included"
            raise TraceError(source, wanted, f"{per_s:g} x {self.scale:g}")


def check_listed(n: float, source: str) -> None:
    """Raises TraceError on more requests than can be held one by one."""
    if n > MOST_LISTED:
        raise TraceError(source, f"want at most {MOST_LISTED} requests where each is followed", f"{n:.3g} or more")


WHOLE = Take()


def not_negative(text: str, where: str, name: str) -> float:
    """A finite number, 0 or more; raises TraceError on anything else."""
    value = number_of(text, where, name)
    if value < 0:
        raise TraceError(where, f"{name}: want 0 or more", text)
    return value


def tokens_of(text: str, where: str, name: str) -> int:
    """A count of tokens, at least 1: a recorded 0 is an answer that was cut, and 1 is the least that can be asked.

    Raises TraceError unless it is a whole number, 0 or more.
    """
    value = number_of(text, where, name)
    if not 0 <= value <= MOST_TOKENS or value != int(value):
        raise TraceError(where, f"{name}: want a whole number of tokens, 0 to {MOST_TOKENS}", text)
    return max(1, int(value))


def number_of(text: str, where: str, name: str) -> float:
    """A finite number; raises TraceError on anything else, NaN and infinity included."""
    try:
        value = float(text)
    except ValueError:
        raise TraceError(where, f"{name}: want a number", repr(text)) from None
    if not math.isfinite(value):
        raise TraceError(where, f"{name}: want a finite number", text)
    return value


def in_order(rows: Iterator[tuple[str, Arrival]]) -> Iterator[Arrival]:
    """The arrivals of (where, arrival) rows; raises TraceError where one comes before its predecessor."""
    last_s = -math.inf
    for where, arrival in rows:
        if arrival.t_s < last_s:
            raise TraceError(where, "want times in ascending order", f"{arrival.t_s:g} s after {last_s:g} s")
        last_s = arrival.t_s
        yield arrival

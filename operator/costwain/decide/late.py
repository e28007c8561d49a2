"""Late: where answers miss the SLO even of a replica that gets one request at a time.

It serves all the same, since slow answers may be better than none. A rung that is late everywhere is a problem, for
only a person can mend it; one that is late on some pool is worth a word where it runs there.
"""

from collections.abc import Mapping, Sequence

from costwain.decide.options import Option, Rung
from costwain.domain.plan import Place, Why
from costwain.domain.spec import SLO


def late_rungs(rungs: Sequence[Rung], slo: SLO) -> tuple[Why, ...]:
    """The rungs that meet the SLO nowhere, each told once."""
    return tuple(_told(rung, rung.options, slo) for rung in rungs if _is_late(rung))


def late_there(rung: Rung, counts: Mapping[Place, int], slo: SLO) -> Why | None:
    """That a rung which can meet the SLO runs where it can't."""
    there = [o for o in rung.options if o.alone_s is not None and counts.get(o.place, 0)]
    return _told(rung, there, slo) if there and not _is_late(rung) else None


def _is_late(rung: Rung) -> bool:
    return bool(rung.options) and all(option.alone_s is not None for option in rung.options)


def _told(rung: Rung, options: Sequence[Option], slo: SLO) -> Why:
    asked = f"{slo.time_to_first_token_milliseconds} ms to the first token and {slo.time_per_output_token_milliseconds}"
    found = ", ".join(f"{_ms(o.alone_s[0])} and {_ms(o.alone_s[1])} ms on {o.place[1]}" for o in options if o.alone_s)
    sentence = f"{rung.name}: the SLO asks {asked} ms for each one after it, one request at a time takes {found}"
    return Why("SloUnreachable", sentence)


def _ms(seconds: float) -> str:
    """Three figures.

    >>> _ms(2.0), _ms(0.1333), _ms(0.00965), _ms(0.001)
    ('2000', '133', '9.65', '1')
    """
    ms = seconds * 1000
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"

"""Season: what the hours of a day and the days of a week usually bring, how far off that was, and the hours to come."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from costwain.domain.memory import Memory, Season

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
NEWS = 0.3  # weight of the newest day in what an hour usually brings
SEEN_S = HOUR_S / 2  # of an hour, or its mean says nothing of it
FADES_S = 3 * HOUR_S  # how long a day that is busier than usual is expected to stay so
UNKNOWN = 1.2  # so much more than so far an hour that was never seen may ask for
LEAST_ERROR = 0.3  # of what an hour usually brings; replicas carry bursts within it too
_GRID = 12  # steps an octave
_MONDAY_S = 4 * DAY_S  # 1970-01-05


@dataclass(frozen=True)
class Stretch:
    """A part of an hour to come, and the requests a second that it may ask for."""

    duration_s: float
    per_s: float


def observe_season(before: Season | None, per_s: float, elapsed_s: float, now_s: float) -> Season:
    """The season with what came in the seconds until now; an hour counts once it is over and was mostly seen."""
    hour_s = _start(now_s)
    if before is None:
        return Season(hour_s=hour_s)
    if before.hour_s == hour_s or now_s < before.hour_s:
        seen_s = min(elapsed_s, HOUR_S)
        return before.model_copy(
            update={"requests": before.requests + per_s * seen_s, "seen_s": before.seen_s + seen_s}
        )
    closed = before if before.seen_s < SEEN_S else _closed(before, before.requests / before.seen_s)
    return closed.model_copy(update={"hour_s": hour_s, "requests": 0.0, "seen_s": 0.0})


def _closed(season: Season, per_s: float) -> Season:
    """The season with one hour more: its hour of the day, its day of the week, and how far off the usual was."""
    hour, day = str(_hour(season.hour_s)), str(_day(season.hour_s))
    usual = usual_per_s(season, season.hour_s + HOUR_S / 2)
    error = season.error
    if usual is not None:
        off = min(1.0, abs(per_s - usual) / max(usual, per_s, 1e-9))
        error = off if error is None else error + (off - error) * NEWS / 4  # the last half a day or so
    plain = per_s / _factor(season, day)
    known = season.hours.get(hour)
    hours = {**season.hours, hour: plain if known is None else known + NEWS * (plain - known)}
    mean = season.days.get(day)
    days = {**season.days, day: per_s if mean is None else mean + NEWS / 8 * (per_s - mean)}
    return season.model_copy(update={"hours": hours, "days": days, "error": error})


def usual_per_s(season: Season | None, at_s: float) -> float | None:
    """What usually comes at an instant, requests/s, between the middles of two hours; None where neither was seen."""
    if season is None:
        return None
    before_s = _start(at_s - HOUR_S / 2)
    part = (at_s - HOUR_S / 2 - before_s) / HOUR_S
    found = [
        (weight, season.hours[hour] * _factor(season, str(_day(hour_s))))
        for hour_s, weight in ((before_s, 1 - part), (before_s + HOUR_S, part))
        if (hour := str(_hour(hour_s))) in season.hours
    ]
    total = sum(weight for weight, _ in found)
    return sum(weight * per_s for weight, per_s in found) / total if total > 0 else None


def rise(memory: Memory, now_s: float, until_s: float) -> float:
    """By what the load usually grows from now until then; 1 where that isn't known or the usual was mostly wrong."""
    season = memory.season
    now, then = usual_per_s(season, now_s), usual_per_s(season, until_s)
    if season is None or not now or then is None or season.error is None:
        return 1.0
    return max(1.0, 1 + (then / now - 1) * (1 - season.error))


def outlook(memory: Memory, now_s: float, end_s: float) -> Iterator[Stretch]:
    """The hours from now to the end, with what they may ask for: the usual and its error, else so far and much more."""
    season, demand = memory.season, memory.demand
    level = demand.slow_per_s if demand else 0.0
    hours = season.hours if season else {}
    so_far = sum(hours.values()) / len(hours) if hours else level
    usual_now = usual_per_s(season, now_s)
    busier = min(2.0, max(0.5, level / usual_now)) if usual_now else 1.0
    error = max(LEAST_ERROR, (season.error if season else None) or 0.0)
    start_s = now_s
    while start_s < end_s:
        until_s = min(_start(start_s) + HOUR_S, end_s)
        hour = str(_hour(start_s))
        if season is not None and hour in hours:
            fade = math.exp(-(start_s - now_s) / FADES_S)
            per_s = hours[hour] * _factor(season, str(_day(start_s))) * (1 + (busier - 1) * fade) * (1 + error)
        else:
            per_s = so_far * (1 + UNKNOWN)
        yield Stretch(until_s - start_s, _on_grid(per_s))
        start_s = until_s


def _factor(season: Season, day: str) -> float:
    """How much busier a day of the week is than the mean of all seven; 1 until all were seen."""
    if len(season.days) < 7 or not (total := sum(season.days.values())):
        return 1.0
    return max(0.05, season.days[day] * 7 / total)


def _on_grid(per_s: float) -> float:
    """The next of 12 steps an octave: what the hours ask for doesn't follow every breath of the load."""
    return 0.0 if per_s <= 0 else 2 ** (math.ceil(math.log2(per_s) * _GRID) / _GRID)


def _start(at_s: float) -> float:
    return math.floor(at_s / HOUR_S) * HOUR_S


def _hour(at_s: float) -> int:
    return int(at_s % DAY_S // HOUR_S)


def _day(at_s: float) -> int:
    return int((at_s - _MONDAY_S) % (7 * DAY_S) // DAY_S)

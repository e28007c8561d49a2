"""Budget periods: calendar windows in an IANA time zone, daylight saving included."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_NONE = timedelta(0)


@dataclass(frozen=True)
class Window:
    """One period, [start_s, end_s) in unix seconds."""

    start_s: float
    end_s: float

    def left_s(self, now_s: float) -> float:
        """Seconds until the end."""
        return max(0.0, self.end_s - now_s)


@lru_cache(maxsize=1 << 8)  # a turn asks for the same instant again and again
def window(period: str, time_zone: str, now_s: float) -> Window:
    """The period that holds an instant (unix seconds); a day may have 23 or 25 hours.

    Raises ValueError for an unknown zone or a period other than Hour and Day.

    >>> window("Hour", "Etc/UTC", 7_300)
    Window(start_s=7200.0, end_s=10800.0)
    """
    try:
        zone = ZoneInfo(time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"budget.timeZone: unknown IANA time zone, found {time_zone!r}") from error
    now = datetime.fromtimestamp(math.floor(now_s), zone)  # it would round up into the next period
    if period == "Hour":
        # Hours of the zone's standard time: where summer time moves by half an hour, they still don't overlap.
        offset_s = ((now.utcoffset() or _NONE) - (now.dst() or _NONE)).total_seconds()
        start_s = math.floor((now_s + offset_s) / 3600) * 3600.0 - offset_s
        return Window(start_s, start_s + 3600.0)
    if period == "Day":
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return Window(midnight.timestamp(), (midnight + timedelta(days=1)).replace(fold=0).timestamp())
    raise ValueError(f"budget.period: want Hour or Day, found {period!r}")

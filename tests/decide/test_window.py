"""Budget periods: they hold the instant, tile time without a gap, and follow the zone's own clock."""

import doctest
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costwain.decide import window as module
from costwain.decide.window import window

DAYS = {  # an instant within it: its length in hours
    "any day in Berlin": ("Europe/Berlin", "2026-11-24T12:00", 24),
    "Berlin goes to summer time": ("Europe/Berlin", "2026-03-29T12:00", 23),
    "Berlin goes back": ("Europe/Berlin", "2026-10-25T12:00", 25),
    "Berlin goes back, asked in the second 02:30": ("Europe/Berlin", "2026-10-25T02:30+fold", 25),
    "the day before is whole": ("Europe/Berlin", "2026-10-24T23:59", 24),
    "Cairo skips midnight": ("Africa/Cairo", "2026-04-24T12:00", 23),
    "Havana has midnight twice": ("America/Havana", "2026-11-01T00:30+fold", 25),
    "Santiago goes back at midnight": ("America/Santiago", "2026-04-04T23:30+fold", 25),
    "Lord Howe moves by half an hour": ("Australia/Lord_Howe", "2026-04-05T12:00", 24.5),
    "no summer time in UTC": ("Etc/UTC", "2026-03-29T12:00", 24),
}


def instant_s(zone: str, text: str) -> float:
    local, _, fold = text.partition("+")
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=int(bool(fold))).timestamp()


def test_doctests_hold() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize(("zone", "text", "hours"), DAYS.values(), ids=DAYS)
def test_a_day_is_the_zones_own(zone: str, text: str, hours: float) -> None:
    now_s = instant_s(zone, text)
    day = window("Day", zone, now_s)
    assert day.start_s <= now_s < day.end_s
    assert (day.end_s - day.start_s) / 3600 == hours
    assert datetime.fromtimestamp(day.start_s, ZoneInfo(zone)).date().isoformat() == text[:10]
    assert datetime.fromtimestamp(day.end_s - 1, ZoneInfo(zone)).date().isoformat() == text[:10]


@pytest.mark.parametrize(
    ("zone", "minute"), [("Etc/UTC", 0), ("Asia/Kolkata", 0), ("Asia/Kathmandu", 0), ("Europe/Dublin", 0)]
)
def test_an_hour_begins_when_the_zones_clock_strikes(zone: str, minute: int) -> None:
    hour = window("Hour", zone, instant_s(zone, "2026-07-01T09:41"))
    start = datetime.fromtimestamp(hour.start_s, ZoneInfo(zone))
    assert (start.hour, start.minute, hour.end_s - hour.start_s) == (9, minute, 3600)


ZONES = ["Etc/UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo"]


@given(
    zone=st.sampled_from(ZONES),
    period=st.sampled_from(["Hour", "Day"]),
    now_s=st.floats(datetime(2024, 1, 1, tzinfo=UTC).timestamp(), datetime(2028, 1, 1, tzinfo=UTC).timestamp()),
)
def test_periods_tile_time(zone: str, period: str, now_s: float) -> None:
    this = window(period, zone, now_s)
    assert this.start_s <= now_s < this.end_s
    assert window(period, zone, this.start_s) == this
    assert window(period, zone, this.end_s - 0.001) == this
    assert window(period, zone, this.end_s).start_s == this.end_s


def test_hours_tile_the_day_on_which_lord_howe_moves_by_half_an_hour() -> None:
    first_s = instant_s("Australia/Lord_Howe", "2026-04-05T00:10")
    for minutes in range(0, 300, 10):
        this = window("Hour", "Australia/Lord_Howe", first_s + 60 * minutes)
        assert window("Hour", "Australia/Lord_Howe", this.end_s).start_s == this.end_s


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "UTC\0"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match=r"^budget\.timeZone: unknown IANA time zone, found "):
        window("Day", zone, 0.0)


def test_a_period_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^budget\.period: want Hour or Day, found 'Week'$"):
        window("Week", "Etc/UTC", 0.0)


def test_nothing_is_left_of_a_period_that_is_over() -> None:
    day = window("Day", "Etc/UTC", 0.0)
    assert (day.left_s(0.0), day.left_s(86_399.0), day.left_s(90_000.0)) == (86_400.0, 1.0, 0.0)

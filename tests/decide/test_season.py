"""Season: days that resemble each other, a week with a quiet end, and the hours that a budget must still pay."""

import math
from collections.abc import Callable

import pytest
from tests.decide.builders import HOUR_S, NOW_S

from costwain.decide.season import Stretch, observe_season, outlook, rise, usual_per_s
from costwain.domain.memory import Demand, Memory, Season

DAY_S = 24 * HOUR_S
MONDAY_S = NOW_S - 34 * HOUR_S  # 0:00; NOW_S is Tuesday, 10:00
Rate = Callable[[float], float]


def seen(rate: Rate, days: float, turn_s: float = 300.0, begin_s: float = MONDAY_S) -> Season:
    """What is known after so many days of a rate by the time since Monday, 0:00."""
    season: Season | None = None
    for n in range(round(days * DAY_S / turn_s) + 1):
        at_s = begin_s + n * turn_s
        season = observe_season(season, rate(at_s - begin_s - turn_s), turn_s, at_s)
    assert season is not None
    return season


def office(t_s: float) -> float:
    """20 requests/s from nine to five, 2 else."""
    return 20.0 if 9 <= t_s / HOUR_S % 24 < 17 else 2.0


def working(t_s: float) -> float:
    """The same, and a tenth of it on Saturday and Sunday."""
    return office(t_s) / (10 if t_s / DAY_S % 7 >= 5 else 1)


def test_an_hour_is_known_once_it_was_seen_to_its_end() -> None:
    season = seen(office, 10.5 / 24)
    assert sorted(season.hours, key=int) == [str(hour) for hour in range(10)]
    assert usual_per_s(season, MONDAY_S + 9.5 * HOUR_S) == pytest.approx(20.0)
    assert usual_per_s(season, MONDAY_S + 14 * HOUR_S) is None


def test_an_hour_that_was_hardly_seen_says_nothing() -> None:
    assert seen(office, 0.25 / 24, begin_s=MONDAY_S + 9.75 * HOUR_S).hours == {}


def test_before_the_morning_replicas_are_bought_for_it() -> None:
    memory = Memory(season=seen(office, 3))
    at_eight = MONDAY_S + 3 * DAY_S + 8.5 * HOUR_S
    assert rise(memory, at_eight, at_eight + 240) == pytest.approx(1 + (20 - 2) / 2 * 240 / HOUR_S, rel=0.01)
    assert rise(memory, at_eight + 3 * HOUR_S, at_eight + 4 * HOUR_S) == 1.0


def test_a_fall_that_is_usual_takes_nothing_away_beforehand() -> None:
    memory = Memory(season=seen(office, 3))
    at_four = MONDAY_S + 3 * DAY_S + 16.5 * HOUR_S
    assert rise(memory, at_four, at_four + HOUR_S) == 1.0


def test_days_that_do_not_resemble_each_other_are_not_believed() -> None:
    def swinging(t_s: float) -> float:
        return office(t_s + 12 * HOUR_S if t_s // DAY_S % 2 else t_s)

    calm, wild = seen(office, 6), seen(swinging, 6)
    assert calm.error == pytest.approx(0.0, abs=0.01)
    assert wild.error is not None
    assert wild.error > 0.3
    at_eight = MONDAY_S + 6 * DAY_S + 8.5 * HOUR_S
    assert rise(Memory(season=wild), at_eight, at_eight + 600) < rise(Memory(season=calm), at_eight, at_eight + 600)


def test_after_a_week_sunday_is_a_sunday() -> None:
    season = seen(working, 14)
    sunday, monday = (usual_per_s(season, MONDAY_S + days * DAY_S + 12 * HOUR_S) for days in (20, 21))
    assert sunday is not None
    assert monday is not None
    assert sunday < 5 < 12 < monday


def test_the_outlook_ends_with_the_period_and_breaks_at_the_hours() -> None:
    memory = Memory(season=seen(office, 3), demand=Demand(at_s=0, fast_per_s=2, slow_per_s=2))
    hours = list(outlook(memory, NOW_S + 1800, NOW_S + 3 * HOUR_S + 60))
    assert [stretch.duration_s for stretch in hours] == [1800, 3600, 3600, 60]


def test_hours_that_nobody_knows_may_bring_much_more_than_so_far() -> None:
    fresh = Memory(demand=Demand(at_s=0, fast_per_s=16.0, slow_per_s=16.0))
    (only,) = outlook(fresh, NOW_S, NOW_S + HOUR_S)
    assert 2.2 <= only.per_s / 16.0 < 2.2 * 2 ** (1 / 12)


def test_a_quiet_night_is_known_after_a_day_and_a_busy_day_stays_busy_for_hours() -> None:
    season = seen(office, 2)
    as_usual = Memory(season=season, demand=Demand(at_s=0, fast_per_s=20, slow_per_s=20))
    doubled = Memory(season=season, demand=Demand(at_s=0, fast_per_s=40, slow_per_s=40))
    now_s = MONDAY_S + 2 * DAY_S + 12 * HOUR_S
    night = [s for n, s in enumerate(outlook(as_usual, now_s, now_s + 12 * HOUR_S)) if n >= 5]
    assert all(s.per_s < 3 for s in night)
    plain, busy = (list(outlook(m, now_s, now_s + 5 * HOUR_S)) for m in (as_usual, doubled))
    assert [round(b.per_s / p.per_s, 1) >= 1.2 for b, p in zip(busy, plain, strict=True)] == [True] * 5
    assert busy[0].per_s > busy[-1].per_s


def test_no_load_at_all_asks_for_nothing() -> None:
    assert list(outlook(Memory(), NOW_S, NOW_S + HOUR_S)) == [Stretch(HOUR_S, 0.0)]
    assert rise(Memory(), NOW_S, NOW_S + HOUR_S) == 1.0
    assert math.isclose(sum(s.duration_s for s in outlook(Memory(), NOW_S, NOW_S + DAY_S)), DAY_S)

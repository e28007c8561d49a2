"""Quarters: a ledger that holds few lines says of every hour and day what one that holds them all would say."""

from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.decide.builders import HOUR_S, NOW_S

from costwain.decide import metering
from costwain.decide.metering import Bill, Watch, meter
from costwain.decide.quarters import fewer
from costwain.decide.window import window
from costwain.domain.ledger import RECENT_S, Line, SpendLedgerSpec
from costwain.domain.money import cost_micro

ZONES = ("Etc/UTC", "Asia/Kathmandu", "Asia/Kolkata", "America/New_York", "Pacific/Chatham")


class Life(NamedTuple):
    """A pod's time on the bill, seconds from the beginning, and its price an hour."""

    begins_s: int
    lasts_s: int
    hourly_micro: int
    variant: str

    def cost_micro(self, start_s: float, end_s: float) -> int:
        since_s, until_s = NOW_S + self.begins_s, NOW_S + self.begins_s + self.lasts_s
        return cost_micro(self.hourly_micro, max(0.0, min(until_s, end_s) - max(since_s, start_s)))

    def bill(self, uid: str) -> Bill:
        return Bill(uid, uid, self.variant, "h100", "Spot", 1, self.hourly_micro, NOW_S + self.begins_s)


LIVES = st.builds(
    Life, st.integers(0, 100_000), st.integers(1, 20_000), st.sampled_from([3_000_000, 4_123_457, 98_320_001]),
    st.sampled_from(["full", "small", "tiny"]),
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LIVES, min_size=8, max_size=30), st.integers(2, 6))
def test_every_hour_and_day_is_the_sum_over_lifetimes_however_few_lines_are_kept(lives: list[Life], most: int) -> None:
    """To a micro-dollar a pod, which is what rounding takes."""
    ledger = SpendLedgerSpec()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metering, "CLOSED_MOST", most)
        for now_s in range(int(NOW_S), int(NOW_S) + 125_000, 5_003):
            ledger = _seen(ledger, lives, now_s)
            assert len(ledger.closed) <= most + RECENT_S / 900 + 1
            for zone in ZONES:
                for period in ("Hour", "Day"):
                    start_s = window(period, zone, now_s).start_s
                    spent = sum(life.cost_micro(start_s, now_s) for life in lives)
                    assert abs(ledger.spent_micro(start_s, now_s) - spent) <= len(lives)
    assert any(line.uid == "" for line in ledger.closed)


def _seen(ledger: SpendLedgerSpec, lives: list[Life], now_s: int) -> SpendLedgerSpec:
    """The ledger after a turn that sees those who live, and knows when the others went."""
    gone_s = {str(n): NOW_S + x.begins_s + x.lasts_s for n, x in enumerate(lives)}
    came = {str(n): x.bill(str(n)) for n, x in enumerate(lives) if now_s - 5_003 < NOW_S + x.begins_s <= now_s}
    here = {line.uid for line in ledger.open} | came.keys()
    bills = [lives[int(uid)].bill(uid) for uid in sorted(here)]
    watch = Watch(float(now_s), float(now_s), gone_s)
    return meter(meter(ledger, bills, watch), [b for b in bills if gone_s[b.uid] > now_s], watch)


def test_of_four_thousand_lines_in_seven_hours_no_dollar_is_forgotten() -> None:
    """A hundred spot pods whose price changes every ten minutes, for 39 of them."""
    ledger, began_s = SpendLedgerSpec(), NOW_S - 9 * HOUR_S
    for k in range(40):
        now_s = began_s + 600 * k
        bills = [
            Bill(f"p{i}", f"p{i}", "full", "h100", "Spot", 1, 1_000_000 + k % 2 * 1000, began_s) for i in range(100)
        ]
        ledger = meter(ledger, bills, Watch(now_s, now_s, {}))
    spent = 100 * sum(cost_micro(1_000_000 + k % 2 * 1000, 600.0) for k in range(39))
    assert abs(ledger.spent_micro(NOW_S - 24 * HOUR_S, now_s) - spent) <= 4000
    assert len(ledger.closed) <= metering.CLOSED_MOST


def line(since_s: float, until_s: float, variant: str = "full", uncertain_micro: int = 0) -> Line:
    return Line(
        uid="u", pod="p", variant=variant, pool="h100", accelerators=2, hourly_micro=7_000_001,
        since_milliseconds=round(since_s * 1000), until_milliseconds=round(until_s * 1000),
        metered_through_milliseconds=round(until_s * 1000), uncertain_micro=uncertain_micro,
    )  # fmt: skip


def test_a_line_is_cut_at_the_quarters_and_costs_what_it_did() -> None:
    one, young = line(NOW_S, NOW_S + 2000, uncertain_micro=5), line(NOW_S + 3000, NOW_S + 3100)
    sums = fewer([young, one], 1, NOW_S + 3100)
    assert [(x.since_milliseconds / 1000 - NOW_S, (x.until_milliseconds or 0) / 1000 - NOW_S) for x in sums] == [
        (0, 900), (900, 1800), (1800, 2000), (3000, 3100),
    ]  # fmt: skip
    assert [x.uncertain_micro for x in sums] == [0, 0, 5, 0]
    assert sum(x.cost_micro(0.0, NOW_S + 9000) for x in sums[:3]) == one.cost_micro(0.0, NOW_S + 9000)
    assert sums[3].cost_micro(0.0, NOW_S + 9000) == young.cost_micro(0.0, NOW_S + 9000)


def test_where_variants_are_too_many_dollars_are_kept_before_names() -> None:
    many = [line(NOW_S, NOW_S + 800, f"v{n}") for n in range(9)]
    (one, *young) = fewer(many, 4, NOW_S + 900)
    assert len(young) == 2
    assert (one.uid, one.pod) == ("", "")
    assert one.accelerator_milliseconds == 7 * 2 * 800_000
    assert one.cost_micro(0.0, NOW_S + 900) == 7 * many[0].cost_micro(0.0, NOW_S + 900)


def test_few_lines_are_left_as_they_are() -> None:
    these = [line(NOW_S, NOW_S + 10), line(NOW_S, NOW_S + 5)]
    assert fewer(these, 2, NOW_S + 20) == these

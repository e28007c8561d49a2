"""The ledger: every dollar once, whatever happens to pods, prices and the operator."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from costwain.decide.metering import CHANGES_MOST, Bill, Watch, labelled, meter
from costwain.domain.ledger import RECENT_S, Labelled, SpendLedgerSpec

HOUR_MICRO = 3_600_000_000  # a micro-dollar a microsecond: 1 dollar a second


def bill(uid: str = "a", bound_s: float = 1000.0, **differs: Any) -> Bill:
    calm: dict[str, Any] = {
        "pod": f"pod-{uid}",
        "variant": "full",
        "pool": "h100",
        "capacity_type": "OnDemand",
        "accelerators": 1,
        "hourly_micro": HOUR_MICRO,
    }
    return Bill(uid=uid, bound_s=bound_s, **{**calm, **differs})


def watch(now_s: float, watched_until_s: float = 0.0, **gone_s: float) -> Watch:
    return Watch(now_s, watched_until_s, gone_s)


def test_a_pod_costs_from_its_binding_even_if_it_was_seen_later() -> None:
    ledger = meter(SpendLedgerSpec(), [bill(bound_s=1000.0)], watch(1010.0))
    assert ledger.spent_micro(0.0, 1020.0) == 20_000_000


def test_an_open_pod_costs_time_without_a_write() -> None:
    ledger = meter(SpendLedgerSpec(), [bill()], watch(1010.0))
    assert meter(ledger, [bill()], watch(2000.0)) is ledger


def test_a_pod_seen_going_is_charged_to_that_instant_and_nothing_is_uncertain() -> None:
    ledger = meter(SpendLedgerSpec(), [bill()], watch(1010.0))
    ledger = meter(ledger, [], watch(1100.0, a=1050.5))
    assert ledger.spent_micro(0.0, 5000.0) == 50_500_000
    assert ledger.uncertain_micro(0.0) == 0


def test_a_pod_that_went_unseen_is_charged_until_now_and_the_unwatched_part_is_uncertain() -> None:
    ledger = meter(SpendLedgerSpec(), [bill()], watch(1010.0))
    ledger = meter(ledger, [], watch(1100.0, watched_until_s=1080.0))
    assert ledger.spent_micro(0.0, 5000.0) == 100_000_000
    assert ledger.uncertain_micro(0.0) == 20_000_000


def test_a_changed_price_counts_from_when_it_was_seen() -> None:
    ledger = meter(SpendLedgerSpec(), [bill()], watch(1010.0))
    ledger = meter(ledger, [bill(hourly_micro=2 * HOUR_MICRO)], watch(1100.0))
    assert ledger.spent_micro(0.0, 1110.0) == 100_000_000 + 20_000_000


def test_a_window_is_charged_only_for_its_own_part() -> None:
    ledger = meter(SpendLedgerSpec(), [bill()], watch(1010.0))
    assert ledger.spent_micro(1100.0, 1150.0) == 50_000_000


def test_old_lines_become_day_sums_and_no_dollar_is_lost() -> None:
    ledger = meter(SpendLedgerSpec(), [bill()], watch(1010.0))
    ledger = meter(ledger, [], watch(1100.0, a=1100.0))
    later_s = 1100.0 + RECENT_S + 1
    ledger = meter(ledger, [bill("b", bound_s=later_s)], watch(later_s))
    assert [(d.date, d.amount_micro) for d in ledger.days] == [("1970-01-01", 100_000_000)]
    assert ledger.closed == []


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)), min_size=1, max_size=8))
def test_the_ledger_is_the_sum_over_lifetimes_however_often_it_is_looked_at(lives: list[tuple[int, int]]) -> None:
    bills = {str(n): (bill(str(n), float(start)), float(start + length)) for n, (start, length) in enumerate(lives)}
    ledger = SpendLedgerSpec()
    for now in range(0, 1100, 37):
        seen = [b for b, end in bills.values() if b.bound_s <= now < end]
        gone = {uid: end for uid, (_, end) in bills.items()}
        known = [b for b, end in bills.values() if b.bound_s <= now and end <= now and end > now - 37]
        ledger = meter(ledger, [*seen, *known], Watch(float(now), float(now), gone))
        ledger = meter(ledger, seen, Watch(float(now), float(now), gone))
    assert ledger.spent_micro(0.0, 2000.0) == sum(length for _, length in lives) * 1_000_000


def test_the_first_labels_stand_for_all_that_was_before() -> None:
    ledger = labelled(SpendLedgerSpec(), {"team": "blue"}, 5000.0)
    assert ledger.labelled == [Labelled(since_milliseconds=0, labels={"team": "blue"})]
    assert labelled(ledger, {"team": "blue"}, 6000.0) is ledger
    assert labelled(ledger, None, 6000.0) is ledger  # deleted: its dollars stay whose they were


def test_other_labels_count_from_when_they_were_seen() -> None:
    ledger = labelled(labelled(SpendLedgerSpec(), {}, 5000.0), {"team": "blue"}, 6000.5)
    assert [(x.since_milliseconds, x.labels) for x in ledger.labelled] == [(0, {}), (6_000_500, {"team": "blue"})]
    assert ledger.labels_over_time({})[1] == (6000.5, float("inf"), {"team": "blue"})


def test_labels_of_before_the_last_two_days_are_forgotten_and_a_label_that_swings_fills_no_ledger() -> None:
    ledger = SpendLedgerSpec()
    for at_s, team in ((0.0, "a"), (100.0, "b"), (200.0 + RECENT_S, "c")):
        ledger = labelled(ledger, {"team": team}, at_s)
    assert [x.labels["team"] for x in ledger.labelled] == ["b", "c"]
    for i in range(100):
        ledger = labelled(ledger, {"team": str(i)}, 300.0 + RECENT_S + i)
    assert len(ledger.labelled) == CHANGES_MOST


def test_labels_that_the_ledger_cannot_hold_are_left_out() -> None:
    many = {f"label-{i:03d}": "x" for i in range(100)} | {"a" * 300: "x"}
    (found,) = labelled(SpendLedgerSpec(), many, 0.0).labelled
    assert len(found.labels) == 64

"""Sizing: stories of the cheapest mix, and the same answer as trying everything."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.decide.builders import option

from costwain.decide.options import Option
from costwain.decide.sizing import Mix, Want, cheapest
from costwain.domain.money import micro_of

FAST, SLOW = option("full/h100", 10.0, "4.00"), option("full/mi300x", 4.0, "2.00")
Counts = Mapping[str, int]

STORIES: dict[str, tuple[list[Option], Want, Counts, Counts, bool]] = {
    # story: (options, want, running by pool, mix by pool, short)
    "no demand and no floor needs nothing": ([FAST, SLOW], Want(0, 0, 8), {}, {}, False),
    "a floor without demand is the cheapest pool": ([FAST, SLOW], Want(0, 2, 8), {}, {"mi300x": 2}, False),
    "a little demand takes the smallest that carries it": ([FAST, SLOW], Want(3, 1, 8), {}, {"mi300x": 1}, False),
    "more is cheaper on the fast one": ([FAST, SLOW], Want(9, 1, 8), {}, {"h100": 1}, False),
    "two pools together are the cheapest": ([FAST, SLOW], Want(14, 1, 8), {}, {"h100": 1, "mi300x": 1}, False),
    "exactly what it carries is one replica": ([FAST], Want(10, 1, 8), {}, {"h100": 1}, False),
    "the floor adds to what demand needs": ([FAST], Want(10, 3, 8), {}, {"h100": 3}, False),
    "the ceiling leaves demand over": ([FAST], Want(50, 1, 3), {}, {"h100": 3}, True),
    "at the ceiling the fast pool beats the cheap one": ([FAST, SLOW], Want(50, 1, 3), {}, {"h100": 3}, True),
    "a full pool leaves the rest to the other": (
        [option("full/h100", 10.0, "4.00", most=1), SLOW], Want(30, 1, 20), {}, {"h100": 1, "mi300x": 5}, False,
    ),
    "accelerators for nobody": ([option("full/h100", most=0)], Want(5, 1, 8), {}, {}, True),
    "no option at all": ([], Want(5, 1, 8), {}, {}, True),
    "money for one": ([FAST], Want(30, 1, 8, micro_of("7.99")), {}, {"h100": 1}, True),
    "money for none": ([FAST], Want(30, 1, 8, micro_of("3.99")), {}, {}, True),
    "money for the floor, if it is the cheap one": (
        [FAST, SLOW], Want(0, 3, 8, micro_of("7.00")), {}, {"mi300x": 3}, False,
    ),
    "money is spent where it carries most": (
        [FAST, SLOW], Want(30, 1, 8, micro_of("6.00")), {}, {"h100": 1, "mi300x": 1}, True,
    ),
    "an owned pool takes no more than is needed": (
        [option("full/own", 10.0, "0"), FAST], Want(15, 1, 8), {}, {"own": 2}, False,
    ),
    "two owned pools share nothing that one carries": (
        [option("full/a", 10.0, "0"), option("full/b", 10.0, "0")], Want(10, 1, 8), {}, {"a": 1}, False,
    ),
    "what runs stays for less than a tenth": (
        [option("full/h100", 10.0, "4.00"), option("full/l4", 10.0, "3.70")], Want(20, 1, 8), {"h100": 2},
        {"h100": 2}, False,
    ),
    "what runs moves for more than a tenth": (
        [option("full/h100", 10.0, "4.00"), option("full/l4", 10.0, "3.50")], Want(20, 1, 8), {"h100": 2},
        {"l4": 2}, False,
    ),
    "what runs stays where the cheaper pool would be fuller": (
        [option("full/h100", 11.0, "4.00"), option("full/l4", 10.0, "3.50")], Want(20, 1, 8), {"h100": 2},
        {"h100": 2}, False,
    ),
    "what runs is added to rather than moved": (
        [option("full/h100", 10.0, "4.00"), option("full/l4", 10.0, "3.70")], Want(30, 1, 8), {"h100": 2},
        {"h100": 2, "l4": 1}, False,
    ),
    "what runs too many is taken from": ([FAST, SLOW], Want(10, 1, 8), {"h100": 3}, {"h100": 1}, False),
    "what runs on a pool that is no option is no reason to stay": (
        [FAST, SLOW], Want(10, 1, 8), {"gone": 2}, {"h100": 1}, False,
    ),
    "what runs above its pool's limit shrinks to it": (
        [option("full/h100", 10.0, "4.00", most=1), SLOW], Want(10, 1, 8), {"h100": 2}, {"h100": 1}, False,
    ),
    "a replica that serves nothing is never bought": ([option("full/h100", 0.0), SLOW], Want(4, 1, 8), {},
        {"mi300x": 1}, False,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "want", "running", "mix", "short"), STORIES.values(), ids=STORIES)
def test_the_cheapest_mix(options: list[Option], want: Want, running: Counts, mix: Counts, short: bool) -> None:
    got = cheapest(options, want, {("full", pool): n for pool, n in running.items()})
    assert {pool: n for (_, pool), n in got.counts.items()} == mix
    assert got.short is short
    assert got.replicas == sum(mix.values())


PLACES = ["full/a", "full/b", "full/c"]
OPTIONS = st.lists(
    st.tuples(st.sampled_from([1.0, 2.5, 3.7, 4.0, 10.0]), st.sampled_from(["0", "1", "2.49", "3", "4"]))
    .flatmap(lambda x: st.tuples(st.just(x), st.integers(0, 5))),
    min_size=1, max_size=3,
).map(lambda rows: [option(p, *x, most) for p, (x, most) in zip(PLACES, rows, strict=False)])  # fmt: skip
WANTS = st.builds(
    lambda per_s, least, more, usd: Want(per_s, least, least + more, usd * 1e6),
    st.sampled_from([0.0, 0.5, 4.0, 7.4, 10.0, 22.2]),
    st.integers(0, 3),
    st.integers(0, 7),
    st.sampled_from([float("inf"), 3.0, 8.49, 12.0]),
)


def everything(options: list[Option], want: Want) -> list[tuple[dict[tuple[str, str], int], float, int]]:
    """Every mix that stays within its limits and its money, with what it carries and costs."""
    counts = itertools.product(*(range(min(o.most, want.most) + 1) for o in options))
    mixes = [({o.place: n for o, n in zip(options, ns, strict=True) if n}, ns) for ns in counts if sum(ns) <= want.most]
    priced = [
        (mix, sum(o.per_s * n for o, n in zip(options, ns, strict=True)),
         sum(o.hourly_micro * n for o, n in zip(options, ns, strict=True))) for mix, ns in mixes
    ]  # fmt: skip
    return [x for x in priced if x[2] <= want.hourly_micro]


@settings(max_examples=150, deadline=None)
@given(options=OPTIONS, want=WANTS)
def test_no_mix_carries_the_demand_for_less_and_none_that_falls_short_carries_more(
    options: list[Option], want: Want
) -> None:
    got = cheapest(options, want, {})
    tried = everything(options, want)
    carrying = [x for x in tried if x[1] >= want.per_s - 1e-9 and sum(x[0].values()) >= want.least]
    assert got.counts in [x[0] for x in tried]
    assert got.short is not bool(carrying)
    if carrying:
        assert got.hourly_micro == min(x[2] for x in carrying)
    else:
        assert got.per_s == pytest.approx(max(x[1] for x in tried))


@settings(max_examples=100, deadline=None)
@given(options=OPTIONS, want=WANTS, running=st.lists(st.integers(0, 3), min_size=3, max_size=3))
def test_running_replicas_never_cost_a_tenth_more_than_the_cheapest_that_carries_as_much(
    options: list[Option], want: Want, running: list[int]
) -> None:
    standing = {o.place: n for o, n in zip(options, running, strict=False) if n}
    free, sticky = cheapest(options, want, {}), cheapest(options, want, standing)
    assert sticky.short is free.short
    enough = max(want.per_s, min(1.1 * want.per_s, sticky.per_s))
    as_full = cheapest(options, replace(want, per_s=enough), {})
    assert free.short or free.hourly_micro <= sticky.hourly_micro
    assert as_full.short or 0.9 * sticky.hourly_micro <= as_full.hourly_micro
    assert cheapest(list(reversed(options)), want, standing) == sticky


HARD = {
    "five of nearly one price a request": [(7.9, "2.49"), (9.6, "3.00"), (12.9, "4.00"), (8.1, "2.53"), (5, "1.6")],
    "five of exactly one price a request": [(2, "1"), (4, "2"), (6, "3"), (8, "4"), (10, "5")],
    "five alike": [(7.9, "2.49")] * 5,
    "five of odd cents": [(7.913, "2.491"), (9.577, "3.007"), (12.93, "4.013"), (8.171, "2.539"), (5.03, "1.597")],
}  # fmt: skip


@pytest.mark.parametrize("demand_per_s", [9.0, 97.0, 571.0])
@pytest.mark.parametrize("money", [float("inf"), 31_000_000.0])
@pytest.mark.parametrize("rows", HARD.values(), ids=HARD)
def test_a_hundred_replicas_over_five_pools_are_sized_in_no_time(
    rows: list[tuple[float, str]], money: float, demand_per_s: float
) -> None:
    options = [option(f"full/p{i}", rate, usd, most=100) for i, (rate, usd) in enumerate(rows)]
    started_s, took = time.process_time(), 0.0
    got: Mix = cheapest(options, Want(demand_per_s, 1, 100, money), {("full", "p3"): 7})
    took = time.process_time() - started_s
    assert got.per_s >= demand_per_s - 1e-6 or got.hourly_micro > 0.9 * money
    assert took < 0.05

"""Fleet-wide: the programme against trying everything, against taking turns, and against itself."""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costwain.decide import programme
from costwain.decide.fleetwide import allot, fits, in_turn
from costwain.decide.programme import solved
from costwain.decide.rivals import Level, Rival, Share, Way, total

ROOM = {"a": 4, "b": 2}


def way(pool: str = "a", per_s: float = 10.0, usd: int = 4, **change: object) -> Way:
    """Up to eight replicas of an accelerator each, of which none runs."""
    fields = {"accelerators": 1, "most": 8, "running": 0, "lasting": True, **change}
    return Way(pool, per_s, usd * 1_000_000, **fields)  # type: ignore[arg-type]


def rival(name: str, *levels: Level | Way, per_s: float = 10.0, coming: float | None = None, **change: int) -> Rival:
    """A fleet of some levels; a way alone is a level of full quality."""
    bounds = {"priority": 0, "least": 0, "most": 8, **change}
    made = tuple(x if isinstance(x, Level) else Level(1.0, (x,)) for x in levels)
    comes = per_s if coming is None else coming
    return Rival(("default", name), bounds["priority"], made, per_s, comes, bounds["least"], bounds["most"])


def given_to(*rivals: Rival, room: Mapping[str, int] = ROOM) -> list[dict[str, int]]:
    """Accelerators by pool of each."""
    found = []
    for one, share in zip(rivals, allot(rivals, tuple(room.items())), strict=True):
        held: dict[str, int] = {}
        for pool, n in share.held(one):
            held[pool] = held.get(pool, 0) + n
        found.append({pool: n for pool, n in held.items() if n})
    return found


BOTH = Level(1.0, (way("a"), way("b")))
STORIES: dict[str, tuple[list[Rival], list[dict[str, int]]]] = {
    # story: (rivals, accelerators of each; there are four of a and two of b)
    "who can go elsewhere makes way for who can't": (
        [rival("one", BOTH, per_s=20.0), rival("two", way("a"), per_s=40.0)], [{"b": 2}, {"a": 4}],
    ),
    "the higher priority takes all that it can use": (
        [rival("low", way("a"), per_s=40.0), rival("high", way("a"), per_s=30.0, priority=1)], [{"a": 1}, {"a": 3}],
    ),
    "a rung less of one carries the other": (
        [
            rival("one", Level(1.0, (way("a", 5.0),)), Level(0.9, (way("a", 20.0),)), per_s=20.0),
            rival("two", way("a"), per_s=30.0),
        ],
        [{"a": 1}, {"a": 3}],
    ),
    "what runs stays where a move gains less than a tenth": (
        [rival("one", way("a", 10.0, running=4), per_s=40.0), rival("two", way("a", 10.9), per_s=43.6)], [{"a": 4}, {}],
    ),
    "what runs goes where a move gains more": (
        [rival("one", way("a", 10.0, running=4), per_s=40.0), rival("two", way("a", 11.2), per_s=44.8)], [{}, {"a": 4}],
    ),
    "the fewest dollars of what carries alike": (
        [rival("one", Level(1.0, (way("a", usd=4), way("b", usd=3))), per_s=20.0)], [{"b": 2}],
    ),
    "spot alone is worth less than one that lasts beside it": (
        [rival("one", Level(1.0, (way("a", usd=4), way("b", usd=1, lasting=False))), per_s=20.0)], [{"a": 1, "b": 1}],
    ),
    "replicas that nobody asks for are worth something too": (
        [rival("one", way("a"), per_s=30.0), rival("two", way("a"), per_s=0.1, least=1)], [{"a": 3}, {"a": 1}],
    ),
    "a floor of three is worth more than its requests": (
        [rival("one", way("b", 10.0), per_s=10.0, least=3), rival("two", way("b", 1.0), per_s=1.0)], [{"b": 2}, {}],
    ),
    "a queue of one counts less than what comes for another": (
        [rival("one", way("b"), per_s=90.0, coming=9.0), rival("two", way("b"), per_s=8.0)], [{"b": 1}, {"b": 1}],
    ),
    "nobody gets more than maxReplicas": ([rival("one", way("a"), per_s=90.0, most=2)], [{"a": 2}]),
    "replicas of two accelerators": ([rival("one", way("b", accelerators=2), per_s=90.0)], [{"b": 2}]),
    "nobody wants anything": ([], []),
}  # fmt: skip


@pytest.mark.parametrize(("rivals", "want"), STORIES.values(), ids=STORIES)
def test_who_gets_what(rivals: list[Rival], want: list[dict[str, int]]) -> None:
    assert given_to(*rivals) == want


WAYS = st.builds(
    Way, st.sampled_from(["a", "b"]), st.sampled_from([2.5, 4.0, 7.3, 10.0]), st.sampled_from([1_000_000, 4_000_000]),
    st.sampled_from([1, 1, 2]), st.integers(0, 3), st.integers(0, 2), st.booleans(),
)  # fmt: skip
LEVELS = st.lists(
    st.builds(
        lambda quality, ways: Level(quality, tuple({w.pool: w for w in ways}.values())),
        st.sampled_from([1.0, 0.9, 0.6]), st.lists(WAYS, min_size=1, max_size=2),
    ),
    min_size=1, max_size=2,
).map(tuple)  # fmt: skip
RIVALS = st.lists(
    st.tuples(
        LEVELS, st.sampled_from([0.1, 4.0, 11.0, 30.0]), st.sampled_from([1.0, 0.6]), st.integers(0, 2),
        st.integers(2, 4),
    ),
    min_size=1, max_size=3,
).map(
    lambda rows: [
        Rival(("default", f"f{i}"), 0, levels, per_s, per_s * part, least, most)
        for i, (levels, per_s, part, least, most) in enumerate(rows)
    ]
)  # fmt: skip
ROOMS = st.fixed_dictionaries({"a": st.integers(0, 5), "b": st.integers(0, 4)})


def everything(rivals: Sequence[Rival]) -> Iterator[tuple[Share, ...]]:
    """Every combination of shares, whatever the room."""
    yield from itertools.product(*(list(shares_of(one)) for one in rivals))


def shares_of(one: Rival) -> Iterator[Share]:
    yield Share(None)
    for i, level in enumerate(one.levels):
        counts = itertools.product(*(range(w.most + 1) for w in level.ways))
        yield from (Share(i, ns) for ns in counts if 0 < sum(ns) <= one.most)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(rivals=RIVALS, room=ROOMS)
def test_no_shares_are_worth_more_than_those_of_the_programme(rivals: list[Rival], room: dict[str, int]) -> None:
    found = solved(rivals, room)
    assert found is not None
    assert fits(rivals, found, room)
    best = max(total(rivals, shares) for shares in everything(rivals) if fits(rivals, shares, room))
    assert total(rivals, found) == pytest.approx(best, abs=1e-4)


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(rivals=RIVALS, room=ROOMS)
def test_shares_are_never_worth_less_than_taking_turns_and_always_fit(
    rivals: list[Rival], room: dict[str, int]
) -> None:
    turns = in_turn(rivals, room)
    shares = allot(tuple(rivals), tuple(room.items()))
    assert fits(rivals, turns, room)
    assert fits(rivals, shares, room)
    assert total(rivals, shares) >= total(rivals, turns)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(rivals=RIVALS, room=ROOMS, high=st.integers(0, 2))
def test_the_lower_priority_never_takes_from_the_higher(rivals: list[Rival], room: dict[str, int], high: int) -> None:
    first = replace(rivals[high % len(rivals)], priority=1)
    others = [one for one in rivals if one.key != first.key]
    together = allot((*others, first), tuple(room.items()))
    assert together[-1] == allot((first,), tuple(room.items()))[0]
    assert fits([*others, first], together, room)


def many(n: int) -> list[Rival]:
    """Fleets of two rungs on two pools, no two alike."""
    return [
        rival(
            f"f{i:03}", Level(1.0, (way("a", 3.0 + i % 7, 4), way("b", 2.0 + i % 5, 3))),
            Level(0.8 + i % 3 / 20, (way("a", 9.0 + i % 4, 4), way("b", 7.0, 3, running=i % 2))),
            per_s=5.0 + i * 7 % 23,
        )
        for i in range(n)
    ]  # fmt: skip


def test_the_same_rivals_get_the_same_whatever_was_solved_before() -> None:
    rivals, room = many(25), {"a": 17, "b": 11}
    first = solved(rivals, room)
    solved(many(7), {"a": 3, "b": 3})
    assert first is not None
    assert solved(rivals, room) == first
    assert total(rivals, first) > total(rivals, in_turn(rivals, room))


def test_too_many_for_the_programme_take_turns() -> None:
    rivals, room = many(80), (("a", 40), ("b", 30))
    assert solved(rivals, dict(room)) is None
    assert allot(tuple(rivals), room) == tuple(in_turn(rivals, dict(room)))


def test_without_the_solver_they_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    rivals = [rival("here", BOTH, per_s=20.5), rival("there", way("a"), per_s=40.5)]
    monkeypatch.setitem(sys.modules, "highspy", None)
    assert allot(tuple(rivals), tuple(ROOM.items())) == tuple(in_turn(rivals, ROOM))


def test_an_answer_that_does_not_fit_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    rivals = (rival("one", way("a"), per_s=41.0),)
    monkeypatch.setattr("costwain.decide.fleetwide.solved", lambda *_: [Share(0, (5,))])
    assert allot(rivals, tuple(ROOM.items())) == (Share(0, (4,)),)


def test_the_solver_says_nothing_and_goes_on_beside_another_one(capfd: pytest.CaptureFixture[str]) -> None:
    """The simulator's oracle starts HiGHS with all cores, after which it refuses another number of threads."""
    import highspy

    other = highspy.Highs()
    other.silent()
    other.addVar(0.0, 1.0)
    other.run()
    capfd.readouterr()
    assert solved(many(3), ROOM) is not None
    assert capfd.readouterr().out == ""


def test_the_programme_says_how_large_it_may_be() -> None:
    assert solved(many(programme.COLUMNS // 16), ROOM) is not None

"""Programme: the mixed integer programme of rivals x rungs x pools, solved by HiGHS.

The same numbers give the same answer: nothing in parallel, a fixed seed, and limits in nodes and columns rather than
in time.
"""

import importlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from costwain.decide.rivals import DOLLAR, FLOOR, LASTS, SPARE, STAYS, Level, Rival, Share
from costwain.domain.money import MICRO

NODES = 200
COLUMNS = 600  # some forty fleets, a quarter of a second; beyond it a turn would wait for the answer
# Not `threads`: HiGHS refuses another number than the one with which somebody else in the process began.
_SETTINGS = (
    ("output_flag", False),
    ("parallel", "off"),
    ("random_seed", 0),
    ("mip_max_nodes", NODES),
    ("mip_rel_gap", 1e-6),
)


@dataclass
class _Programme:
    """Columns with worth, bounds and kind; rows in compressed form."""

    worth: list[float] = field(default_factory=list)
    uppers: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    tops: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    index: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)

    def column(self, worth: float, upper: float, whole: bool = False) -> int:
        """A new column's number; it is 0 to `upper`."""
        self.worth.append(worth)
        self.uppers.append(upper)
        self.whole.append(whole)
        return len(self.worth) - 1

    def row(self, top: float, terms: Mapping[int, float]) -> None:
        """terms <= top."""
        self.tops.append(top)
        self.index += terms
        self.value += terms.values()
        self.starts.append(len(self.index))


@dataclass(frozen=True)
class _Columns:
    """Where a level's replicas are, and whether it serves."""

    serves: int
    replicas: tuple[int, ...]


def solved(rivals: Sequence[Rival], room: Mapping[str, int]) -> list[Share] | None:
    """The shares that are worth most together, or None where the programme is too large or HiGHS has no answer."""
    if sum(2 + 3 * len(level.ways) for rival in rivals for level in rival.levels) > COLUMNS:
        return None
    programme = _Programme()
    columns = [[_level(programme, rival, level) for level in rival.levels] for rival in rivals]
    held: dict[str, dict[int, float]] = {name: {} for name in room}
    for rival, theirs in zip(rivals, columns, strict=True):
        programme.row(1.0, {level.serves: 1.0 for level in theirs})
        for level, its in zip(rival.levels, theirs, strict=True):
            for way, n in zip(level.ways, its.replicas, strict=True):
                held[way.pool][n] = float(way.accelerators)
    for name, terms in held.items():
        programme.row(float(room[name]), terms)
    values = _run(programme)
    return None if values is None else [_share(theirs, values) for theirs in columns]


def _level(programme: _Programme, rival: Rival, level: Level) -> _Columns:
    """The columns and rows of one level: replicas by way, what they carry, and what is missing of the floor."""
    q = level.quality
    serves = programme.column(0.0, 1.0, whole=True)
    replicas, carried = [], dict[int, float]()
    for way in level.ways:
        most = min(way.most, rival.most)
        n = programme.column(-DOLLAR * way.hourly_micro / MICRO, float(most), whole=True)
        new = programme.column(0.0, way.per_s * most)
        kept = programme.column(q * STAYS, way.per_s * min(way.running, most))
        programme.row(0.0, {new: 1.0, kept: 1.0, n: -way.per_s})
        carried |= {new: 1.0, kept: 1.0}
        replicas.append(n)
    every = dict.fromkeys(replicas, 1.0)
    coming = programme.column(q, rival.coming_per_s)
    spare = programme.column(q * SPARE, rival.per_s - rival.coming_per_s)
    programme.row(0.0, {coming: 1.0, serves: -rival.coming_per_s})
    programme.row(0.0, {coming: 1.0, spare: 1.0} | dict.fromkeys(carried, -1.0))
    programme.row(0.0, carried | {serves: -rival.per_s})
    programme.row(0.0, every | {serves: -float(rival.most)})
    if rival.least > 1:
        missing = programme.column(-FLOOR * rival.per_s / rival.least, float(rival.least))
        programme.row(0.0, dict.fromkeys(replicas, -1.0) | {missing: -1.0, serves: float(rival.least)})
    if level.could_last:
        alone = programme.column(-LASTS * rival.per_s, 1.0)
        lasting = [n for n, way in zip(replicas, level.ways, strict=True) if way.lasting]
        programme.row(0.0, dict.fromkeys(lasting, -1.0) | {alone: -1.0, serves: 1.0})
    return _Columns(serves, tuple(replicas))


def _share(levels: Sequence[_Columns], values: Sequence[float]) -> Share:
    for i, level in enumerate(levels):
        counts = tuple(round(values[n]) for n in level.replicas)
        if any(counts):
            return Share(i, counts)
    return Share(None)


def _run(programme: _Programme) -> Sequence[float] | None:
    try:
        highs: Any = importlib.import_module("highspy")
    except ImportError:  # a machine for which there is no wheel: rivals take turns
        return None
    model = highs.highs._Highs()  # the one around it has callbacks, and says its name on standard output
    for name, setting in _SETTINGS:
        model.setOptionValue(name, setting)
    model.passModel(_lp(highs, programme))
    model.run()
    if model.getInfo().primal_solution_status != highs.SolutionStatus.kSolutionStatusFeasible:
        return None
    values: Sequence[float] = model.getSolution().col_value
    return values


def _lp(highs: Any, programme: _Programme) -> Any:
    lp = highs.HighsLp()
    columns, rows = len(programme.worth), len(programme.tops)
    lp.num_col_, lp.num_row_ = columns, rows
    lp.sense_ = highs.ObjSense.kMaximize
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = programme.worth, [0.0] * columns, programme.uppers
    lp.row_lower_, lp.row_upper_ = [-math.inf] * rows, programme.tops
    lp.a_matrix_.format_ = highs.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = programme.starts, programme.index, programme.value
    kind = highs.HighsVarType
    lp.integrality_ = [kind.kInteger if whole else kind.kContinuous for whole in programme.whole]
    return lp

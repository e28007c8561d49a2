"""Report: means over seeds with their 95 % intervals, as a table and as JSON."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from costwain.sim.compare import Entry
from costwain.sim.oracle import Bound
from costwain.sim.score import Score

# Student's t at 97.5 % by degrees of freedom; beyond the table by the series of Cornish and Fisher about the normal's.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
_Z = 1.959964


@dataclass(frozen=True)
class Figure:
    """A mean and half the width of its 95 % interval; `spread` None for a single run."""

    mean: float
    spread: float | None


def figure(values: Sequence[float]) -> Figure:
    """Mean and interval, by Student's t; an infinite mean has none.

    >>> figure([1.0, 3.0]).spread
    12.706
    """
    n, mean = len(values), statistics.fmean(values)
    if n < 2 or math.isinf(mean):
        return Figure(mean, None)
    return Figure(mean, _t(n - 1) * statistics.stdev(values) / math.sqrt(n))


def _t(freedom: int) -> float:
    """The quantile of Student's t at 97.5 %.

    >>> round(_t(16), 2), round(_t(60), 2)
    (2.12, 2.0)
    """
    if freedom <= len(_T):
        return _T[freedom - 1]
    return _Z + (_Z**3 + _Z) / (4 * freedom) + (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * freedom**2)


@dataclass(frozen=True)
class Row:
    """One policy under one budget, over all seeds; `fleet` where there are several."""

    policy: str
    budget: str | None
    figures: dict[str, Figure]
    fleet: str | None = None


def rows(entries: Sequence[Entry]) -> list[Row]:
    """One row a policy, budget and fleet, in the order in which they first came."""
    groups: dict[tuple[str, str | None, str | None], list[Score]] = {}
    for entry in entries:
        groups.setdefault((entry.policy, entry.budget, entry.fleet), []).append(entry.score)
    found = []
    for (policy, budget, fleet), scores in groups.items():
        figures = {}
        for field in fields(Score):
            values = [value for score in scores if (value := getattr(score, field.name)) is not None]
            if values:
                figures[field.name] = figure(values)
        found.append(Row(policy, budget, figures, fleet))
    return found


_COLUMNS: tuple[tuple[str, str, float, str], ...] = (  # title, field, factor, format
    ("$", "dollars", 1, ".2f"),
    ("in SLO %", "attainment", 100, ".2f"),
    ("lost", "lost", 1, ".1f"),
    ("quality", "quality", 1, ".2f"),
    ("effective", "effective_quality", 1, ".2f"),
    ("over %", "overspend", 100, ".2f"),
    ("prefix %", "prefix_overspend", 100, ".2f"),
    ("swaps", "swaps", 1, ".1f"),
    ("actions", "scale_actions", 1, ".0f"),
    ("flaps", "flaps", 1, ".0f"),
    ("cold min", "cold_minutes", 1, ".0f"),
    ("decide ms", "decide_ms", 1, ".2f"),
)


def cells(found: Sequence[Row]) -> list[list[str]]:
    """The table's cells, a header first; what doesn't exist is a dash."""
    several = any(row.fleet for row in found)
    header = ["policy", *(["fleet"] if several else []), "budget", *(title for title, *_ in _COLUMNS)]
    return [header, *(_cells(row, several) for row in found)]


def _cells(row: Row, several: bool) -> list[str]:
    who = [row.policy, row.fleet or ""] if several else [row.policy]
    return [*who, row.budget or "none", *(_cell(row, column) for column in _COLUMNS)]


def _cell(row: Row, column: tuple[str, str, float, str]) -> str:
    _, field, factor, form = column
    found = row.figures.get(field)
    if found is None:
        return "-"
    text = format(found.mean * factor, form)
    return text if not found.spread else f"{text} ±{format(found.spread * factor, form)}"


def bound_line(budget: str | None, bound: Bound) -> str:
    """The oracle in one line: its best plan, and the bound that no plan beats."""
    if bound.bound is None:
        least = f"{bound.lost:.0f} requests can't be carried, so no bound"
    else:
        least = f"no plan below ${bound.bound:.2f}" if budget is None else f"no plan above {bound.bound:.2f}"
    return (
        f"oracle, budget {budget or 'none'}: ${bound.dollars:.2f}, quality {bound.quality:.2f}, {least} "
        f"({bound.slots} slots, {bound.solver_s:.1f} s; foresight, no queue, no burst within a slot)"
    )


def as_json(entries: Sequence[Entry], about: dict[str, Any]) -> dict[str, Any]:
    """Everything: what was run, the means, and every run by itself."""
    return {
        **about,
        "rows": [{**_who(r), "figures": {k: _told(asdict(v)) for k, v in r.figures.items()}} for r in rows(entries)],
        "runs": [{**_who(e), "seed": e.seed, "score": _told(asdict(e.score))} for e in entries],
    }


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    """Numbers as JSON may have them: it knows no infinity, so that is a text which most languages read as one."""
    return {k: "Infinity" if v == math.inf else v for k, v in figures.items()}


def _who(each: Row | Entry) -> dict[str, Any]:
    of = {} if each.fleet is None else {"fleet": each.fleet}
    return {"policy": each.policy, **of, "budget": each.budget}

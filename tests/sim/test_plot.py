"""The plot: axes on which there is nothing that can't be."""

import re

import pytest

from costwain.sim.plot import svg
from costwain.sim.report import Figure, Row

ALONE = [(0.945, 0.99, 0.7)]
SCORES = {  # story: (dollars, share within the SLO, effective quality) of each row
    "one row of less than a dollar": ALONE,
    "nothing was spent and nothing answered": [(0.0, 0.0, 0.0)],
    "one spent nothing and one much": [(0.0, 0.0, 0.0), (100.0, 1.0, 72.7)],
}


def drawn(rows: list[tuple[float, float, float]]) -> str:
    fields = ("dollars", "attainment", "effective_quality")
    return svg([Row("costwain", None, {f: Figure(v, None) for f, v in zip(fields, row, strict=True)}) for row in rows])


def ticks(drawing: str) -> list[float]:
    return [float(text) for text in re.findall(r'text-anchor="\w+">([^<]+)<', drawing)]


@pytest.mark.parametrize("rows", SCORES.values(), ids=SCORES)
def test_an_axis_begins_at_nothing_at_the_earliest(rows: list[tuple[float, float, float]]) -> None:
    assert min(ticks(drawn(rows))) >= 0


def test_a_row_alone_stands_within_its_axes() -> None:
    centres = re.findall(r'circle cx="([\d.]+)" cy="([\d.]+)"', drawn(ALONE))
    assert [56 <= float(x) % 460 <= 404 and 56 <= float(y) <= 304 for x, y in centres] == [True, True]

"""Plot: dollars against the share within the SLO and against effective quality, as SVG; up and left is better."""

from collections.abc import Sequence
from html import escape

from costwain.sim.report import Row

_WIDE, _HIGH, _MARGIN, _TICKS = 460, 360, 56, 4
_PANELS = (("in SLO, %", "attainment", 100.0), ("effective quality", "effective_quality", 1.0))


def svg(rows: Sequence[Row]) -> str:
    """The drawing: one point a policy and budget, with the 95 % interval over the seeds as a cross."""
    panels = "".join(_panel(rows, i * _WIDE, panel) for i, panel in enumerate(_PANELS))
    size = f'width="{_WIDE * len(_PANELS)}" height="{_HIGH}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="10">'
        f'<rect width="100%" height="100%" fill="white"/>{panels}</svg>\n'
    )


def _panel(rows: Sequence[Row], left: int, panel: tuple[str, str, float]) -> str:
    title, field, factor = panel
    xs = [row.figures["dollars"].mean for row in rows]
    ys = [row.figures[field].mean * factor for row in rows]
    x_of = _Scale(xs, left + _MARGIN, left + _WIDE - 2 * _MARGIN)
    y_of = _Scale(ys, _HIGH - _MARGIN, _MARGIN)
    parts = [_axes(left, title), *(_tick(x_of, y_of, left, at / _TICKS) for at in range(_TICKS + 1))]
    for row, x, y in zip(rows, xs, ys, strict=True):
        (px, _), (py, _) = x_of(x), y_of(y)
        label = escape(row.policy if row.budget is None else f"{row.policy} @{row.budget}")
        wide = abs(x_of(x + (row.figures["dollars"].spread or 0))[0] - px)
        high = abs(y_of(y + (row.figures[field].spread or 0) * factor)[0] - py)
        parts.append(
            f'<path d="M{px - wide:.1f} {py:.1f}H{px + wide:.1f}" stroke="gray"/>'
            f'<path d="M{px:.1f} {py - high:.1f}V{py + high:.1f}" stroke="gray"/>'
            f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3"/><text x="{px + 5:.1f}" y="{py - 4:.1f}">{label}</text>'
        )
    return "".join(parts)


class _Scale:
    """Maps values to pixels, (pixel, value); `at` the other way, 0 to 1 along the axis.

    The axis has a margin, but begins at 0 at the earliest: no figure of the plot can be less.
    """

    def __init__(self, values: Sequence[float], first: float, last: float) -> None:
        low, high = min(values), max(values)
        pad = (high - low) * 0.05 or max(abs(high) * 0.05, 1.0)
        self._low, self._high, self._first, self._last = max(0.0, low - pad), high + pad, first, last

    def __call__(self, value: float) -> tuple[float, float]:
        share = (value - self._low) / (self._high - self._low)
        return self._first + share * (self._last - self._first), value

    def at(self, share: float) -> tuple[float, float]:
        """The pixel and the value at a share of the axis."""
        return self._first + share * (self._last - self._first), self._low + share * (self._high - self._low)


def _axes(left: int, title: str) -> str:
    x, y = left + _MARGIN, _HIGH - _MARGIN
    return (
        f'<path d="M{x} {_MARGIN}V{y}H{left + _WIDE - 2 * _MARGIN}" fill="none" stroke="black"/>'
        f'<text x="{x}" y="{_MARGIN - 16}" font-size="12">{title}</text>'
        f'<text x="{left + _WIDE // 2 - _MARGIN}" y="{_HIGH - 16}" font-size="12">dollars</text>'
    )


def _tick(x_of: _Scale, y_of: _Scale, left: int, share: float) -> str:
    (px, x), (py, y) = x_of.at(share), y_of.at(share)
    return (
        f'<text x="{px:.1f}" y="{_HIGH - _MARGIN + 14}" text-anchor="middle">{x:.4g}</text>'
        f'<text x="{left + _MARGIN - 6}" y="{py + 3:.1f}" text-anchor="end">{y:.4g}</text>'
    )

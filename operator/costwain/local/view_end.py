"""What the demo came to, as rows that are the same on a terminal and in a log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from costwain.domain.money import dollars
from costwain.local.load_report import Spread, Summary, duration
from costwain.local.view_lines import clock_text
from costwain.local.view_model import Told

_WIDTH = 100


@dataclass(frozen=True)
class Ending:
    """The figures at the end: what the load saw, what was spent in each window, and what it would have been.

    Micro-dollars; `windows` by the start of the window, each of which may cost `limit_micro` (None: no budget).
    `without_swap_micro` is the same trace for the best variant alone, None where it wasn't asked.
    """

    load: Summary
    windows: Mapping[str, int]
    limit_micro: int | None
    spent_micro: int
    without_swap_micro: int | None
    swaps: Sequence[Told]

    @property
    def held(self) -> bool:
        """Whether no window cost more than its budget."""
        return self.limit_micro is None or all(spent <= self.limit_micro for spent in self.windows.values())

    @property
    def good(self) -> bool:
        """Whether nothing was lost and the budget held."""
        return self.load.lost == 0 and self.held


def rows_of(ending: Ending) -> list[tuple[str, str]]:
    """(name, value) in the order in which a person asks; a name that is empty goes on with the one above."""
    load = ending.load
    causes = ", ".join(f"{count} {cause}" for cause, count in load.lost_by_cause.items())
    shares = ", ".join(f"{name} {_percent(count, load.complete)}" for name, count in load.by_variant.items())
    rows = [
        ("requests", f"{load.requests} in {load.duration_s / 60:.0f} minutes of the fleet"),
        ("lost", f"{load.lost}{f' ({causes})' if causes else ''}"),
        ("answered by", shares or "nobody"),
        ("first token", _times(load.ttft_s)),
        ("spent", dollars(ending.spent_micro) + _saved(ending)),
    ]
    for start, spent in sorted(ending.windows.items()):
        rows.append((f"  from {start[11:16] or start}", _against(spent, ending.limit_micro)))
    without = ending.without_swap_micro
    rows.append(("without swap", "not asked" if without is None else f"{dollars(without)} for the best variant alone"))
    for i, swap in enumerate(ending.swaps):
        rows.append(("" if i else "swaps", f"{clock_text(swap.at_s)} {swap.code}: {swap.sentence}"))
    paid = "none" if ending.limit_micro is None else "none: the budget paid what was asked for all along"
    return rows if ending.swaps else [*rows, ("swaps", paid)]


def lines_of(ending: Ending) -> list[str]:
    """The table for a log."""
    return [f"  {name:<14}{value}" for name, value in [*rows_of(ending), ("verdict", verdict(ending))]]


def final_table(ending: Ending) -> RenderableType:
    """The table for a terminal."""
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="bright_black", no_wrap=True)
    grid.add_column()
    for name, value in rows_of(ending):
        grid.add_row(name, Text(value, _tone(name, ending)))
    tone = "green" if ending.good else "red"
    title = Text(f" {verdict(ending)} ", f"bold {tone}")
    return Panel(grid, title=title, title_align="left", border_style=tone, width=_WIDTH, padding=(1, 2))


def verdict(ending: Ending) -> str:
    """One sentence on what was promised."""
    lost = "nothing was lost" if ending.load.lost == 0 else f"{ending.load.lost} requests were lost"
    if ending.limit_micro is None:
        return f"{lost}, there was no budget"
    return f"{lost}, the budget {'held' if ending.held else 'did not hold'}"


def _times(spread: Spread) -> str:
    if spread.p50 is None or spread.p99 is None:
        return "none"
    return f"p50 {duration(spread.p50)}, p99 {duration(spread.p99)}"


def _against(spent_micro: int, limit_micro: int | None) -> str:
    if limit_micro is None:
        return dollars(spent_micro)
    return f"{dollars(spent_micro)} of {dollars(limit_micro)} ({_percent(spent_micro, limit_micro)})"


def _saved(ending: Ending) -> str:
    without = ending.without_swap_micro
    if not without or without <= ending.spent_micro:
        return ""
    return f", {_percent(without - ending.spent_micro, without)} less than without swap"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _tone(name: str, ending: Ending) -> str:
    if name == "lost":
        return "bold red" if ending.load.lost else "bold green"
    return "bold" if name in ("spent", "requests") else ""

"""The live view of a fleet: a picture that is redrawn where there is a terminal, lines where there is none."""

import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from costwain.domain.money import dollars
from costwain.domain.plan import Money
from costwain.domain.snapshot import State
from costwain.local.view_lines import Lines, clock_text, share_text
from costwain.local.view_model import PoolView, Told, VariantView, ViewState

WIDTH, HEIGHT = 100, 30
_BAR = 46
_SHARE_BAR = 10
_MARKS = {
    State.READY: ("●", "green"),
    State.STARTING: ("◐", "yellow"),
    State.PENDING: ("○", "bright_black"),
    State.DRAINING: ("◌", "magenta"),
    State.DRAINED: ("◌", "magenta"),
    State.TERMINATING: ("◌", "magenta"),
}
_LEGEND = (("●", "green", "ready"), ("◐", "yellow", "starting"), ("○", "bright_black", "pending"),
           ("◌", "magenta", "going"))  # fmt: skip
_TONES = {"SteppedUp": "green", "SteppedDown": "yellow"}
_ALARM = "red"
_MOST_DOTS = 16
_SENTENCE = 66  # columns of a sentence beside its time and code
_REASON, _MOST_REASONS = 88, 3
# Lines beside rungs, reasons and story: frame 2, bars and figures 4, spaces 2, legend 1.
_FIXED = 9

Row = tuple[Text, ...]
Show = Callable[[ViewState], None]


@contextmanager
def showing(console: Console) -> Iterator[Show]:
    """Gives a function that shows a state: drawn over the one before on a terminal, else told where it changed."""
    if not console.is_terminal:
        lines = Lines()

        def tell(state: ViewState) -> None:
            for line in lines.of(state):
                console.print(line, soft_wrap=True, markup=False, highlight=False)

        yield tell
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda state: live.update(picture(state, min(HEIGHT, console.height - 1)), refresh=True)


def picture(state: ViewState, height: int = HEIGHT) -> RenderableType:
    """The fleet in one panel of at most so many lines, a hundred columns wide or less."""
    reasons = [part for sentence in state.reasons for part in textwrap.wrap(sentence, _REASON)][:_MOST_REASONS]
    room = max(1, height - _FIXED - len(reasons))
    rungs = _within(room, [line for variant in state.variants for line in _rung(variant)])
    parts: list[RenderableType] = [_bars(state), Text(), _columns(rungs), _legend()]
    if reasons:
        heads = ("now", *[""] * len(reasons))
        parts += [
            Text(),
            _table((Text(head, "bright_black"), Text(r)) for head, r in zip(heads, reasons, strict=False)),
        ]
    if story := _last(state.told, room - len(rungs) - 1):
        parts += [Rule(style="bright_black"), _story(story)]
    title = Text.assemble(" costwain  ", (state.fleet, "bold"), " ")
    speed = "" if state.speed == 1 else f", {state.speed:g} x real time"
    foot = Text.assemble(" ", (clock_text(state.now_s), "bold"), f" fleet time{speed} ")
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        subtitle=foot,
        subtitle_align="right",
        border_style="cyan",
        width=WIDTH,
        padding=(0, 2),
    )


def _bars(state: ViewState) -> Table:
    """Time above money, on the same scale: money ahead of time is what makes a fleet step down."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    money, load = state.money, state.load
    if money is not None and money.start_s is not None and money.end_s is not None:
        passed = (state.now_s - money.start_s) / (money.end_s - money.start_s)
        ends = f"{clock_text(money.start_s)[:5]} to {clock_text(money.end_s)[:5]}"
        grid.add_row("window", _bar((passed,), ("blue",)), ends)
    if money is not None:
        grid.add_row("budget", *_budget(money))
    rate = "?" if money is None else f"{dollars(money.hourly_micro)}/h"
    waiting = _loud(f"{_known(state.waiting)} waiting", bool(state.waiting), "yellow")
    queue = Text.assemble("    queue ", waiting, f", {_known(state.running)} running")
    grid.add_row("rate", Text.assemble((rate, "bold"), queue))
    sent = f"{load.sent} sent, {load.done} answered, {load.in_flight} under way, "
    grid.add_row("load", Text.assemble(sent, _loud(f"{load.lost} lost", load.lost > 0, _ALARM)))
    return grid


def _budget(money: Money) -> tuple[Text, Text]:
    spent = "?" if money.spent_micro is None else dollars(money.spent_micro)
    if money.limit_micro is None:
        return Text("no budget: spend is metered", "bright_black"), Text(f"{spent} spent")
    limit = max(1, money.limit_micro)
    shares = tuple((micro or 0) / limit for micro in (money.spent_micro, money.forecast_micro))
    tone = _ALARM if shares[0] > 1 else "yellow" if shares[0] >= 0.8 else "green"
    text = Text.assemble((spent, "bold"), f" of {dollars(money.limit_micro)}")
    if money.forecast_micro is not None:
        over = money.forecast_micro > money.limit_micro
        text.append_text(_loud(f", {dollars(money.forecast_micro)} expected", over, "yellow"))
    return _bar(shares, (tone, f"{tone} dim")), text


def _bar(shares: tuple[float, ...], styles: tuple[str, ...]) -> Text:
    """Ascending shares of the whole, each in its style from where the one before ends."""
    bar, at = Text(), 0
    for share, style, sign in zip(shares, styles, "█▒", strict=False):
        end = max(at, min(_BAR, round(share * _BAR)))
        bar.append(sign * (end - at), style)
        at = end
    return bar.append("·" * (_BAR - at), "bright_black")


def _rung(variant: VariantView) -> list[Row]:
    """A rung's own line, then one for each pool with pods."""
    share = variant.share_percent
    filled = round((share or 0) * _SHARE_BAR / 100)
    style = "bold" if share else "bright_black"
    gauge = Text().append("━" * filled, "cyan").append("─" * (_SHARE_BAR - filled), "bright_black")
    gauge.append(f" {share_text(share):>5}", style)
    hint = Text(variant.reason, "bright_black", no_wrap=True, overflow="ellipsis") if not share else Text()
    return [(Text(variant.name, style), gauge, hint), *(_pool(pool) for pool in variant.pools)]


def _within(room: int, rows: list[Row]) -> list[Row]:
    """The first rows; where there are more than there is room for, the last line says how many."""
    if len(rows) <= room:
        return rows
    return [*rows[: room - 1], (Text(f"and {len(rows) - room + 1} more lines", "bright_black"), Text(), Text())]


def _pool(pool: PoolView) -> Row:
    dots = Text()
    for state in pool.replicas[:_MOST_DOTS]:
        dots.append(" ".join((_MARKS[state][0], "")), _MARKS[state][1])
    if len(pool.replicas) > _MOST_DOTS:
        dots.append(f"+{len(pool.replicas) - _MOST_DOTS} ")
    rate = "?" if pool.hourly_micro is None else dollars(pool.hourly_micro)
    facts = Text(f"{pool.ready} of {len(pool.replicas)} ready, {rate}/h")
    return Text(f"  {pool.name}"), dots, facts


def _columns(rows: list[Row]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True, min_width=18)
    grid.add_column(no_wrap=True, min_width=_SHARE_BAR + 6)
    grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    for row in rows:
        grid.add_row(*row)
    return grid


def _legend() -> Text:
    text = Text()
    for sign, style, word in _LEGEND:
        text.append(f"{sign} ", style).append(f"{word}   ", "bright_black")
    text.justify = "right"
    return text


def _last(told: tuple[Told, ...], room: int) -> list[tuple[Told, list[str]]]:
    """As many of the last sentences as there is room for, each broken into lines."""
    broken = [(one, textwrap.wrap(one.sentence, _SENTENCE)) for one in told]
    while sum(max(1, len(lines)) for _, lines in broken) > max(0, room):
        del broken[0]
    return broken


def _story(told: list[tuple[Told, list[str]]]) -> Table:
    return _table(
        (
            Text(clock_text(one.at_s), "bright_black"),
            Text(one.code, _TONES.get(one.code, "bold")),
            Text("\n".join(lines)),
        )
        for one, lines in told
    )


def _table(rows: Iterable[tuple[Text, ...]]) -> Table:
    """Columns of which the last takes what is left."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for row in rows:
        for cell in row:
            cell.no_wrap, cell.overflow = True, "ellipsis"
        grid.add_row(*row)
    return grid


def _loud(text: str, loud: bool, tone: str) -> Text:
    return Text(text, f"bold {tone}" if loud else "")


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)

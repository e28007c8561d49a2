"""The view where there is no terminal: a line when the picture has changed, and one for each thing that was told."""

from datetime import UTC, datetime

from costwain.domain.money import dollars
from costwain.domain.plan import Money
from costwain.local.view_model import VariantView, ViewState

_UNKNOWN = "?"
_STEP_PERCENT = 10  # spend is no change of the picture until a tenth more of the budget is gone


class Lines:
    """Remembers what it said last, so that nothing is said twice."""

    def __init__(self) -> None:
        self._said: object = None
        self._told = 0

    def of(self, state: ViewState) -> list[str]:
        """The lines that a state adds to those before it."""
        news = [
            f"{clock_text(one.at_s)}  {state.fleet}  {one.code}: {one.sentence}" for one in state.told[self._told :]
        ]
        self._told = max(self._told, len(state.told))
        now = _picture(state)
        if now == self._said:
            return news
        self._said = now
        return [*news, line(state)]


def line(state: ViewState) -> str:
    """The whole state in one line.

    `12:34:56  chat  qwen3-32b 100 %  h100 2/2 mi300x 1/1  queue 3  $9.60/h  spent $3.21 of $8.00 (40 %)`
    """
    load = state.load
    parts = [
        clock_text(state.now_s),
        state.fleet,
        " + ".join(_variant(v) for v in state.variants if v.share_percent or v.pools) or "no replica",
        f"queue {_UNKNOWN if state.waiting is None else state.waiting}",
        *_money(state.money),
        f"sent {load.sent} answered {load.done} lost {load.lost}",
    ]
    return "  ".join(parts)


def clock_text(at_s: float) -> str:
    """Time of day of a unix instant, UTC.

    >>> clock_text(45296)
    '12:34:56'
    """
    return datetime.fromtimestamp(at_s, UTC).strftime("%H:%M:%S")


def share_text(percent: int | None) -> str:
    """A share of the traffic as a person reads it."""
    return f"{_UNKNOWN if percent is None else percent} %"


def _variant(variant: VariantView) -> str:
    pools = " ".join(f"{pool.name} {pool.ready}/{len(pool.replicas)}" for pool in variant.pools)
    return f"{variant.name} {share_text(variant.share_percent)}  {pools or 'no replica'}"


def _money(money: Money | None) -> list[str]:
    if money is None:
        return [f"${_UNKNOWN}/h"]
    said = [f"{dollars(money.hourly_micro)}/h"]
    if money.spent_micro is not None and money.limit_micro:
        percent = f"{100 * money.spent_micro // money.limit_micro} %"
        said.append(f"spent {dollars(money.spent_micro)} of {dollars(money.limit_micro)} ({percent})")
    return said


def _picture(state: ViewState) -> object:
    """What counts as a change: shares, replicas, the window and tenth of the budget, the queue's size, a loss."""
    money = state.money
    spent = None
    if money is not None and money.spent_micro is not None and money.limit_micro:
        spent = money.start_s, 100 * money.spent_micro // money.limit_micro // _STEP_PERCENT
    queue = None if state.waiting is None else len(str(state.waiting))  # ten times as long is another queue
    return tuple(map(_variant, state.variants)), spent, queue, state.load.lost

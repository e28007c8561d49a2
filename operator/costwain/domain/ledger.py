"""SpendLedger: what every pod has cost, exact to the micro-dollar, across restarts of the operator.

A pod's bill runs from its binding to a node until it is gone. While it is open it costs price x time
without a write; when it closes, its line moves to `closed`, and after two days into `days`. Where
many close, older lines of `closed` are summed by quarter of an hour (decide/quarters.py).
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from costwain.domain.api import Api, Labels, Name, Rule, ShortText
from costwain.domain.money import cost_micro
from costwain.domain.once import once

RECENT_S = 2 * 86400.0  # lines stay exact for the longest budget period that is metered by the second, and a day more
RETENTION_DAYS = 35


class Line(Api):
    """One pod at one price over one stretch of time, or the sum of several within a quarter of an hour."""

    uid: ShortText = Field(description="Uid of the pod; empty for the sum of several.")
    pod: ShortText = Field(description="Name of the pod; empty for the sum of several.")
    variant: Name = Field(description="Variant that it serves.")
    pool: Name = Field(description="Pool on which it runs.")
    capacity_type: ShortText = Field("OnDemand", description="OnDemand, Spot or Reserved.")
    accelerators: int = Field(ge=0, description="Accelerators that it holds.")
    hourly_micro: int = Field(ge=0, description="Micro-dollars an hour for all of them.")
    since_milliseconds: int = Field(ge=0, description="Start of the stretch, unix milliseconds.")
    until_milliseconds: int | None = Field(None, ge=0, description="End of the stretch; absent while it is open.")
    metered_through_milliseconds: int = Field(
        ge=0, description="Last instant at which the operator surely saw the pod, at the last write."
    )
    uncertain_micro: int = Field(0, ge=0, description="Part of the cost in which nobody was watching.")
    accelerator_milliseconds: int | None = Field(
        None, ge=0, description="Accelerators x time of a sum; absent for one pod."
    )
    rules: ClassVar = (
        Rule(
            "!has(self.untilMilliseconds) || self.untilMilliseconds >= self.sinceMilliseconds",
            "untilMilliseconds must not lie before sinceMilliseconds",
            lambda v: v.until_milliseconds is None or v.until_milliseconds >= v.since_milliseconds,
        ),
    )

    def cost_micro(self, start_s: float, end_s: float) -> int:
        """What this line costs between two instants (unix seconds); an open line costs up to `end_s`."""
        until_s = end_s if self.until_milliseconds is None else min(self.until_milliseconds / 1000, end_s)
        return cost_micro(self.hourly_micro, max(0.0, until_s - max(self.since_milliseconds / 1000, start_s)))


class DaySum(Api):
    """What closed lines of one day, variant and pool came to."""

    date: ShortText = Field(description="UTC date, YYYY-MM-DD.")
    variant: Name = Field(description="Variant.")
    pool: Name = Field(description="Pool.")
    capacity_type: ShortText = Field(description="OnDemand, Spot or Reserved.")
    accelerator_milliseconds: int = Field(ge=0, description="Accelerators x time.")
    amount_micro: int = Field(ge=0, description="Micro-dollars.")
    uncertain_micro: int = Field(0, ge=0, description="Part of it in which nobody was watching.")


class Labelled(Api):
    """The labels that the ModelDeployment had from an instant on: they say whose shared budget the dollars were."""

    since_milliseconds: int = Field(ge=0, description="Since when, unix milliseconds; 0 for all that was before.")
    labels: Labels = Field(default_factory=dict, description="Its labels.")


class SpendLedgerSpec(Api):
    """The ledger of one ModelDeployment, written by the operator alone."""

    fleet_uid: ShortText = Field("", description="Uid of the ModelDeployment.")
    epoch: int = Field(0, ge=0, description="Leadership under which it was last written; a smaller one never follows.")
    open: Annotated[list[Line], Field(max_length=2000)] = Field(default_factory=list, description="Pods on the bill.")
    closed: Annotated[list[Line], Field(max_length=4000)] = Field(
        default_factory=list, description="Lines of the last two days; where they are many, the older ones are sums."
    )
    days: Annotated[list[DaySum], Field(max_length=8000)] = Field(
        default_factory=list, description="Older lines, summed by day."
    )

    labelled: Annotated[list[Labelled], Field(max_length=32)] = Field(
        default_factory=list, description="Labels of the ModelDeployment in the last days, the oldest first."
    )

    def labels_over_time(self, labels: Mapping[str, str]) -> list[tuple[float, float, Mapping[str, str]]]:
        """(from, until, labels), unix seconds, in order; `labels` for all time where none were written down."""
        since_s = [worn.since_milliseconds / 1000 for worn in self.labelled]
        if not since_s:
            return [(0.0, math.inf, labels)]
        until_s = [*since_s[1:], math.inf]
        return [(a, b, worn.labels) for a, b, worn in zip(since_s, until_s, self.labelled, strict=True)]

    def spent_micro(self, start_s: float, end_s: float) -> int:
        """Micro-dollars spent between two instants (unix seconds) not further back than two days."""
        until_s = math.inf if end_s >= _last_closed_s(self) else end_s  # then it is the same whenever it is asked
        return _closed_micro(self, start_s, until_s) + sum(line.cost_micro(start_s, end_s) for line in self.open)

    def uncertain_micro(self, start_s: float) -> int:
        """The part of what was spent since an instant (unix seconds) in which nobody was watching."""
        return _uncertain_micro(self, start_s)


@once(1 << 11)
def _last_closed_s(ledger: SpendLedgerSpec) -> float:
    """When the last of its closed lines ended; never, while one has no end."""
    ends = [math.inf if x.until_milliseconds is None else x.until_milliseconds / 1000 for x in ledger.closed]
    return max(ends, default=0.0)


@once(1 << 11)
def _closed_micro(ledger: SpendLedgerSpec, start_s: float, end_s: float) -> int:
    return sum(line.cost_micro(start_s, end_s) for line in ledger.closed)


@once(1 << 11)
def _uncertain_micro(ledger: SpendLedgerSpec, start_s: float) -> int:
    return sum(x.uncertain_micro for x in ledger.closed if (x.until_milliseconds or 0) / 1000 > start_s)

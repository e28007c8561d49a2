"""Plan: all that a decision may ask for, with the reasons."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from costwain.domain.memory import Memory

Place = tuple[str, str]
"""(variant, pool)."""


@dataclass(frozen=True)
class Why:
    """One verdict: a machine-readable code and a sentence with the numbers in it."""

    code: str
    sentence: str


@dataclass(frozen=True)
class Money:
    """The budget's window as this decision saw it; micro-dollars, fleet seconds, micro-dollars an hour.

    Fields are None where there is no budget. `forecast_micro`: spent plus the planned rate over the rest.
    `shared` names the InferenceBudget that binds; the limit is then the fleet's part of it.
    """

    hourly_micro: int
    start_s: float | None = None
    end_s: float | None = None
    spent_micro: int | None = None
    uncertain_micro: int | None = None
    limit_micro: int | None = None
    forecast_micro: int | None = None
    allowance_micro_per_h: int | None = None
    planned_micro_per_h: int | None = None
    shared: str | None = None


@dataclass(frozen=True)
class FleetPlan:
    """What one fleet is to become.

    `replicas`: the count that each Deployment shall ask for. `drain`, `undrain`: pods to mark and to unmark.
    `shares`: percent by variant, 100 in sum. `slots`: concurrent requests a pod, by place. `problems`: what only
    the user can mend. `news`: verdicts that differ from what was remembered, worth an event.
    """

    namespace: str
    name: str
    target: str | None
    replicas: Mapping[Place, int]
    shares: Mapping[str, int]
    slots: Mapping[Place, int]
    memory: Memory
    money: Money
    drain: tuple[str, ...] = ()
    undrain: tuple[str, ...] = ()
    reasons: tuple[Why, ...] = ()
    problems: tuple[Why, ...] = ()
    news: tuple[Why, ...] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.namespace, self.name


@dataclass(frozen=True)
class Share:
    """A member's part of a shared budget: spent, and what it may still spend, in micro-dollars."""

    namespace: str
    name: str
    spent_micro: int
    left_micro: int


@dataclass(frozen=True)
class BudgetPlan:
    """A shared budget's running period: micro-dollars, fleet seconds.

    `reserved_micro`: what stopping costs where nobody decides; the shares and it add up to what is left.
    """

    name: str
    start_s: float
    end_s: float
    limit_micro: int
    spent_micro: int
    reserved_micro: int
    forecast_micro: int
    shares: tuple[Share, ...] = ()
    problems: tuple[Why, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Fleets in the order in which they were decided, and the shared budgets by name.

    A fleet that isn't among them rests: it stays as it is.
    """

    now_s: float
    fleets: tuple[FleetPlan, ...]
    budgets: tuple[BudgetPlan, ...] = ()

"""Status of the custom resources as `kubectl` shows it."""

from typing import Annotated

from pydantic import Field

from costwain.domain.api import Api, Condition, Money, Name, ShortText
from costwain.domain.memory import Memory

Conditions = Annotated[list[Condition], Field(max_length=16)]
Sentence = Annotated[str, Field(max_length=2048)]


class VariantStatus(Api):
    """One rung as it stands."""

    name: Name = Field(description="Variant.")
    share_percent: int = Field(
        0, ge=0, le=100, description="Share of new conversations; with gateway.mode None what a router should give it."
    )
    replicas: int = Field(0, ge=0, description="Pods.")
    ready_replicas: int = Field(0, ge=0, description="Pods that serve.")
    reason: Sentence = Field("", description="Why it serves or doesn't.")
    url: ShortText | None = Field(None, description="The Service of its pods; only with gateway.mode None.")


class PlacementStatus(Api):
    """One (variant, pool) with pods."""

    variant: Name = Field(description="Variant.")
    pool: Name = Field(description="Pool.")
    replicas: int = Field(0, ge=0, description="Pods.")
    ready_replicas: int = Field(0, ge=0, description="Pods that serve.")
    hourly_cost: Money = Field("0.00", description="Dollars an hour of its pods.")


class QueueStatus(Api):
    """Requests in the gateway, rounded."""

    waiting: int | None = Field(
        None, ge=0, description="Held by the gateway, or with gateway.mode None by the engines; absent when unknown."
    )
    running: int | None = Field(None, ge=0, description="In the pods; absent when unknown.")


class CostStatus(Api):
    """Dollars of the running period."""

    hourly: Money = Field("0.00", description="Dollars an hour of the pods that are on the bill.")
    per_million_tokens: Money | None = Field(None, description="Dollars a million tokens, measured; absent without.")
    period_start: ShortText | None = Field(None, description="Start of the period (RFC 3339).")
    period_end: ShortText | None = Field(None, description="End of the period (RFC 3339).")
    spent: Money | None = Field(None, description="Dollars spent in the period.")
    uncertain: Money | None = Field(None, description="Part of it in which nobody was watching.")
    forecast: Money | None = Field(None, description="Dollars expected by the period's end at the planned rate.")
    limit: Money | None = Field(None, description="The budget's amount.")
    percent: int | None = Field(None, ge=0, description="Spent, percent of the limit.")
    shared_budget: ShortText | None = Field(
        None, description="InferenceBudget that binds; the limit is the fleet's part of it. Absent: its own budget."
    )
    allowance: Money | None = Field(None, description="Dollars an hour that the rest of the period can pay.")
    price_source: ShortText | None = Field(None, description="Where the prices of the running pods are from.")
    price_as_of: ShortText | None = Field(None, description="When the oldest of these prices was valid (RFC 3339).")


class Reason(Api):
    """Why a decision is as it is."""

    code: ShortText = Field(description="Machine-readable word.")
    sentence: Sentence = Field(description="The same for a person, with the numbers.")


class DecisionStatus(Api):
    """The last decision that differed from the one before."""

    at: ShortText = Field(description="When (RFC 3339, fleet time).")
    reasons: Annotated[list[Reason], Field(max_length=32)] = Field(default_factory=list, description="Why.")


class ModelDeploymentStatus(Api):
    """What a fleet does, what it costs and why."""

    observed_generation: int = Field(0, ge=0, description="Generation of the spec that was acted upon.")
    conditions: Conditions = Field(default_factory=list, description="Ready, Reconciling, Stalled and more.")
    replicas: int = Field(0, ge=0, description="Model pods.")
    ready_replicas: int = Field(0, ge=0, description="Model pods that serve.")
    selector: ShortText = Field("", description="Label selector of the model pods.")
    url: ShortText = Field("", description="The endpoint inside the cluster; empty with gateway.mode None.")
    variant: ShortText = Field("", description="Variant with the largest share.")
    variants: Annotated[list[VariantStatus], Field(max_length=8)] = Field(default_factory=list, description="Rungs.")
    placements: Annotated[list[PlacementStatus], Field(max_length=128)] = Field(
        default_factory=list, description="Where the pods are."
    )
    queue: QueueStatus = Field(default_factory=QueueStatus, description="Requests.")
    cost: CostStatus = Field(default_factory=CostStatus, description="Dollars.")
    decision: DecisionStatus | None = Field(None, description="The last decision.")
    memory: Memory = Field(default_factory=Memory, description="What decisions remember.")


class AcceleratorCount(Api):
    """Accelerators of a pool."""

    total: int = Field(0, ge=0, description="On all nodes.")
    allocatable: int = Field(0, ge=0, description="On nodes that take pods.")
    used: int = Field(0, ge=0, description="Held by pods.")


class AcceleratorPoolStatus(Api):
    """What a pool has."""

    observed_generation: int = Field(0, ge=0, description="Generation of the spec that was acted upon.")
    conditions: Conditions = Field(default_factory=list, description="Available, PriceKnown.")
    accelerators: AcceleratorCount = Field(default_factory=AcceleratorCount, description="Accelerators.")
    nodes: int = Field(0, ge=0, description="Nodes.")


class BudgetShare(Api):
    """A member's part of a shared budget."""

    namespace: ShortText = Field(description="Namespace of the ModelDeployment.")
    name: ShortText = Field(description="Its name.")
    spent: Money = Field(description="Dollars that it spent in the period.")
    left: Money = Field(description="Dollars that it may still spend, as the split is now.")


class InferenceBudgetStatus(Api):
    """What a shared budget has paid."""

    observed_generation: int = Field(0, ge=0, description="Generation of the spec that was acted upon.")
    conditions: Conditions = Field(default_factory=list, description="Ready, WithinBudget.")
    period_start: ShortText | None = Field(None, description="Start of the period (RFC 3339).")
    period_end: ShortText | None = Field(None, description="End of the period (RFC 3339).")
    spent: Money | None = Field(None, description="Dollars spent in the period.")
    forecast: Money | None = Field(None, description="Dollars expected by its end.")
    percent: int | None = Field(None, ge=0, description="Spent, percent of the amount.")
    members: int = Field(0, ge=0, description="Fleets under it.")
    shares: Annotated[list[BudgetShare], Field(max_length=256)] = Field(
        default_factory=list, description="Its members, by name; the first 256."
    )

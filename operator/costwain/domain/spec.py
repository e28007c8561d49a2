"""ModelDeployment as users write it; crds/ is generated from here."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from costwain.domain.api import (
    Api,
    Money,
    Name,
    Rule,
    Score,
    ShortText,
    Timestamp,
    later,
    later_value,
)
from costwain.domain.gateway import Gateway
from costwain.domain.variant import Variant

Period = Literal["Hour", "Day", "Week", "Month"]
OnExhausted = Literal["ScaleToFloor", "ScaleToZero", "Cheapest"]
Percent = Annotated[int, Field(ge=1, le=100)]


class Scaling(Api):
    """How many replicas, and how fast the count may move."""

    mode: Literal["Managed", "External", "Paused"] = Field(
        "Managed", description="Managed: Costwain decides; External: /scale decides; Paused: nothing changes."
    )
    min_replicas: int = Field(0, ge=0, le=1000, description="Replicas kept when idle; 0 allows scale to zero.")
    max_replicas: int = Field(20, ge=1, le=1000, description="Hard ceiling over all variants, whatever the queue says.")
    target_queue_seconds: int = Field(5, ge=1, le=3600, description="Time in which a queue is to be worked off.")
    scale_to_zero_after_seconds: int = Field(
        600, ge=0, le=604800, description="Idle time before the last replica goes."
    )
    scale_down_stabilization_seconds: int = Field(
        300, ge=0, le=86400, description="How long a lower demand must last before replicas go."
    )
    rules: ClassVar = (
        Rule(
            "self.minReplicas <= self.maxReplicas",
            "minReplicas ({minReplicas}) must not exceed maxReplicas ({maxReplicas})",
            lambda v: v.min_replicas <= v.max_replicas,
        ),
        later_value("mode", "External"),
    )


class SLO(Api):
    """What a client may expect."""

    time_to_first_token_milliseconds: int = Field(2000, ge=10, le=600000, description="Time to the first token.")
    time_per_output_token_milliseconds: int = Field(50, ge=1, le=60000, description="Time for each further token.")
    percentile: int = Field(95, ge=50, le=99, description="Share of requests that must meet both.")


class Threshold(Api):
    """What happens when a share of the budget is reached."""

    percent: Percent = Field(description="Share of the amount.")
    basis: Literal["Actual", "Forecast"] = Field("Actual", description="Spent so far, or expected by the period's end.")
    action: Literal["Notify", "StepDown"] = Field("Notify", description="Tell, or serve the next cheaper variant.")


class Override(Api):
    """More money until a date."""

    amount: Money = Field(description="Dollars on top of the amount.")
    until: Timestamp = Field(description="When it ends (RFC 3339, UTC).")


class Budget(Api):
    """Dollars that a fleet may spend in each calendar period."""

    amount: Money = Field(description="Dollars a period, a decimal string.")
    currency: Literal["USD"] = Field("USD", description="Currency of every price and amount.")
    period: Period = Field("Day", description="Calendar period after which the amount is there again.")
    time_zone: ShortText = Field("Etc/UTC", description="IANA time zone of the period's boundaries.")
    on_exhausted: OnExhausted = Field(
        "ScaleToFloor", description="Without money: keep minReplicas of the cheapest variant, or nothing."
    )
    thresholds: Annotated[list[Threshold], Field(max_length=8)] | None = Field(None, description="Early steps.")
    override: Override | None = Field(None, description="Once more money, with an end.")
    rules: ClassVar = (
        later("thresholds"),
        later("override"),
        later_value("period", "Week"),
        later_value("period", "Month"),
        later_value("onExhausted", "Cheapest"),
    )


class Gate(Api):
    """A test that a variant must pass before it may serve."""

    evaluation: Name = Field(description="Name of an evaluation of the variants.")
    min: Score | None = Field(None, description="Lowest score that may serve.")
    max_drop: Score | None = Field(None, description="Most that it may lie below the best variant's score.")
    rules: ClassVar = (
        Rule(
            "has(self.min) || has(self.maxDrop)",
            "min or maxDrop is required",
            lambda v: v.min is not None or v.max_drop is not None,
        ),
    )


class Swap(Api):
    """When and how traffic moves to another variant."""

    mode: Literal["Automatic", "Manual", "Off"] = Field(
        "Automatic",
        description="Automatic: dollars decide; Manual: the named variant serves; Off: the best one. "
        "minQuality, gates and allowedLicenses hold in each.",
    )
    variant: Name | None = Field(None, description="The variant that serves in mode Manual.")
    min_quality: Score | None = Field(None, description="Variants below this quality never serve.")
    gates: Annotated[list[Gate], Field(max_length=16)] = Field(
        default_factory=list, description="Evaluations that a variant must pass."
    )
    allowed_licenses: Annotated[list[ShortText], Field(max_length=32)] = Field(
        default_factory=list, description="Licences that may serve; empty allows all."
    )
    min_dwell_seconds: int = Field(900, ge=0, le=604800, description="Shortest time between a swap and a step back up.")
    step_percents: Annotated[list[Percent], Field(min_length=1, max_length=20)] = Field(
        default_factory=lambda: [25, 50, 100], description="Shares of the traffic through which a swap goes."
    )
    step_seconds: int = Field(30, ge=0, le=86400, description="Time between two steps.")
    surge: Literal["CreateFirst", "DrainFirst"] = Field(
        "CreateFirst", description="Start the new variant before the old one goes, or free its accelerators first."
    )
    rules: ClassVar = (
        later_value("surge", "DrainFirst"),
        Rule(
            "(self.mode == 'Manual') == has(self.variant)",
            "variant goes with mode Manual, and only with it (mode is {mode})",
            lambda v: (v.mode == "Manual") == (v.variant is not None),
        ),
        Rule(
            "self.stepPercents[size(self.stepPercents) - 1] == 100",
            "stepPercents must end with 100",
            lambda v: v.step_percents[-1] == 100,
        ),
    )


class Cache(Api):
    """Where weights are kept between starts."""

    claim_name: ShortText = Field(description="PersistentVolumeClaim that holds them.")


ServedName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", max_length=128)]


class ModelDeploymentSpec(Api):
    """A model that clients know by one name, as a ladder of variants inside a budget."""

    served_model_name: ServedName | None = Field(
        None, description='What clients send as "model"; default metadata.name.'
    )
    priority: int = Field(0, ge=-1000, le=1000, description="Who gets accelerators and shared dollars first.")
    variants: Annotated[list[Variant], Field(min_length=1, max_length=8)] = Field(
        description="The quality ladder, best first."
    )
    scaling: Scaling = Field(default_factory=Scaling, description="Replicas.")
    slo: SLO = Field(default_factory=SLO, description="Latency targets.")
    budget: Budget | None = Field(None, description="Dollars a period; without it spend is only metered.")
    swap: Swap = Field(default_factory=Swap, description="Moves between variants.")
    gateway: Gateway = Field(default_factory=Gateway, description="The endpoint.")
    cache: Cache | None = Field(None, description="Kept weights.")
    rules: ClassVar = (
        later("cache"),
        Rule(
            "self.variants.all(a, self.variants.exists_one(b, b.name == a.name))",
            "variants: every name at most once",
            lambda v: len({x.name for x in v.variants}) == len(v.variants),
        ),
        Rule(
            "!has(self.swap.variant) || self.variants.exists(v, v.name == self.swap.variant)",
            "swap.variant: no variant of this name",
            lambda v: v.swap.variant is None or any(x.name == v.swap.variant for x in v.variants),
        ),
        Rule(
            "self.gateway.mode != 'None' || self.scaling.minReplicas > 0",
            "gateway.mode None needs scaling.minReplicas of at least 1: nobody would hold requests at zero",
            lambda v: v.gateway.is_managed or v.scaling.min_replicas > 0,
        ),
        Rule(
            "!has(self.gateway.tenants) || self.gateway.tenants.all(t, "
            "!has(t.minVariant) || self.variants.exists(v, v.name == t.minVariant))",
            "gateway.tenants: minVariant names no variant",
            lambda v: {t.min_variant for t in v.gateway.tenants or ()} <= {None, *(x.name for x in v.variants)},
        ),
        Rule(
            "!has(self.swap.gates) || self.swap.gates.all(g, "
            "self.variants.exists(v, has(v.evaluations) && g.evaluation in v.evaluations))",
            "swap.gates: no variant has an evaluation of this name",
            lambda v: all(any(g.evaluation in x.evaluations for x in v.variants) for g in v.swap.gates),
        ),
    )

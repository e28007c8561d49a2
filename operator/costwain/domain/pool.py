"""What administrators write: pools of accelerators with prices, and budgets over several fleets."""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from costwain.domain.api import (
    Api,
    EnvVar,
    Labels,
    Money,
    Quantity,
    Rule,
    ShortText,
    Timestamp,
    Toleration,
    later,
    later_value,
)
from costwain.domain.spec import OnExhausted, Override, Period, Threshold

VendorName = Literal["nvidia", "amd", "google", "intel", "aws", "cpu"]
Namespace = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
CapacityType = Literal["OnDemand", "Spot", "Reserved"]
_LATE = 1.5  # times the usual wait for a node: before that, one may still be on its way


class Price(Api):
    """What an accelerator costs an hour."""

    amount: Money = Field(description="Dollars an accelerator-hour, a decimal string.")
    currency: Literal["USD"] = Field("USD", description="Currency.")
    source: ShortText = Field("", description="Where the price is from; 'owned' lets 0 mean free.")
    as_of: Timestamp | None = Field(None, description="When it was valid (RFC 3339, UTC).")


class PodDefaults(Api):
    """What every model pod on this pool gets."""

    env: Annotated[list[EnvVar], Field(max_length=64)] = Field(default_factory=list, description="Environment.")
    shared_memory: Quantity | None = Field(None, description="Size of /dev/shm; default by vendor.")
    supplemental_groups: Annotated[list[int], Field(max_length=16)] = Field(
        default_factory=list, description="Group ids that may open the devices (AMD: the node's render and video)."
    )


class AcceleratorPoolSpec(Api):
    """Nodes with one kind of accelerator at one price."""

    vendor: VendorName = Field(description="Who makes the accelerator.")
    accelerator: ShortText = Field(description="Key of the hardware table, such as h100; else give the figures below.")
    memory: Quantity | None = Field(None, description="Memory of one accelerator that isn't in the table.")
    memory_bandwidth_gbps: int | None = Field(
        None, ge=1, le=1000000, alias="memoryBandwidthGBps", description="Its memory bandwidth, GB/s."
    )
    bf16_tflops: int | None = Field(None, ge=1, le=1000000, description="Its dense BF16 rate, TFLOP/s.")
    fp8_tflops: int | None = Field(None, ge=1, le=1000000, description="Its dense FP8 rate, TFLOP/s.")
    resource_name: ShortText | None = Field(None, description="Extended resource; default by vendor (nvidia.com/gpu).")
    accelerators_per_node: int = Field(8, ge=1, le=64, description="Accelerators a node.")
    node_selector: Labels = Field(default_factory=dict, description="Labels of the pool's nodes.")
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(
        default_factory=list, description="Tolerations for the pool's taints; default by vendor."
    )
    runtime_class_name: ShortText | None = Field(
        None, description="RuntimeClass, where the vendor's isn't the default."
    )
    capacity_type: CapacityType = Field("OnDemand", description="On demand, spot or reserved.")
    price: Price | None = Field(None, description="Without a price the pool isn't used: unknown is never free.")
    max_accelerators: int | None = Field(
        None, ge=0, le=100000, description="Most accelerators to use; default what the nodes have."
    )
    provisioning_seconds: int | None = Field(
        None, ge=0, le=86400, description="Time until a new node is there; set it where an autoscaler adds nodes."
    )
    pending_timeout_seconds: int = Field(
        900,
        ge=1,
        le=86400,
        description="How long a pod may wait for a node before another pool is tried, at least half as long again as "
        "provisioningSeconds. While requests wait and another pool has room, no longer than twice provisioningSeconds, "
        "or a minute.",
    )
    image: ShortText = Field("", description="Engine image on this pool; default the vendor's.")
    pod_defaults: PodDefaults = Field(default_factory=PodDefaults, description="Defaults of its pods.")
    rules: ClassVar = (
        Rule(
            "!has(self.price) || self.price.amount.matches('[1-9]') || self.price.source == 'owned'",
            "price.amount: 0 is free only with source 'owned'",
            lambda v: v.price is None or any(c in "123456789" for c in v.price.amount) or v.price.source == "owned",
        ),
        Rule(
            "(has(self.memory) == has(self.memoryBandwidthGBps)) && (has(self.memory) == has(self.bf16Tflops))",
            "memory, memoryBandwidthGBps and bf16Tflops go together",
            lambda v: (v.memory is None) == (v.memory_bandwidth_gbps is None) == (v.bf16_tflops is None),
        ),
    )

    @property
    def patience_seconds(self) -> int:
        """How long any pod may wait for a node: longer than the pool says of itself that its nodes take."""
        return max(self.pending_timeout_seconds, math.ceil(_LATE * (self.provisioning_seconds or 0)))


class BudgetSelector(Api):
    """Which fleets share a budget."""

    namespaces: Annotated[list[Namespace], Field(max_length=256)] = Field(
        default_factory=list, description="Namespaces; empty means all."
    )
    match_labels: Labels = Field(default_factory=dict, description="Labels of the ModelDeployments.")

    def matches(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether a fleet with these labels is a member."""
        here = not self.namespaces or namespace in self.namespaces
        return here and all(labels.get(key) == value for key, value in self.match_labels.items())


class InferenceBudgetSpec(Api):
    """Dollars that several fleets share."""

    amount: Money = Field(description="Dollars a period, a decimal string.")
    currency: Literal["USD"] = Field("USD", description="Currency.")
    period: Period = Field("Day", description="Calendar period.")
    time_zone: ShortText = Field("Etc/UTC", description="IANA time zone of the period's boundaries.")
    thresholds: Annotated[list[Threshold], Field(max_length=8)] | None = Field(None, description="Early steps.")
    on_exhausted: OnExhausted = Field("ScaleToFloor", description="What the members do without money.")
    override: Override | None = Field(None, description="Once more money, with an end.")
    selector: BudgetSelector = Field(default_factory=BudgetSelector, description="Its members; default every fleet.")
    sharing: Literal["Priority", "FairShare"] = Field("Priority", description="Who gets the dollars first.")
    rules: ClassVar = (
        later("thresholds"),
        later("override"),
        later_value("period", "Week"),
        later_value("period", "Month"),
        later_value("onExhausted", "Cheapest"),
    )

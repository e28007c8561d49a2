"""Scenario: everything beside fleet and trace that decides how a simulated stretch of time goes. Written as YAML.

Every instant is in seconds since the trace's start.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from costwain.domain.api import Api, Money, Name, Rule, Timestamp
from costwain.domain.spec import ModelDeploymentSpec
from costwain.sim.arrival import MOST_S, InputError
from costwain.sim.documents import documents, validated

Seconds = Annotated[float, Field(ge=0, le=MOST_S, allow_inf_nan=False)]
Length = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Stretch(Api):
    """From an instant until another."""

    from_seconds: Seconds = Field(description="Start.")
    until_seconds: Seconds = Field(description="End.")
    rules: ClassVar = (Rule("", "untilSeconds must lie after fromSeconds", lambda v: v.until_seconds > v.from_seconds),)

    def holds(self, t_s: float) -> bool:
        """Whether an instant lies in it."""
        return self.from_seconds <= t_s < self.until_seconds


class StockOut(Stretch):
    """A pool gives no new node; where it `reclaims`, it also takes back those that it gave."""

    reclaims: bool = Field(False, description="Whether running pods are lost at its start.")


class PriceChange(Api):
    """A price from an instant on."""

    at_seconds: Seconds = Field(description="From when.")
    amount: Money = Field(description="Dollars an accelerator-hour.")


class ColdStart(Api):
    """How long a pod takes from its creation to its first answer."""

    node_seconds: Seconds | None = Field(None, description="Wait for a node; default the pool's provisioningSeconds.")
    image_seconds: Seconds = Field(0, description="Pull of the image; 0 where nodes have it.")
    load_bytes_per_second: Positive = Field(1.5e9, description="Weights from disk or a near store.")
    compile_seconds: Seconds = Field(60, description="Imports, graph capture, warm-up.")
    spread: Annotated[float, Field(ge=0, le=2)] = Field(0.0, description="Standard deviation of the time's logarithm.")


class PoolScenario(Api):
    """What happens to one pool."""

    accelerators: int | None = Field(None, ge=0, description="Accelerators that its nodes have.")
    capacity_factor: Positive = Field(1.0, description="True speed over the capacity model's.")
    losses_per_day: Annotated[float, Field(ge=0, le=1440, allow_inf_nan=False)] = Field(
        0.0, description="How often the provider takes a node back, a node and day on average."
    )
    notice_seconds: Seconds = Field(120, description="Warning before it does.")
    stock_outs: Annotated[list[StockOut], Field(max_length=1000)] = Field(default_factory=list)
    prices: Annotated[list[PriceChange], Field(max_length=1000)] = Field(default_factory=list)
    cold_start: ColdStart | None = Field(None, description="Instead of the scenario's own.")


class Scenario(Api):
    """The world's side of a simulation."""

    start: Timestamp = Field("2026-01-05T00:00:00Z", description="The trace's start, for the budget's calendar.")
    turn_seconds: Annotated[float, Field(ge=1, le=60)] = Field(10, description="Time between two decisions.")
    warm_up_seconds: Seconds = Field(0, description="So much of the trace is played before it, and not counted.")
    tail_seconds: Seconds = Field(900, description="Time after the last arrival for what still waits.")
    cold_start: ColdStart = Field(default_factory=ColdStart)
    pools: Annotated[dict[Name, PoolScenario], Field(max_length=64)] = Field(default_factory=dict)
    answer_lengths: Annotated[dict[Name, Length], Field(max_length=64)] = Field(
        default_factory=dict, description="True length of answers by variant, over the trace's; default answerLength."
    )
    blind: Annotated[list[Stretch], Field(max_length=1000)] = Field(
        default_factory=list, description="No readings from the gateway."
    )

    @property
    def start_s(self) -> float:
        """The trace's start, unix seconds."""
        return datetime.fromisoformat(self.start).timestamp()

    def lengths_of(self, spec: ModelDeploymentSpec) -> dict[str, float]:
        """How long the answers of each variant really are, over those of the trace."""
        return {v.name: self.answer_lengths.get(v.name, float(v.answer_length)) for v in spec.variants}

    def cold_start_of(self, pool: str) -> ColdStart:
        """How pods start on a pool."""
        own = self.pools.get(pool)
        return own.cold_start if own is not None and own.cold_start is not None else self.cold_start


_FIRST_YEAR, _LAST_YEAR = 1971, 2999  # every calendar window around such an instant exists
CALM = Scenario.model_validate({})


def read_scenario(path: Path) -> Scenario:
    """The scenario in a file; raises InputError where it can't be read or names what doesn't exist."""
    found = documents(path)
    if len(found) != 1:
        raise InputError(str(path), "want one YAML document", str(len(found)))
    scenario = validated(Scenario, found[0], str(path))
    try:
        sane = _FIRST_YEAR <= datetime.fromisoformat(scenario.start).year <= _LAST_YEAR
    except ValueError:
        sane = False
    if not sane:
        wanted = f"want an instant that exists, {_FIRST_YEAR} to {_LAST_YEAR}"
        raise InputError(f"{path}: start", wanted, repr(scenario.start))
    return scenario

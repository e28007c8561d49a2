"""What one decision tells the next; it is kept in the status, so that a restart forgets nothing."""

from typing import Annotated

from pydantic import ConfigDict, Field

from costwain.domain.api import Api, Name


class Kept(Api):
    """A part of the memory; fields of another version are left out, so that an upgrade forgets only what it must."""

    model_config = ConfigDict(extra="ignore")


class Peak(Kept):
    """The highest demand seen in one slice of the stabilisation window, as the replicas that it took then."""

    at_s: float = Field(description="Start of the slice, unix seconds.")
    replicas: float = Field(0.0, ge=0, description="Of the best variant where it is fastest, in fractions.")
    came: float | None = Field(
        None, ge=0, description="The same for the mean of what came, without room for more; absent where not known."
    )


class Refusal(Kept):
    """A pool that let a pod wait for too long."""

    pool: Name = Field(description="Pool.")
    until_s: float = Field(description="Not tried again before this instant, unix seconds.")


class MadeWay(Kept):
    """When a replica went to make way for one on another pool, at the most replicas that may run."""

    at_s: float = Field(description="Instant, unix seconds.")
    settled: int = Field(ge=0, description="Replicas that were where they are to be.")
    rest_s: float = Field(ge=0, description="For how long nothing more is tried where nothing came of it, seconds.")


class Demand(Kept):
    """Smoothed arrivals and the mean request, updated each turn."""

    at_s: float = Field(description="Instant of the last update, unix seconds.")
    fast_per_s: float = Field(ge=0, description="Arrivals a second over a short window.")
    slow_per_s: float = Field(ge=0, description="Arrivals a second over a long window.")
    variance: float = Field(
        0.0, ge=0, description="Of the short window around the long one, as the rises above it tell."
    )
    input_tokens: float | None = Field(None, ge=0, description="Mean prompt; absent until measured.")
    output_tokens: float | None = Field(
        None, ge=0, description="Mean answer of a variant of length 1; absent until measured."
    )
    shape_s: float = Field(300.0, ge=0, description="For how long both were measured, seconds; at most 300.")


class Season(Kept):
    """What the hours of a day (0 to 23, UTC) and the days of a week (0 is Monday) usually bring, requests a second."""

    hour_s: float = Field(description="Start of the running hour, unix seconds.")
    requests: float = Field(0.0, ge=0, description="That came in it so far.")
    seen_s: float = Field(0.0, ge=0, description="Seconds of it that were seen.")
    hours: Annotated[dict[Name, float], Field(max_length=24)] = Field(
        default_factory=dict, description="By hour, as on a mean day; absent until seen."
    )
    days: Annotated[dict[Name, float], Field(max_length=7)] = Field(
        default_factory=dict, description="Mean by day; absent until seen."
    )
    input_tokens: float | None = Field(None, ge=0, description="Mean prompt over hours; absent until measured.")
    output_tokens: float | None = Field(
        None, ge=0, description="Mean answer of a variant of length 1 over hours; absent until measured."
    )
    error: float | None = Field(
        None, ge=0, le=1, description="Mean share by which the usual was off; absent until judged."
    )


class Learned(Kept):
    """How fast the pods of one (variant, pool) really are, against the prior of the capacity model."""

    variant: Name = Field(description="Variant.")
    pool: Name = Field(description="Pool.")
    at_s: float = Field(description="Instant of the last observation, unix seconds.")
    ratio: float = Field(1.0, ge=0.1, le=10, description="Real speed over the prior's, as far as the evidence goes.")
    evidence: float = Field(0.0, ge=0, description="Half minutes of observation behind it, at most an hour of them.")
    scalar: float = Field(1.0, ge=0.1, le=10, description="The ratio in use; it follows when they differ by 3 %.")


class AnswerLength(Kept):
    """How long the answers of one variant are, against those of the ladder's others."""

    variant: Name = Field(description="Variant.")
    told: float = Field(1.0, ge=0.000001, le=100, description="Its answerLength when this began.")
    at_s: float = Field(description="Instant of the last answers, unix seconds.")
    tokens: float = Field(ge=0.01, description="Mean tokens of its answers.")
    answers: float = Field(0.0, ge=0, description="Answers behind that mean.")
    length: float = Field(1.0, ge=0.05, le=100, description="Its answers over the ladder's, as measured.")
    used: float = Field(1.0, ge=0.000001, le=100, description="The length in use; it follows when they differ by 25 %.")


class Promise(Kept):
    """How well a variant keeps its time per token, and how far its replicas are filled for that."""

    variant: Name = Field(description="Variant.")
    since_s: float = Field(description="When the count began, unix seconds.")
    answered: float = Field(0.0, ge=0, description="Answers since.")
    late: float = Field(0.0, ge=0, description="Those of them that were too slow by the token.")
    load: float = Field(1.0, ge=0.1, le=1, description="Share of the modelled rate that its replicas are given.")
    strained_at_s: float | None = Field(
        None, description="When more came last than its ready replicas are given, or something waited, unix seconds."
    )


class Claim(Kept):
    """What the fleet asks of shared budgets: a rate to the period's end, and another beside it for a while."""

    at_s: float = Field(description="Instant of the last update, unix seconds.")
    since_s: float = Field(description="Since when the rate is asked for, unix seconds; it falls only after a while.")
    hourly_micro: int = Field(ge=0, description="Micro-dollars an hour to the period's end.")
    moving_micro: int = Field(0, ge=0, description="Micro-dollars an hour beside it while variants change.")
    moving_s: float = Field(0.0, ge=0, description="For how long, seconds.")


class Rest(Kept):
    """How a fleet was when nothing was to be done: while it stays so, it need not be decided on in every turn."""

    since_s: float = Field(description="Instant of that decision, unix seconds.")
    until_s: float = Field(description="When it counts no longer, unix seconds.")
    generation: int = Field(description="Of the spec.")
    pods: int = Field(ge=0, description="Pods, all of them serving or starting.")
    ready: int = Field(ge=0, description="Those that served.")
    most_per_s: float = Field(ge=0, description="Arrivals a second up to which that is so.")
    most_running: int = Field(ge=0, description="Requests that may run until then.")
    wants: Annotated[dict[Name, int], Field(max_length=32)] = Field(
        default_factory=dict, description="Accelerators by pool that it would take, whatever they cost, beyond its own."
    )


class Memory(Kept):
    """Instants and values that a later turn needs."""

    demand: Demand | None = Field(None, description="Smoothed arrivals.")
    peaks: Annotated[list[Peak], Field(max_length=32)] = Field(default_factory=list, description="Recent peaks.")
    season: Season | None = Field(None, description="The shape of a day and of a week.")
    busy_at_s: float | None = Field(None, description="Last instant with work, unix seconds.")
    target: Name | None = Field(None, description="Variant that is to serve.")
    target_since_s: float | None = Field(None, description="Since when, unix seconds.")
    shares: Annotated[dict[Name, int], Field(max_length=8)] = Field(
        default_factory=dict, description="Percent of the traffic by variant."
    )
    stepped_at_s: float | None = Field(None, description="Instant of the last move of the shares, unix seconds.")
    refusals: Annotated[list[Refusal], Field(max_length=32)] = Field(
        default_factory=list, description="Pools that are given a rest."
    )
    made_way: MadeWay | None = Field(None, description="The last replica that made way; absent where none did.")
    learned: Annotated[list[Learned], Field(max_length=128)] = Field(
        default_factory=list, description="Measured speed by (variant, pool)."
    )
    lengths: Annotated[list[AnswerLength], Field(max_length=8)] = Field(
        default_factory=list, description="Measured length of answers by variant."
    )
    promises: Annotated[list[Promise], Field(max_length=8)] = Field(
        default_factory=list, description="Whether answers are quick enough, by variant."
    )
    claim: Claim | None = Field(None, description="What it asks of shared budgets; absent without one.")
    rest: Rest | None = Field(None, description="How it was when nothing was to be done; absent with few fleets.")

"""One rung of the quality ladder: a model, what it is worth, where it may run and how it is started."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from costwain.domain.api import (
    Api,
    Count,
    EnvVar,
    Factor,
    Labels,
    Name,
    Quantity,
    Rule,
    Score,
    SecretKeyRef,
    ShortText,
    Text,
    Toleration,
    later,
)

Precision = Literal["bf16", "fp16", "fp8", "int8", "mxfp4", "nvfp4", "int4"]


class Model(Api):
    """Where the weights come from."""

    uri: Annotated[str, StringConstraints(pattern=r"^(hf|pvc|oci|s3|gs)://.+$", max_length=512)] = Field(
        description="hf://org/model, pvc://claim/path, oci://, s3:// or gs://."
    )
    revision: ShortText = Field("", description="Branch, tag or commit of the weights; empty for the default.")
    token_secret_ref: SecretKeyRef | None = Field(None, description="Secret key with the token for gated weights.")
    rules: ClassVar = (
        Rule(
            "self.uri.startsWith('hf://') || self.uri.startsWith('pvc://')",
            "uri: only hf:// and pvc:// are supported yet, found {uri}",
            lambda v: v.uri.startswith(("hf://", "pvc://")),
        ),
    )


class Shape(Api):
    """What of a model's architecture decides its memory and speed; default: the table of known models."""

    parameters: Count = Field(description="All parameters, such as 32.8B.")
    active_parameters: Count | None = Field(None, description="Parameters that a token passes; default all.")
    layers: int = Field(ge=1, le=1000, description="Transformer layers.")
    kv_heads: int = Field(ge=1, le=1024, description="Key-value heads a layer.")
    head_dim: int = Field(ge=1, le=4096, description="Dimension of a head.")
    precision: Precision = Field("bf16", description="Number format of the weights.")


class PlacementSpec(Api):
    """One pool on which a variant may run."""

    pool: Name = Field(description="Name of an AcceleratorPool.")
    accelerators: int = Field(1, ge=1, le=64, description="Accelerators a replica (tensor parallel size).")
    max_replicas: int | None = Field(None, ge=0, le=1000, description="Most replicas on this pool.")


class PodTemplate(Api):
    """What a user may add to the model pods; anything that could reach the node is left out on purpose."""

    labels: Labels = Field(default_factory=dict, description="Additional pod labels.")
    annotations: Labels = Field(default_factory=dict, description="Additional pod annotations.")
    node_selector: Labels = Field(default_factory=dict, description="Additional node selector terms.")
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(
        default_factory=list, description="Additional tolerations."
    )
    priority_class_name: ShortText | None = Field(None, description="PriorityClass of the pods.")
    rules: ClassVar = (
        Rule(
            "!has(self.labels) || "
            "self.labels.all(k, !k.startsWith('costwain.dev/') && !k.startsWith('app.kubernetes.io/'))",
            "labels: keys under costwain.dev/ and app.kubernetes.io/ are the operator's own",
            lambda v: not any(k.startswith(("costwain.dev/", "app.kubernetes.io/")) for k in v.labels),
        ),
    )


class Resources(Api):
    """CPU and memory of the engine container; accelerators come from the placement."""

    requests: Annotated[dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity], Field(max_length=3)] = Field(
        default_factory=dict, description="Requested amounts."
    )
    limits: Annotated[dict[Literal["cpu", "memory", "ephemeral-storage"], Quantity], Field(max_length=3)] = Field(
        default_factory=dict, description="Most that it may use."
    )


ArgName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=64)]


class Engine(Api):
    """How vLLM is started."""

    image: ShortText = Field("", description="Engine image; default the pool's, then the vendor's.")
    args: Annotated[dict[ArgName, Text], Field(max_length=64)] = Field(
        default_factory=dict, description="vLLM arguments by name without dashes, checked against vLLM's own schema."
    )
    env: Annotated[list[EnvVar], Field(max_length=64)] = Field(default_factory=list, description="Environment.")
    resources: Resources = Field(default_factory=Resources, description="CPU and memory.")
    startup_timeout_seconds: int = Field(
        1800, ge=10, le=86400, description="How long a pod may load before it is restarted."
    )
    shutdown_timeout_seconds: int = Field(120, ge=0, le=86400, description="How long a pod may finish its answers.")
    pod_template: PodTemplate = Field(default_factory=PodTemplate, description="Additions to the pods.")


class Adapter(Api):
    """A LoRA adapter."""

    name: Name = Field(description="Name that clients send as the model.")
    uri: ShortText = Field(description="Where its weights come from.")


class Variant(Api):
    """One rung of the ladder."""

    name: Name = Field(description="Name of the variant, unique in the ladder.")
    model: Model = Field(description="The weights.")
    quality: Score = Field(description="Score on the one scale of this ladder, higher is better.")
    evaluations: Annotated[dict[Name, Score], Field(max_length=32)] = Field(
        default_factory=dict, description="Scores by evaluation; the swap's gates refer to these."
    )
    answer_length: Factor = Field(
        "1",
        description="Tokens of its answers over those of the ladder's other variants, such as 5 for one that thinks; "
        "measured as it serves.",
    )
    license: ShortText | None = Field(None, description="SPDX name of the weights' licence.")
    distilled_from: ShortText | None = Field(None, description="The teacher: a variant's name or free text.")
    shape: Shape | None = Field(None, description="Architecture of a model that isn't in the table of known models.")
    placements: Annotated[list[PlacementSpec], Field(min_length=1, max_length=16)] = Field(
        description="Pools where it may run; the cheapest per served request wins."
    )
    engine: Engine = Field(default_factory=Engine, description="How vLLM is started.")
    adapters: Annotated[list[Adapter], Field(max_length=32)] | None = Field(None, description="LoRA adapters.")
    rules: ClassVar = (
        later("adapters"),
        Rule(
            "self.placements.all(a, self.placements.exists_one(b, b.pool == a.pool))",
            "placements: every pool at most once",
            lambda v: len({p.pool for p in v.placements}) == len(v.placements),
        ),
    )

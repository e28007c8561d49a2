"""The gateway of a ModelDeployment as users write it: the endpoint, who may use it, and how much."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from costwain.domain.api import Api, Labels, Name, Rule, SecretRef, ShortText, later


class GatewayService(Api):
    """The Service in front of the gateway."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field("ClusterIP", description="Service type.")
    annotations: Labels = Field(default_factory=dict, description="Annotations, such as those of a load balancer.")


class Tenant(Api):
    """Limits of one tenant; a limit that is absent is none. Each gateway pod enforces its part of them."""

    name: Name = Field(description="Name of the tenant: its key in the Secret of API keys.")
    requests_per_second: int | None = Field(None, ge=1, le=1000000, description="Requests let in a second; else 429.")
    requests_per_minute: int | None = Field(None, ge=1, le=1000000, description="Requests let in a minute; else 429.")
    max_concurrent_requests: int | None = Field(
        None, ge=1, le=100000, description="Requests that wait or are answered at a time; else 429."
    )
    min_variant: Name | None = Field(None, description="The tenant never gets a variant below this one.")
    rules: ClassVar = (
        Rule(
            "!has(self.requestsPerSecond) || !has(self.requestsPerMinute)",
            "requestsPerSecond and requestsPerMinute exclude one another",
            lambda v: v.requests_per_second is None or v.requests_per_minute is None,
        ),
    )


class GatewayTls(Api):
    """The certificate of the gateway; with it the gateway speaks HTTPS alone."""

    secret_ref: SecretRef = Field(description="Secret of type kubernetes.io/tls; a renewed one is followed.")


class HttpRoute(Api):
    """A Gateway API route to the gateway."""

    hostnames: Annotated[list[ShortText], Field(max_length=16)] = Field(description="Host names.")


class Gateway(Api):
    """The stable endpoint in front of the pods."""

    mode: Literal["Managed", "None"] = Field(
        "Managed",
        description="Managed: HAProxy by Costwain; None: your own router before a Service a variant, and of the other "
        "fields only service counts.",
    )
    replicas: int = Field(1, ge=1, le=8, description="Gateway pods; the pods' slots are split between them.")
    max_queued_requests: int = Field(2000, ge=1, le=100000, description="Requests held a variant; beyond it 503.")
    queue_timeout_seconds: int = Field(600, ge=1, le=86400, description="Longest hold; beyond it 503.")
    max_request_bytes: int = Field(4194304, ge=1024, le=1073741824, description="Largest request body; beyond it 413.")
    affinity: Literal["Prefix", "None"] = Field(
        "Prefix",
        description="Prefix: a conversation goes to its pod while that isn't too busy; None: to the least busy.",
    )
    api_keys_secret_ref: SecretRef | None = Field(
        None, description="Secret whose keys are tenants and whose values are their API keys, one a line."
    )
    tenants: Annotated[list[Tenant], Field(max_length=256)] | None = Field(None, description="Limits by tenant.")
    tls: GatewayTls | None = Field(None, description="HTTPS with a certificate of your own.")
    spill_after_seconds: int | None = Field(
        None,
        ge=1,
        le=86400,
        description="While a variant's oldest request waits for longer, new ones go to a neighbour that serves.",
    )
    disclose_variant: bool = Field(True, description="Send x-costwain-variant with every answer.")
    observed_streams_percent: int = Field(
        1,
        ge=0,
        le=100,
        description="Streams whose every token the gateway looks at; of the others it estimates tokens from bytes.",
    )
    service: GatewayService = Field(
        default_factory=GatewayService, description="The Service, or with mode None those of the variants."
    )
    http_route: HttpRoute | None = Field(None, description="A Gateway API route.")
    rules: ClassVar = (
        later("httpRoute"),
        Rule(
            "self.mode != 'None' || !has(self.apiKeysSecretRef) && !has(self.tls) && !has(self.spillAfterSeconds)",
            "apiKeysSecretRef, tls and spillAfterSeconds need mode Managed: with None there is no gateway",
            lambda v: v.is_managed or (v.api_keys_secret_ref, v.tls, v.spill_after_seconds) == (None, None, None),
        ),
        Rule(
            "!has(self.tenants) || has(self.apiKeysSecretRef)",
            "tenants go with apiKeysSecretRef: a key tells who asks",
            lambda v: v.tenants is None or v.api_keys_secret_ref is not None,
        ),
        Rule(
            "!has(self.tenants) || self.tenants.all(a, self.tenants.exists_one(b, b.name == a.name))",
            "tenants: every name at most once",
            lambda v: len({x.name for x in v.tenants or ()}) == len(v.tenants or ()),
        ),
    )

    @property
    def is_managed(self) -> bool:
        """Whether there is a gateway of ours."""
        return self.mode == "Managed"

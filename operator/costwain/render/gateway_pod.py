"""The pod of a gateway: HAProxy, and the agent that programs it over a shared socket."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from costwain.domain import names
from costwain.domain.gateway import Tenant
from costwain.render.haproxy import EXPORTER_PORT, MAX_CONNECTIONS, Limits

Manifest = dict[str, Any]
_CFG, _RUN, _KEYS = "/etc/costwain/gateway", "/run/costwain", "/etc/costwain/keys"
_TLS = "/etc/costwain/tls"
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_USER = 65532  # both containers share the socket's folder, so they share a user
_END_MARGIN_S = 15  # of the grace period, for what comes after the last request
_ANY = "0.0.0.0"  # noqa: S104 - a pod's own network namespace
_HELD_KIB = 128  # a held request: its connection, and its body up to the buffer's size
_BASE_MIB = 512


@dataclass(frozen=True)
class GatewaySpec:
    """One gateway; `ladder` holds the variants' names, best first. Seconds are wall seconds.

    `replicas`, `max_queued_requests` (a variant), `tenants` and `spill_after_s` change at run time; a change of any
    other value rolls the pods.
    """

    fleet: str
    namespace: str
    owner_uid: str
    served_model_name: str
    ladder: tuple[str, ...]
    replicas: int
    max_queued_requests: int
    queue_timeout_s: float
    max_request_bytes: int
    haproxy_image: str
    operator_image: str
    disclose_variant: bool = True
    observed_percent: int = 1
    affinity: bool = True
    grace_s: int = 660  # until the longest answer has ended
    service_type: str = "ClusterIP"
    service_annotations: Mapping[str, str] = field(default_factory=dict)
    api_keys_secret: str | None = None  # without it everybody gets in
    tenants: tuple[Tenant, ...] = ()
    tls_secret: str | None = None  # with it HTTPS alone
    deployment_uid: str | None = None  # owner of the rest once there is one, so that all goes with it
    spill_after_s: float | None = None  # a queue that waits for longer gives new requests to a neighbour

    @property
    def limits(self) -> Limits:
        keys, tls = self.api_keys_secret is not None, self.tls_secret is not None
        return Limits(
            self.queue_timeout_s,
            self.max_request_bytes,
            self.disclose_variant,
            keys,
            tls,
            observed_percent=self.observed_percent,
            affinity=self.affinity,
        )

    @property
    def scheme(self) -> str:
        """http or https: what the one port speaks, and how it is named."""
        return "http" if self.tls_secret is None else "https"


def gateway_name(fleet: str) -> str:
    """The name of everything of a gateway but its Service, which is called like the fleet."""
    return f"{fleet}-gateway"


def gateway_selector(spec: GatewaySpec) -> dict[str, str]:
    """The labels by which the Deployment, the Service and the agents find the pods."""
    return {names.FLEET: spec.fleet, names.ROLE: names.ROLE_GATEWAY}


def gateway_pod(spec: GatewaySpec) -> Manifest:
    """The PodSpec."""
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": gateway_selector(spec)},
    }
    return {
        "serviceAccountName": gateway_name(spec.fleet),
        "automountServiceAccountToken": False,  # HAProxy needs none; the agent mounts one below
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.grace_s,
        "topologySpreadConstraints": [spread],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_haproxy(spec), _agent(spec)],
        "volumes": [
            {"name": "config", "configMap": {"name": gateway_name(spec.fleet)}},
            {"name": "run", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "account", "projected": {"sources": _account_sources()}},
            *_secret_volumes(spec),
        ],
    }


def _haproxy(spec: GatewaySpec) -> Manifest:
    held = min(spec.max_queued_requests * len(spec.ladder), MAX_CONNECTIONS)
    return {
        "name": "haproxy",
        "image": spec.haproxy_image,
        # no command: the image's own, and a process node's, is HAProxy in the foreground
        "args": ["-db", "-f", f"{_CFG}/haproxy.cfg"],
        "env": [_env("CFG", _CFG), _env("RUN", _RUN), _env("BIND", _ANY), *_tls(spec, _env("TLS", _TLS))],
        "ports": [_port(spec.scheme, names.GATEWAY_PORT), _port("exporter", EXPORTER_PORT)],
        "readinessProbe": {"httpGet": _health(spec), "periodSeconds": 2},
        "livenessProbe": {"tcpSocket": {"port": names.GATEWAY_PORT}, "periodSeconds": 10},
        "lifecycle": _leave_when_idle(),
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": f"{_BASE_MIB + held * _HELD_KIB // 1024}Mi"},
        },
        "securityContext": _restricted(),
        "volumeMounts": [
            {"name": "config", "mountPath": _CFG, "readOnly": True},
            {"name": "run", "mountPath": _RUN},
            *_tls(spec, _mount("tls", _TLS)),
        ],
    }


def _agent(spec: GatewaySpec) -> Manifest:
    return {
        "name": "agent",
        "image": spec.operator_image,
        "args": ["agent"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            _env("COSTWAIN_NAMESPACE", spec.namespace),
            _env("COSTWAIN_FLEET", spec.fleet),
            _env("COSTWAIN_SHUTDOWN_SECONDS", str(max(spec.grace_s - _END_MARGIN_S, 0))),
            _env("RUN", _RUN),
            _env("BIND", _ANY),
            *_keyed(spec, _env("COSTWAIN_KEYS", _KEYS)),
            *_tls(spec, _env("COSTWAIN_TLS", _TLS)),
        ],
        "ports": [_port("metrics", names.AGENT_PORT)],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": names.AGENT_PORT}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": names.AGENT_PORT}, "periodSeconds": 10},
        "lifecycle": _leave_when_idle(),
        "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "securityContext": _restricted(),
        "volumeMounts": [
            {"name": "run", "mountPath": _RUN},
            {"name": "account", "mountPath": _ACCOUNT, "readOnly": True},
            *_keyed(spec, _mount("keys", _KEYS)),
            *_tls(spec, _mount("tls", _TLS)),
        ],
    }


def _secret_volumes(spec: GatewaySpec) -> list[Manifest]:
    """Secrets as files: so nobody, the operator included, needs a right to read one."""
    # Keys are optional: where the Secret is missing the gateway serves nobody, and does so at once when it comes.
    keys = {"secretName": spec.api_keys_secret, "optional": True, "defaultMode": 0o440}
    certificate = {"secretName": spec.tls_secret, "defaultMode": 0o440}
    return [*_keyed(spec, {"name": "keys", "secret": keys}), *_tls(spec, {"name": "tls", "secret": certificate})]


def _keyed(spec: GatewaySpec, item: Manifest) -> list[Manifest]:
    return [item] if spec.api_keys_secret else []


def _tls(spec: GatewaySpec, item: Manifest) -> list[Manifest]:
    return [item] if spec.tls_secret else []


def _mount(name: str, path: str) -> Manifest:
    return {"name": name, "mountPath": path, "readOnly": True}


def _health(spec: GatewaySpec) -> Manifest:
    target = {"path": "/health", "port": names.GATEWAY_PORT}
    return target if spec.tls_secret is None else target | {"scheme": "HTTPS"}


def _leave_when_idle() -> Manifest:
    """Neither container is told to stop before the agent says that nobody is served any more."""
    return {"preStop": {"httpGet": {"path": "/drain", "port": names.AGENT_PORT}}}


def _account_sources() -> list[Manifest]:
    namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]


def _restricted() -> Manifest:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _env(name: str, value: str) -> Manifest:
    return {"name": name, "value": value}


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "containerPort": number, "protocol": "TCP"}

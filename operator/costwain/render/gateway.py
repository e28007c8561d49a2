"""The gateway of one fleet: its files, its program, and the manifests that run it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from costwain.domain import names
from costwain.render.gateway_pod import GatewaySpec, Manifest, gateway_name, gateway_pod, gateway_selector
from costwain.render.haproxy import haproxy_files

__all__ = ["GatewaySpec", "gateway_files", "gateway_manifests", "gateway_name", "haproxy_files", "program"]

_CONFIG_HASH = f"{names.GROUP}/config-hash"


def program(spec: GatewaySpec, shares: Mapping[str, float], slots: Mapping[str, Mapping[str, int]]) -> str:
    """The text of program.json: each variant's share in percent, and how many requests one of its pods may serve.

    A variant that is missing in `shares` has none; `slots` is by variant, then by pool.
    """
    variants = [
        {"name": name, "sharePercent": shares.get(name, 0), "slots": dict(sorted(slots.get(name, {}).items()))}
        for name in spec.ladder
    ]
    document = {
        "fleet": spec.fleet,
        "namespace": spec.namespace,
        "servedModelName": spec.served_model_name,
        "variants": variants,
        "maxQueuedRequests": spec.max_queued_requests,
        "queueTimeoutSeconds": spec.queue_timeout_s,
        "spillAfterSeconds": spec.spill_after_s,
        "tenants": [tenant.model_dump(by_alias=True, exclude_none=True) for tenant in spec.tenants],
    }
    return json.dumps(document, indent=2) + "\n"


def gateway_files(spec: GatewaySpec, program_json: str) -> Manifest:
    """The ConfigMap: HAProxy's files, and the program, which changes with every step of the shares."""
    files = haproxy_files(spec.ladder, spec.limits)
    return _manifest(spec, "v1", "ConfigMap", data={**files, "program.json": program_json})


def gateway_manifests(spec: GatewaySpec) -> list[Manifest]:
    """All but the ConfigMap: account with its rights, Service and Deployment, in the order in which to apply them."""
    name = gateway_name(spec.fleet)
    account = {"kind": "ServiceAccount", "name": name, "namespace": spec.namespace}
    return [
        _manifest(spec, "v1", "ServiceAccount", automountServiceAccountToken=False),
        _manifest(spec, "rbac.authorization.k8s.io/v1", "Role", rules=_rules()),
        _manifest(
            spec,
            "rbac.authorization.k8s.io/v1",
            "RoleBinding",
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            subjects=[account],
        ),
        _service(spec),
        _deployment(spec, haproxy_files(spec.ladder, spec.limits)),
    ]


def _manifest(gateway: GatewaySpec, api_version: str, kind: str, **body: Any) -> Manifest:
    metadata: Manifest = {
        "name": gateway_name(gateway.fleet),
        "namespace": gateway.namespace,
        "labels": _labels(gateway),
        "ownerReferences": [_owner(gateway, kind)],
    }
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


def _owner(gateway: GatewaySpec, kind: str) -> Manifest:
    if kind != "Deployment" and gateway.deployment_uid is not None:
        name, uid = gateway_name(gateway.fleet), gateway.deployment_uid
        return {"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": uid, "controller": True}
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ModelDeployment",
        "name": gateway.fleet,
        "uid": gateway.owner_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _labels(spec: GatewaySpec) -> dict[str, str]:
    return gateway_selector(spec) | {
        "app.kubernetes.io/name": "costwain-gateway",
        "app.kubernetes.io/instance": spec.fleet,
        "app.kubernetes.io/component": names.ROLE_GATEWAY,
        names.MANAGED_BY: names.FIELD_MANAGER,
    }


def _rules() -> list[Manifest]:
    return [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]},
    ]


def _service(spec: GatewaySpec) -> Manifest:
    number = 80 if spec.scheme == "http" else 443
    port = {"name": spec.scheme, "port": number, "targetPort": spec.scheme, "protocol": "TCP"}
    selector = gateway_selector(spec) | {names.GATEWAY_SERVES: "true"}  # the agents say which of them do
    service = _manifest(spec, "v1", "Service", spec={"type": spec.service_type, "selector": selector, "ports": [port]})
    service["metadata"]["name"] = spec.fleet
    if spec.service_annotations:
        service["metadata"]["annotations"] = dict(spec.service_annotations)
    return service


def _deployment(spec: GatewaySpec, files: Mapping[str, str]) -> Manifest:
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
    return _manifest(
        spec,
        "apps/v1",
        "Deployment",
        spec={
            "replicas": spec.replicas,
            "selector": {"matchLabels": gateway_selector(spec)},
            # A new pod takes over before an old one, which may hold requests for long, begins to leave.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 2,
            "template": {
                "metadata": {"labels": _labels(spec), "annotations": {_CONFIG_HASH: digest}},
                "spec": gateway_pod(spec),
            },
        },
    )

"""The Deployment of one (fleet, variant, pool): vLLM pods as the vendor's devices need them."""

import hashlib
from collections.abc import Mapping

from costwain.domain import names
from costwain.domain.api import Api, Toleration
from costwain.render.engine import Manifest, ModelTarget, engine_container, engine_volumes, is_device

__all__ = ["MAX_NAME", "ModelTarget", "deployment_name", "label_of", "model_deployment"]

MAX_NAME = 63  # a pod's host name, which is cut from it, is one DNS label
_HASH = 8

# preStop, then the engine's own drain, then about 7 s in which it takes its workers down, with as much again to spare.
_GRACE_BEYOND_SHUTDOWN_S = 30
# Beyond the pod's own time to load and to wait for a node.
_PROGRESS_SLACK_S = 600


def model_deployment(target: ModelTarget) -> Manifest:
    """The manifest of the apps/v1 Deployment; `replicas` is the only field that a mere scaling changes.

    Raises ValueError where no image is known, or where a pvc:// path leaves its claim.
    """
    labels = _selector(target) | {
        "app.kubernetes.io/name": "costwain-model",
        "app.kubernetes.io/instance": target.fleet,
        "app.kubernetes.io/component": names.ROLE_MODEL,
        names.MANAGED_BY: names.FIELD_MANAGER,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": deployment_name(target.fleet, target.variant.name, target.pool_name),
            "namespace": target.namespace,
            "labels": labels,
            "ownerReferences": [_owner(target)],
        },
        "spec": {
            "replicas": target.replicas,
            "selector": {"matchLabels": _selector(target)},
            # A surge pod would need accelerators that the plan gave to others and dollars that the budget
            # never granted. So a changed template costs one pod at a time, and the gateway holds the queue.
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "progressDeadlineSeconds": target.variant.engine.startup_timeout_seconds
            + target.pool.patience_seconds
            + _PROGRESS_SLACK_S,
            "revisionHistoryLimit": 2,
            "template": _template(target, labels),
        },
    }


def deployment_name(fleet: str, variant: str, pool: str) -> str:
    """`<fleet>-<variant>-<pool>`; a name that is too long ends in a hash of the whole.

    >>> deployment_name("chat", "qwen3-8b", "mi300x")
    'chat-qwen3-8b-mi300x'
    """
    return label_of(f"{fleet}-{variant}-{pool}")


def label_of(name: str) -> str:
    """The name, or of one that is no DNS label for its length the beginning and a hash of the whole."""
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH]
    return f"{name[: MAX_NAME - _HASH - 1].rstrip('-.')}-{digest}"


def _selector(target: ModelTarget) -> dict[str, str]:
    return {
        names.FLEET: target.fleet,
        names.ROLE: names.ROLE_MODEL,
        names.VARIANT: target.variant.name,
        names.POOL: target.pool_name,
    }


def _owner(target: ModelTarget) -> Manifest:
    return {
        "apiVersion": names.API_VERSION,
        "kind": "ModelDeployment",
        "name": target.fleet,
        "uid": target.owner_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _template(target: ModelTarget, labels: Mapping[str, str]) -> Manifest:
    engine, pool = target.variant.engine, target.pool
    extra = engine.pod_template
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service called vllm would set VLLM_PORT, and vLLM would not start
        "terminationGracePeriodSeconds": engine.shutdown_timeout_seconds + _GRACE_BEYOND_SHUTDOWN_S,
        "readinessGates": [{"conditionType": names.IN_GATEWAY}] if target.gated else [],
        "nodeSelector": extra.node_selector | pool.node_selector,  # the pool wins: it is what the fleet pays for
        "tolerations": _tolerations(target),
        "runtimeClassName": pool.runtime_class_name,
        "priorityClassName": extra.priority_class_name,
        "securityContext": _pod_security(target),
        "containers": [engine_container(target)],
        "volumes": engine_volumes(target),
    }
    metadata = {"labels": extra.labels | dict(labels) | {names.SERVES: "true"}, "annotations": dict(extra.annotations)}
    return {"metadata": _present(metadata), "spec": _present(spec)}


def _tolerations(target: ModelTarget) -> list[Manifest]:
    tainted = dict.fromkeys(r for r in (target.vendor.resource, target.resource) if is_device(r))
    found = [Toleration(key=key, operator="Exists", effect="NoSchedule") for key in tainted]
    found += [*target.pool.tolerations, *target.variant.engine.pod_template.tolerations]
    return [_plain(toleration) for i, toleration in enumerate(found) if toleration not in found[:i]]


def _pod_security(target: ModelTarget) -> Manifest:
    needs = target.vendor.security
    context = {
        "runAsNonRoot": True if needs.run_as_user else None,
        "runAsUser": needs.run_as_user,
        "runAsGroup": needs.run_as_group,
        "supplementalGroups": list(target.pool.pod_defaults.supplemental_groups) or None,
        "seccompProfile": {"type": needs.seccomp_profile},
    }
    return {key: value for key, value in context.items() if value is not None}


def _plain(value: Api) -> Manifest:
    return value.model_dump(by_alias=True, exclude_none=True)


def _present(fields: Manifest) -> Manifest:
    """Without what is empty: server-side apply would own a field that says nothing."""
    return {key: value for key, value in fields.items() if value not in (None, {}, [])}

"""The Services of a fleet without a gateway: one a variant, for whatever router stands before its pods."""

from collections.abc import Iterable

from costwain.domain import names
from costwain.domain.gateway import GatewayService
from costwain.domain.snapshot import Fleet
from costwain.render.deployment import label_of
from costwain.render.engine import Manifest


def service_name(fleet: str, variant: str) -> str:
    """`<fleet>-<variant>-engines`, which no fleet's own Service is called by accident.

    >>> service_name("chat", "qwen3-8b")
    'chat-qwen3-8b-engines'
    """
    return label_of(f"{fleet}-{variant}-engines")


def fleet_url(fleet: Fleet) -> str:
    """Where the gateway answers inside the cluster; empty without one."""
    gateway = fleet.spec.gateway
    if not gateway.is_managed:
        return ""
    return f"{'https' if gateway.tls else 'http'}://{fleet.name}.{fleet.namespace}.svc"


def variant_url(fleet: Fleet, variant: str) -> dict[str, str]:
    """The status field that says where a variant alone answers; none behind a gateway, past which nobody should go."""
    if fleet.spec.gateway.is_managed:
        return {}
    return {"url": f"http://{service_name(fleet.name, variant)}.{fleet.namespace}.svc"}


def engines_selector(fleet: str) -> dict[str, str]:
    """The labels of a fleet's model pods, and of their Services."""
    return {names.FLEET: fleet, names.ROLE: names.ROLE_MODEL}


def variant_services(
    namespace: str, fleet: str, owner_uid: str, variants: Iterable[str], like: GatewayService
) -> list[Manifest]:
    """One Service a variant over its ready pods that nobody has asked to go; `like` has type and annotations.

    There is one for each rung of the ladder, whether it serves now or not, so that a router is set up once.
    """
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": "ModelDeployment",
        "name": fleet,
        "uid": owner_uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    made: list[Manifest] = []
    for variant in variants:
        of = engines_selector(fleet) | {names.VARIANT: variant}
        metadata: Manifest = {
            "name": service_name(fleet, variant),
            "namespace": namespace,
            "labels": of | {names.MANAGED_BY: names.FIELD_MANAGER},
            "ownerReferences": [owner],
        }
        if like.annotations:
            metadata["annotations"] = dict(like.annotations)
        port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
        spec = {"type": like.type, "selector": of | {names.SERVES: "true"}, "ports": [port]}
        made.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return made

"""What stands before the pods of a fleet: our gateway or, with gateway.mode None, a Service a variant for another."""

from typing import Any

from costwain.adapters.resources import DEPLOYMENTS, PODS, SERVICES
from costwain.controller.hands import Hands
from costwain.domain import names
from costwain.domain.plan import FleetPlan
from costwain.domain.snapshot import Fleet
from costwain.render.gateway import GatewaySpec, gateway_files, gateway_manifests, gateway_name, program
from costwain.render.service import engines_selector, service_name, variant_services

Object = dict[str, Any]


async def front(hands: Hands, fleet: Fleet, plan: FleetPlan) -> None:
    """Brings what the mode asks for, and takes the other away once nobody is served by it any more."""
    if fleet.spec.gateway.is_managed:
        await _gateway(hands, fleet, plan)
        if gateway_ready(hands, fleet):
            await _no_services_but(hands, fleet, frozenset())
        return
    variants, like = tuple(v.name for v in fleet.spec.variants), fleet.spec.gateway.service
    await hands.applier.keep(
        ("front", fleet.key),
        (fleet.uid, variants, like),
        lambda: variant_services(fleet.namespace, fleet.name, fleet.uid, variants, like),
    )
    await _no_services_but(hands, fleet, frozenset(service_name(fleet.name, variant) for variant in variants))
    await _send_gateway_away(hands, fleet)


def gateway_ready(hands: Hands, fleet: Fleet) -> bool:
    """Whether a gateway pod takes requests."""
    gateway = _deployment(hands, fleet)
    return gateway is not None and (gateway.get("status", {}).get("readyReplicas") or 0) > 0


def gateway_spec(fleet: Fleet, hands: Hands) -> GatewaySpec:
    """The gateway of a fleet as its renderer wants it; its timeouts are wall seconds."""
    gateway, standing = fleet.spec.gateway, _deployment(hands, fleet)
    spill_after_s = gateway.spill_after_seconds
    return GatewaySpec(
        fleet=fleet.name,
        namespace=fleet.namespace,
        owner_uid=fleet.uid,
        served_model_name=fleet.spec.served_model_name or fleet.name,
        ladder=tuple(v.name for v in fleet.spec.variants),
        replicas=gateway.replicas,
        max_queued_requests=gateway.max_queued_requests,
        queue_timeout_s=hands.clock.wall_duration_s(gateway.queue_timeout_seconds),
        max_request_bytes=gateway.max_request_bytes,
        haproxy_image=hands.settings.haproxy_image,
        operator_image=hands.settings.operator_image,
        disclose_variant=gateway.disclose_variant,
        observed_percent=gateway.observed_streams_percent,
        affinity=gateway.affinity == "Prefix",
        service_type=gateway.service.type,
        service_annotations=dict(gateway.service.annotations),
        api_keys_secret=gateway.api_keys_secret_ref.name if gateway.api_keys_secret_ref else None,
        tenants=tuple(gateway.tenants or ()),
        tls_secret=gateway.tls.secret_ref.name if gateway.tls else None,
        spill_after_s=None if spill_after_s is None else hands.clock.wall_duration_s(spill_after_s),
        deployment_uid=None if standing is None else standing["metadata"]["uid"],
    )


async def _gateway(hands: Hands, fleet: Fleet, plan: FleetPlan) -> None:
    spec, standing = gateway_spec(fleet, hands), _deployment(hands, fleet)
    drifted = standing is None or standing["spec"].get("replicas") != spec.replicas
    slots: dict[str, dict[str, int]] = {}
    for (variant, pool), n in plan.slots.items():
        slots.setdefault(variant, {})[pool] = n
    applier, made_of = hands.applier, (spec, plan.shares, slots)
    await applier.keep(("files", fleet.key), made_of, lambda: [gateway_files(spec, program(*made_of))])
    await applier.keep(("front", fleet.key), spec, lambda: gateway_manifests(spec), standing, drifted=drifted)


async def _send_gateway_away(hands: Hands, fleet: Fleet) -> None:
    """First down to 0, so that what it still holds is answered with all its rights; then the rest goes with it."""
    gateway = _deployment(hands, fleet)
    if gateway is None:
        return
    name = gateway["metadata"]["name"]
    if gateway["spec"].get("replicas"):
        await hands.kube.merge(DEPLOYMENTS, name, {"spec": {"replicas": 0}}, namespace=fleet.namespace)
    elif not any(_is_gateway_of(fleet, pod) for pod in hands.cache.of(PODS, fleet.key)):
        await hands.applier.delete(DEPLOYMENTS, fleet.namespace, name)


async def _no_services_but(hands: Hands, fleet: Fleet, keep: frozenset[str]) -> None:
    """Deletes Services of variants that ladder or mode no longer have; looked for once, since only we make them."""
    if hands.tidied.get(fleet.key) == keep:
        return
    selector = ",".join(f"{key}={value}" for key, value in engines_selector(fleet.name).items())
    found, _ = await hands.kube.list(SERVICES, fleet.namespace, f"{selector},{names.MANAGED_BY}={names.FIELD_MANAGER}")
    for service in found:
        if service["metadata"]["name"] not in keep:
            await hands.applier.delete(SERVICES, fleet.namespace, service["metadata"]["name"])
    hands.tidied[fleet.key] = keep


def _deployment(hands: Hands, fleet: Fleet) -> Object | None:
    found = hands.cache.all(DEPLOYMENTS).get((fleet.namespace, gateway_name(fleet.name)))
    return found if found is not None and _is_gateway_of(fleet, found) else None


def _is_gateway_of(fleet: Fleet, obj: Object) -> bool:
    labels = obj["metadata"].get("labels", {})
    mine = obj["metadata"].get("namespace") == fleet.namespace and labels.get(names.FLEET) == fleet.name
    return bool(mine and labels.get(names.ROLE) == names.ROLE_GATEWAY)

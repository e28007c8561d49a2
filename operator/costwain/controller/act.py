"""act(plan): carries a Plan out, in this order: money first, gateway, pods, shares with them, status last."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from costwain.adapters.clock import Clock
from costwain.adapters.events import post
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import DEPLOYMENTS, MODEL_DEPLOYMENTS, PODS, SCALERS
from costwain.controller.apply import Applier
from costwain.controller.cache import Cache
from costwain.controller.settings import Settings
from costwain.controller.statuses import Statuses
from costwain.domain import names
from costwain.domain.plan import FleetPlan, Place, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot
from costwain.render.deployment import ModelTarget, deployment_name, model_deployment
from costwain.render.gateway import GatewaySpec, gateway_manifests, gateway_name, program
from costwain.render.status import Seen, status

Object = dict[str, Any]
_log = logging.getLogger(__name__)
_LAST_TO_STAY, _FIRST_TO_GO = None, "-1000"


@dataclass(frozen=True)
class Hands:
    """What act works with."""

    kube: Kube
    cache: Cache
    clock: Clock
    settings: Settings
    applier: Applier
    statuses: Statuses


async def act(hands: Hands, fleet: Fleet, plan: FleetPlan, snapshot: Snapshot, wall_s: float) -> None:
    """Makes one fleet what the plan says; raises what the API server answers, and leaves the rest to the next turn."""
    owner = hands.cache.all(MODEL_DEPLOYMENTS)[fleet.key]
    await _gateway(hands, fleet, plan)
    await _marks(hands, fleet, plan)
    for place, count in sorted(plan.replicas.items()):
        await _deployment(hands, fleet, place, count, snapshot.pools)
    for why in plan.news:
        _log.info("%s/%s: %s: %s", fleet.namespace, fleet.name, why.code, why.sentence)
        await _tell(hands, owner, why, wall_s)
    seen = Seen(
        gateway_ready=_gateway_ready(hands, fleet),
        prices={name: pool.spec.price for name, pool in snapshot.pools.items() if pool.spec.price},
        before=owner.get("status", {}),
        now_s=snapshot.now_s,
        wall_s=wall_s,
        rival=_rival(hands, fleet),
    )
    await hands.statuses.write(owner, status(fleet, plan, seen), wall_s, now=bool(plan.news))


async def _tell(hands: Hands, owner: Object, why: Why, wall_s: float) -> None:
    """An event; one that the API server refuses is only logged, since the status says the same."""
    try:
        await post(hands.kube, owner, why.code, why.sentence, wall_s)
    except ApiError as error:
        _log.warning("%s: event %s: %s", owner["metadata"]["name"], why.code, error)


async def _gateway(hands: Hands, fleet: Fleet, plan: FleetPlan) -> None:
    spec = gateway_spec(fleet, hands)
    slots: dict[str, dict[str, int]] = {}
    for (variant, pool), n in plan.slots.items():
        slots.setdefault(variant, {})[pool] = n
    for manifest in gateway_manifests(spec, program(spec, plan.shares, slots)):
        await hands.applier.apply(manifest)


def gateway_spec(fleet: Fleet, hands: Hands) -> GatewaySpec:
    """The gateway of a fleet as its renderer wants it; its timeouts are wall seconds."""
    gateway = fleet.spec.gateway
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
        service_type=gateway.service.type,
        service_annotations=dict(gateway.service.annotations),
        api_keys_secret=gateway.api_keys_secret_ref.name if gateway.api_keys_secret_ref else None,
        tenants=tuple(gateway.tenants or ()),
        tls_secret=gateway.tls.secret_ref.name if gateway.tls else None,
        spill_after_s=None if spill_after_s is None else hands.clock.wall_duration_s(spill_after_s),
    )


async def _marks(hands: Hands, fleet: Fleet, plan: FleetPlan) -> None:
    """Asks the gateway to let pods go, or takes that back."""
    for pod in plan.drain:
        await _mark(hands.kube, fleet.namespace, pod, {names.DRAIN: "true"}, _FIRST_TO_GO)
    for pod in plan.undrain:
        await _mark(hands.kube, fleet.namespace, pod, {names.DRAIN: None, names.DRAINED: None}, _LAST_TO_STAY)


async def _mark(kube: Kube, namespace: str, pod: str, labels: Mapping[str, str | None], cost: str | None) -> None:
    patch = {"metadata": {"labels": dict(labels), "annotations": {names.DELETION_COST: cost}}}
    try:
        await kube.merge(PODS, pod, patch, namespace=namespace)
    except ApiError as error:
        if not error.is_not_found:  # gone by itself
            raise


async def _deployment(hands: Hands, fleet: Fleet, place: Place, count: int, pools: Mapping[str, Pool]) -> None:
    """Applies the Deployment of a place; one that the spec no longer names only goes down to 0, and then away."""
    name = deployment_name(fleet.name, *place)
    existing = hands.cache.all(DEPLOYMENTS).get((fleet.namespace, name))
    target = _target(fleet, place, count, pools)
    if target is None:
        if existing is not None and count == 0 and not any(r.place == place for r in fleet.replicas):
            await hands.kube.delete(DEPLOYMENTS, name, fleet.namespace)
        elif existing is not None and existing["spec"].get("replicas") != count:
            await hands.kube.merge(DEPLOYMENTS, name, {"spec": {"replicas": count}}, namespace=fleet.namespace)
        return
    if existing is None and count == 0:
        return
    drifted = existing is None or existing["spec"].get("replicas") != count
    await hands.applier.apply(model_deployment(target), force=drifted)


def _target(fleet: Fleet, place: Place, count: int, pools: Mapping[str, Pool]) -> ModelTarget | None:
    variant = next((v for v in fleet.spec.variants if v.name == place[0]), None)
    if variant is None or variant.name in fleet.broken:
        return None
    placement = next((p for p in variant.placements if p.pool == place[1]), None)
    pool = pools.get(place[1])
    if placement is None or pool is None:
        return None
    return ModelTarget(
        namespace=fleet.namespace,
        fleet=fleet.name,
        owner_uid=fleet.uid,
        served_model_name=fleet.spec.served_model_name or fleet.name,
        variant=variant,
        pool_name=pool.name,
        pool=pool.spec,
        accelerators=placement.accelerators,
        replicas=count,
    )


def _rival(hands: Hands, fleet: Fleet) -> str | None:
    """An autoscaler that also wants to set the fleet's replicas."""
    ours = {deployment_name(fleet.name, *place) for place in fleet.deployed}
    for (namespace, name), scaler in sorted(hands.cache.all(SCALERS).items()):
        target = scaler["spec"]["scaleTargetRef"]
        whole = target["kind"] == "ModelDeployment" and target["name"] == fleet.name
        if namespace == fleet.namespace and (whole or (target["kind"] == "Deployment" and target["name"] in ours)):
            return name
    return None


def _gateway_ready(hands: Hands, fleet: Fleet) -> bool:
    gateway = hands.cache.all(DEPLOYMENTS).get((fleet.namespace, gateway_name(fleet.name)))
    return gateway is not None and (gateway.get("status", {}).get("readyReplicas") or 0) > 0

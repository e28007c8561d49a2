"""act(plan): carries a Plan out, in this order: money first, gateway or Services, pods, status last."""

import logging
from collections.abc import Mapping
from typing import Any

from costwain.adapters.events import post
from costwain.adapters.kube import ApiError
from costwain.adapters.resources import DEPLOYMENTS, MODEL_DEPLOYMENTS, SCALERS
from costwain.controller.drains import hasten, mark
from costwain.controller.front import front, gateway_ready
from costwain.controller.hands import Hands
from costwain.domain.plan import FleetPlan, Place, Why
from costwain.domain.snapshot import Fleet, Pool, Snapshot
from costwain.render.deployment import ModelTarget, deployment_name, model_deployment
from costwain.render.status import Seen, status

Object = dict[str, Any]
_log = logging.getLogger(__name__)


async def act(hands: Hands, fleet: Fleet, plan: FleetPlan, snapshot: Snapshot, wall_s: float) -> None:
    """Makes one fleet what the plan says; raises what the API server answers, and leaves the rest to the next turn."""
    owner = hands.cache.all(MODEL_DEPLOYMENTS).get(fleet.key)
    if owner is None:  # deleted while the turn was being decided
        return
    await front(hands, fleet, plan)
    await mark(hands, fleet, plan, wall_s)
    for place, count in sorted(plan.replicas.items()):
        await _deployment(hands, fleet, place, count, snapshot.pools)
    await hasten(hands, fleet)
    for why in plan.news:
        _log.info("%s/%s: %s: %s", fleet.namespace, fleet.name, why.code, why.sentence)
        await _tell(hands, owner, why, wall_s)
    seen = Seen(
        gateway_ready=gateway_ready(hands, fleet),
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
    what = ("deployment", fleet.namespace, name)
    await hands.applier.keep(what, target, lambda: [model_deployment(target)], existing, drifted=drifted)


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
        gated=fleet.spec.gateway.is_managed,
    )


def _rival(hands: Hands, fleet: Fleet) -> str | None:
    """An autoscaler that also wants to set the fleet's replicas."""
    ours = [(MODEL_DEPLOYMENTS.kind, fleet.name)]
    ours += [(DEPLOYMENTS.kind, deployment_name(fleet.name, *place)) for place in sorted(fleet.deployed)]
    for kind, name in ours:
        for scaler in hands.cache.of(SCALERS, (fleet.namespace, name)):
            if scaler["spec"]["scaleTargetRef"]["kind"] == kind:
                return str(scaler["metadata"]["name"])
    return None

"""Status of what isn't decided: specs that can't be used, and the pools as they stand."""

from collections.abc import Mapping
from typing import Any

from costwain.adapters.resources import ACCELERATOR_POOLS, MODEL_DEPLOYMENTS
from costwain.controller.act import Hands
from costwain.controller.cache import Key
from costwain.domain.snapshot import Pool
from costwain.render.status import rfc3339


async def refuse(hands: Hands, key: Key, sentence: str, wall_s: float) -> None:
    """Says in a fleet's status why its spec can't be used; its pods stay as they are."""
    owner = hands.cache.all(MODEL_DEPLOYMENTS)[key]
    conditions = [("Ready", "False"), ("Reconciling", "False"), ("Stalled", "True")]
    generation = owner["metadata"]["generation"]
    status = {
        "observedGeneration": generation,
        "conditions": [
            _condition(owner, (kind, value, "InvalidSpec", sentence), generation, wall_s) for kind, value in conditions
        ],
    }
    await hands.statuses.write(owner, status, wall_s)


async def report_pools(hands: Hands, pools: Mapping[str, Pool], wall_s: float) -> None:
    """Writes the status of every pool that changed."""
    for (_, name), owner in sorted(hands.cache.all(ACCELERATOR_POOLS).items()):
        pool = pools.get(name)
        if pool is None:
            continue
        generation = owner["metadata"]["generation"]
        available = ("True", "Free") if pool.free else ("False", "Full" if pool.total else "NoNodes")
        room = f"{pool.free} of {pool.total} accelerators are free"
        priced = ("True", "Priced", "") if pool.hourly_micro is not None else ("False", "NoPrice", "no price: not used")
        status = {
            "observedGeneration": generation,
            "conditions": [
                _condition(owner, ("Available", *available, room), generation, wall_s),
                _condition(owner, ("PriceKnown", *priced), generation, wall_s),
            ],
            "accelerators": {"total": pool.total, "allocatable": pool.total, "used": pool.used},
        }
        await hands.statuses.write(owner, status, wall_s)


def _condition(
    owner: dict[str, Any], what: tuple[str, str, str, str], generation: int, wall_s: float
) -> dict[str, Any]:
    kind, value, reason, message = what
    before: dict[str, Any] = next((c for c in owner.get("status", {}).get("conditions", []) if c["type"] == kind), {})
    same = before.get("status") == value and before.get("lastTransitionTime")
    return {
        "type": kind,
        "status": value,
        "reason": reason,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else rfc3339(wall_s),
    }

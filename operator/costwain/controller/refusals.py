"""Status of what isn't decided: specs that can't be used, and the pools as they stand."""

from collections.abc import Mapping
from typing import Any

from costwain.adapters.resources import ACCELERATOR_POOLS, MODEL_DEPLOYMENTS
from costwain.controller.cache import Key
from costwain.controller.hands import Hands
from costwain.domain.snapshot import Pool
from costwain.render.conditions import Verdict, stamped


async def refuse(hands: Hands, key: Key, sentence: str, wall_s: float) -> None:
    """Says in a fleet's status why its spec can't be used; its pods stay as they are."""
    owner = hands.cache.all(MODEL_DEPLOYMENTS)[key]
    verdicts = [("Ready", "False"), ("Reconciling", "False"), ("Stalled", "True")]
    status = {
        "observedGeneration": owner["metadata"]["generation"],
        "conditions": _conditions(owner, [(*verdict, "InvalidSpec", sentence) for verdict in verdicts], wall_s),
    }
    await hands.statuses.write(owner, status, wall_s)


async def report_pools(hands: Hands, pools: Mapping[str, Pool], wall_s: float) -> None:
    """Writes the status of every pool that changed."""
    for (_, name), owner in sorted(hands.cache.all(ACCELERATOR_POOLS).items()):
        pool = pools.get(name)
        if pool is None:
            continue
        available = ("True", "Free") if pool.free else ("False", "Full" if pool.total else "NoNodes")
        room = f"{pool.free} of {pool.total} accelerators are free"
        priced = ("True", "Priced", "") if pool.hourly_micro is not None else ("False", "NoPrice", "no price: not used")
        status = {
            "observedGeneration": owner["metadata"]["generation"],
            "conditions": _conditions(owner, [("Available", *available, room), ("PriceKnown", *priced)], wall_s),
            "accelerators": {"total": pool.total, "allocatable": pool.total, "used": pool.used},
        }
        await hands.statuses.write(owner, status, wall_s)


def _conditions(owner: dict[str, Any], verdicts: list[Verdict], wall_s: float) -> list[dict[str, Any]]:
    before = owner.get("status", {}).get("conditions", [])
    return stamped(verdicts, before, owner["metadata"]["generation"], wall_s)

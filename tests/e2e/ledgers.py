"""Two accounts of the same pods: the operator's ledger, and the lifetimes that the process nodes wrote down."""

import json
from pathlib import Path
from typing import Any

from costwain.adapters.kube import Kube
from costwain.adapters.resources import SPEND_LEDGERS
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.money import micro_of
from costwain.local import demo, demo_fleet
from costwain.local.cluster import Cluster

# How far two processes are apart in when they see one thing, wall seconds; a pod's coming and its going are two things.
# Seen on a quiet machine: a binding 30 ms later than the node at most, an end 55 ms earlier, 45 ms a pod in the mean.
# Fleet time runs 30 times faster: a pod that lives for ten of our seconds can't be told from one that lives 1 % longer.
CLOCKS_APART_S = 0.05


def independent_micro(running: Cluster, fleet: str = demo.FLEET) -> float:
    """Micro-dollars by price x lifetime, from the nodes' own records alone."""
    return sum((life["gone_s"] - life["bound_s"]) * _micro_per_s(life) for life in _lives(running, fleet))


def clocks_apart_micro(running: Cluster, fleet: str = demo.FLEET) -> float:
    """What the two accounts may differ by since no two processes see a pod at the same instant."""
    return sum(2 * CLOCKS_APART_S * _micro_per_s(life) for life in _lives(running, fleet))


def _lives(running: Cluster, fleet: str) -> list[dict[str, Any]]:
    lives: dict[str, Any] = {}
    for record in Path(running.dir).glob("node-*/pods.jsonl"):
        for line in record.read_text(encoding="utf-8").splitlines():
            life = json.loads(line)
            lives[life["uid"]] = life
    wanted = {names.ROLE: names.ROLE_MODEL, names.FLEET: fleet}
    return [life for life in lives.values() if wanted.items() <= life["labels"].items()]


def _micro_per_s(life: dict[str, Any]) -> float:
    """Micro-dollars a wall second."""
    prices = {
        m["metadata"]["name"]: m["spec"]["price"] for m in demo_fleet.manifests() if m["kind"] == "AcceleratorPool"
    }
    return micro_of(prices[life["labels"][names.POOL]]["amount"]) * demo.FACTOR / 3600


async def ledger_of(running: Cluster, fleet: str = demo.FLEET) -> SpendLedgerSpec:
    """The fleet's ledger as the API server has it."""
    async with await Kube.connect(str(running.kubeconfig)) as kube:
        found = await kube.get(SPEND_LEDGERS, fleet, demo.NAMESPACE)
    assert found is not None
    return SpendLedgerSpec.model_validate(found["spec"])

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

# Fleet time runs 30 times faster, and with it every tenth of a second by which a busy machine's watch is late:
# two of them a pod, some 30 pods, at the dearer price.
WATCH_DELAY_MICRO = 2 * 0.1 * demo.FACTOR * 30 * 3_390_000 / 3600 / 2


def independent_micro(running: Cluster) -> float:
    """Micro-dollars by price x lifetime, from the nodes' own records alone."""
    prices = {
        m["metadata"]["name"]: micro_of(m["spec"]["price"]["amount"])
        for m in demo_fleet.manifests()
        if m["kind"] == "AcceleratorPool"
    }
    lives: dict[str, Any] = {}
    for record in Path(running.dir).glob("node-*/pods.jsonl"):
        for line in record.read_text(encoding="utf-8").splitlines():
            life = json.loads(line)
            lives[life["uid"]] = life
    models = [life for life in lives.values() if life["labels"][names.ROLE] == names.ROLE_MODEL]
    return sum(
        (life["gone_s"] - life["bound_s"]) * demo.FACTOR * prices[life["labels"][names.POOL]] / 3600 for life in models
    )


async def ledger_of(running: Cluster) -> SpendLedgerSpec:
    """The fleet's ledger as the API server has it."""
    async with await Kube.connect(str(running.kubeconfig)) as kube:
        found = await kube.get(SPEND_LEDGERS, demo.FLEET, demo.NAMESPACE)
    assert found is not None
    return SpendLedgerSpec.model_validate(found["spec"])

"""observe(): the Snapshot out of what the watches and the scrapes have said. It decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from costwain.adapters.clock import Clock
from costwain.adapters.resources import ACCELERATOR_POOLS, DEPLOYMENTS, MODEL_DEPLOYMENTS, NODES, PODS
from costwain.controller.budgets import shared_budgets, undecided_bills
from costwain.controller.cache import Cache, Key
from costwain.controller.pods import accelerators_of, replica_of
from costwain.controller.pools import pool_of, resource_of
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Fleet, Load, Pool, Replica, Snapshot, Work
from costwain.domain.spec import ModelDeploymentSpec
from costwain.render.vllm_args import check_args

Object = dict[str, Any]


@dataclass
class Parsed:
    """Specs by uid and generation: an unchanged object is validated once."""

    specs: dict[tuple[str, int], ModelDeploymentSpec | str] = field(default_factory=dict)

    def spec(self, obj: Object) -> ModelDeploymentSpec | str:
        """The spec, or the sentence that says why it can't be used."""
        key = (obj["metadata"]["uid"], obj["metadata"]["generation"])
        if key not in self.specs:
            self.specs = {k: v for k, v in self.specs.items() if k[0] != key[0]}
            self.specs[key] = _validated(obj)
        return self.specs[key]


@dataclass(frozen=True)
class Known:
    """What observe needs beside the cache: loads by fleet, ledgers, what the last turns remember, work by address."""

    loads: Mapping[Key, Load | None]
    ledgers: Mapping[Key, SpendLedgerSpec]
    memories: Mapping[str, Memory]
    work: Mapping[str, Work] = field(default_factory=dict)


def observe(cache: Cache, parsed: Parsed, known: Known, clock: Clock) -> tuple[Snapshot, dict[Key, str]]:
    """The Snapshot now, and the sentence for each fleet whose spec can't be used."""
    standing = pools(cache)
    replicas = replicas_by_fleet(cache, standing, clock, known.work)
    refused: dict[Key, str] = {}
    fleets: list[Fleet] = []
    for key, obj in sorted(cache.all(MODEL_DEPLOYMENTS).items()):
        if obj["metadata"].get("deletionTimestamp"):
            continue
        spec = parsed.spec(obj)
        if isinstance(spec, str):
            refused[key] = spec
            continue
        fleets.append(_fleet(obj, spec, replicas.get(key, ()), known, cache))
    budgets = shared_budgets(cache)
    undecided = undecided_bills(cache, known.ledgers, {f.key for f in fleets}) if budgets else ()
    return Snapshot(clock.now_s(), tuple(fleets), standing, budgets, undecided), refused


def pools(cache: Cache) -> dict[str, Pool]:
    """Every usable pool; one whose spec can't be read is as if it weren't there."""
    pods = [p for p in cache.all(PODS).values() if p["metadata"].get("labels", {}).get(names.ROLE) == names.ROLE_MODEL]
    found = {}
    for (_, name), obj in sorted(cache.all(ACCELERATOR_POOLS).items()):
        try:
            spec = AcceleratorPoolSpec.model_validate(obj["spec"])
        except ValidationError:
            continue
        found[name] = pool_of(name, spec, list(cache.all(NODES).values()), pods)
    return found


def replicas_by_fleet(
    cache: Cache, pools: Mapping[str, Pool], clock: Clock, work: Mapping[str, Work] | None = None
) -> dict[Key, tuple[Replica, ...]]:
    """Model pods by the fleet that their labels name, with what they did where that is known."""
    found: dict[Key, list[Replica]] = {}
    for (namespace, _), pod in sorted(cache.all(PODS).items()):
        labels = pod["metadata"].get("labels", {})
        if labels.get(names.ROLE) != names.ROLE_MODEL or names.FLEET not in labels:
            continue
        pool = pools.get(labels.get(names.POOL, ""))
        held = accelerators_of(pod, resource_of(pool.spec) if pool else None)
        replica = replica_of(pod, held, cache, clock)
        if replica is not None:
            did = (work or {}).get(pod.get("status", {}).get("podIP", ""))
            found.setdefault((namespace, labels[names.FLEET]), []).append(replace(replica, work=did))
    return {key: tuple(replicas) for key, replicas in found.items()}


def deployed(cache: Cache, key: Key) -> dict[tuple[str, str], int]:
    """Replicas that the fleet's Deployments ask for, by (variant, pool)."""
    counts = {}
    for (namespace, _), obj in cache.all(DEPLOYMENTS).items():
        labels = obj["metadata"].get("labels", {})
        if namespace == key[0] and labels.get(names.FLEET) == key[1] and labels.get(names.ROLE) == names.ROLE_MODEL:
            counts[labels[names.VARIANT], labels[names.POOL]] = int(obj["spec"].get("replicas", 0))
    return counts


def _fleet(obj: Object, spec: ModelDeploymentSpec, replicas: tuple[Replica, ...], known: Known, cache: Cache) -> Fleet:
    metadata = obj["metadata"]
    key = (metadata["namespace"], metadata["name"])
    return Fleet(
        namespace=key[0],
        name=key[1],
        uid=metadata["uid"],
        generation=metadata["generation"],
        spec=spec,
        load=known.loads.get(key),
        replicas=replicas,
        deployed=deployed(cache, key),
        ledger=known.ledgers.get(key, SpendLedgerSpec()),
        memory=known.memories.get(metadata["uid"]) or _remembered(obj),
        broken=_broken(spec),
        labels=metadata.get("labels") or {},
    )


def _remembered(obj: Object) -> Memory:
    """The memory that the status keeps; one that can't be read is forgotten rather than fatal."""
    try:
        return Memory.model_validate(obj.get("status", {}).get("memory", {}))
    except ValidationError:
        return Memory()


def _broken(spec: ModelDeploymentSpec) -> dict[str, str]:
    complaints = {v.name: check_args(v.engine.args) for v in spec.variants}
    return {name: "; ".join(sentences) for name, sentences in complaints.items() if sentences}


def _validated(obj: Object) -> ModelDeploymentSpec | str:
    try:
        return ModelDeploymentSpec.model_validate(obj["spec"])
    except ValidationError as error:
        return "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())

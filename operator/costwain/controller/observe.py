"""observe(): the Snapshot out of what the watches and the scrapes have said. It decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from costwain.adapters.clock import Clock
from costwain.adapters.resources import ACCELERATOR_POOLS, DEPLOYMENTS, MODEL_DEPLOYMENTS, NODES, PODS
from costwain.controller.budgets import shared_budgets, undecided_bills
from costwain.controller.cache import Cache, Key, key_of
from costwain.controller.pods import accelerators_of, replica_of
from costwain.controller.pools import pool_of, resource_of
from costwain.controller.remembered import Remembered
from costwain.domain import names
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.memory import Memory
from costwain.domain.once import once
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.domain.snapshot import Fleet, Load, Pool, Replica, Snapshot, Work
from costwain.domain.spec import ModelDeploymentSpec
from costwain.render.vllm_args import check_args

Object = dict[str, Any]


@dataclass
class Parsed:
    """Specs, or the sentence that says why one can't be used; pools, None where they can't; and the pods' replicas."""

    specs: Remembered[ModelDeploymentSpec | str] = field(default_factory=Remembered)
    pools: Remembered[AcceleratorPoolSpec | None] = field(default_factory=Remembered)
    replicas: Remembered[Replica | None] = field(default_factory=Remembered)


@dataclass(frozen=True)
class Standing:
    """Pools, and the replicas of every fleet, as the watches have them now."""

    pools: Mapping[str, Pool]
    replicas: Mapping[Key, tuple[Replica, ...]]


@dataclass(frozen=True)
class Known:
    """What observe needs beside the cache: loads and ledgers by fleet, and what the last turns remember, by uid."""

    loads: Mapping[Key, Load | None]
    ledgers: Mapping[Key, SpendLedgerSpec]
    memories: Mapping[str, Memory]


def standing(cache: Cache, parsed: Parsed, clock: Clock, work: Mapping[str, Work]) -> Standing:
    """What is there; `work` is what pods did, by their address, where that is known."""
    models = [pod for pod in cache.all(PODS).values() if _labels(pod).get(names.ROLE) == names.ROLE_MODEL]
    found = _pools(cache, parsed, models)
    resources = {name: resource_of(pool.spec) for name, pool in found.items()}
    replicas: dict[Key, list[Replica]] = {}
    for pod in sorted(models, key=key_of):
        labels = _labels(pod)
        replica = _replica(pod, resources.get(labels.get(names.POOL, "")), parsed, cache, clock)
        if replica is None or names.FLEET not in labels:
            continue
        did = work.get(pod.get("status", {}).get("podIP", ""))
        here = replica if did is None else replace(replica, work=did)
        replicas.setdefault((pod["metadata"]["namespace"], labels[names.FLEET]), []).append(here)
    parsed.replicas.only({pod["metadata"]["uid"] for pod in models})
    return Standing(found, {key: tuple(theirs) for key, theirs in replicas.items()})


def observe(
    cache: Cache, parsed: Parsed, seen: Standing, known: Known, now_s: float
) -> tuple[Snapshot, dict[Key, str]]:
    """The Snapshot now, and the sentence for each fleet whose spec can't be used."""
    refused: dict[Key, str] = {}
    fleets: list[Fleet] = []
    for key, obj in sorted(cache.all(MODEL_DEPLOYMENTS).items()):
        if obj["metadata"].get("deletionTimestamp"):
            continue
        spec = _spec(obj, parsed)
        if isinstance(spec, str):
            refused[key] = spec
            continue
        fleets.append(_fleet(obj, spec, seen.replicas.get(key, ()), known, cache))
    budgets = shared_budgets(cache)
    undecided = undecided_bills(cache, known.ledgers, {f.key for f in fleets}) if budgets else ()
    parsed.specs.only({obj["metadata"]["uid"] for obj in cache.all(MODEL_DEPLOYMENTS).values()})
    return Snapshot(now_s, tuple(fleets), seen.pools, budgets, undecided), refused


def _pools(cache: Cache, parsed: Parsed, models: Sequence[Object]) -> dict[str, Pool]:
    """Every usable pool; one whose spec can't be read is as if it weren't there."""
    nodes = list(cache.all(NODES).values())
    specs = {name: _pool_spec(obj, parsed) for (_, name), obj in sorted(cache.all(ACCELERATOR_POOLS).items())}
    by_pool: dict[str, list[Object]] = {}
    for pod in models:
        by_pool.setdefault(_labels(pod).get(names.POOL, ""), []).append(pod)
    return {n: pool_of(n, spec, nodes, by_pool.get(n, ())) for n, spec in specs.items() if spec is not None}


def _labels(obj: Object) -> Mapping[str, str]:
    found: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return found


def deployed(cache: Cache, key: Key) -> dict[tuple[str, str], int]:
    """Replicas that the fleet's Deployments ask for, by (variant, pool)."""
    counts = {}
    for obj in cache.of(DEPLOYMENTS, key):
        labels = obj["metadata"]["labels"]
        if labels.get(names.ROLE) == names.ROLE_MODEL:
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


@once(1 << 13)
def _broken(spec: ModelDeploymentSpec) -> dict[str, str]:
    complaints = {v.name: check_args(v.engine.args) for v in spec.variants}
    return {name: "; ".join(sentences) for name, sentences in complaints.items() if sentences}


def _replica(pod: Object, resource: str | None, parsed: Parsed, cache: Cache, clock: Clock) -> Replica | None:
    """The replica that a pod is, whose accelerators are of this resource."""

    def read() -> Replica | None:
        return replica_of(pod, accelerators_of(pod, resource), cache, clock)

    return parsed.replicas.of(pod["metadata"]["uid"], (pod, resource), read)


def _spec(obj: Object, parsed: Parsed) -> ModelDeploymentSpec | str:
    def validated() -> ModelDeploymentSpec | str:
        try:
            return ModelDeploymentSpec.model_validate(obj["spec"])
        except ValidationError as error:
            return "; ".join(f"spec.{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())

    return parsed.specs.of(obj["metadata"]["uid"], obj["metadata"]["generation"], validated)


def _pool_spec(obj: Object, parsed: Parsed) -> AcceleratorPoolSpec | None:
    def validated() -> AcceleratorPoolSpec | None:
        try:
            return AcceleratorPoolSpec.model_validate(obj["spec"])
        except ValidationError:
            return None

    return parsed.pools.of(obj["metadata"]["uid"], obj["metadata"]["generation"], validated)

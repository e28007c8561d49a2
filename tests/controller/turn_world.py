"""A cluster without an API server, for the loop: what is applied is there at once, and pods are ready at once.

Objects go straight into the loop's cache, as watches would have brought them, and gateways need not be read. So all
that it leaves out is what others do: the API server, the network and the pages of pods.
"""

import asyncio
import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from tests.decide.builders import PRICES, load
from tests.specs import model_deployment, pool, variant

from costwain.adapters.clock import Clock
from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    DEPLOYMENTS,
    MODEL_DEPLOYMENTS,
    NODES,
    PODS,
    SPEND_LEDGERS,
    Resource,
)
from costwain.controller.cache import Cache, Key
from costwain.controller.loop import Loop
from costwain.controller.settings import Settings
from costwain.domain import names
from costwain.domain.snapshot import Load, Work

Object = dict[str, Any]
NAMESPACE, PER_NODE = "default", 8
MODELS = ("Qwen/Qwen3-32B", "Qwen/Qwen3-8B")
POOLS = {"h100": "nvidia", "mi300x": "amd"}
SEED = 7
CREATED = "2026-01-05T00:00:00Z"
_WATCHED = {r.kind: r for r in (MODEL_DEPLOYMENTS, ACCELERATOR_POOLS, DEPLOYMENTS)}


class World:
    """In place of the API server; `written` has the kind and the name of all that was asked of it.

    `on_write` is called at each of the loop's manifests.
    """

    def __init__(self) -> None:
        self.cache = Cache()  # the loop's own, once it has one
        self.written: list[tuple[str, str]] = []
        self.on_write: Callable[[], None] = lambda: None
        self._held: dict[tuple[str, str], asyncio.Event] = {}
        self._ledgers: dict[str, Object] = {}
        self._made = 0

    def hold(self, kind: str, name: str) -> asyncio.Event:
        """From now on writes of an object hang until the event is set."""
        self._held[kind, name] = asyncio.Event()
        return self._held[kind, name]

    async def apply(self, manifest: Object, *, subresource: str | None = None) -> Object:
        """Keeps what the operator watches; a Deployment has its pods at once."""
        await self._write(manifest)
        resource = _WATCHED.get(manifest["kind"])
        if resource is None:
            return manifest
        key = (manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"])
        if subresource:
            self._put(resource, {**self.cache.all(resource)[key], "status": copy.deepcopy(manifest["status"])})
            return manifest
        made = copy.deepcopy(manifest)
        known = self.cache.all(resource).get(key)
        made["metadata"]["uid"] = known["metadata"]["uid"] if known else self._uid()
        made["status"] = {"readyReplicas": made["spec"]["replicas"]}
        self._put(resource, made)
        self._pods_of(made)
        return made

    async def create(self, manifest: Object) -> Object:
        """Ledgers and events."""
        await self._write(manifest)
        made = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(len(self.written))}}
        if manifest["kind"] == SPEND_LEDGERS.kind:
            self._ledgers[manifest["metadata"]["name"]] = made
        return made

    replace = create

    async def list(self, resource: Resource, *_: object, **__: object) -> tuple[list[Object], str]:
        found = self._ledgers if resource is SPEND_LEDGERS else self.cache.all(resource)
        return list(found.values()), "1"

    async def merge(self, resource: Resource, name: str, patch: Object, *, namespace: str) -> Object:
        """Marks on pods: one that is to be drained is free at once."""
        self.written.append((resource.kind, name))
        known = copy.deepcopy(self.cache.all(resource)[namespace, name])
        labels = known["metadata"]["labels"]
        for label, value in patch["metadata"]["labels"].items():
            labels.pop(label, None) if value is None else labels.update({label: value})
        if labels.get(names.DRAIN) == "true":
            labels[names.DRAINED] = "true"
        self._put(resource, known)
        return known

    async def delete(self, resource: Resource, name: str, namespace: str, *_: object) -> None:
        self.written.append((resource.kind, name))
        found = self.cache.all(resource).get((namespace, name))
        if found is not None:
            self.cache.drop(resource, found, 0.0)

    def add(self, resource: Resource, obj: Object) -> None:
        """What a user or a cloud put there."""
        obj["metadata"] |= {"uid": self._uid(), "generation": 1, "creationTimestamp": CREATED}
        self._put(resource, obj)

    async def _write(self, manifest: Object) -> None:
        what = (manifest["kind"], manifest["metadata"]["name"])
        self.written.append(what)
        self.on_write()
        if what in self._held:
            await self._held[what].wait()

    def _pods_of(self, deployment: Object) -> None:
        template, want = deployment["spec"]["template"], deployment["spec"]["replicas"]
        if template["metadata"]["labels"].get(names.ROLE) != names.ROLE_MODEL:
            return
        prefix = f"{deployment['metadata']['name']}-pod-"
        pods = [p for p in self.cache.all(PODS).values() if p["metadata"]["name"].startswith(prefix)]
        for pod in sorted(pods, key=lambda p: names.DRAINED not in p["metadata"]["labels"])[: len(pods) - want]:
            self.cache.drop(PODS, pod, datetime.now(UTC).timestamp())
        for _ in range(want - len(pods)):
            self._put(PODS, _pod(f"{prefix}{self._uid()}", deployment["metadata"]["namespace"], template))

    def _put(self, resource: Resource, obj: Object) -> None:
        self.cache.put(resource, obj, 0.0)

    def _uid(self) -> str:
        self._made += 1
        return f"u-{self._made}"


def _pod(name: str, namespace: str, template: Object) -> Object:
    """A pod that serves."""
    written = {"status": "True", "lastTransitionTime": CREATED}
    return {
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "creationTimestamp": CREATED,
            "labels": dict(template["metadata"]["labels"]),
        },
        "spec": {**template["spec"], "nodeName": "node"},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": kind, **written} for kind in ("PodScheduled", "Ready")],
            "containerStatuses": [{"started": True}],
        },
    }


@dataclass
class Requests:
    """In place of what gateways and engines tell: loads that move a little every turn, unless they are `still`."""

    rates: dict[Key, float]
    draw: random.Random
    still: bool = False
    work: dict[str, Work] = field(default_factory=dict)
    idle: frozenset[str] = frozenset()

    async def turn(self, _: Cache) -> dict[Key, Load | None]:
        return {key: self._load(key) for key in self.rates}

    def _load(self, key: Key) -> Load:
        if self.still:
            return load(self.rates[key], running=round(self.rates[key] * 2))
        rate = self.rates[key] = self.rates[key] * self.draw.lognormvariate(0.0, 0.02)
        seen = max(0.0, self.draw.gauss(rate, rate**0.5 / 5**0.5))
        return load(seen, running=round(rate * 2), input_tokens=self.draw.gauss(500, 60), output_tokens=130.0)


def loop_on(world: World, requests: Requests, **env: str) -> Loop:
    """A new operator's loop that the watches have told all that is in the world."""
    loop, before = Loop(cast(Any, world), cast(Any, requests), Clock(), Settings.from_env(env)), world.cache
    for resource in (*_WATCHED.values(), NODES, PODS):
        loop.cache.replace(resource, before.all(resource).values(), 0.0)
    world.cache = loop.cache
    return loop


def world_of(fleets: int, nodes: int = 2, **env: str) -> tuple[Loop, World, Requests]:
    """A loop, set by `env`, whose cluster has so many fleets of two rungs on two pools, every second with a budget."""
    draw = random.Random(SEED)
    world, requests = World(), Requests({}, draw)
    loop = loop_on(world, requests, **env)
    for name, vendor in POOLS.items():
        spec = pool(vendor=vendor, accelerator=name, price={"amount": PRICES[name], "source": "owned"})
        world.add(ACCELERATOR_POOLS, {"kind": "AcceleratorPool", "metadata": {"name": name}, "spec": spec})
        for n in range(nodes):
            world.add(NODES, _node(f"{name}-{n}", vendor))
    places = [{"pool": p} for p in POOLS]
    rungs = [
        variant(name=f"rung-{n}", model={"uri": f"hf://{uri}"}, quality=str(90 - n), placements=places)
        for n, uri in enumerate(MODELS)
    ]
    for n in range(fleets):
        budget = {"budget": {"amount": str(draw.randint(100, 900)), "period": "Day"}} if n % 2 else {}
        metadata = {"namespace": NAMESPACE, "name": f"chat-{n}"}
        spec = model_deployment(variants=rungs, **budget)
        world.add(MODEL_DEPLOYMENTS, {"kind": "ModelDeployment", "metadata": metadata, "spec": spec})
        requests.rates[NAMESPACE, f"chat-{n}"] = draw.lognormvariate(1.5, 1.0)
    return loop, world, requests


def _node(name: str, vendor: str) -> Object:
    status = {"allocatable": {f"{vendor}.com/gpu": str(PER_NODE)}, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"kind": "Node", "metadata": {"name": name}, "spec": {}, "status": status}

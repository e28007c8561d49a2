"""An API server of a few objects in memory, and the operator's hands on it."""

import copy
from typing import Any, cast

from costwain.adapters.clock import Clock
from costwain.adapters.kube import Kube
from costwain.adapters.resources import DEPLOYMENTS, PODS, Resource
from costwain.controller.apply import Applier
from costwain.controller.cache import Cache
from costwain.controller.hands import Hands
from costwain.controller.load import Loads
from costwain.controller.settings import Settings
from costwain.controller.statuses import Statuses
from costwain.domain.memory import Memory
from costwain.domain.plan import FleetPlan, Money
from costwain.domain.snapshot import Fleet
from costwain.domain.spec import ModelDeploymentSpec

Object = dict[str, Any]
NAMESPACE = "default"


class FakeKube:
    """Objects by kind and name; owners that go take what they own along."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.calls: list[tuple[str, str]] = []

    def names(self, resource: Resource) -> list[str]:
        return sorted(name for kind, name in self.objects if kind == resource.kind)

    async def apply(self, manifest: Object, *, subresource: str | None = None) -> Object:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        self.calls.append(("apply", f"{kind}/{name}"))
        uid = self.objects.get((kind, name), {}).get("metadata", {}).get("uid", f"uid-{len(self.calls)}")
        made = copy.deepcopy(manifest)
        made["metadata"]["uid"] = uid
        self.objects[kind, name] = made
        return made

    async def merge(self, resource: Resource, name: str, patch: Object, **_: str | None) -> Object:
        self.calls.append(("merge", f"{resource.kind}/{name}"))
        found = self.objects[resource.kind, name]
        _merged(found, patch)
        return found

    async def list(self, resource: Resource, namespace: str, selector: str) -> tuple[list[Object], str]:
        self.calls.append(("list", resource.kind))
        wanted = dict(pair.split("=") for pair in selector.split(",")).items()
        of_kind = [obj for (kind, _), obj in self.objects.items() if kind == resource.kind]
        return [obj for obj in of_kind if wanted <= obj["metadata"].get("labels", {}).items()], "1"

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, grace_s: int | None = None
    ) -> None:
        self.calls.append(("delete", f"{resource.kind}/{name}"))
        gone = self.objects.pop((resource.kind, name))["metadata"].get("uid")
        for key, obj in list(self.objects.items()):
            if gone in [owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])]:
                del self.objects[key]


def _merged(into: Object, patch: Object) -> None:
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        elif isinstance(value, dict):
            _merged(into.setdefault(key, {}), value)
        else:
            into[key] = value


def hands_on(fake: FakeKube) -> Hands:
    """Hands whose cache is empty until `seen`."""
    kube, clock = cast(Kube, fake), Clock()
    applier = Applier(kube, again_s=120)
    loads = Loads(cast(Any, None), clock)
    return Hands(kube, Cache(), clock, Settings.from_env({}), applier, Statuses(applier, 5), loads)


def seen(hands: Hands, fake: FakeKube) -> None:
    """The watches have told everything."""
    for resource in (PODS, DEPLOYMENTS):
        hands.cache.replace(resource, [o for (kind, _), o in fake.objects.items() if kind == resource.kind], 0.0)


def fleet(mode: str, *variants: str) -> Fleet:
    rungs = [
        {"name": n, "model": {"uri": "hf://Qwen/Qwen3-8B"}, "quality": "70", "placements": [{"pool": "h100"}]}
        for n in variants or ("full", "small")
    ]
    spec = {"variants": rungs, "scaling": {"minReplicas": 1}, "gateway": {"mode": mode, "replicas": 2}}
    return Fleet(NAMESPACE, "chat", "0f0e", 1, ModelDeploymentSpec.model_validate(spec))


def plan(*, drain: tuple[str, ...] = (), undrain: tuple[str, ...] = ()) -> FleetPlan:
    return FleetPlan(NAMESPACE, "chat", "full", {}, {"full": 100}, {}, Memory(), Money(0), drain=drain, undrain=undrain)

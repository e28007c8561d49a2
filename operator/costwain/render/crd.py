"""The CustomResourceDefinitions, made from the pydantic classes of the domain."""

from dataclasses import dataclass
from typing import Any

from costwain.domain import names
from costwain.domain.api import Api
from costwain.domain.ledger import SpendLedgerSpec
from costwain.domain.pool import AcceleratorPoolSpec, InferenceBudgetSpec
from costwain.domain.spec import ModelDeploymentSpec
from costwain.domain.status import AcceleratorPoolStatus, InferenceBudgetStatus, ModelDeploymentStatus
from costwain.render.structural import structural

Manifest = dict[str, Any]

CATEGORY = names.FIELD_MANAGER  # `kubectl get costwain` lists all four


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`; a wide one shows with -o wide alone."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def manifest(self) -> Manifest:
        """The entry of additionalPrinterColumns."""
        entry = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return entry | ({"priority": 1} if self.wide else {})


@dataclass(frozen=True)
class Kind:
    """One custom resource: its names, its classes and what `kubectl get` shows of it."""

    name: str
    short_name: str
    scope: str
    spec: type[Api]
    status: type[Api] | None
    columns: tuple[Column, ...]
    scales: bool = False

    @property
    def singular(self) -> str:
        return self.name.lower()

    @property
    def plural(self) -> str:
        return f"{self.singular}s"

    @property
    def crd_name(self) -> str:
        return f"{self.plural}.{names.GROUP}"


def _condition(kind: str, field: str = "status") -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

MODEL_DEPLOYMENT = Kind(
    "ModelDeployment",
    "cwm",
    "Namespaced",
    ModelDeploymentSpec,
    ModelDeploymentStatus,
    (
        Column("Ready", _condition("Ready")),
        Column("Variant", ".status.variant"),
        Column("Replicas", ".status.replicas", "integer"),
        Column("Queue", ".status.queue.waiting", "integer"),
        Column("$/h", ".status.cost.hourly"),
        Column("Budget%", ".status.cost.percent", "integer"),
        _AGE,
        Column("Reason", _condition("Ready", "reason"), wide=True),
        Column("URL", ".status.url", wide=True),
        Column("Spent", ".status.cost.spent", wide=True),
        Column("Limit", ".status.cost.limit", wide=True),
    ),
    scales=True,
)
ACCELERATOR_POOL = Kind(
    "AcceleratorPool",
    "cwp",
    "Cluster",
    AcceleratorPoolSpec,
    AcceleratorPoolStatus,
    (
        Column("Available", _condition("Available")),
        Column("Vendor", ".spec.vendor"),
        Column("Accelerator", ".spec.accelerator"),
        Column("$/h", ".spec.price.amount"),
        Column("Capacity", ".spec.capacityType"),
        Column("Used", ".status.accelerators.used", "integer"),
        Column("Total", ".status.accelerators.total", "integer"),
        _AGE,
        Column("Nodes", ".status.nodes", "integer", wide=True),
        Column("Price", _condition("PriceKnown", "reason"), wide=True),
    ),
)
INFERENCE_BUDGET = Kind(
    "InferenceBudget",
    "cwb",
    "Cluster",
    InferenceBudgetSpec,
    InferenceBudgetStatus,
    (
        Column("Ready", _condition("Ready")),
        Column("Limit", ".spec.amount"),
        Column("Period", ".spec.period"),
        Column("Spent", ".status.spent"),
        Column("Forecast", ".status.forecast"),
        Column("Budget%", ".status.percent", "integer"),
        Column("Members", ".status.members", "integer"),
        _AGE,
        Column("Sharing", ".spec.sharing", wide=True),
        Column("Reason", _condition("Ready", "reason"), wide=True),
    ),
)
SPEND_LEDGER = Kind(
    "SpendLedger",
    "cwl",
    "Namespaced",
    SpendLedgerSpec,
    None,
    (Column("Epoch", ".spec.epoch", "integer"), _AGE, Column("Fleet-UID", ".spec.fleetUid", wide=True)),
)
KINDS = (MODEL_DEPLOYMENT, ACCELERATOR_POOL, INFERENCE_BUDGET, SPEND_LEDGER)

# /scale needs a number in the spec that is there before anybody scales. The floor is that number:
# who writes /scale says "at least so many", and the budget may still hold fewer.
_SCALE = {
    "specReplicasPath": ".spec.scaling.minReplicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


def crd(kind: Kind) -> Manifest:
    """The CustomResourceDefinition of a kind; raises ValueError where a class has no structural form."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name, "labels": {"app.kubernetes.io/part-of": names.FIELD_MANAGER}},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "scope": kind.scope,
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> Manifest:
    version: Manifest = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema_of(kind)},
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
    }
    subresources: Manifest = {"status": {}} if kind.status else {}
    if kind.scales:
        subresources["scale"] = dict(_SCALE)
    return version | ({"subresources": subresources} if subresources else {})


def schema_of(kind: Kind) -> Manifest:
    """The schema of whole objects of a kind."""
    properties: Manifest = {
        "apiVersion": {"type": "string", "description": "Version of the API that this object is written in."},
        "kind": {"type": "string", "description": "Kind of this object."},
        "metadata": {"type": "object"},  # the API server describes it, and allows nothing more here
        "spec": structural(kind.spec, defaults=True),
    }
    if kind.status:
        properties["status"] = structural(kind.status, defaults=False)
        conditions = properties["status"]["properties"]["conditions"]
        conditions |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    described = str(kind.spec.__doc__).splitlines()[0]
    return {"type": "object", "description": described, "required": ["spec"], "properties": properties}

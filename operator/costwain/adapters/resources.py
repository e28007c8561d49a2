"""The kinds that Costwain reads or writes, and the API paths at which they live."""

from dataclasses import dataclass
from typing import Any

from costwain.domain import names


@dataclass(frozen=True)
class Resource:
    """One kind as the API server names it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of a collection, an object or a subresource.

        >>> PODS.path("default", "chat-0", "status")
        '/api/v1/namespaces/default/pods/chat-0/status'
        """
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", namespace]
        parts += [self.plural, *(part for part in (name, subresource) if part)]
        return "/".join(parts)


PODS = Resource("v1", "Pod", "pods")
NODES = Resource("v1", "Node", "nodes", namespaced=False)
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")
SERVICES = Resource("v1", "Service", "services")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
ROLES = Resource("rbac.authorization.k8s.io/v1", "Role", "roles")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings")
SCALERS = Resource("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
MODEL_DEPLOYMENTS = Resource(names.API_VERSION, "ModelDeployment", "modeldeployments")
ACCELERATOR_POOLS = Resource(names.API_VERSION, "AcceleratorPool", "acceleratorpools", namespaced=False)
INFERENCE_BUDGETS = Resource(names.API_VERSION, "InferenceBudget", "inferencebudgets", namespaced=False)
SPEND_LEDGERS = Resource(names.API_VERSION, "SpendLedger", "spendledgers")
TOLD = (MODEL_DEPLOYMENTS, ACCELERATOR_POOLS, INFERENCE_BUDGETS)  # kinds whose status only the operator writes

_KNOWN = {(value.api_version, value.kind): value for value in list(globals().values()) if isinstance(value, Resource)}


def resource_of(manifest: dict[str, Any]) -> Resource:
    """The resource of a manifest; raises KeyError for a kind that Costwain does not handle."""
    return _KNOWN[manifest["apiVersion"], manifest["kind"]]

"""The chart on a cluster: rendered by the Helm engine, applied as Helm 4 applies, used under its own account."""

import json
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import (
    ACCELERATOR_POOLS,
    INFERENCE_BUDGETS,
    MODEL_DEPLOYMENTS,
    SERVICE_ACCOUNTS,
    SPEND_LEDGERS,
    Resource,
)

CHART = Path(__file__).parents[1] / "charts" / "costwain"
LEASE = "coordination.k8s.io/leases"


def rendered(values: dict[str, Any], name: str, namespace: str) -> list[Object]:
    """Every object of a release."""
    with helm.Chart.load(CHART) as chart:
        files = chart.render(values, name=name, namespace=namespace)
    texts = [text for path, text in sorted(files.items()) if not path.endswith("NOTES.txt")]
    return [value for text in texts for value in yaml.safe_load_all(text) if value]


def path_of(manifest: Object) -> str:
    """The URL of any object of the chart, whose plural is its kind with an s or, for a policy, ies."""
    kind = manifest["kind"].lower()
    plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
    namespace = manifest["metadata"].get("namespace")
    resource = Resource(manifest["apiVersion"], manifest["kind"], plural, namespaced=namespace is not None)
    return resource.path(namespace, manifest["metadata"]["name"])


async def install(kube: Kube, manifests: list[Object]) -> None:
    """Applies them as Helm does: on the server, with its field manager, strictly."""
    query = {"fieldManager": "helm", "force": "true", "fieldValidation": "Strict"}
    for manifest in manifests:
        await kube.request("PATCH", path_of(manifest), manifest, query, "application/apply-patch+yaml")


async def allowed(kube: Kube, user: str, verb: str, what: str, namespace: str = "", name: str = "") -> bool:
    """What the API server's own authorizer says; `what` is group/resource[/subresource]."""
    group, resource, *sub = what.split("/")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": "".join(sub)}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {**attributes, "namespace": namespace, "name": name}},
    }
    answer = await kube.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


async def in_force(kube: Kube, user: str, namespace: str) -> bool:
    """Whether roles and kinds of a release count already: authorizer and endpoints follow by some milliseconds."""
    try:
        for resource in (MODEL_DEPLOYMENTS, ACCELERATOR_POOLS, INFERENCE_BUDGETS, SPEND_LEDGERS):
            await kube.list(resource)
    except ApiError as error:
        if error.is_not_found:
            return False
        raise
    by_cluster_role = await allowed(kube, user, "list", "/nodes")
    return by_cluster_role and await allowed(kube, user, "create", LEASE, namespace)


async def kubeconfig_of(kube: Kube, account: tuple[str, str], admin: Path, target: Path) -> Path:
    """Writes a kubeconfig with a token of the (namespace, name) account, as its pod would have it."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    answer = await kube.request("POST", SERVICE_ACCOUNTS.path(*account, "token"), request)
    return _with_token(admin, target, answer["status"]["token"])


def _with_token(admin: Path, target: Path, token: str) -> Path:
    config = yaml.safe_load(admin.read_text(encoding="utf-8"))
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    target.touch(mode=0o600)
    target.write_text(json.dumps(config), encoding="utf-8")
    return target

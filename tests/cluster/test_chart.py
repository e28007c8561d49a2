"""The chart on the real API server: it applies, and its ServiceAccount can do what it must and no more."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.charts import LEASE, allowed, in_force, install, kubeconfig_of, path_of, rendered
from tests.support import eventually_async

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import CONFIG_MAPS, LEASES, PODS, SPEND_LEDGERS
from costwain.domain import names
from costwain.local.cluster import Cluster
from costwain.render.gateway import GatewaySpec, gateway_files, gateway_manifests

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

ROLES = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


@dataclass(frozen=True)
class Release:
    """A rendered chart, applied."""

    namespace: str
    account: str
    manifests: tuple[Object, ...]

    @property
    def user(self) -> str:
        return f"system:serviceaccount:{self.namespace}:{self.account}"


@pytest.fixture
async def release(kube: Kube, namespace: str) -> AsyncIterator[Release]:
    """The chart with all that is optional (but what needs other CRDs), under a name of its own; gone afterwards."""
    name = f"r{secrets.token_hex(4)}"
    manifests = rendered({"networkPolicy": {"enabled": True}}, name, namespace)
    await install(kube, manifests)
    made = Release(namespace, f"{name}-costwain", tuple(manifests))
    await eventually_async(
        partial(in_force, kube, made.user, namespace), 30, "the authorizer knows the roles, and our kinds are served"
    )
    yield made
    for manifest in manifests:
        if manifest["kind"].startswith("ClusterRole"):
            await kube.request("DELETE", path_of(manifest))


READ = "get list watch"
MAY = {
    "see fleets, pools and budgets": (READ, f"{names.GROUP}/modeldeployments {names.GROUP}/acceleratorpools"),
    "see shared budgets": (READ, f"{names.GROUP}/inferencebudgets"),
    "write their status": ("patch", f"{names.GROUP}/modeldeployments/status {names.GROUP}/acceleratorpools/status"),
    "say what a shared budget paid": ("patch", f"{names.GROUP}/inferencebudgets/status"),
    "own what it makes for a fleet": ("update", f"{names.GROUP}/modeldeployments/finalizers"),
    "keep the ledgers": (f"{READ} create update patch delete", f"{names.GROUP}/spendledgers"),
    "see nodes": (READ, "/nodes"),
    "see other scalers": ("list", "autoscaling/horizontalpodautoscalers"),
    "mark pods, and end those that never served": (f"{READ} patch delete", "/pods"),
    "run pods": (f"{READ} create patch delete", "apps/deployments"),
    "write the gateway's objects": ("create patch", "/services /configmaps /serviceaccounts"),
    "take a variant's Service away": ("list delete", "/services"),
    "give the agent its rights": (
        "create patch",
        "rbac.authorization.k8s.io/roles rbac.authorization.k8s.io/rolebindings",
    ),
    "tell what it did": ("create patch", "events.k8s.io/events"),
}
MAY_NOT = {
    "read a Secret": ("get list watch", "/secrets"),
    "change what users wish": ("create update patch delete", f"{names.GROUP}/modeldeployments"),
    "set its own prices": ("create update patch delete", f"{names.GROUP}/acceleratorpools"),
    "raise a shared budget": ("create update patch delete", f"{names.GROUP}/inferencebudgets"),
    "run commands in pods": ("create get", "/pods/exec /pods/attach /pods/portforward"),
    "read logs": ("get", "/pods/log"),
    "make pods by hand": ("create update", "/pods"),
    "delete what goes by itself with its owner": ("delete", "/configmaps /serviceaccounts"),
    "change other scalers": ("create update patch delete", "autoscaling/horizontalpodautoscalers"),
    "change nodes": ("update patch delete", "/nodes /nodes/status"),
    "change cluster roles": ("create update patch bind escalate", "rbac.authorization.k8s.io/clusterroles"),
    "step beyond its own rights": ("bind escalate", "rbac.authorization.k8s.io/roles"),
    "act as somebody else": ("impersonate", "/users /groups /serviceaccounts"),
    "get tokens": ("create", "/serviceaccounts/token"),
    "make other workloads": ("create", "apps/daemonsets apps/statefulsets batch/jobs"),
    "change the API": ("create update patch", "apiextensions.k8s.io/customresourcedefinitions"),
    "make namespaces": ("create delete", "/namespaces"),
}


async def test_operator_may_do_exactly_this(kube: Kube, release: Release) -> None:
    wrong = []
    for table, want in ((MAY, True), (MAY_NOT, False)):
        for story, (verbs, resources) in table.items():
            for verb, what in ((v, w) for v in verbs.split() for w in resources.split()):
                if await allowed(kube, release.user, verb, what, namespace="elsewhere") is not want:
                    wrong.append(f"{story}: {verb} {what} should {'' if want else 'not '}be allowed")
    assert wrong == []


async def test_operator_may_take_its_own_lease_and_no_other(kube: Kube, release: Release) -> None:
    user, here = release.user, release.namespace
    for verb in ("get", "update"):
        assert await allowed(kube, user, verb, LEASE, here, "costwain-operator")
        assert not await allowed(kube, user, verb, LEASE, here, "another")
        assert not await allowed(kube, user, verb, LEASE, "kube-node-lease", "costwain-operator")
    assert await allowed(kube, user, "create", LEASE, here)
    assert not await allowed(kube, user, "create", LEASE, "kube-system")


@pytest.fixture
async def as_operator(kube: Kube, control_plane: Cluster, release: Release, tmp_path: Path) -> AsyncIterator[Kube]:
    """A client with the operator's own token, as its pod would have it."""
    account = (release.namespace, release.account)
    kubeconfig = await kubeconfig_of(kube, account, control_plane.kubeconfig, tmp_path / "operator.kubeconfig")
    async with await Kube.connect(str(kubeconfig)) as client:
        yield client


def gateway(namespace: str, rules: list[dict[str, Any]] | None = None) -> list[Object]:
    """What the operator makes for a fleet's gateway; `rules` other than the agent's own are put into its Role."""
    one = {"replicas": 1, "max_queued_requests": 10, "queue_timeout_s": 10, "max_request_bytes": 1024}
    images = {"haproxy_image": "haproxy", "operator_image": "costwain/operator"}
    spec = GatewaySpec("chat", namespace, "some-uid", "chat", ("full",), **one, **images)  # type: ignore[arg-type]
    manifests = [gateway_files(spec, "{}"), *gateway_manifests(spec)]
    for manifest in manifests:
        manifest["metadata"].pop("ownerReferences")  # the fleet itself isn't there
        if rules and manifest["kind"] == "Role":
            manifest["rules"] = rules
    return manifests


async def test_operator_makes_a_gateway_and_gives_its_agent_rights(
    kube: Kube, as_operator: Kube, release: Release
) -> None:
    for manifest in gateway(release.namespace):
        await as_operator.apply(manifest)
    agent = f"system:serviceaccount:{release.namespace}:chat-gateway"

    async def agent_may() -> bool:
        return await allowed(kube, agent, "patch", "/pods/status", release.namespace)

    await eventually_async(agent_may, 10, "the agent has its rights")
    assert not await allowed(kube, agent, "get", "/secrets", release.namespace)
    assert not await allowed(kube, agent, "patch", "/pods", "elsewhere")
    assert await kube.get(CONFIG_MAPS, "chat-gateway", release.namespace)


async def test_operator_can_not_give_what_it_does_not_have(as_operator: Kube, release: Release) -> None:
    secrets_rule = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    (role,) = (m for m in gateway(release.namespace, secrets_rule) if m["kind"] == "Role")
    with pytest.raises(ApiError, match="attempting to grant RBAC permissions not currently held") as caught:
        await as_operator.apply(role)
    assert caught.value.status == 403


async def test_operator_lists_with_its_own_token_but_not_secrets(as_operator: Kube, release: Release) -> None:
    for resource in (PODS, SPEND_LEDGERS):
        assert (await as_operator.list(resource))[1]
    assert await as_operator.get(LEASES, "costwain-operator", release.namespace) is None
    with pytest.raises(ApiError, match="secrets is forbidden"):
        await as_operator.request("GET", "/api/v1/secrets")


PEOPLE = {
    "an editor makes fleets": ("edit", "create", "modeldeployments", True),
    "an editor scales fleets": ("edit", "patch", "modeldeployments/scale", True),
    "an editor doesn't rewrite history": ("edit", "update", "spendledgers", False),
    "an editor doesn't set prices": ("edit", "patch", "acceleratorpools", False),
    "a viewer sees what was spent": ("view", "get", "spendledgers", True),
    "a viewer makes nothing": ("view", "create", "modeldeployments", False),
    "a namespace's admin makes fleets": ("admin", "delete", "modeldeployments", True),
}


@pytest.mark.parametrize(("role", "verb", "resource", "want"), PEOPLE.values(), ids=PEOPLE)
async def test_people_with_the_clusters_own_roles(
    kube: Kube, release: Release, role: str, verb: str, resource: str, want: bool
) -> None:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"jane-{role}", "namespace": release.namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": f"jane-{release.namespace}"}],
    }
    await kube.create(binding)
    user, here = f"jane-{release.namespace}", release.namespace

    # The cluster takes the chart's two ClusterRoles into its own one after the other: each has a right of its own.
    ours = {"get": "spendledgers"} | ({} if role == "view" else {"deletecollection": "modeldeployments"})

    async def holds_ours() -> bool:
        return all([await allowed(kube, user, held, f"{names.GROUP}/{of}", here) for held, of in ours.items()])

    await eventually_async(holds_ours, 15, f"role {role} holds our rules")
    assert await allowed(kube, user, verb, f"{names.GROUP}/{resource}", here) is want


async def test_everything_is_stored_as_rendered(kube: Kube, release: Release) -> None:
    assert {manifest["kind"] for manifest in release.manifests} >= {"Deployment", "NetworkPolicy", *ROLES}
    for manifest in release.manifests:
        stored = await kube.request("GET", path_of(manifest))
        assert stored["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"

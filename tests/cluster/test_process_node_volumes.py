"""What a pod on a process node finds in its files, variables and service account."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.cluster.process_nodes import World, is_ready, state, world
from tests.support import eventually_async

from costwain.adapters.kube import Kube, Object
from costwain.adapters.resources import CONFIG_MAPS, PODS
from costwain.local.cluster import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]


@pytest.fixture
async def here(kube: Kube, namespace: str, control_plane: Cluster, tmp_path: Path) -> AsyncIterator[World]:
    async with world(kube, str(control_plane.kubeconfig), namespace, tmp_path / "n") as made:
        yield made


def config_map(here: World, name: str, **data: str) -> Object:
    metadata = {"name": name, "namespace": here.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def secret(here: World, name: str, **data: str) -> Object:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    metadata = {"name": name, "namespace": here.namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded}


async def test_an_update_of_a_config_map_reaches_the_file(here: World) -> None:
    await here.kube.create(config_map(here, "cm", key="one"))
    script = "while :; do cat /etc/app/renamed; echo; sleep 0.1; done"
    container = {"args": [script], "volumeMounts": [{"name": "cfg", "mountPath": "/etc/app"}]}
    items = [{"key": "key", "path": "renamed"}]
    pod = here.pod("reader", container, volumes=[{"name": "cfg", "configMap": {"name": "cm", "items": items}}])
    await here.kube.create(pod)
    pod = await here.until("reader", is_ready, "is Ready")
    await here.until_said(pod, "one")
    await here.kube.merge(CONFIG_MAPS, "cm", {"data": {"key": "two"}}, namespace=here.namespace)
    await here.until_said(pod, "two")
    assert list(dict.fromkeys(here.log(pod).split())) == ["one", "two"]


async def test_a_pod_waits_for_a_config_map_that_comes_later(here: World) -> None:
    container = {"args": ["cat /etc/app/key; exec sleep 600"], "volumeMounts": [{"name": "v", "mountPath": "/etc/app"}]}
    await here.kube.create(here.pod("early", container, volumes=[{"name": "v", "configMap": {"name": "late"}}]))
    waiting = await here.until("early", lambda p: state(p, "waiting"), "waits")
    assert (state(waiting, "waiting")["reason"], waiting["status"]["phase"]) == ("ContainerCreating", "Pending")
    await here.kube.create(config_map(here, "late", key="here"))
    pod = await here.until("early", is_ready, "is Ready")
    await here.until_said(pod, "here")


async def test_variables_come_from_secrets_config_maps_and_the_pod_itself(here: World) -> None:
    await here.kube.create(secret(here, "keys", token="s3cret"))
    await here.kube.create(config_map(here, "settings", MODE="fast"))
    env = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "HOST", "value": "0.0.0.0"},
    ]
    script = 'echo "$TOKEN $MODE $(WHO) $IP $HOST"; exec sleep 600'
    container = {"args": [script], "env": env, "envFrom": [{"configMapRef": {"name": "settings"}}]}
    await here.kube.create(here.pod("env", container))
    pod = await here.until("env", is_ready, "is Ready")
    address = pod["status"]["podIP"]
    await here.until_said(pod, "\n")
    assert here.log(pod) == f"s3cret fast env {address} {address}\n"


async def test_a_secret_that_is_missing_is_told_and_waited_for(here: World) -> None:
    env = [{"name": "T", "valueFrom": {"secretKeyRef": {"name": "later", "key": "t"}}}]
    await here.kube.create(here.pod("wants", {"args": ["echo $T; exec sleep 600"], "env": env}))
    told = await here.until("wants", lambda p: state(p, "waiting").get("message"), "says what is missing")
    waiting = state(told, "waiting")
    assert (waiting["reason"], waiting["message"]) == (
        "CreateContainerConfigError",
        "secretKeyRef: no key 't' in 'later'",
    )
    await here.kube.create(secret(here, "later", t="found"))
    pod = await here.until("wants", is_ready, "is Ready")
    await here.until_said(pod, "found")


LIST_PODS = """
import asyncio
from costwain.adapters.kube import ApiError, Kube
from costwain.adapters.resources import PODS, SECRETS

async def main():
    async with await Kube.connect() as kube:
        pods, _ = await kube.list(PODS, "NAMESPACE")
        print("pods", [pod["metadata"]["name"] for pod in pods], flush=True)
        try:
            await kube.list(SECRETS, "NAMESPACE")
        except ApiError as error:
            print(error, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_pod_speaks_to_the_api_server_as_its_own_service_account(here: World) -> None:
    """It may do what RBAC grants to that account, and no more."""
    metadata = {"name": "reader", "namespace": here.namespace}
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}
    reference = {"apiGroup": rbac, "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", **metadata}
    await here.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await here.kube.create({"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]})
    binding = {"kind": "RoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]}
    await here.kube.create({"apiVersion": f"{rbac}/v1", **binding})
    container = {"image": "test/python", "args": ["-c", LIST_PODS.replace("NAMESPACE", here.namespace)]}
    await here.kube.create(here.pod("api", container, serviceAccountName="reader"))
    pod = await here.until("api", is_ready, "is Ready")
    await here.until_said(pod, "secrets")
    pods, refused = here.log(pod).splitlines()[:2]
    assert pods == "pods ['api']"
    assert f'User "system:serviceaccount:{here.namespace}:reader" cannot list resource "secrets"' in refused


async def test_a_pod_that_wants_no_service_account_gets_none(here: World) -> None:
    container = {"args": ["echo config=$KUBECONFIG; exec sleep 600"]}
    await here.kube.create(here.pod("alone", container, automountServiceAccountToken=False))
    pod = await here.until("alone", is_ready, "is Ready")
    await here.until_said(pod, "\n")
    assert here.log(pod) == "config=\n"


async def test_the_folder_of_a_pod_goes_with_it(here: World) -> None:
    container = {"args": ["echo x > /w/x; exec sleep 600"], "volumeMounts": [{"name": "w", "mountPath": "/w"}]}
    await here.kube.create(here.pod("tidy", container, volumes=[{"name": "w", "emptyDir": {}}]))
    pod = await here.until("tidy", is_ready, "is Ready")
    written = here.volume(pod, "w") / "x"

    async def is_there() -> bool:
        return written.exists()

    await eventually_async(is_there, 10, "the file is written")
    await here.kube.delete(PODS, "tidy", here.namespace)
    await here.until_gone("tidy")

    async def is_gone() -> bool:
        return not written.parents[2].exists()

    assert await eventually_async(is_gone, 10, "the pod's folder is gone")

"""The CRDs on the real API server: taken, enforced in the words of pydantic, described to the last field."""

import asyncio
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
import yaml
from tests.good_specs import GOOD
from tests.specs import BAD, Bad, Spec, model_deployment, pool, spec_of, variant
from tests.support import eventually_async

from costwain.adapters.kube import ApiError, Kube, Object
from costwain.adapters.resources import CRDS, MODEL_DEPLOYMENTS, resource_of
from costwain.domain import names
from costwain.local.cluster import Cluster
from costwain.render.crd import KINDS, Kind, crd, schema_of
from costwain.render.structural import Schema, objects_of

pytestmark = [pytest.mark.cluster, pytest.mark.anyio]

SAMPLES = Path(__file__).parents[2] / "crds" / "samples"
SCOPES = {kind.name: kind.scope for kind in KINDS}


@pytest.fixture(scope="module")
def served(control_plane: Cluster) -> None:
    """Our kinds are applied and served."""

    async def apply() -> None:
        async with await Kube.connect(str(control_plane.kubeconfig)) as client:
            for kind in KINDS:
                await client.apply(crd(kind))
            for kind in KINDS:
                await eventually_async(partial(established, client, kind), 30, f"{kind.crd_name} is served")

    asyncio.run(apply())


@pytest.fixture
def api(kube: Kube, served: None) -> Kube:
    """A client of an API server that serves our kinds."""
    return kube


async def established(kube: Kube, kind: Kind) -> bool:
    """Established, and really there: the endpoint and its description come a moment after the condition."""
    found = await kube.get(CRDS, kind.crd_name)
    conditions = {c["type"]: c["status"] for c in (found or {}).get("status", {}).get("conditions", [])}
    if conditions.get("Established") != "True":
        return False
    try:
        await kube.list(resource_of({"apiVersion": names.API_VERSION, "kind": kind.name}))
        return schema_name(kind) in (await kube.request("GET", OPENAPI))["components"]["schemas"]
    except ApiError as error:
        if error.is_not_found:
            return False
        raise


OPENAPI = f"/openapi/v3/apis/{names.API_VERSION}"


def schema_name(kind: Kind) -> str:
    return f"dev.costwain.{names.VERSION}.{kind.name}"


def resource(kind: str, name: str, namespace: str, spec: Spec) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if SCOPES[kind] == "Namespaced" else {})
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


async def dry_run(kube: Kube, value: Object, **query: str) -> Object:
    """What the API server would store."""
    path = resource_of(value).path(value["metadata"].get("namespace"))
    return await kube.request("POST", path, value, {"dryRun": "All", **query})


def kubectl(control_plane: Cluster, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    # A cache of its own: kubectl remembers by address what a server offers, and ports come back.
    own = [f"--kubeconfig={control_plane.kubeconfig}", f"--cache-dir={control_plane.dir / 'kubectl-cache'}"]
    command = [str(control_plane.kubectl), *own, *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_crd_is_taken_and_nothing_of_it_is_dropped(api: Kube, kind: Kind) -> None:
    found = await api.get(CRDS, kind.crd_name)
    assert found
    status = {c["type"]: c["status"] for c in found["status"]["conditions"]}
    assert status["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in status
    (version,) = found["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"] == schema_of(kind)


SAMPLE_TEXTS = {str(path.relative_to(SAMPLES)): path.read_text(encoding="utf-8") for path in SAMPLES.rglob("*.yaml")}


@pytest.mark.parametrize("text", SAMPLE_TEXTS.values(), ids=SAMPLE_TEXTS)
async def test_sample_applies_as_a_user_would(api: Kube, control_plane: Cluster, namespace: str, text: str) -> None:
    done = kubectl(control_plane, "apply", f"--namespace={namespace}", "--validate=strict", "--filename=-", text=text)
    assert (done.returncode, done.stderr) == (0, "")
    for value in yaml.safe_load_all(text):
        where = namespace if SCOPES[value["kind"]] == "Namespaced" else None
        assert await api.get(resource_of(value), value["metadata"]["name"], where)
        await api.delete(resource_of(value), value["metadata"]["name"], where)


@pytest.mark.parametrize(("kind", "spec"), GOOD.values(), ids=GOOD)
async def test_good_spec_is_stored(api: Kube, namespace: str, kind: str, spec: Spec) -> None:
    stored = await dry_run(api, resource(kind, "good", namespace, spec))
    assert spec.keys() <= stored["spec"].keys()


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_bad_spec_is_refused_word_for_word(api: Kube, namespace: str, bad: Bad) -> None:
    with pytest.raises(ApiError) as caught:
        await dry_run(api, resource(bad.kind, "bad", namespace, spec_of(bad)))
    kind = next(kind for kind in KINDS if kind.name == bad.kind)
    head = f'{bad.kind}.{names.GROUP} "bad" is invalid: {bad.where}: Invalid value: '
    assert (caught.value.status, kind.scope) == (422, SCOPES[bad.kind])
    assert caught.value.message.startswith(head)
    assert _without_value(caught.value.message.removeprefix(head)) == bad.sentence


def _without_value(text: str) -> str:
    """A rule's sentence without the type that some versions put before it."""
    return re.sub(r'^"\w+": ', "", text)


OUT_OF_BOUNDS = {
    "money as a float": (
        model_deployment(budget={"amount": 240.5}),
        'spec.budget.amount in body must be of type string: "number"',
    ),
    "an amount in words": (
        model_deployment(budget={"amount": "a lot"}),
        r"spec.budget.amount in body should match '^\d{1,12}(\.\d{1,6})?$'",
    ),
    "no variants at all": (model_deployment(variants=[]), "spec.variants in body should have at least 1 items"),
    "a dash before an argument": (
        model_deployment(variants=[variant(engine={"args": {"--seed": "1"}})]),
        "keys: must match ^[a-z0-9][a-z0-9-]*$",
    ),
    "an argument name without end": (
        model_deployment(variants=[variant(engine={"args": {"a" * 65: "1"}})]),
        "keys: at most 64 characters",
    ),
}


@pytest.mark.parametrize(("spec", "words"), OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS)
async def test_out_of_bounds_is_refused(api: Kube, namespace: str, spec: Spec, words: str) -> None:
    with pytest.raises(ApiError) as caught:
        await dry_run(api, resource("ModelDeployment", "bad", namespace, spec))
    assert caught.value.status == 422
    assert words in caught.value.message


def fields_of(schema: Schema) -> dict[str, str]:
    """The description of every field below spec and status, by the path that `kubectl explain` takes."""
    found = {
        re.sub(r"\[\]|\{\}", "", where): node for where, node in objects_of(schema) if not where.endswith(("]", "}"))
    }
    return {path: node.get("description", "") for path, node in found.items() if path.startswith(("spec", "status"))}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_what_kubectl_explain_reads_describes_every_field(api: Kube, kind: Kind) -> None:
    published = await api.request("GET", OPENAPI)
    explained = fields_of(published["components"]["schemas"][schema_name(kind)])
    assert explained == fields_of(schema_of(kind))
    assert [path for path, words in explained.items() if not words.strip()] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
async def test_kubectl_explains_recursively(api: Kube, control_plane: Cluster, kind: Kind) -> None:
    done = kubectl(control_plane, "explain", kind.crd_name, "--recursive")
    assert api
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.findall(r"^ +(\S+)\t<", done.stdout, re.MULTILINE)
    assert {part for path in fields_of(schema_of(kind)) for part in path.split(".")} <= {*shown}


async def test_explain_says_the_sentence_of_a_deep_field(api: Kube, control_plane: Cluster) -> None:
    done = kubectl(control_plane, "explain", "modeldeployments.costwain.dev.spec.swap.gates.maxDrop")
    assert api
    assert "Most that it may lie below the best variant's score." in done.stdout


MISSPELT = model_deployment(scaling={"maxReplica": 3})


async def test_unknown_field_is_refused_for_users_of_kubectl(api: Kube, control_plane: Cluster, namespace: str) -> None:
    text = yaml.safe_dump(resource("ModelDeployment", "misspelt", namespace, MISSPELT))
    assert api
    for mode in (["apply", "--filename=-"], ["apply", "--server-side", "--filename=-"], ["create", "--filename=-"]):
        done = kubectl(control_plane, *mode, text=text)
        assert done.returncode == 1
        assert re.search(
            r'unknown field "spec\.scaling\.maxReplica"|\.spec\.scaling\.maxReplica: field not', done.stderr
        )


async def test_unknown_field_is_pruned_for_programs_that_do_not_ask_for_strictness(api: Kube, namespace: str) -> None:
    value = resource("ModelDeployment", "misspelt", namespace, MISSPELT)
    stored = await dry_run(api, value)
    assert "maxReplica" not in stored["spec"]["scaling"]
    with pytest.raises(ApiError, match=r'unknown field "spec\.scaling\.maxReplica"'):
        await dry_run(api, value, fieldValidation="Strict")


async def test_defaults_are_filled_in_and_scale_reads_them(api: Kube, namespace: str) -> None:
    await api.create(resource("ModelDeployment", "chat", namespace, model_deployment()))
    stored = await api.get(MODEL_DEPLOYMENTS, "chat", namespace)
    assert stored
    assert stored["spec"]["swap"]["stepPercents"] == [25, 50, 100]
    status = {"replicas": 2, "selector": "costwain.dev/fleet=chat", "conditions": []}
    await api.merge(MODEL_DEPLOYMENTS, "chat", {"status": status}, namespace=namespace, subresource="status")
    scale = await api.request("GET", MODEL_DEPLOYMENTS.path(namespace, "chat", "scale"))
    assert (scale["spec"], scale["status"]) == ({}, {"replicas": 2, "selector": "costwain.dev/fleet=chat"})


async def test_conditions_of_two_writers_merge_by_type(api: Kube, namespace: str) -> None:
    await api.create(resource("ModelDeployment", "chat", namespace, model_deployment()))
    for manager, kind in (("one", "Ready"), ("two", "WithinBudget")):
        condition = {"type": kind, "status": "True", "reason": "Test", "message": "", "lastTransitionTime": ""}
        value = resource("ModelDeployment", "chat", namespace, {}) | {"status": {"conditions": [condition]}}
        value.pop("spec")
        await api.apply(value, subresource="status", manager=manager)
    stored = await api.get(MODEL_DEPLOYMENTS, "chat", namespace)
    assert stored
    assert [c["type"] for c in stored["status"]["conditions"]] == ["Ready", "WithinBudget"]


async def test_kubectl_get_shows_our_columns(api: Kube, control_plane: Cluster, namespace: str) -> None:
    await api.create(resource("ModelDeployment", "chat", namespace, model_deployment()))
    await api.apply(resource("AcceleratorPool", f"pool-{namespace}", namespace, pool()))
    wide = kubectl(control_plane, "get", "cwm", f"--namespace={namespace}", "--output=wide").stdout.splitlines()[0]
    narrow = kubectl(control_plane, "get", "cwm", f"--namespace={namespace}").stdout.splitlines()[0]
    assert narrow.split() == ["NAME", "READY", "VARIANT", "REPLICAS", "QUEUE", "$/H", "BUDGET%", "AGE"]
    assert wide.split() == [*narrow.split(), "REASON", "URL", "SPENT", "LIMIT"]
    everything = kubectl(control_plane, "get", "costwain", f"--namespace={namespace}", "--output=name").stdout.split()
    assert {"modeldeployment.costwain.dev/chat", f"acceleratorpool.costwain.dev/pool-{namespace}"} <= {*everything}

"""Deployments of model pods: golden manifests by vendor, and what decides each part of them."""

from typing import Any

import pytest
from tests.render.targets import container, env, pod, pool, target, variant

from costwain.domain.hardware import VENDORS
from costwain.domain.pool import AcceleratorPoolSpec
from costwain.render.deployment import MAX_NAME, deployment_name, model_deployment


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendors_deployment_matches_its_golden_manifest(vendor: str, golden: Any) -> None:
    image = "" if VENDORS[vendor].image else "registry.example/vllm:1"
    made = target(pool_name=vendor, pool=pool(vendor, image=image), accelerators=2)
    golden(f"deployment-{vendor}", model_deployment(made))


def test_a_deployment_with_everything_matches_its_golden_manifest(golden: Any) -> None:
    everything = variant(
        model={"revision": "v1.1", "tokenSecretRef": {"name": "hf", "key": "token"}},
        args={"max-model-len": "8192", "enable-prefix-caching": "true"},
        env=[{"name": "NCCL_DEBUG", "value": "WARN"}],
        resources={"requests": {"cpu": "8", "memory": "64Gi"}, "limits": {"memory": "128Gi"}},
        shutdownTimeoutSeconds=300,
        podTemplate={
            "labels": {"team": "search"},
            "annotations": {"note": "x"},
            "nodeSelector": {"zone": "a"},
            "tolerations": [{"key": "team", "operator": "Equal", "value": "search"}],
            "priorityClassName": "serving",
        },
    )
    nodes = pool(
        "amd",
        nodeSelector={"amd.com/gpu.product-name": "MI300X"},
        tolerations=[{"key": "spot", "operator": "Exists"}],
        runtimeClassName="amd",
        podDefaults={
            "env": [{"name": "VLLM_ROCM_USE_AITER", "value": "1"}],
            "sharedMemory": "16Gi",
            "supplementalGroups": [44, 109],
        },
    )
    golden(
        "deployment-everything",
        model_deployment(target(variant=everything, pool_name="mi300x", pool=nodes, accelerators=8)),
    )


def test_without_a_gateway_a_pod_is_ready_when_vllm_is_and_nothing_else_of_it_differs() -> None:
    gated, bare = model_deployment(target()), model_deployment(target(gated=False))
    gates = gated["spec"]["template"]["spec"].pop("readinessGates")
    assert gates == [{"conditionType": "costwain.dev/in-gateway"}]
    assert bare == gated


IMAGES = {  # story: (engine image, pool image, vendor, wanted)
    "nobody says anything: the vendor's": ("", "", "nvidia", VENDORS["nvidia"].image),
    "the pool's beats the vendor's": ("", "pool:1", "nvidia", "pool:1"),
    "the variant's beats the pool's": ("own:1", "pool:1", "nvidia", "own:1"),
    "a vendor without an image is fine where the pool has one": ("", "neuron:1", "aws", "neuron:1"),
}


@pytest.mark.parametrize(("engine_image", "pool_image", "vendor", "want"), IMAGES.values(), ids=IMAGES)
def test_whose_image_runs(engine_image: str, pool_image: str, vendor: str, want: str) -> None:
    made = target(variant=variant(image=engine_image), pool=pool(vendor, image=pool_image))
    assert container(made)["image"] == want


def test_no_image_at_all_is_said_with_where_and_what() -> None:
    with pytest.raises(ValueError, match=r"AcceleratorPool inf2: spec\.image: required, .* vendor aws \(found none\)"):
        model_deployment(target(pool_name="inf2", pool=pool("aws")))


EXISTS = {"operator": "Exists", "effect": "NoSchedule"}
TOLERATIONS = {  # story: (pool, pod template's tolerations, wanted)
    "a GPU's own taint": (pool(), [], [{"key": "nvidia.com/gpu", **EXISTS}]),
    "a MIG slice tolerates its card's taint too": (
        pool(resourceName="nvidia.com/mig-1g.10gb"),
        [],
        [{"key": "nvidia.com/gpu", **EXISTS}, {"key": "nvidia.com/mig-1g.10gb", **EXISTS}],
    ),
    "cores are never tainted": (pool("cpu"), [], None),
    "the pool's and the variant's come on top, each once": (
        pool(tolerations=[{"key": "spot", "operator": "Exists"}, {"key": "nvidia.com/gpu", **EXISTS}]),
        [{"key": "spot", "operator": "Exists"}, {"key": "team", "operator": "Exists"}],
        [
            {"key": "nvidia.com/gpu", **EXISTS},
            {"key": "spot", "operator": "Exists"},
            {"key": "team", "operator": "Exists"},
        ],
    ),
}


@pytest.mark.parametrize(("nodes", "extra", "want"), TOLERATIONS.values(), ids=TOLERATIONS)
def test_which_taints_a_pod_tolerates(
    nodes: AcceleratorPoolSpec, extra: list[dict[str, str]], want: list[dict[str, str]] | None
) -> None:
    made = target(variant=variant(podTemplate={"tolerations": extra}), pool=nodes)
    assert pod(made).get("tolerations") == want


ARGS = {  # story: (what differs, argument words in a row, are they there?)
    "one accelerator needs no tensor parallelism": ({}, ["--tensor-parallel-size"], False),
    "several accelerators split the model": ({"accelerators": 4}, ["--tensor-parallel-size", "4"], True),
    "cores don't split it": ({"accelerators": 4, "pool": pool("cpu")}, ["--tensor-parallel-size"], False),
    "a revision is passed on": (
        {"variant": variant(model={"revision": "abc"})},
        ["--revision", "abc"],
        True,
    ),
    "weights on a claim have no revision": (
        {"variant": variant("pvc://weights/q", model={"revision": "abc"})},
        ["--revision"],
        False,
    ),
    "the drain is as long as the variant says": (
        {"variant": variant(shutdownTimeoutSeconds=9)},
        ["--shutdown-timeout", "9"],
        True,
    ),
    "ours come after the user's, since the last one wins": (
        {"variant": variant(args={"max-num-seqs": "5"})},
        ["--max-num-seqs=5", "--host", "0.0.0.0", "--port", "8000", "--served-model-name", "chat"],
        True,
    ),
}


@pytest.mark.parametrize(("differs", "words", "there"), ARGS.values(), ids=ARGS)
def test_what_vllm_is_started_with(differs: dict[str, Any], words: list[str], there: bool) -> None:
    args = container(target(**differs))["args"]
    assert any(args[i : i + len(words)] == words for i in range(len(args))) is there


WEIGHTS = {  # story: (uri, first argument, claim)
    "the hub's model by its id": ("hf://Qwen/Qwen3-8B", "Qwen/Qwen3-8B", None),
    "a folder on a claim": ("pvc://weights/qwen/8b/", "/models/qwen/8b", "weights"),
    "a claim that holds nothing else": ("pvc://weights", "/models", "weights"),
}


@pytest.mark.parametrize(("uri", "first", "claim"), WEIGHTS.values(), ids=WEIGHTS)
def test_where_the_weights_come_from(uri: str, first: str, claim: str | None) -> None:
    made = target(variant=variant(uri))
    claims = [v["persistentVolumeClaim"] for v in pod(made)["volumes"] if "persistentVolumeClaim" in v]
    assert container(made)["args"][0] == first
    assert claims == ([{"claimName": claim, "readOnly": True}] if claim else [])
    assert env(made).get("HF_HUB_OFFLINE") == ("1" if claim else None)


def test_a_path_that_leaves_its_claim_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.uri: the path must stay inside the claim \(found 'pvc://w/a/\.\./b'"):
        model_deployment(target(variant=variant("pvc://w/a/../b")))


def test_the_variants_environment_beats_the_pools_and_the_pools_beats_the_defaults() -> None:
    nodes = pool(
        "cpu", podDefaults={"env": [{"name": "VLLM_CPU_KVCACHE_SPACE", "value": "8"}, {"name": "A", "value": "1"}]}
    )
    made = target(variant=variant(env=[{"name": "A", "value": "2"}]), pool=nodes)
    assert (env(made)["VLLM_CPU_KVCACHE_SPACE"], env(made)["A"]) == ("8", "2")


def test_a_token_comes_from_its_secret_and_never_in_clear() -> None:
    made = target(
        variant=variant(
            model={"tokenSecretRef": {"name": "hf", "key": "token"}}, env=[{"name": "HF_TOKEN", "value": "clear"}]
        )
    )
    assert env(made)["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": "token"}}
    assert "clear" not in str(model_deployment(made))
    assert len({e["name"] for e in container(made)["env"]}) == len(container(made)["env"])


def test_the_pods_patience_follows_the_variants_times() -> None:
    made = target(variant=variant(startupTimeoutSeconds=601, shutdownTimeoutSeconds=45))
    startup = container(made)["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 601
    assert env(made)["VLLM_ENGINE_READY_TIMEOUT_S"] == "601"
    assert pod(made)["terminationGracePeriodSeconds"] == 75
    assert model_deployment(made)["spec"]["progressDeadlineSeconds"] > 601 + made.pool.pending_timeout_seconds


def test_scaling_changes_replicas_and_nothing_else() -> None:
    two, five = model_deployment(target(replicas=2)), model_deployment(target(replicas=5))
    assert five["spec"].pop("replicas") == 5
    assert two["spec"].pop("replicas") == 2
    assert two == five


def test_a_price_that_moves_restarts_no_pod() -> None:
    assert model_deployment(target()) == model_deployment(target(pool=pool(price={"amount": "9.99"})))


NAMES = {  # story: (fleet, variant, pool, wanted)
    "a short name is written out": ("chat", "qwen3-8b", "h100", "chat-qwen3-8b-h100"),
    "63 characters are not too many": ("f" * 40, "v" * 10, "p" * 11, f"{'f' * 40}-{'v' * 10}-{'p' * 11}"),
    "a long one ends in a hash": ("f" * 40, "v" * 40, "p" * 40, f"{'f' * 40}-{'v' * 13}-8aea091f"),
    "no dash before the hash's own": ("f" * 53, "v" * 40, "p" * 40, f"{'f' * 53}-39092ef1"),
}


@pytest.mark.parametrize(("fleet", "rung", "where", "want"), NAMES.values(), ids=NAMES)
def test_a_deployments_name(fleet: str, rung: str, where: str, want: str) -> None:
    assert deployment_name(fleet, rung, where) == want
    assert len(want) <= MAX_NAME


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert deployment_name("f" * 60, "v", "a") != deployment_name("f" * 60, "v", "b")

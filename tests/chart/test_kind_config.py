"""kind-config.yaml: its workers are what the pools of the samples look for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from costwain.domain.hardware import VENDORS
from costwain.domain.names import POOL

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "kind-config.yaml").read_text(encoding="utf-8"))
WORKERS = {node["labels"][POOL]: node for node in CONFIG["nodes"] if node["role"] == "worker"}


def pools() -> dict[str, dict[str, Any]]:
    """Every AcceleratorPool of the samples, by file and name."""
    found = {}
    for path in sorted((ROOT / "crds" / "samples").rglob("*pool*.yaml")):
        for pool in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            found[f"{path.name}: {pool['metadata']['name']}"] = pool
    return found


def taints_of(node: dict[str, Any]) -> list[dict[str, str]]:
    """The taints with which kubeadm lets a worker join."""
    patches = [yaml.safe_load(patch) for patch in node.get("kubeadmConfigPatches", [])]
    joins = [patch for patch in patches if patch["kind"] == "JoinConfiguration"]
    return [taint for join in joins for taint in join["nodeRegistration"]["taints"]]


def test_one_control_plane_and_a_worker_a_pool() -> None:
    assert (CONFIG["kind"], CONFIG["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert [node["role"] for node in CONFIG["nodes"]] == ["control-plane", "worker", "worker", "worker"]
    assert WORKERS.keys() == {"h100", "mi300x", "cpu"}


@pytest.mark.parametrize("pool", pools().values(), ids=pools())
def test_pool_finds_its_worker(pool: dict[str, Any]) -> None:
    worker = WORKERS[pool["metadata"]["name"]]
    assert pool["spec"]["nodeSelector"].items() <= worker["labels"].items()


@pytest.mark.parametrize("pool", pools().values(), ids=pools())
def test_worker_is_tainted_as_its_vendor_taints(pool: dict[str, Any]) -> None:
    worker, vendor = WORKERS[pool["metadata"]["name"]], VENDORS[pool["spec"]["vendor"]]
    wanted = [{"key": vendor.resource, "value": "present", "effect": "NoSchedule"}] if "/" in vendor.resource else []
    assert taints_of(worker) == wanted


def test_only_emulated_workers_are_given_accelerators() -> None:
    emulated = {pool for pool, node in WORKERS.items() if "costwain.dev/emulated" in node["labels"]}
    script = (ROOT / "tools" / "kind" / "accelerators.sh").read_text(encoding="utf-8")
    given = {line.split()[1] for line in script.splitlines() if line.startswith("give ")}
    assert given == emulated == {"h100", "mi300x"}


def test_labels_are_strings() -> None:
    labels = [value for node in WORKERS.values() for value in node["labels"].values()]
    assert all(isinstance(value, str) for value in labels)

"""kind's own parser takes kind-config.yaml, and the script behind it gives its workers accelerators.

Docker is stood in for by a script: it answers what kind asks before it makes containers, and refuses those. So
this proves that kind reads and accepts the configuration, not that the nodes come up.
"""

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from costwain.adapters.kube import Kube
from costwain.adapters.resources import NODES
from costwain.local import paths
from costwain.local.cluster import Cluster
from costwain.local.toolchain import find_go

pytestmark = [pytest.mark.cluster]

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "kind-config.yaml"
TOOLS = ROOT / "tools" / "kind"

DOCKER = """\
#!/bin/sh
echo "$@" >> "$DOCKER_CALLS"
case "$1" in
  -v) echo "Docker version 29.0.0, build 0000000" ;;
  info) echo '{"CgroupDriver":"systemd","CgroupVersion":"2","MemoryLimit":true,"PidsLimit":true,"CPUShares":true}' ;;
  ps) ;;
  *) echo "no containers here" >&2; exit 1 ;;
esac
"""


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pinned kind, built."""
    binary = tmp_path_factory.mktemp("kind") / "kind"
    go = find_go((1, 24), paths.cache_dir(), print)
    command = [str(go), "build", "-o", str(binary), "sigs.k8s.io/kind"]
    done = subprocess.run(command, cwd=TOOLS, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return binary


def create(kind: Path, config: Path, folder: Path) -> tuple[str, list[str]]:
    """What kind says when it is to make a cluster, and what it asked of Docker."""
    docker, calls = folder / "docker", folder / "calls"
    docker.write_text(DOCKER, encoding="utf-8")
    docker.chmod(0o700)
    calls.touch()
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "DOCKER_CALLS": str(calls)}
    env |= {"KIND_EXPERIMENTAL_PROVIDER": "docker", "KUBECONFIG": str(folder / "kubeconfig")}
    command = [str(kind), "create", "cluster", "--config", str(config)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr, calls.read_text(encoding="utf-8").splitlines()


def test_kind_takes_the_configuration(kind: Path, tmp_path: Path) -> None:
    said, asked = create(kind, CONFIG, tmp_path)
    assert 'Creating cluster "costwain"' in said
    assert any(call.startswith(("inspect --type=image", "pull ")) for call in asked)


WRONG = {
    "a field that kind doesn't know": ("labels:", "tags:", "field tags not found"),
    "a role that is none": ("role: worker", "role: helper", "is not a valid node role"),
    "nobody to control it": ("role: control-plane", "role: worker", "at least one control-plane"),
}


@pytest.mark.parametrize(("old", "new", "words"), WRONG.values(), ids=WRONG)
def test_kind_refuses_what_is_wrong(kind: Path, tmp_path: Path, old: str, new: str, words: str) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_text(CONFIG.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    said, asked = create(kind, config, tmp_path)
    assert words in said
    assert not any(call.startswith(("inspect", "pull", "run")) for call in asked)


@pytest.fixture
async def workers(kube: Kube, namespace: str) -> AsyncIterator[dict[str, str]]:
    """Nodes labelled as kind labels its workers: names by pool."""
    found = {}
    for node in yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["nodes"]:
        if node["role"] == "worker":
            name = f"{namespace}-{node['labels']['costwain.dev/pool']}"
            await kube.create(
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": node["labels"]}}
            )
            await kube.patch_status(NODES, name, None, {"status": {"capacity": {"cpu": "4", "memory": "8Gi"}}})
            found[node["labels"]["costwain.dev/pool"]] = name
    yield found
    for name in found.values():
        await kube.delete(NODES, name)


def give_accelerators(control_plane: Cluster) -> None:
    kubectl = f"{control_plane.kubectl} --kubeconfig={control_plane.kubeconfig} --cache-dir={control_plane.dir}/cache"
    subprocess.run([TOOLS / "accelerators.sh"], env={**os.environ, "KUBECTL": kubectl}, timeout=60, check=True)


@pytest.mark.anyio
async def test_script_gives_accelerators_to_the_emulated_workers_alone(
    kube: Kube, control_plane: Cluster, workers: dict[str, str]
) -> None:
    for _ in range(2):  # twice: a kubelet that restarted is given them again
        give_accelerators(control_plane)
    wanted = {"h100": {"nvidia.com/gpu": "8"}, "mi300x": {"amd.com/gpu": "8"}, "cpu": {}}
    for pool, accelerators in wanted.items():
        node = await kube.get(NODES, workers[pool])
        assert node
        assert node["status"]["capacity"] == {"cpu": "4", "memory": "8Gi"} | accelerators
        assert node["status"]["allocatable"].items() >= accelerators.items()

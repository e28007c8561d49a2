"""Fixtures on the real API server: a client with all rights, a namespace and a short folder for one test."""

import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from costwain.adapters.clock import Clock
from costwain.adapters.kube import Kube
from costwain.adapters.resources import NAMESPACES
from costwain.local import cluster, stage
from costwain.local.cluster import Cluster

POOLS = Path(__file__).parents[2] / "crds" / "samples" / "local" / "pools.yaml"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets lie in it, whose paths may have 107 characters."""
    with tempfile.TemporaryDirectory(prefix="cw-") as path:
        yield Path(path)


@pytest.fixture
async def kube(control_plane: Cluster) -> AsyncIterator[Kube]:
    """The administrator's client."""
    async with await Kube.connect(str(control_plane.kubeconfig)) as client:
        yield client


@pytest.fixture
async def namespace(kube: Kube) -> AsyncIterator[str]:
    """A namespace for this test alone."""
    name = f"test-{secrets.token_hex(4)}"
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await kube.delete(NAMESPACES, name)


@pytest.fixture
def alone(folder: Path) -> Iterator[Cluster]:
    """A control plane of its own, since an operator acts on every fleet in its cluster.

    The operator is at work on the local pools and a node of eight H100; fleet time is twenty times as fast.
    """
    pools = list(yaml.safe_load_all(POOLS.read_text(encoding="utf-8")))
    for pool in pools:
        pool["spec"]["podDefaults"]["env"].append({"name": "COSTWAIN_STUB_STARTUP_SECONDS", "value": "1"})
    capacity = {"h100": {"nvidia.com/gpu": "8"}}
    wanted = stage.Stage(pools, capacity, Clock(20, time.time()), {"COSTWAIN_TURN_SECONDS": "1"})
    yield stage.start("alone", folder / "c", wanted, print)
    cluster.down("alone", folder / "c")


@pytest.fixture
async def admin(alone: Cluster) -> AsyncIterator[Kube]:
    """The administrator of that control plane."""
    async with await Kube.connect(str(alone.kubeconfig)) as client:
        yield client

"""Fixtures on the real API server: a client with all rights, a namespace and a short folder for one test."""

import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from costwain.adapters.kube import Kube
from costwain.adapters.resources import NAMESPACES
from costwain.local.cluster import Cluster


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

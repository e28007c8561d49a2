"""Fixtures of every level, above all a real control plane: one for the whole run, on loopback.

Async tests are marked `anyio` and run on asyncio.
"""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from costwain.local import build, cluster

# `make test`: the same examples in every run, on a machine as slow as it is, so that red is what the change did.
settings.register_profile("same", derandomize=True, deadline=None)

_NEED_CONTROL_PLANE = ("cluster", "e2e")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the control plane before the first test: a cold build takes longer than a test may."""
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker(name) for item in session.items for name in _NEED_CONTROL_PLANE):
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        build.ensure(reporter.write_line if reporter else print)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[cluster.Cluster]:
    """A fresh control plane that every test of the run shares: make a namespace of your own in it."""
    directory = tmp_path_factory.mktemp("control-plane") / "state"
    started = cluster.up("test", directory)
    try:
        yield started
    finally:
        cluster.down("test", directory)

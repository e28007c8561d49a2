"""What is kept in the cluster: written when it is another, when it drifted, and now and then against other hands."""

from typing import Any, cast

import pytest
from tests.controller.fakes import NAMESPACE, FakeKube

from costwain.controller.apply import AGAIN_PER_S, Applier

pytestmark = pytest.mark.anyio
AGAIN_S = 120.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def manifest(name: str, replicas: int = 1, kind: str = "Deployment") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"namespace": NAMESPACE, "name": name}, "spec": {"replicas": replicas}}


async def keep(
    applier: Applier, name: str = "one", replicas: int = 1, standing: Any = None, *, drifted: bool = False
) -> None:
    made = [manifest(f"{name}-files", kind="ConfigMap"), manifest(name, replicas)]
    await applier.keep(name, replicas, lambda: made, standing, drifted=drifted)


@pytest.fixture(name="kube")
def _kube() -> FakeKube:
    return FakeKube()


@pytest.fixture(name="applier")
async def _applier(kube: FakeKube) -> Applier:
    """One that has just written `one`."""
    applier = Applier(cast(Any, kube), AGAIN_S)
    applier.begin(1000.0)
    await keep(applier)
    kube.calls.clear()
    return applier


def written(kube: FakeKube) -> list[str]:
    return [what for _, what in kube.calls]


async def test_what_is_made_of_the_same_is_not_made_again(applier: Applier, kube: FakeKube) -> None:
    await applier.keep("one", 1, lambda: pytest.fail("was made"))
    assert written(kube) == []


async def test_of_what_is_made_of_something_else_only_what_changed_is_written(applier: Applier, kube: FakeKube) -> None:
    await keep(applier, replicas=2)
    assert written(kube) == ["Deployment/one"]


async def test_a_deployment_that_drifted_is_written_though_it_is_made_of_the_same(
    applier: Applier, kube: FakeKube
) -> None:
    await keep(applier, drifted=True)
    assert written(kube) == ["Deployment/one"]


async def test_all_is_written_again_when_it_is_old_whoever_changed_it(applier: Applier, kube: FakeKube) -> None:
    applier.begin(1000.0 + AGAIN_S - 1)
    await keep(applier)
    assert written(kube) == []
    applier.begin(1000.0 + AGAIN_S)
    await keep(applier)
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_all_is_written_again_though_it_was_wanted_only_minutes_after_it_was_old(
    applier: Applier, kube: FakeKube
) -> None:
    left = kube.objects["Deployment", "one"]
    for turn in range(36):
        applier.begin(1000.0 + AGAIN_S + turn * 5.0)
    await keep(applier, standing=left)
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_what_could_not_be_written_whole_is_written_whole_in_the_next_turn(
    applier: Applier, kube: FakeKube
) -> None:
    left, apply = kube.objects["Deployment", "one"], kube.apply

    async def refuse(made: dict[str, Any], **how: Any) -> dict[str, Any]:
        if made["kind"] == "Deployment":
            raise ValueError("refused")
        return await apply(made, **how)

    kube.apply = refuse  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="refused"):
        await keep(applier, "one", 2, left)
    kube.apply = apply  # type: ignore[method-assign]
    kube.calls.clear()
    await keep(applier, "one", 1, left)  # what was wanted before, and stands there but for a part
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_what_nobody_wants_any_more_is_forgotten_when_it_is_old(kube: FakeKube) -> None:
    applier, turns = Applier(cast(Any, kube), AGAIN_S), 10
    for n in range(200):
        await keep(applier, f"gone-{n}")
    await keep(applier, "stays")
    kube.calls.clear()
    for turn in range(turns):
        applier.begin(AGAIN_S + turn * 5.0)
        await keep(applier, "stays")
    assert written(kube) == ["ConfigMap/stays-files", "Deployment/stays"]
    kube.calls.clear()
    applier.begin(2 * AGAIN_S + turns * 5.0)
    await keep(applier, "stays")
    assert written(kube) == ["ConfigMap/stays-files", "Deployment/stays"]


@pytest.fixture(name="left")
def _left(applier: Applier, kube: FakeKube) -> dict[str, Any]:
    """The Deployment as `applier` left it, which wrote all."""
    return kube.objects["Deployment", "one"]


async def successor(kube: FakeKube, left: dict[str, Any], replicas: int = 1, *, drifted: bool = False) -> Applier:
    """Another applier, in whose first turn the Deployment is found so."""
    applier = Applier(cast(Any, kube), AGAIN_S)
    applier.begin(2000.0)
    await keep(applier, "one", replicas, left, drifted=drifted)
    return applier


async def test_a_successor_writes_nothing_where_all_of_the_same_was_written(kube: FakeKube, left: Any) -> None:
    applier = await successor(kube, left)
    assert written(kube) == []
    applier.begin(2000.0 + AGAIN_S)
    await keep(applier, standing=left)
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_a_successor_writes_all_where_it_wants_something_else(kube: FakeKube, left: Any) -> None:
    await successor(kube, left, replicas=2)
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_a_successor_writes_all_where_the_deployment_drifted(kube: FakeKube, left: Any) -> None:
    await successor(kube, left, drifted=True)
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_a_successor_writes_all_where_nobody_says_what_was_written(kube: FakeKube, left: Any) -> None:
    del left["metadata"]["annotations"]
    await successor(kube, left)
    assert written(kube) == ["ConfigMap/one-files", "Deployment/one"]


async def test_of_many_that_are_old_the_oldest_come_first_and_a_turn_writes_so_many(kube: FakeKube) -> None:
    applier, many, turn_s = Applier(cast(Any, kube), AGAIN_S), 200, 5.0
    for n in range(many):
        applier.begin(n / many)
        await keep(applier, f"d-{n:03}")
    order = list[str]()
    for turn in range(2 + round(many / AGAIN_PER_S / turn_s)):
        kube.calls.clear()
        applier.begin(AGAIN_S + 1 + turn * turn_s)
        for n in range(many):
            await keep(applier, f"d-{n:03}")
        assert len(written(kube)) <= 2 * (AGAIN_PER_S * turn_s + 1)
        order += [what for what in written(kube) if what.startswith("Deployment")]
    assert order == [f"Deployment/d-{n:03}" for n in range(many)]

"""What stands before the pods as the mode changes: each comes before the other goes, and nothing is written twice."""

import pytest
from tests.controller.fakes import NAMESPACE, FakeKube, fleet, hands_on, plan, seen

from costwain.adapters.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, ROLE_BINDINGS, ROLES, SERVICE_ACCOUNTS, SERVICES
from costwain.controller.front import front
from costwain.controller.hands import Hands
from costwain.domain import names

pytestmark = pytest.mark.anyio
BY_VARIANT = ["chat-full-engines", "chat-small-engines"]
GATEWAYS_OWN = (CONFIG_MAPS, SERVICE_ACCOUNTS, ROLES, ROLE_BINDINGS, DEPLOYMENTS)
GATEWAY = ("Deployment", "chat-gateway")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(name="kube")
def _kube() -> FakeKube:
    return FakeKube()


@pytest.fixture(name="hands")
def _hands(kube: FakeKube) -> Hands:
    return hands_on(kube)


def pod(kube: FakeKube, role: str) -> None:
    """A pod of the fleet that is there."""
    labels = {names.FLEET: "chat", names.ROLE: role}
    metadata = {"name": role, "namespace": NAMESPACE, "uid": role, "labels": labels}
    kube.objects["Pod", role] = {"metadata": metadata, "spec": {}, "status": {}}


async def turn(hands: Hands, kube: FakeKube, mode: str, *variants: str) -> None:
    await front(hands, fleet(mode, *variants), plan())
    seen(hands, kube)


async def test_without_a_gateway_each_variant_has_a_service_and_there_is_nothing_else(
    hands: Hands, kube: FakeKube
) -> None:
    await turn(hands, kube, "None")
    assert {kind for kind, _ in kube.objects} == {"Service"}
    assert kube.names(SERVICES) == BY_VARIANT


async def test_an_unchanged_world_costs_no_call(hands: Hands, kube: FakeKube) -> None:
    for mode in ("None", "Managed"):
        for _ in range(4):
            await turn(hands, kube, mode)
        calls = len(kube.calls)
        await turn(hands, kube, mode)
        assert kube.calls[calls:] == []


async def test_a_rung_that_leaves_the_ladder_takes_its_service_along_and_strangers_stay(
    hands: Hands, kube: FakeKube
) -> None:
    own = {"kind": "Service", "metadata": {"name": "router", "labels": {names.FLEET: "chat"}}}
    kube.objects["Service", "router"] = own
    await turn(hands, kube, "None")
    await turn(hands, kube, "None", "full")
    assert kube.names(SERVICES) == ["chat-full-engines", "router"]


async def test_a_gateway_that_is_no_longer_wanted_goes_when_its_pods_have_answered_what_they_hold(
    hands: Hands, kube: FakeKube
) -> None:
    await turn(hands, kube, "Managed")
    await turn(hands, kube, "Managed")
    pod(kube, names.ROLE_GATEWAY)
    pod(kube, names.ROLE_MODEL)
    seen(hands, kube)
    for _ in range(3):
        await turn(hands, kube, "None")
    assert kube.objects[GATEWAY]["spec"]["replicas"] == 0
    assert [kube.names(kind) for kind in GATEWAYS_OWN] == [["chat-gateway"]] * 5  # it still needs its rights
    del kube.objects["Pod", names.ROLE_GATEWAY]
    seen(hands, kube)
    await turn(hands, kube, "None")
    assert [kube.names(kind) for kind in GATEWAYS_OWN] == [[]] * 5
    assert (kube.names(SERVICES), kube.names(PODS)) == (BY_VARIANT, [names.ROLE_MODEL])


async def test_a_gateway_that_is_wanted_again_serves_before_the_services_go(hands: Hands, kube: FakeKube) -> None:
    await turn(hands, kube, "Managed")
    for _ in range(3):  # it goes down to 0, and then away
        await turn(hands, kube, "None")
    assert GATEWAY not in kube.objects
    await turn(hands, kube, "Managed")
    await turn(hands, kube, "Managed")
    assert kube.names(SERVICES) == ["chat", *BY_VARIANT]
    assert [kube.names(kind) for kind in GATEWAYS_OWN] == [["chat-gateway"]] * 5
    kube.objects[GATEWAY]["status"] = {"readyReplicas": 1}
    seen(hands, kube)
    await turn(hands, kube, "Managed")
    assert kube.names(SERVICES) == ["chat"]
    await turn(hands, kube, "None")
    assert kube.names(SERVICES) == ["chat", *BY_VARIANT]
    assert kube.objects["ConfigMap", "chat-gateway"]["metadata"]["ownerReferences"][0]["kind"] == "Deployment"


async def test_a_gateway_on_its_way_out_that_is_wanted_again_gets_its_replicas_back(
    hands: Hands, kube: FakeKube
) -> None:
    await turn(hands, kube, "Managed")
    pod(kube, names.ROLE_GATEWAY)
    seen(hands, kube)
    await turn(hands, kube, "None")
    assert kube.objects[GATEWAY]["spec"]["replicas"] == 0
    await turn(hands, kube, "Managed")
    assert kube.objects[GATEWAY]["spec"]["replicas"] == 2

"""Pods on their way out: what the operator asks of them, and when it says itself that one is free."""

from typing import Any

import pytest
from tests.controller.fakes import NAMESPACE, FakeKube, fleet, hands_on, plan, seen

from costwain.controller.drains import goes_unstarted, has_let_go, hasten, mark
from costwain.controller.pods import unix_s
from costwain.domain import names

ASKED = "2026-01-01T00:00:00Z"
ASKED_S = unix_s(ASKED)
HERE = "10.0.0.1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def pod(since: str | None = ASKED, grace_s: int | None = 150, **labels: str) -> dict[str, Any]:
    annotations = {} if since is None else {names.DRAIN_SINCE: since}
    own = {names.FLEET: "chat", names.ROLE: names.ROLE_MODEL, names.DRAIN: "true", **labels}
    return {
        "metadata": {"name": "a", "namespace": NAMESPACE, "uid": "a", "labels": own, "annotations": annotations},
        "spec": {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s},
        "status": {"podIP": HERE},
    }


FREE = {  # story: (the pod, idle addresses, seconds since it was asked, whether it is free)
    "its engine has nothing left": (pod(), {HERE}, 6, True),
    "its engine has something left": (pod(), set(), 6, False),
    "routers may not have heard yet": (pod(), {HERE}, 4, False),
    "its grace period is over, whatever it still does": (pod(), set(), 150, True),
    "Kubernetes' own grace period where it names none": (pod(grace_s=None), set(), 30, True),
    "nobody knows since when it drains": (pod(since=None), set(), 0, True),
    "nobody asked it to go": (pod(**{names.DRAIN: "false"}), {HERE}, 60, False),
    "it was said already": (pod(**{names.DRAINED: "true"}), {HERE}, 60, False),
}


@pytest.mark.parametrize(("given", "idle", "after_s", "want"), FREE.values(), ids=FREE)
def test_when_a_pod_without_an_agent_is_free(given: Any, idle: set[str], after_s: float, want: bool) -> None:
    assert has_let_go(given, idle, ASKED_S + after_s) is want


@pytest.mark.anyio
@pytest.mark.parametrize(("mode", "says"), [("None", True), ("Managed", False)], ids=["bare", "behind a gateway"])
async def test_a_pod_leaves_its_service_is_said_to_be_free_by_who_knows_and_can_come_back(
    mode: str, says: bool
) -> None:
    kube = FakeKube()
    hands, calm = hands_on(kube), pod()
    calm["metadata"] |= {"labels": {names.FLEET: "chat", names.SERVES: "true"}, "annotations": {}}
    kube.objects["Pod", "a"] = calm
    of = fleet(mode)
    seen(hands, kube)
    await mark(hands, of, plan(drain=("a",)), ASKED_S)
    metadata = kube.objects["Pod", "a"]["metadata"]
    assert (metadata["labels"][names.DRAIN], metadata["labels"][names.SERVES]) == ("true", "false")
    assert metadata["annotations"] == {names.DELETION_COST: "-1000", names.DRAIN_SINCE: ASKED}
    seen(hands, kube)
    hands.loads.idle = frozenset({HERE})
    await mark(hands, of, plan(), ASKED_S + 6)
    assert (metadata["labels"].get(names.DRAINED) == "true") is says
    await mark(hands, of, plan(undrain=("a",)), ASKED_S + 7)
    assert metadata["labels"] == {names.FLEET: "chat", names.SERVES: "true"}
    assert metadata["annotations"] == {}


def going(grace_s: int = 150, role: str = names.ROLE_MODEL, **engine: Any) -> dict[str, Any]:
    """A pod that Kubernetes has been told to delete."""
    found = pod(**{names.ROLE: role})
    found["metadata"] |= {"deletionTimestamp": ASKED, "deletionGracePeriodSeconds": grace_s}
    found["status"]["containerStatuses"] = [{"name": "engine", "started": False, "restartCount": 0, **engine}]
    return found


UNSTARTED = {  # story: (the pod, whether its grace period is cut)
    "it still loads, and nobody waits for it": (going(), True),
    "it has no container yet": ({**going(), "status": {}}, True),
    "it serves": (going(started=True), False),
    "it served before it crashed": (going(restartCount=1), False),
    "its grace period is short already": (going(grace_s=5), False),
    "it is a gateway": (going(role=names.ROLE_GATEWAY), False),
    "nobody deletes it": (pod(), False),
}


@pytest.mark.parametrize(("this", "cut"), UNSTARTED.values(), ids=UNSTARTED)
def test_a_pod_that_goes_before_it_served_goes_soon(this: dict[str, Any], cut: bool) -> None:
    assert goes_unstarted(this) is cut


@pytest.mark.anyio
async def test_its_grace_period_is_cut_by_a_second_deletion() -> None:
    fake = FakeKube()
    fake.objects["Pod", "a"] = going()
    hands = hands_on(fake)
    seen(hands, fake)
    await hasten(hands, fleet("Managed"))
    assert fake.calls == [("delete", "Pod/a")]

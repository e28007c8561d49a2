"""Which marks the pods get: in the gateway, and free to go once every gateway has let go of them."""

import pytest
from tests.agent.builders import pod, server, state

from costwain.agent.marks import Mark, marks
from costwain.domain import names

ME, OTHER = "chat-gateway-0", "chat-gateway-1"
_LABEL = {"labels": {names.DRAINED: "true"}}
_SIGNED = {"annotations": {f"{names.DRAINED}-in.{ME}": "true"}}
_IN = {"full/a": server()}

CASES = {  # story: (pod, servers, live gateways, mark wanted)
    "a pod that has just joined is in the gateway": (pod(), _IN, [ME], Mark("a", True)),
    "what is marked already is not marked again": (pod(in_gateway=True), _IN, [ME], None),
    "a pod that HAProxy does not have yet gets no mark": (pod(), {}, [ME], None),
    "a pod in maintenance neither": (pod(), {"full/a": server(status="MAINT")}, [ME], None),
    "a pod that HAProxy has lost for a moment keeps its mark": (pod(in_gateway=True), {}, [ME], None),
    "a pod on its way out is not free while HAProxy has it": (
        pod(draining=True, in_gateway=True), {"full/a": server(status="MAINT", sessions=1)}, [ME], None),
    "when it has answered all it is free, though HAProxy has idle connections to it": (
        pod(draining=True, in_gateway=True), {"full/a": server(status="MAINT")}, [ME], Mark("a", False, _LABEL)),
    "and not while a request is meant for it": (
        pod(draining=True, in_gateway=True), {"full/a": server(status="MAINT", queued=1)}, [ME], None),
    "when it is gone from HAProxy it is free": (
        pod(draining=True, in_gateway=True), {}, [ME], Mark("a", False, _LABEL)),
    "a free pod is not told twice": (pod(draining=True, in_gateway=False, drained=True), {}, [ME], None),
    "of two gateways the first only signs": (
        pod(draining=True, in_gateway=True), {}, [ME, OTHER], Mark("a", None, _SIGNED)),
    "and signs once": (
        pod(draining=True, in_gateway=True, drained_in=frozenset({ME})), {}, [ME, OTHER], None),
    "the second sets it free": (
        pod(draining=True, in_gateway=True, drained_in=frozenset({OTHER})), {}, [ME, OTHER], Mark("a", False, _LABEL)),
    "a gateway that is gone need not sign": (
        pod(draining=True, in_gateway=True, drained_in=frozenset({ME})), {}, [ME], Mark("a", False, _LABEL)),
    "a wish that was taken back wipes the signatures": (
        pod(in_gateway=False, drained=True, drained_in=frozenset({OTHER})), _IN, [ME, OTHER],
        Mark("a", True, {"labels": {names.DRAINED: None},
                         "annotations": {f"{names.DRAINED}-in.{OTHER}": None}})),
    "a pod that was never in and is asked to go is free at once": (
        pod(draining=True, ready=False), {}, [ME], Mark("a", False, _LABEL)),
    "a pod that is being deleted gets no new place": (pod(leaving=True), _IN, [ME], None),
}  # fmt: skip


@pytest.mark.parametrize(("pod_", "servers", "live", "want"), CASES.values(), ids=CASES)
def test_marks(pod_, servers, live, want):
    assert marks([pod_], state(servers), ME, live) == ([] if want is None else [want])

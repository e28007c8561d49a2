"""Which commands a difference between wish and HAProxy comes to."""

import pytest
from tests.agent.builders import PROGRAMMED, pod, program, server, state

from costwain.agent.division import LEAVING, Replica, Share
from costwain.agent.reconcile import commands

_CHECK = "check inter 1s fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down"
_SMALL = {**PROGRAMMED, "shares": "0,10000"}
_ALL_SMALL = {"told": _SMALL, "gates_open": ("waiting.small",)}
_JOIN = [
    f"add server variant.full/spot:a 127.0.0.1:8000 maxconn 8 weight 8 pool-purge-delay 1s {_CHECK}",
    "enable health variant.full/spot:a",
    "enable server variant.full/spot:a",
]
MAINT, DEL = "set server variant.full/spot:a state maint", "del server variant.full/spot:a"
OPEN, SHUT = "set server variant.full/again state ready", "set server variant.full/again state maint"

CASES = {  # story: (program, pods, state, commands wanted)
    "nothing differs: nothing is said": (program(), [pod()], state({"full/a": server()}), []),
    "a ready pod joins": (program(), [pod()], state(), _JOIN),
    "a pod that is not ready does not": (program(), [pod(ready=False)], state(), []),
    "a pod without an address does not": (program(), [pod(address=None)], state(), []),
    "a pod of a pool without slots does not": (program(), [pod(pool="other")], state(), []),
    "a pod of a variant that is no longer asked for does not": (program(), [pod(variant="old")], state(), []),
    "a probe that fails for a moment takes no pod out: HAProxy's own check does": (
        program(), [pod(ready=False)], state({"full/a": server(status="DOWN")}), []),
    "a server that was added but not switched on is switched on": (
        program(), [pod()], state({"full/a": server(status="MAINT")}), _JOIN[1:]),
    "a limit that changed is told": (
        program(slots=5), [pod()], state({"full/a": server()}), ["set maxconn server variant.full/spot:a 5"]),
    "a pod that is asked to go stops getting requests": (
        program(), [pod(draining=True)], state({"full/a": server()}), [MAINT]),
    "while it answers it stays": (
        program(), [pod(draining=True)], state({"full/a": server(status="MAINT", sessions=1)}), []),
    "when it is free it is deleted": (
        program(), [pod(draining=True)], state({"full/a": server(status="MAINT")}), [DEL]),
    "a pod that is being deleted goes the same way": (
        program(), [pod(leaving=True)], state({"full/a": server()}), [MAINT]),
    "and one that is gone": (program(), [], state({"full/a": server()}), [MAINT]),
    "a pod that came back at another address waits until its old server is gone": (
        program(), [pod(address="127.0.0.9:8000")], state({"full/a": server()}), [MAINT]),
    "and so it does while that server ends": (
        program(), [pod(address="127.0.0.9:8000")], state({"full/a": server(status="MAINT", sessions=2)}), []),
    "the last pod of a queue stays": (
        program(), [pod(draining=True)], state({"full/a": server()}, {"variant.full": 3}), []),
    "unless it is being deleted": (
        program(), [pod(leaving=True)], state({"full/a": server()}, {"variant.full": 3}), [MAINT]),
    "or is down": (
        program(), [pod(draining=True)], state({"full/a": server(status="DOWN")}, {"variant.full": 3}), [MAINT]),
    "or another is there to serve the queue": (
        program(), [pod(draining=True), pod("b")],
        state({"full/a": server(), "full/b": server("b")}, {"variant.full": 3}), [MAINT]),
    "but not one that is only joining": (
        program(), [pod(draining=True), pod("b")], state({"full/a": server()}, {"variant.full": 3}),
        [line.replace("spot:a", "spot:b").replace("127.0.0.1", "127.0.0.2") for line in _JOIN]),
    "a HAProxy that has just started is told everything, and last that it serves": (
        program(50, 50), [pod()],
        state(told={"state": "starting", "shares": "0", "model": "-", "max-queued": "0"}, gates_open=()),
        [*_JOIN, "set map #0 model m", "set map #0 max-queued 9", "set map #0 shares 5000,10000",
         "set map #0 state serving",
         "set server waiting.full/again state ready", "set server waiting.small/again state ready"]),
    "a variant with no share and no pod gives its queue to the others, once the shares have moved": (
        program(0, 100), [], state(),
        ["set server waiting.full/again state maint", "set server variant.small/again state maint",
         "set map #0 shares 0,10000", OPEN]),
    "a variant with no share and a pod that is up serves its queue itself": (
        program(0, 100), [pod()], state({"full/a": server()}, **_ALL_SMALL), []),
    "if that pod is down its queue is given away": (
        program(0, 100), [pod()], state({"full/a": server(status="DOWN")}, **_ALL_SMALL), [OPEN]),
    "a variant that gets a share again shuts that way out before": (
        program(100, 0), [], state(told=_SMALL, gates_open=("variant.full", "waiting.small")),
        [SHUT, "set map #0 shares 10000,10000",
         "set server waiting.full/again state ready", "set server variant.small/again state ready"]),
    "with no share anywhere every request waits where it is": (
        program(0, 0), [], state(told={**PROGRAMMED, "shares": "0,0"}, gates_open=()), []),
    "a variant that HAProxy does not know yet waits for the next rollout; one it knows too long loses its pods": (
        program(), [pod()], state({"old/b": server("b")}, ladder=("old", "full"),
                                  told={**PROGRAMMED, "shares": "0,10000"}, gates_open=("waiting.full",)),
        [*_JOIN, "set server variant.old/again state ready", "set server variant.old/spot:b state maint"]),
}  # fmt: skip


@pytest.mark.parametrize(("program_", "pods", "state_", "want"), CASES.values(), ids=CASES)
def test_commands(program_, pods, state_, want):
    assert commands(program_, pods, state_, Replica()) == want


@pytest.mark.parametrize(
    ("replica", "limit", "queue"),
    [
        pytest.param(Replica(Share(0, 2)), 4, 5, id="the first of two"),
        pytest.param(Replica(Share(1, 2)), 4, 4, id="the second of two"),
        pytest.param(Replica(Share(2, 3)), 2, 3, id="the last of three"),
    ],
)
def test_limits_are_split_between_replicas(replica, limit, queue):
    lines = " ".join(commands(program(), [pod()], state(told={}), replica))
    assert f"maxconn {limit} " in lines
    assert f"max-queued {queue} " in lines


def test_without_a_part_a_pod_is_left_to_the_others_and_the_queue_still_takes_one():
    lines = " ".join(commands(program(), [pod()], state({"full/a": server()}, told={}), Replica(Share(8, 9))))
    assert f"{MAINT} " in f"{lines} "
    assert "add server" not in lines
    assert "max-queued 1 " in lines


def test_a_leaving_gateway_says_so_and_serves_on():
    assert commands(program(), [pod()], state(), Replica(state=LEAVING)) == [*_JOIN, "set map #0 state leaving"]

"""How replicas divide a pod's limit: what each claims, and when it may take more."""

import pytest
from tests.agent.builders import gateway_object

from costwain.agent.division import Replica, Share, division
from costwain.agent.gateways import Claim, Gateway, claim_of, gateway_of

MANY, FEW = (8,), (7,)


def gateway(name, claim=None, **differs):
    return Gateway(name, **{"ready": True, "leaving": False, "claim": claim, **differs})


A, B = Claim(2, ("a", "b")), Claim(2, ("a", "b"))
ALONE, LED = Claim(1, ("a",)), Claim(3, ("a",))
CASES = {  # story: (own, others, slots, requests, claim wanted, agreed, serves)
    "alone it has everything": (gateway("a"), [], MANY, 0, ALONE, False, True),
    "once it sees its own claim": (gateway("a", ALONE), [], MANY, 0, ALONE, True, True),
    "who has never claimed anything is nobody yet": (gateway("a", ALONE), [gateway("b")], MANY, 0, ALONE, True, True),
    "a second one asks for its part": (gateway("b"), [gateway("a", ALONE)], MANY, 0, A, False, True),
    "the first makes room": (gateway("a", ALONE), [gateway("b", B)], MANY, 0, A, False, True),
    "and then both agree": (gateway("b", B), [gateway("a", A)], MANY, 0, B, True, True),
    "one that the cluster calls dead is asked no more": (
        gateway("a", A), [gateway("b", B, gone=True)], MANY, 0, Claim(3, ("a",)), False, True),
    "the same members later are another division": (
        gateway("a", LED), [gateway("b", B)], MANY, 0, Claim(4, ("a", "b")), False, True),
    "one that leaves idle has no part": (
        gateway("a", A, leaving=True), [gateway("b", B)], MANY, 0, Claim(3, ("b",)), False, False),
    "one that leaves with requests comes first": (
        gateway("b", B, leaving=True), [gateway("a", A)], MANY, 5, Claim(3, ("b", "a"), busy=True), False, False),
    "and the others hear so": (
        gateway("a", A), [gateway("b", Claim(3, ("b", "a"), busy=True), leaving=True)], MANY, 0,
        Claim(3, ("b", "a")), False, True),
    "few slots: one leads": (gateway("b"), [gateway("a", ALONE)], FEW, 0, ALONE, False, False),
    "and leads on, whoever else comes": (gateway("b", Claim(1, ("b",))), [gateway("a", Claim(1, ("b",)))], FEW, 0,
        Claim(1, ("b",)), True, True),
    "until it can't": (gateway("a", Claim(1, ("b",))), [gateway("b", Claim(1, ("b",)), ready=False)], FEW, 0,
        Claim(2, ("a",)), False, True),
    "who stands by with requests gets them done first": (
        gateway("b", LED), [gateway("a", LED)], FEW, 1, Claim(4, ("b", "a"), busy=True), False, False),
}  # fmt: skip


@pytest.mark.parametrize(("own", "others", "slots", "requests", "claim", "agreed", "serves"), CASES.values(), ids=CASES)
def test_division(own, others, slots, requests, claim, agreed, serves):
    found = division(own, others, slots, requests)
    assert (found.claim, found.agreed, found.serves) == (claim, agreed, serves)


LIMITS = {  # story: (replica, limit now, limit wanted)
    "its part": (Replica(Share(1, 3)), None, 3),
    "less what another still runs beyond its own": (Replica(Share(0, 2), taken={"s": 3}), None, 1),
    "but never less than it has": (Replica(Share(0, 2), taken={"s": 3}), 2, 2),
    "without agreement it only goes down": (Replica(Share(0, 2), agreed=False, before=(Share(),)), 8, 4),
    "and not up": (Replica(Share(), agreed=False, before=(Share(0, 2),)), 4, 4),
    "a pod that joins meanwhile gets what both divisions allow": (
        Replica(Share(), agreed=False, before=(Share(0, 2),)), None, 4),
    "and those claimed in between": (
        Replica(Share(), agreed=False, before=(Share(0, 2), Share(0, 0))), None, 0),
    "or nothing, where the one before is unknown": (Replica(Share(), agreed=False), None, 0),
    "without a part nothing": (Replica(Share(0, 0)), 8, 0),
}  # fmt: skip


@pytest.mark.parametrize(("replica", "now", "want"), LIMITS.values(), ids=LIMITS)
def test_limit(replica, now, want):
    assert replica.limit("s", 8, now) == want


GONE = {  # story: (object, gone)
    "HAProxy runs": (gateway_object(Ready="True", ContainersReady="True"), False),
    "HAProxy has ended": (gateway_object(state="terminated"), True),
    "HAProxy waits to start again": (gateway_object(state="waiting"), True),
    "the agent alone is down": (gateway_object(Ready="False", ContainersReady="False"), False),
    "the node is lost": (gateway_object(Ready="False", ContainersReady="True"), True),
    "the pod was evicted": ({**gateway_object(), "status": {"phase": "Failed"}}, True),
}


@pytest.mark.parametrize(("item", "gone"), GONE.values(), ids=GONE)
def test_who_is_gone(item, gone):
    assert gateway_of(item).gone is gone


def test_a_load_balancers_readiness_gate_makes_no_node_lost():
    item = gateway_object(Ready="False", ContainersReady="True")
    item["status"]["conditions"][0]["reason"] = "ReadinessGatesNotReady"
    assert not gateway_of(item).gone


def test_a_claim_survives_its_annotation_and_what_is_none_is_none():
    claim = Claim(7, ("b", "a"), {"spot:x": 3}, busy=True)
    assert claim_of(claim.text) == claim
    assert [claim_of(text) for text in (None, "", "{", "[]", "null", '{"number": 1}', '{"number":1,"active":0}')] == (
        [None] * 7
    )

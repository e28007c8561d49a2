"""Which commands tell HAProxy who is who and what each may."""

import pytest
from tests.agent.builders import PROGRAMMED, pod, program, server, state

from costwain.agent.division import Replica, Share
from costwain.agent.program import Tenant
from costwain.agent.reconcile import commands
from costwain.agent.tenants import tenant_lines

BLUE = Tenant("blue", requests_per_second=5, max_concurrent_requests=3, min_variant="full")

CASES = {  # story: (tenants, keys wanted, keys there, limits there, commands)
    "nothing differs: nothing is said": ([], {"h1": "blue"}, {"h1": "blue"}, {}, []),
    "a new key is added": ([], {"h1": "blue"}, {}, {}, ["add map #1 h1 blue"]),
    "an old one goes before a new one comes": (
        [], {"h2": "blue"}, {"h1": "blue"}, {}, ["del map #1 h1", "add map #1 h2 blue"]),
    "a key that changes hands": ([], {"h1": "red"}, {"h1": "blue"}, {}, ["set map #1 h1 red"]),
    "limits stand before the key that they bind": (
        [BLUE], {"h1": "blue"}, {}, {},
        ["add map #2 second/blue 5", "add map #2 concurrent/blue 3", "add map #2 minimum/blue full",
         "add map #1 h1 blue"]),
    "a limit that is lifted goes": (
        [Tenant("blue")], {}, {}, {"minute/blue": "60", "second/red": "1"},
        ["del map #2 minute/blue", "del map #2 second/red"]),
    "one that changes is set": (
        [Tenant("blue", requests_per_minute=30)], {}, {}, {"minute/blue": "60"}, ["set map #2 minute/blue 30"]),
}  # fmt: skip


@pytest.mark.parametrize(("tenants", "keys", "have", "limits", "want"), CASES.values(), ids=CASES)
def test_tenant_lines(tenants, keys, have, limits, want):
    assert tenant_lines(tenants, keys, state(keys=have, limits=limits), Replica().part) == want


def test_each_replica_enforces_its_part():
    parts = [tenant_lines([BLUE], {}, state(keys={}), Replica(Share(rank, 2)).part) for rank in range(2)]
    assert [lines[:2] for lines in parts] == [
        ["add map #2 second/blue 3", "add map #2 concurrent/blue 2"],
        ["add map #2 second/blue 2", "add map #2 concurrent/blue 1"],
    ]


def test_a_haproxy_that_was_started_without_keys_is_told_none():
    assert tenant_lines([BLUE], {"h1": "blue"}, state(), Replica().part) == []


def test_who_is_who_is_told_before_a_haproxy_that_has_just_started_serves():
    told = {**PROGRAMMED, "state": "starting"}
    lines = commands(program(), [pod()], state({"full/a": server()}, told=told, keys={}), Replica(), {"h1": "blue"})
    assert lines == ["add map #1 h1 blue", "set map #0 state serving"]

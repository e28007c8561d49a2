"""program.json: what the operator writes is what the agent reads, and what is wrong is said where it is."""

import json

import pytest
from tests.agent.builders import program

from costwain.agent.program import Program, Tenant, Variant, parse_program
from costwain.domain.gateway import Tenant as WrittenTenant
from costwain.render import gateway
from costwain.render.gateway import GatewaySpec


def _document(**differs):
    variant = {"name": "full", "sharePercent": 100, "slots": {"spot": 8}}
    return json.dumps({"servedModelName": "m", "variants": [variant], "maxQueuedRequests": 9, **differs})


def test_what_is_rendered_is_read():
    spec = GatewaySpec("chat", "ns", "uid", "org/model-7b", ("full", "small"), 2, 2000, 600.0, 1 << 20, "h", "o")
    text = gateway.program(spec, {"small": 12.5}, {"small": {"spot": 8, "owned": 16}})
    variants = (Variant("full", 0, {}), Variant("small", 12.5, {"owned": 16, "spot": 8}))
    assert parse_program(text) == Program("org/model-7b", variants, 2000)


def test_tenants_that_are_rendered_are_read():
    limits = {"requests_per_second": 5, "max_concurrent_requests": 3, "min_variant": "full"}
    tenants = (WrittenTenant(name="blue", **limits), WrittenTenant(name="red", requests_per_minute=60))
    spec = GatewaySpec("chat", "ns", "uid", "m", ("full",), 2, 2000, 600.0, 1 << 20, "h", "o", tenants=tenants)
    read = parse_program(gateway.program(spec, {"full": 100}, {})).tenants
    assert read == (Tenant("blue", **limits), Tenant("red", requests_per_minute=60))


REFUSED = {  # story: (text, words of the refusal)
    "no JSON": ("{", "not JSON"),
    "a field is missing": (json.dumps({"servedModelName": "m"}), "KeyError: 'variants'"),
    "a share above 100": (
        _document(variants=[{"name": "full", "sharePercent": 101, "slots": {}}]),
        "variants[full].sharePercent: 0..100, found 101"),
    "a pod that may serve nobody": (
        _document(variants=[{"name": "full", "sharePercent": 1, "slots": {"spot": 0}}]),
        "variants[full].slots: at least 1 a pod"),
    "no variant": (_document(variants=[]), "variants: at least one, found none"),
    "a limit that lets nobody in": (
        _document(tenants=[{"name": "blue", "requestsPerSecond": 0}]),
        "tenants[blue].requestsPerSecond: a whole number above 0, found 0"),
    "a tenant that would break a command": (
        _document(tenants=[{"name": "blue red"}]), "tenants: letters, digits and ._- only, found ['blue red']"),
    "a name that would break a command": (
        _document(servedModelName="m; shutdown"), "servedModelName: letters, digits and ._:/@+- only, found"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_a_program_that_is_wrong_is_refused(text, words):
    with pytest.raises(ValueError, match=r"^program\.json: ") as refusal:
        parse_program(text)
    assert words in str(refusal.value)


SHARES = {  # story: (shares in percent, cumulative)
    "all for the best": ((100, 0), (10000, 10000)),
    "a quarter for the last": ((75, 25), (7500, 10000)),
    "nobody": ((0, 0), (0, 0)),
    "shares that do not add up to 100 keep their proportion": ((30, 30), (5000, 10000)),
    "a fraction of a percent": ((99.95, 0.05), (9995, 10000)),
}


@pytest.mark.parametrize(("shares", "want"), SHARES.values(), ids=SHARES)
def test_cumulative_shares(shares, want):
    assert program(*shares).cumulative_shares() == want


def test_a_haproxy_with_another_ladder_gets_what_it_can_follow():
    fitted = program(60, 40).on_ladder(("old", "small"))
    assert [(variant.name, variant.share_percent, dict(variant.slots)) for variant in fitted.variants] == [
        ("old", 0, {}),
        ("small", 40, {"spot": 8}),
    ]
    assert fitted.cumulative_shares() == (0, 10000)

"""Services of a fleet without a gateway: golden, and whom they send to."""

from typing import Any

import pytest
from tests.render.targets import target

from costwain.domain import names
from costwain.domain.gateway import GatewayService
from costwain.render.deployment import MAX_NAME, model_deployment
from costwain.render.service import service_name, variant_services


def services(**like: Any) -> list[dict[str, Any]]:
    return variant_services("shop", "chat", "0f0e", ["qwen3-32b", "qwen3-8b"], GatewayService(**like))


def test_they_match_their_golden_manifests(golden: Any) -> None:
    golden("services-by-variant", services(annotations={"team": "search"}))


def test_a_service_has_the_pods_of_its_variant_that_nobody_asked_to_go() -> None:
    template = model_deployment(target(gated=False))["spec"]["template"]["metadata"]["labels"]
    full, small = (service["spec"]["selector"] for service in services())
    assert full.items() <= template.items()
    assert not small.items() <= template.items()
    assert not full.items() <= (template | {names.SERVES: "false"}).items()


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_they_are_of_the_type_that_the_spec_asks_for(kind: str) -> None:
    assert [service["spec"]["type"] for service in services(type=kind)] == [kind, kind]


def test_a_long_name_stays_one_dns_label_and_unlike_another() -> None:
    long = "a" * 40
    assert len(service_name(long, "full-of-words-and-more")) <= MAX_NAME
    assert service_name(long, "full-of-words-and-more") != service_name(long, "full-of-words-and-less")

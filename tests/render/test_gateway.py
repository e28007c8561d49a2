"""The gateway's files and manifests: golden, and what they must promise whatever changes in them."""

import re
from dataclasses import replace

import pytest

from costwain.domain import names
from costwain.domain.gateway import Tenant
from costwain.render.gateway import GatewaySpec, gateway_files, gateway_manifests, haproxy_files, program
from costwain.render.haproxy import Limits

SPEC = GatewaySpec(
    fleet="chat",
    namespace="prod",
    owner_uid="6f1c",
    served_model_name="chat-model",
    ladder=("full", "small"),
    replicas=2,
    max_queued_requests=2000,
    queue_timeout_s=600,
    max_request_bytes=4194304,
    haproxy_image="haproxy:3.2",
    operator_image="costwain/operator:0.1.0",
)

KEYED = replace(SPEC, api_keys_secret="chat-keys", tenants=(Tenant(name="blue", requests_per_second=5),))


def _manifests(spec=SPEC, shares=None):
    files = gateway_files(spec, program(spec, shares or {"full": 100}, {}))
    return {item["kind"]: item for item in (files, *gateway_manifests(spec))}


def _pod(spec=SPEC):
    return _manifests(spec)["Deployment"]["spec"]["template"]


def _containers(spec=SPEC):
    return {container["name"]: container for container in _pod(spec)["spec"]["containers"]}


@pytest.mark.parametrize("kind", ["ServiceAccount", "Role", "RoleBinding", "Deployment", "Service"])
def test_manifests_match_golden(kind, golden):
    golden(f"gateway-{kind.lower()}", _manifests()[kind])


@pytest.mark.parametrize(
    ("name", "spec"), [("gateway-haproxy", SPEC), ("gateway-haproxy-keys-tls", replace(KEYED, tls_secret="chat-tls"))]
)
def test_haproxy_configuration_matches_golden(golden, name, spec):
    golden(name, haproxy_files(spec.ladder, spec.limits)["haproxy.cfg"].splitlines())


def test_a_new_program_rolls_no_pod_and_changes_one_key():
    before, after = _manifests(shares={"full": 100}), _manifests(shares={"full": 25, "small": 75})
    assert before["Deployment"] == after["Deployment"]
    changed = {key for key, text in after["ConfigMap"]["data"].items() if text != before["ConfigMap"]["data"][key]}
    assert changed == {"program.json"}


def test_all_of_a_gateway_goes_with_its_deployment_and_that_with_the_fleet():
    manifests = _manifests(replace(SPEC, deployment_uid="77aa"))
    owners = {kind: item["metadata"]["ownerReferences"] for kind, item in manifests.items()}
    (fleet,) = owners.pop("Deployment")
    assert (fleet["kind"], fleet["uid"]) == ("ModelDeployment", "6f1c")
    assert len(owners) == 5
    for (owner,) in owners.values():
        assert (owner["kind"], owner["name"], owner["uid"]) == ("Deployment", "chat-gateway", "77aa")


ROLLS = {  # story: (what differs, whether HAProxy has to start anew)
    "a variant more": ({"ladder": ("full", "middle", "small")}, True),
    "a longer queue timeout": ({"queue_timeout_s": 900}, True),
    "a larger body": ({"max_request_bytes": 1 << 23}, True),
    "a variant that is not disclosed": ({"disclose_variant": False}, True),
    "more streams that are looked at": ({"observed_percent": 100}, True),
    "conversations that go anywhere": ({"affinity": False}, True),
    "keys that are asked for": ({"api_keys_secret": "chat-keys"}, True),
    "a tenant more": ({"tenants": (Tenant(name="blue", requests_per_second=5),)}, False),
    "a certificate": ({"tls_secret": "chat-tls"}, True),
    "another model name": ({"served_model_name": "other"}, False),
    "a replica more": ({"replicas": 3}, False),
}


@pytest.mark.parametrize(("differs", "rolls"), ROLLS.values(), ids=ROLLS)
def test_what_rolls_the_pods(differs, rolls):
    assert (_pod(replace(SPEC, **differs)) != _pod()) == rolls


def test_no_placeholder_is_left_in_a_file():
    limits = Limits(0.5, 1024, disclose_variant=False, api_keys=True, tls=True)
    for name, text in haproxy_files(("a", "b", "c"), limits).items():
        assert not re.search("@[A-Z_]+@", text), name


def test_each_variant_has_two_backends_in_ladder_order():
    ladder = [f"v{number}" for number in range(8)]
    text = haproxy_files(ladder, SPEC.limits)["haproxy.cfg"]
    declared = [
        line.split()[1] for line in text.splitlines() if line.startswith(("backend variant.", "backend waiting."))
    ]
    assert declared == [f"{kind}.{name}" for name in ladder for kind in ("variant", "waiting")]


@pytest.mark.parametrize(("timeout_s", "text"), [(600, "600000ms"), (0.25, "250ms"), (0.0001, "1ms")])
def test_the_queue_timeout_is_in_milliseconds_and_never_zero(timeout_s, text):
    assert f"timeout queue {text}" in haproxy_files(SPEC.ladder, Limits(timeout_s, 1024))["haproxy.cfg"]


def test_error_bodies_say_how_long_they_are():
    for name, text in haproxy_files(SPEC.ladder, SPEC.limits).items():
        if name.endswith(".http"):
            head, _, body = text.partition("\r\n\r\n")
            assert f"content-length: {len(body.encode())}" in head.splitlines(), name


def test_haproxy_has_no_token_and_the_agent_has():
    containers = _containers()
    mounts = {name: [mount["name"] for mount in item["volumeMounts"]] for name, item in containers.items()}
    assert mounts == {"haproxy": ["config", "run"], "agent": ["run", "account"]}
    assert _pod()["spec"]["automountServiceAccountToken"] is False


def test_the_secret_of_keys_is_mounted_for_the_agent_alone_and_nobody_gets_a_right_to_read_it():
    containers = _containers(KEYED)
    mounts = {name: [mount["name"] for mount in item["volumeMounts"]] for name, item in containers.items()}
    assert mounts == {"haproxy": ["config", "run"], "agent": ["run", "account", "keys"]}
    (volume,) = (volume for volume in _pod(KEYED)["spec"]["volumes"] if volume["name"] == "keys")
    assert volume["secret"] == {"secretName": "chat-keys", "optional": True, "defaultMode": 0o440}
    assert _manifests(KEYED)["Role"] == _manifests()["Role"]


def test_with_a_certificate_the_one_port_speaks_https_to_probes_and_service_too():
    spec = replace(SPEC, tls_secret="chat-tls")
    haproxy, agent = _containers(spec)["haproxy"], _containers(spec)["agent"]
    assert haproxy["ports"][0] == {"name": "https", "containerPort": 8080, "protocol": "TCP"}
    assert haproxy["readinessProbe"]["httpGet"] == {"path": "/health", "port": 8080, "scheme": "HTTPS"}
    (port,) = _manifests(spec)["Service"]["spec"]["ports"]
    assert (port["name"], port["port"], port["targetPort"]) == ("https", 443, "https")
    for container in (haproxy, agent):
        assert {"name": "tls", "mountPath": "/etc/costwain/tls", "readOnly": True} in container["volumeMounts"]
    assert {"name": "tls", "secret": {"secretName": "chat-tls", "defaultMode": 0o440}} in _pod(spec)["spec"]["volumes"]
    assert _manifests(spec)["Role"] == _manifests()["Role"]


def test_every_container_obeys_the_restricted_pod_security_standard():
    assert _pod()["spec"]["securityContext"]["runAsNonRoot"] is True
    assert _pod()["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in _containers().values():
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_agent_gives_up_before_the_grace_period_ends():
    env = {entry["name"]: entry.get("value") for entry in _containers()["agent"]["env"]}
    assert float(env["COSTWAIN_SHUTDOWN_SECONDS"]) < _pod()["spec"]["terminationGracePeriodSeconds"]


def test_the_agent_may_touch_pods_and_read_config_maps_and_nothing_else():
    allowed = {
        (resource, verb)
        for rule in _manifests()["Role"]["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert allowed == {
        *(("pods", verb) for verb in ("get", "list", "watch", "patch")),
        ("pods/status", "patch"),
        *(("configmaps", verb) for verb in ("get", "list", "watch")),
    }


def test_the_service_is_called_like_the_fleet_and_finds_the_pods():
    service = _manifests(replace(SPEC, service_type="LoadBalancer", service_annotations={"a": "b"}))["Service"]
    assert (service["metadata"]["name"], service["metadata"]["annotations"]) == ("chat", {"a": "b"})
    assert service["spec"]["type"] == "LoadBalancer"
    selector = service["spec"]["selector"]
    assert selector.pop(names.GATEWAY_SERVES) == "true"  # the agents write this one
    assert selector.items() <= _pod()["metadata"]["labels"].items()
    assert _pod()["metadata"]["labels"][names.ROLE] == names.ROLE_GATEWAY

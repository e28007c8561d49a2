"""The chart by the real Helm engine: what it makes, what it refuses, and that its CRDs are those of crds/."""

import json
import re
from typing import Any

import helm_python as helm
import pytest
import yaml
from tests.charts import CHART, rendered

from costwain.adapters.lease import LEASE_NAME
from costwain.cli.crds import template
from costwain.controller.settings import Settings
from costwain.render.crd import KINDS, Kind, crd

KEEP = "helm.sh/resource-policy"

Manifest = dict[str, Any]


def made_by(values: Manifest | None = None, name: str = "costwain") -> list[Manifest]:
    """Every object of a release in costwain-system."""
    return rendered(values or {}, name, "costwain-system")


def only(kind: str, values: Manifest | None = None) -> Manifest:
    """The one object of a kind."""
    (found,) = (value for value in made_by(values) if value["kind"] == kind)
    return found


def notes(values: Manifest | None = None) -> str:
    with helm.Chart.load(CHART) as chart:
        return chart.render(values or {}, name="costwain", namespace="costwain-system")["costwain/templates/NOTES.txt"]


def test_lint_is_clean() -> None:
    report = helm.lint(CHART, strict=True, kube_version="v1.36.3")
    worse_than_info = [message for message in report["messages"] if message["severity"] > 1]
    assert (worse_than_info, report["errors"]) == ([], [])


def test_defaults_make_one_operator_with_its_rights() -> None:
    made = sorted(f"{value['kind']} {value['metadata']['name']}" for value in made_by())
    assert made == [
        "ClusterRole costwain",
        "ClusterRole costwain-edit",
        "ClusterRole costwain-view",
        "ClusterRoleBinding costwain",
        *(f"CustomResourceDefinition {name}" for name in sorted(kind.crd_name for kind in KINDS)),
        "Deployment costwain",
        "Role costwain-lease",
        "RoleBinding costwain-lease",
        "ServiceAccount costwain",
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_crds_of_the_chart_are_those_of_the_folder(kind: Kind) -> None:
    path = CHART / "templates" / "crds" / f"{kind.plural}.yaml"
    assert path.read_text(encoding="utf-8") == template(kind), (
        "run: costwain crds --chart --output charts/costwain/templates/crds"
    )
    (found,) = (value for value in made_by() if value["metadata"]["name"] == kind.crd_name)
    metadata = found.pop("metadata")
    assert metadata["annotations"] == {KEEP: "keep"}
    wanted = crd(kind)
    assert wanted.pop("metadata")["labels"].items() <= metadata["labels"].items()
    assert found == wanted


def test_crds_go_with_the_release_where_somebody_asks_for_it() -> None:
    kept = [value for value in made_by({"crds": {"keep": False}}) if KEEP in value["metadata"].get("annotations", {})]
    assert kept == []
    assert "WARNING: crds.keep is false" in notes({"crds": {"keep": False}})


def test_crds_can_be_somebody_elses() -> None:
    kinds = {value["kind"] for value in made_by({"crds": {"enabled": False}})}
    assert "CustomResourceDefinition" not in kinds
    assert "Deployment" in kinds
    assert "apply them first" in notes({"crds": {"enabled": False}})


def test_operator_is_one_writer_and_restricted() -> None:
    spec = only("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_operator_answers_its_probes_where_they_ask() -> None:
    (container,) = only("Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["args"] == ["operator", "--liveness=http://$(BIND):8081/healthz", "--log-level=INFO"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "health"}
    assert {"name": "health", "containerPort": 8081} in container["ports"]


def test_operator_reads_every_variable_that_the_chart_sets() -> None:
    values = {"image": {"registry": "registry.example.com", "tag": "1.2.3"}, "gateway": {"image": {"tag": "3.2.19"}}}
    (container,) = only("Deployment", values)["spec"]["template"]["spec"]["containers"]
    env = {v["name"]: v.get("value", "costwain-system") for v in container["env"]}
    assert env.pop("BIND") == "0.0.0.0"  # for the argument above
    settings = Settings.from_env(env)
    assert settings.namespace == "costwain-system"
    assert settings.operator_image == container["image"] == "registry.example.com/costwain/operator:1.2.3"
    assert settings.haproxy_image == "haproxy:3.2.19"
    assert len(env) == 3


def test_a_digest_pins_the_image() -> None:
    digest = f"sha256:{'0' * 64}"
    (container,) = only("Deployment", {"image": {"digest": digest}})["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"costwain/operator:0.1.0@{digest}"


def test_two_releases_do_not_share_a_name() -> None:
    names = {value["metadata"]["name"] for value in made_by(name="blue") if value["kind"] == "ClusterRole"}
    assert names == {"blue-costwain", "blue-costwain-view", "blue-costwain-edit"}


def test_account_of_ones_own_gets_the_rights() -> None:
    values = {"serviceAccount": {"create": False, "name": "robot"}}
    made = made_by(values)
    assert "ServiceAccount" not in {value["kind"] for value in made}
    bindings = [value for value in made if value["kind"] in ("ClusterRoleBinding", "RoleBinding")]
    assert [b["subjects"] for b in bindings] == [
        [{"kind": "ServiceAccount", "name": "robot", "namespace": "costwain-system"}]
    ] * 2


def test_lease_role_names_the_lease_that_the_operator_takes() -> None:
    assert only("Role")["rules"][1]["resourceNames"] == [LEASE_NAME]


def test_no_rule_has_a_wildcard_or_reads_secrets() -> None:
    rules = [rule for value in made_by() if value["kind"] in ("ClusterRole", "Role") for rule in value["rules"]]
    assert len(rules) > 10
    for rule in rules:
        assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
        assert not {"secrets", "pods/exec", "pods/log"} & {*rule["resources"]}
        assert not {"escalate", "bind", "impersonate"} & {*rule["verbs"]}


OPTIONS = {
    "gateways are scraped": ({"podMonitor": {"gateways": True, "labels": {"release": "kps"}}}, "PodMonitor"),
    "models are scraped": ({"podMonitor": {"models": True}}, "PodMonitor"),
    "traffic is limited": ({"networkPolicy": {"enabled": True}}, "NetworkPolicy"),
}


@pytest.mark.parametrize(("values", "kind"), OPTIONS.values(), ids=OPTIONS)
def test_option_adds_one_object(values: Manifest, kind: str) -> None:
    assert only(kind, values)["spec"]
    assert kind not in {value["kind"] for value in made_by()}


def test_pod_monitor_tells_kube_prometheus_users_about_labels() -> None:
    assert "set podMonitor.labels" in notes({"podMonitor": {"models": True}})
    assert "set podMonitor.labels" not in notes({"podMonitor": {"models": True, "labels": {"release": "kps"}}})


REFUSED = {
    "a misspelt value": ({"replicaCount": 2}, "replicaCount"),
    "a misspelt value inside": ({"image": {"tags": "1"}}, "tags"),
    "a word for a switch": ({"crds": {"keep": "yes"}}, "boolean"),
    "a digest that is none": ({"image": {"digest": "latest"}}, "sha256"),
    "a log level that is none": ({"logLevel": "chatty"}, "logLevel"),
}


@pytest.mark.parametrize(("values", "word"), REFUSED.values(), ids=REFUSED)
def test_schema_refuses(values: Manifest, word: str) -> None:
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmValuesError, match=word):
        chart.validate_schema(chart.merge_values(values))


def test_schema_knows_every_value_and_a_parent_chart_may_share_its_own() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    assert schema["properties"].keys() - values.keys() == {"global"}
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(chart.merge_values({"global": {"region": "eu"}}))


def test_readme_tells_every_value_with_its_default() -> None:
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    told = dict(re.findall(r"^\| `([\w.]+)` \| `(.*?)` \|", readme, re.MULTILINE))
    assert told == {path: json.dumps(value) for path, value in leaves(values).items()}


def leaves(values: Manifest, above: str = "") -> Manifest:
    """Values by their dotted paths; an empty map is a value."""
    found: Manifest = {}
    for key, value in values.items():
        path = f"{above}{key}"
        inner = isinstance(value, dict) and value and path not in ("resources", "nodeSelector")
        found |= leaves(value, f"{path}.") if inner else {path: value}
    return found

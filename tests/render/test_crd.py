"""The CRDs: as committed, structural, bounded, described; their CEL says what pydantic says, word for word."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celpy
import celpy.adapter
import pytest
import yaml
from celpy.evaluation import CELFunction
from kubernetes.client import V1CustomResourceDefinition, V1JSONSchemaProps
from pydantic import Field, ValidationError
from tests.good_specs import GOOD
from tests.specs import BAD, Bad, Spec, spec_of

from costwain.adapters import resources
from costwain.cli.crds import manifest
from costwain.domain.api import Api
from costwain.render.crd import KINDS, Kind, crd, schema_of
from costwain.render.structural import VALIDATIONS, Schema, objects_of, structural

CRDS = Path(__file__).parents[2] / "crds"
BY_NAME = {kind.name: kind for kind in KINDS}
SCHEMAS = {kind.name: schema_of(kind) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_committed_crd_is_what_the_classes_say(kind: Kind) -> None:
    committed = (CRDS / f"{kind.plural}.yaml").read_text(encoding="utf-8")
    assert committed == manifest(kind), "run: costwain crds --output crds"
    assert yaml.safe_load(committed) == crd(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_names_agree_with_the_client(kind: Kind) -> None:
    resource = resources.resource_of({"apiVersion": "costwain.dev/v1alpha1", "kind": kind.name})
    assert (resource.plural, resource.namespaced) == (kind.plural, kind.scope == "Namespaced")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kubernetes_own_model_takes_the_crd(kind: Kind) -> None:
    parsed = V1CustomResourceDefinition.from_dict(crd(kind))
    assert parsed is not None
    assert parsed.spec.names.kind == kind.name
    for _, schema in objects_of(SCHEMAS[kind.name]):
        V1JSONSchemaProps.model_validate(schema)


# The rules of structural schemas, from the documentation of CustomResourceDefinitions.
_KEYWORDS = """
type format description default enum pattern minLength maxLength minimum maximum minItems maxItems maxProperties
required properties items additionalProperties
x-kubernetes-validations x-kubernetes-list-type x-kubernetes-list-map-keys
"""
ALLOWED = frozenset(_KEYWORDS.split())


def unstructural(where: str, schema: Schema) -> Iterator[str]:
    """What the API server would refuse in one node."""
    kind = schema.get("type")
    if kind not in ("object", "array", "string", "integer", "number", "boolean"):
        yield f"{where}: type {kind!r}"
    for keyword in schema.keys() - ALLOWED:
        yield f"{where}: keyword {keyword}"
    if kind == "array" and "items" not in schema:
        yield f"{where}: an array without items"
    if "properties" in schema and "additionalProperties" in schema:
        yield f"{where}: properties and additionalProperties"
    if missing := set(schema.get("required", [])) - schema.get("properties", {}).keys():
        yield f"{where}: required but not described: {sorted(missing)}"
    if re.search(r"\(\?[=!<]", schema.get("pattern", "")):
        yield f"{where}: a pattern that RE2 doesn't know"


def unbounded(where: str, schema: Schema) -> Iterator[str]:
    """Sizes that nobody limits: they make every rule above them too costly."""
    kind = schema["type"]
    if kind == "string" and not schema.keys() & {"maxLength", "enum"}:
        yield f"{where}: a string without maxLength"
    if kind == "array" and "maxItems" not in schema:
        yield f"{where}: a list without maxItems"
    if "additionalProperties" in schema and "maxProperties" not in schema:
        yield f"{where}: a map without maxProperties"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_schema_is_structural_and_bounded(kind: Kind) -> None:
    nodes = list(objects_of(SCHEMAS[kind.name]))
    assert [fault for node in nodes for fault in unstructural(*node)] == []
    own = [node for node in nodes if node[0] not in ("apiVersion", "kind")]
    assert [fault for node in own for fault in unbounded(*node)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_described(kind: Kind) -> None:
    fields = [node for node in objects_of(SCHEMAS[kind.name]) if not node[0].endswith(("]", "}", "metadata"))]
    assert len(fields) > 5
    assert [where for where, schema in fields if not schema.get("description", "").strip()] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_spec_has_no_floats(kind: Kind) -> None:
    spec = SCHEMAS[kind.name]["properties"]["spec"]
    assert [where for where, schema in objects_of(spec) if schema["type"] == "number"] == []


def test_conditions_are_keyed_by_type() -> None:
    for name in ("ModelDeployment", "AcceleratorPool", "InferenceBudget"):
        conditions = SCHEMAS[name]["properties"]["status"]["properties"]["conditions"]
        assert (conditions["x-kubernetes-list-type"], conditions["x-kubernetes-list-map-keys"]) == ("map", ["type"])


def test_status_has_no_defaults_since_unknown_is_not_zero() -> None:
    status = SCHEMAS["ModelDeployment"]["properties"]["status"]
    assert [where for where, schema in objects_of(status) if "default" in schema] == []


class Node(Api):
    """A class inside itself."""

    child: "Node | None" = Field(None, description="Another.")


class Union(Api):
    """A field of two types."""

    value: int | str = Field(description="Either.")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Node, "Node.child: no structural form for a class inside itself (found Node)"),
        (Union, "Union.value: no structural form for a union (found 2 types)"),
    ],
)
def test_what_has_no_structural_form_is_refused(model: type[Api], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        structural(model, defaults=True)


# CEL and pydantic.
# cel-python has no format(); with %s alone, Python's own does the same.
FUNCTIONS: dict[str, CELFunction] = {
    "format": lambda template, values: celpy.celtypes.StringType(str(template) % tuple(map(str, values)))
}
ENVIRONMENT = celpy.Environment()


def evaluate(expression: str, value: Any) -> Any:
    program = ENVIRONMENT.program(ENVIRONMENT.compile(expression), functions=FUNCTIONS)
    return program.evaluate({"self": celpy.adapter.json_to_cel(value)})


def filled(schema: Schema, value: Any) -> Any:
    """The value with the schema's defaults, as the API server stores it."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        value = {key: child["default"] for key, child in known.items() if "default" in child} | value
        return {key: filled(known.get(key) or schema["additionalProperties"], child) for key, child in value.items()}
    return [filled(schema["items"], item) for item in value] if isinstance(value, list) else value


def refusals(schema: Schema, value: Any, where: str) -> Iterator[tuple[str, str]]:
    """(where, sentence) of every rule that doesn't hold, from the root down."""
    for rule in schema.get(VALIDATIONS, []):
        if not evaluate(rule["rule"], value):
            yield where, str(rule.get("message") or evaluate(rule["messageExpression"], value))
    if isinstance(value, dict):
        for key, child in value.items():
            below = schema.get("properties", {}).get(key) or schema["additionalProperties"]
            yield from refusals(below, child, f"{where}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from refusals(schema["items"], item, f"{where}[{index}]")


def said_by_cel(kind: str, spec: Spec) -> list[tuple[str, str]]:
    schema = SCHEMAS[kind]["properties"]["spec"]
    return list(refusals(schema, filled(schema, spec), "spec"))


def said_by_pydantic(kind: str, spec: Spec) -> list[tuple[str, str]]:
    try:
        BY_NAME[kind].spec.model_validate(spec)
    except ValidationError as error:
        return [(place(found["loc"]), found["msg"].removeprefix("Value error, ")) for found in error.errors()]
    return []


def place(loc: tuple[int | str, ...]) -> str:
    return "spec" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_cel_and_pydantic_refuse_in_the_same_words(bad: Bad) -> None:
    assert said_by_cel(bad.kind, spec_of(bad)) == [(bad.where, bad.sentence)]
    assert said_by_pydantic(bad.kind, spec_of(bad)) == [(bad.where, bad.sentence)]


@pytest.mark.parametrize(("kind", "spec"), GOOD.values(), ids=GOOD)
def test_cel_and_pydantic_let_good_specs_pass(kind: str, spec: Spec) -> None:
    assert said_by_cel(kind, spec) == []
    assert said_by_pydantic(kind, spec) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_defaults_of_the_api_server_are_those_of_pydantic(kind: Kind) -> None:
    schema = SCHEMAS[kind.name]["properties"]["spec"]
    for spec in (spec for name, spec in GOOD.values() if name == kind.name):
        assert kind.spec.model_validate(filled(schema, spec)) == kind.spec.model_validate(spec)


def test_every_rule_has_a_bad_spec() -> None:
    rules = {
        (rule.get("message") or rule["messageExpression"])
        for schema in SCHEMAS.values()
        for _, node in objects_of(schema["properties"]["spec"])
        for rule in node.get(VALIDATIONS, [])
        if not rule.get("message", "").startswith("keys: ")
    }
    said = {bad.sentence for bad in BAD.values()}
    unsaid = [r for r in rules if not any(re.fullmatch(_as_pattern(r), sentence) for sentence in said)]
    assert sorted(unsaid) == []


def _as_pattern(rule: str) -> str:
    template = re.sub(r"^'(.*)'\.format\(.*\)$", r"\1", rule)
    return re.escape(template).replace("%s", ".*")

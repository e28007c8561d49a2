"""From pydantic to the structural schemas that the API server takes: no references, no unions, no key patterns."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault
from pydantic_core import core_schema

from costwain.domain.api import Api

Schema = dict[str, Any]

VALIDATIONS = "x-kubernetes-validations"
_KEPT = frozenset(
    "type description default enum format pattern minLength maxLength minimum maximum minItems maxItems "
    f"maxProperties required {VALIDATIONS}".split()
)
_DROPPED = frozenset({"title"})  # kubectl explain shows names and descriptions, never titles


def structural(model: type[Api], *, defaults: bool) -> Schema:
    """The structural schema of a class with the rules of every class within it.

    `defaults` False leaves filling in to the writer: what a status doesn't say stays unknown.
    Raises ValueError, naming the place, for a construct that has no structural form.
    """
    raw = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _Converter(raw.pop("$defs", {}), defaults).convert(raw, model.__name__, ())


def objects_of(schema: Schema, where: str = "") -> Iterator[tuple[str, Schema]]:
    """Every (path, schema) from the root down; list items end in [], map values in {}."""
    yield where, schema
    for name, child in schema.get("properties", {}).items():
        yield from objects_of(child, f"{where}.{name}".lstrip("."))
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from objects_of(schema[key], f"{where}{mark}")


class _Generator(GenerateJsonSchema):
    """Puts each class's rules beside its properties, and shows the defaults that factories make."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        found = super().model_schema(schema)
        rules = [rule.as_cel() for rule in schema["cls"].rules]
        return found | ({VALIDATIONS: rules} if rules else {})

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory: Any = schema.get("default_factory")
        value = factory() if factory else schema.get("default", NoDefault)
        if isinstance(value, BaseModel):
            # In full: the API server checks a default's rules before it fills in the defaults inside.
            return _without_empty(value.model_dump(mode="json", by_alias=True, exclude_none=True))
        return NoDefault if value is None or value in ([], {}) else value


def _without_empty(value: Schema) -> Schema:
    """Drops empty lists and maps: they say no more than their absence and would only lengthen what users read."""
    dumped = {key: _without_empty(child) if isinstance(child, dict) else child for key, child in value.items()}
    return {key: child for key, child in dumped.items() if child not in ([], {})}


class _Converter:
    """Rewrites JSON schema node by node, with its definitions put in place."""

    def __init__(self, definitions: Mapping[str, Schema], defaults: bool) -> None:
        self._definitions, self._defaults = definitions, defaults

    def convert(self, node: Schema, where: str, above: tuple[str, ...]) -> Schema:
        """The structural form of a node; `above` are the definitions around it, to refuse recursion."""
        node, above = self._resolved(node, where, above)
        found: Schema = {}
        for key, value in node.items():
            if key in _KEPT:
                found[key] = value
            elif key == "const":
                found["enum"] = [value]
            elif key == "properties":
                found[key] = {name: self.convert(child, f"{where}.{name}", above) for name, child in value.items()}
            elif key == "items":
                found[key] = self.convert(value, f"{where}[]", above)
            elif key in ("additionalProperties", "patternProperties", "propertyNames"):
                continue  # _map below reads the three together
            elif key not in _DROPPED:
                raise ValueError(f"{where}: no structural form for the keyword {key!r} (found {value!r})")
        found |= self._map(node, where, above)
        if not self._defaults:
            found.pop("default", None)
        if found.get("type") == "integer":
            found["format"] = "int64"
        return found

    def _resolved(self, node: Schema, where: str, above: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """The node with reference and optional taken off; what is said beside them wins."""
        while "$ref" in node or "anyOf" in node:
            beside = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
            if "anyOf" in node:
                choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
                if len(choices) != 1:
                    raise ValueError(f"{where}: no structural form for a union (found {len(choices)} types)")
                node = choices[0] | beside
                continue
            name = node["$ref"].removeprefix("#/$defs/")
            if name in above:
                raise ValueError(f"{where}: no structural form for a class inside itself (found {name})")
            node, above = self._definitions[name] | beside, (*above, name)
        return node, above

    def _map(self, node: Schema, where: str, above: tuple[str, ...]) -> Schema:
        """Keys and values of a map; known keys become properties, a pattern or length of keys becomes a rule."""
        keys = dict(node.get("propertyNames", {}))
        values = node.get("additionalProperties")
        for pattern, schema in node.get("patternProperties", {}).items():
            keys["pattern"], values = pattern, schema
        if not isinstance(values, dict):  # False is pydantic's "nothing else"; the API server prunes by itself
            return {}
        converted = self.convert(values, f"{where}{{}}", above)
        if "enum" in keys:
            return {"properties": {key: converted | {"description": f"Amount of {key}."} for key in keys["enum"]}}
        return {"additionalProperties": converted} | ({VALIDATIONS: rules} if (rules := list(_key_rules(keys))) else {})


def _key_rules(keys: Schema) -> Iterator[dict[str, str]]:
    if "maxLength" in keys:
        limit = keys["maxLength"]
        yield {"rule": f"self.all(k, size(k) <= {limit})", "message": f"keys: at most {limit} characters"}
    if "pattern" in keys:
        pattern = keys["pattern"]
        yield {"rule": f"self.all(k, k.matches(r'{pattern}'))", "message": f"keys: must match {pattern}"}

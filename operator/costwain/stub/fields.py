"""The fields of a JSON body, read and refused as vLLM's own models do."""

import json
from collections.abc import Mapping
from typing import Any

from costwain.stub.refusal import invalid, unknown_model

Fields = Mapping[str, Any]


def json_object(body: bytes, content_type: str) -> Fields:
    """The object that a body is; raises ApiError."""
    if content_type != "application/json":
        raise invalid(None, "Unsupported Media Type: Only 'application/json' is allowed")
    try:
        given = json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        at, why = (error.pos, error.msg) if isinstance(error, json.JSONDecodeError) else (0, "Not UTF-8")
        found = problem("json_invalid", f"body.{at}", "JSON decode error", "<dict of 0 items>")
        raise invalid(f"body.{at}", {**found, "ctx": {"error": why}}) from None
    if not isinstance(given, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise invalid("body", problem("model_attributes_type", "body", message, shown(given)))
    return given


def problem(kind: str, loc: str, message: str, found: object) -> dict[str, Any]:
    """One thing that is wrong, where, and what was found there."""
    return {"type": kind, "loc": loc, "msg": message, "input": found}


def missing(given: Fields, field: str) -> dict[str, Any]:
    """The problem of a field that is required and isn't there."""
    return problem("missing", f"body.{field}", "Field required", shown(given))


def mistyped(kind: str, loc: str, found: object) -> dict[str, Any]:
    """The problem of a field of another type; `kind` is list, string or integer as it should be."""
    name = {"int": "integer"}.get(kind, kind)
    return problem(f"{kind}_type", f"body.{loc}", f"Input should be a valid {name}", shown(found))


def shown(found: object) -> str:
    """A value as a refusal shows it."""
    if isinstance(found, Mapping | list):
        return f"<{'list' if isinstance(found, list) else 'dict'} of {len(found)} items>"
    return str(found)


def required(given: Fields, field: str) -> Any:
    """The field's value; raises ApiError where there is none."""
    if given.get(field) is None:
        raise invalid(f"body.{field}", missing(given, field))
    return given[field]


def required_list(given: Fields, field: str) -> list[Any]:
    """The field's list; raises ApiError where it is none."""
    found = required(given, field)
    if not isinstance(found, list):
        message = "Input should be a valid list"
        raise invalid(f"body.{field}", problem("list_type", f"body.{field}", message, found))
    return found


def integer(given: Fields, field: str) -> int | None:
    """The field's whole number, None where it is absent; raises ApiError for anything else."""
    return None if given.get(field) is None else whole_number(given[field], f"body.{field}")


def whole_number(found: Any, loc: str) -> int:
    """What counts as a whole number: one, one in text, one as a float; raises ApiError for anything else."""
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    try:
        return int(found) if isinstance(found, str) else int(_whole(found))
    except (ValueError, TypeError):
        hint = ", unable to parse string as an integer" if isinstance(found, str) else ""
        kind = "int_parsing" if isinstance(found, str) else "int_type"
        raise invalid(loc, problem(kind, loc, f"Input should be a valid integer{hint}", found)) from None


def _whole(found: Any) -> float:
    if isinstance(found, float) and found.is_integer():
        return found
    raise TypeError


def check_model(given: Fields, served: tuple[str, ...]) -> None:
    """Raises ApiError for a model that isn't served; a request without one is."""
    model = given.get("model")
    if model and model not in served:
        raise unknown_model(model, served)

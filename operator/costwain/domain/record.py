"""Record: Snapshots and Plans as JSON and back, without loss, directed by the types of their fields.

A field that a record doesn't have yet gets its default, so a turn of an older version can still be decided on.
"""

import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from costwain.domain.plan import Plan
from costwain.domain.snapshot import Fleet, Pool, Snapshot

Json = Any
T = TypeVar("T")


@dataclass(frozen=True)
class Turn:
    """What one turn saw and decided, and the version that did."""

    version: str
    snapshot: Snapshot
    plan: Plan


def encoded(value: object) -> Json:
    """A value of the domain as dicts, lists and plain values; a mapping with keys of several parts is a list of pairs.

    >>> encoded({("small", "h100"): 2})
    [[['small', 'h100'], 2]]
    """
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encoded(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        if all(isinstance(key, str) for key in value):
            return {key: encoded(v) for key, v in value.items()}
        return [[encoded(key), encoded(v)] for key, v in value.items()]
    if isinstance(value, list | tuple):
        return [encoded(v) for v in value]
    return value


def decoded(kind: type[T], data: Json) -> T:
    """The value of a type that `encoded` made this of; raises ValueError where it can't have."""
    try:
        found = _decoded(kind, data)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"record: no {kind.__name__} ({type(error).__name__}: {error})") from error
    assert isinstance(found, kind)
    return found


def without_environment(snapshot: Snapshot) -> Snapshot:
    """The same without the values of environment variables: no decision rests on them, and people put secrets there."""
    pools = {name: _bare_pool(pool) for name, pool in snapshot.pools.items()}
    return replace(snapshot, fleets=tuple(_bare_fleet(f) for f in snapshot.fleets), pools=pools)


def _bare_fleet(fleet: Fleet) -> Fleet:
    variants = [
        v.model_copy(update={"engine": v.engine.model_copy(update={"env": _bare(v.engine.env)})})
        for v in fleet.spec.variants
    ]
    return replace(fleet, spec=fleet.spec.model_copy(update={"variants": variants}))


def _bare_pool(pool: Pool) -> Pool:
    defaults = pool.spec.pod_defaults
    bare = defaults.model_copy(update={"env": _bare(defaults.env)})
    return replace(pool, spec=pool.spec.model_copy(update={"pod_defaults": bare}))


def _bare(env: list[Any]) -> list[Any]:
    return [variable.model_copy(update={"value": ""}) for variable in env]


def _decoded(kind: Any, data: Json) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (types.UnionType, Union):
        return None if data is None else _decoded(next(k for k in inner if k is not types.NoneType), data)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return tuple(_decoded(inner[0], x) for x in data)
        return tuple(_decoded(k, x) for k, x in zip(inner, data, strict=True))
    if origin is not None and issubclass(origin, Mapping):
        pairs = data.items() if isinstance(data, dict) else data
        return {_decoded(inner[0], k): _decoded(inner[1], v) for k, v in pairs}
    fields_of = _fields(kind)
    if fields_of is not None:
        return kind(**{name: _decoded(fields_of[name], value) for name, value in data.items()})
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_validate(data)
    return kind(data) if isinstance(kind, type) and issubclass(kind, Enum) else data


@cache
def _fields(kind: Any) -> dict[str, Any] | None:
    """The types of a dataclass's fields; None for any other type."""
    return get_type_hints(kind) if is_dataclass(kind) else None

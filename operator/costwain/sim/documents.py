"""YAML files of users, with where, what and found in every complaint."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from yaml.composer import ComposerError

from costwain.sim.arrival import InputError

Parsed = TypeVar("Parsed", bound=BaseModel)


class _Loader(yaml.SafeLoader):
    """YAML as Kubernetes' users know it: an instant is a string, quoted or not, and a key stands once in a mapping."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """The mapping as it is written, before `<<` adds another's keys; raises ComposerError on a key again."""
        node = super().compose_mapping_node(anchor)
        seen = set[tuple[str, str]]()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                raise ComposerError(problem=f"key {key.value} again", problem_mark=key.start_mark)
            seen.add((key.tag, key.value))
        return node


_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def documents(path: Path) -> list[dict[str, Any]]:
    """The mappings in a YAML file, empty documents left out; raises InputError if it can't be read."""
    try:
        text = path.read_text(encoding="utf-8")
        found = [each for each in yaml.load_all(text, _Loader) if each is not None]
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise InputError(str(path), "want a readable YAML file", reason) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise InputError(where, "want YAML", " ".join(problem.split())) from None
    except (KeyError, ValueError, RecursionError) as error:  # `!!bool maybe`, thousands of digits or brackets
        raise InputError(str(path), "want YAML of sane values and depth", str(error)) from None
    for each in found:
        if not isinstance(each, dict):
            raise InputError(str(path), "want mappings", repr(each)[:80])
    return found


def validated(kind: type[Parsed], value: Any, where: str) -> Parsed:
    """The value as its class has it; raises InputError that names the first field at fault."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        found = repr(first["input"])[:80]
        raise InputError(
            f"{where}: {field}" if field else where, first["msg"].removeprefix("Value error, "), found
        ) from None

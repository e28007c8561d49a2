"""Golden manifests: what a renderer writes, kept as YAML, so that a change is read as a diff."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

GOLDEN = Path(__file__).parent / "golden"


class _Plain(yaml.SafeDumper):
    """Writes a value that occurs twice out twice: a reader of the diff shouldn't have to chase aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write tests/render/golden/ anew.")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, Any], None]:
    """Compares a value with golden/<name>.yaml; --update-golden (pytest tests/render) writes the file instead."""
    # The option is unknown where pytest was started above this folder: then nothing is rewritten.
    update = request.config.getoption("--update-golden", default=False)

    def check(name: str, value: Any) -> None:
        path = GOLDEN / f"{name}.yaml"
        text = yaml.dump(value, Dumper=_Plain, sort_keys=False, width=120)
        if update:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path}: no such golden file; run pytest tests/render --update-golden"
        assert yaml.safe_load(path.read_text(encoding="utf-8")) == value, "pytest tests/render --update-golden"

    return check

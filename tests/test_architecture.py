"""Limits that keep the code readable, and the one trap of the layout."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "operator" / "costwain").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, ARGUMENTS = 250, 40, 5


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_and_its_functions_can_be_read_in_one_go(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= FILE_LINES
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    too_long = [
        f"{f.name}: {(f.end_lineno or 0) - f.lineno + 1} lines" for f in functions if _lines(f) > FUNCTION_LINES
    ]
    too_wide = [f"{f.name}: {_arguments(f)} arguments" for f in functions if _arguments(f) > ARGUMENTS]
    assert not too_long + too_wide


def test_a_file_of_tests_can_be_read_in_one_go_too() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    assert [str(path) for path in files if path.read_text(encoding="utf-8").count("\n") > FILE_LINES] == []


def test_the_source_root_does_not_shadow_the_standard_library() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Positional ones; self and cls don't count, and neither do click's parameters, which the command line names."""
    if any("click" in ast.unparse(d) or "command" in ast.unparse(d) for d in function.decorator_list):
        return 0
    return len([a for a in function.args.args if a.arg not in ("self", "cls")])

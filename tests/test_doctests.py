"""The worked examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import costwain

MODULES = [m.name for m in pkgutil.walk_packages(costwain.__path__, "costwain.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0

"""The examples in docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

import local_region
import sluice
import sluicegate


def _modules() -> list[str]:
    found = []
    for package in (sluicegate, local_region, sluice):
        found += [
            module.name
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
            if not module.name.endswith("__main__")
        ]
    return found


def _has_examples(name: str) -> bool:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    return bool(spec.origin and spec.origin.endswith(".py") and ">>> " in Path(spec.origin).read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in _modules() if _has_examples(name)])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0

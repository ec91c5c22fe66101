"""A function finds everything that it imports in Lambda's runtime or in a layer that the template attaches to it.

Imports at the top of a module count when the module is imported. Those inside a function or class count when the
handler's code leads there by name; so ``deploy_model`` may import the module that reads files with DuckDB, as long as
it never reads one.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sluice.packaging import read_template
from sluicegate.domain.framework_image_table import IMAGES
from sluicegate.services.processing import IMAGE

ROOT = Path(__file__).resolve().parents[3]
RESOURCES: dict[str, Any] = read_template(ROOT / "template.yaml")["Resources"]
FUNCTIONS = sorted(name for name, item in RESOURCES.items() if item["Type"] == "AWS::Serverless::Function")
SOURCE = ROOT / "layers/core/src"
#: part of Lambda's Python runtime
RUNTIME = frozenset({"boto3", "botocore", "urllib3"})
#: packages whose import has another name
IMPORTED_AS = {"pyyaml": "yaml"}


@dataclass
class Module:
    """A module's imports: at its top, and of each definition with the names that the definition uses."""

    path: Path
    top: list[tuple[str, str | None]] = field(default_factory=list)  # (module, name imported from it)
    bound: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    definitions: dict[str, ast.AST] = field(default_factory=dict)


@cache
def imports(node: ast.AST) -> tuple[tuple[str, str | None, str], ...]:
    """(module, name imported from it, the name that it gets) of every import in ``node``."""
    return tuple(_imports(node))


def _imports(node: ast.AST) -> Iterator[tuple[str, str | None, str]]:
    for found in ast.walk(node):
        if isinstance(found, ast.Import):
            for alias in found.names:
                yield alias.name, None, alias.asname or alias.name.split(".")[0]
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0 and found.module is not None, "imports are absolute"
            for alias in found.names:
                yield found.module, alias.name, alias.asname or alias.name


@cache
def uses(node: ast.AST) -> tuple[tuple[str, str | None], ...]:
    """(name, attribute of it) of every name that is used in ``node``."""
    found: list[tuple[str, str | None]] = []
    for used in ast.walk(node):
        if isinstance(used, ast.Attribute) and isinstance(used.value, ast.Name):
            found.append((used.value.id, used.attr))
        elif isinstance(used, ast.Name):
            found.append((used.id, None))
    return tuple(dict.fromkeys(found))


@cache
def read(path: Path) -> Module:
    module = Module(path)
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            module.definitions[node.name] = node
            for decorator in node.decorator_list:
                module.top += [(name, part) for name, part, _ in imports(decorator)]
            continue
        for name, part, bound in imports(node):
            module.top.append((name, part))
            module.bound[bound] = (name, part)
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    module.definitions[target.id] = node
    return module


@cache
def file_of(name: str) -> Path | None:
    """The file of a module of our own package."""
    base = SOURCE.joinpath(*name.split("."))
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


class Walk:
    """Everything that ``app.py`` imports or may come to import: ``packages`` maps each to how it came there."""

    def __init__(self, app: Path) -> None:
        self.packages: dict[str, str] = {}
        self._imported: set[Path] = set()
        self._seen: set[tuple[Path, str]] = set()
        self._import_file(app)
        for name in read(app).definitions:
            self._follow(app, name)

    def _import(self, name: str, part: str | None, by: Path) -> None:
        if name.split(".")[0] != "sluicegate":
            self.packages.setdefault(name.split(".")[0], str(by.relative_to(ROOT)))
            return
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            path = file_of(".".join(parts[:length]))
            assert path is not None, f"{by}: there is no {name}"
            self._import_file(path)
        inner = file_of(f"{name}.{part}") if part else None
        if inner is not None:
            self._import_file(inner)

    def _import_file(self, path: Path) -> None:
        if path not in self._imported:
            self._imported.add(path)
            for name, part in read(path).top:
                self._import(name, part, path)

    def _follow(self, path: Path, name: str) -> None:
        """What the definition ``name`` uses."""
        module = read(path)
        if (path, name) in self._seen or name not in module.definitions:
            return
        self._seen.add((path, name))
        node = module.definitions[name]
        bound = dict(module.bound)
        for found, part, given in imports(node):
            self._import(found, part, path)
            bound[given] = (found, part)
        for name, attribute in uses(node):
            if name in bound:
                self._into(bound[name], attribute)
            elif attribute is None:
                self._follow(path, name)

    def _into(self, target: tuple[str, str | None], attribute: str | None) -> None:
        name, part = target
        module = file_of(f"{name}.{part}") if part and name.startswith("sluicegate") else None
        if module is not None:
            if attribute is not None:
                self._follow(module, attribute)
        elif name.startswith("sluicegate") and (module := file_of(name)) is not None and (part or attribute):
            self._follow(module, part or str(attribute))


def required(layer: str) -> set[str]:
    """What a layer's locked requirements can be imported as."""
    item = RESOURCES[layer]
    if item["Metadata"]["BuildMethod"] != "makefile":
        return {"sluicegate"}
    text = (ROOT / item["Properties"]["ContentUri"] / "requirements.txt").read_text()
    names = [name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


@cache
def used(function: str) -> dict[str, str]:
    walk = Walk(ROOT / RESOURCES[function]["Properties"]["CodeUri"] / "app.py")
    return {name: by for name, by in walk.packages.items() if name not in sys.stdlib_module_names}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_that_is_imported_is_attached(function: str) -> None:
    layers = [layer["Ref"] for layer in RESOURCES[function]["Properties"]["Layers"]]
    available = RUNTIME.union(*(required(layer) for layer in layers))
    assert {name: by for name, by in used(function).items() if name not in available} == {}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_everything_that_is_attached_is_imported(function: str) -> None:
    for layer in RESOURCES[function]["Properties"]["Layers"]:
        if layer["Ref"] != "CoreLayer":
            assert required(layer["Ref"]) & set(used(function)), f"{function} uses nothing of {layer['Ref']}"


def test_the_processing_job_finds_everything_among_its_wheels() -> None:
    """It has no network, and its image promises nothing but Python."""
    walk = Walk(SOURCE / "sluicegate/job.py")
    outside = {name for name in walk.packages if name not in sys.stdlib_module_names}
    assert {"duckdb", "numpy", "pydantic", "yaml"} <= outside <= required("PreparationWheelsLayer")


def test_the_image_and_the_wheels_are_of_one_python() -> None:
    (_, tag, _), _ = IMAGES[IMAGE[0]][IMAGE[1]]
    makefile = (ROOT / RESOURCES["PreparationWheelsLayer"]["Properties"]["ContentUri"] / "Makefile").read_text()
    version = re.search(r"--python-version 3\.(\d+)", makefile)
    assert version is not None and tag.endswith(f"-py3{version[1]}")


def test_the_job_is_given_the_versions_that_the_functions_have() -> None:
    def pinned(layer: str) -> set[str]:
        text = (ROOT / RESOURCES[layer]["Properties"]["ContentUri"] / "requirements.txt").read_text()
        return set(re.findall(r"^[A-Za-z0-9._-]+==\S+", text, re.MULTILINE))

    assert pinned("PreparationWheelsLayer") <= pinned("CommonDependenciesLayer") | pinned("DataDependenciesLayer")


def test_the_walk_goes_where_the_code_goes() -> None:
    assert {"duckdb", "yaml", "pydantic", "boto3"} <= set(used("IngestDataFunction"))
    assert {"duckdb", "boto3"} <= set(used("StartTrainingFunction"))
    assert "duckdb" not in used("DeployModelFunction")
    assert {"aws_lambda_powertools"} <= set(used("PredictFunction"))
    assert not {"boto3", "botocore", "pydantic", "yaml", "numpy"} & set(used("PredictFunction"))

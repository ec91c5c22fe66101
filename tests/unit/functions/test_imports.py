"""Which modules a function may have, seen without starting one."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from local_region.functions import fitting
from local_region.functions.imports import Imports, marked_distributions, modules_of

ROOT = Path(__file__).resolve().parents[3]


def run(code: str, folder: Path) -> str:
    """Output of ``code`` in a process of its own: a guard can't be taken back."""
    text = f"OWN = {str(folder)!r}\n" + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_guard_hides_the_environment_but_not_the_functions_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("VALUE = 1")
    code = """
    import sys, yaml, numpy
    sys.path.insert(0, OWN)
    from local_region.functions.imports import guard
    guard(["yaml"], [OWN])
    import yaml, mine, json, ctypes, sqlite3, importlib.metadata, importlib.util
    for name in ("numpy", "local_region", "moto.core", "no_such_module"):
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            print(error.name, "|", error)
    print(importlib.util.find_spec("numpy"), "numpy" in sys.modules, importlib.metadata.version("pyyaml") != "")
    """
    assert run(code, tmp_path).splitlines() == [
        "numpy | No module named 'numpy': numpy is not in the function nor in its layers",
        "local_region | No module named 'local_region': local_region is not in the function nor in its layers",
        "moto | No module named 'moto': moto is not in the function nor in its layers",
        "no_such_module | No module named 'no_such_module'",
        "None False True",
    ]


def test_own_folders_may_lie_in_the_hidden_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a project whose state folder is below it."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    imports = Imports([], [str(tmp_path / "state" / "f")], [])
    assert imports.hides("m", [str(tmp_path / "m.py")])
    assert not imports.hides("m", [str(tmp_path / "state" / "f" / "m.py")])
    assert imports.hides("m", [str(tmp_path / "state" / "f2" / "m.py")])
    assert not imports.hides("boto3.session", [str(tmp_path / "boto3" / "session.py")])
    assert not imports.hides("builtin", [None, "built-in"])


def test_a_marker_names_distributions(tmp_path: Path) -> None:
    assert marked_distributions(tmp_path) == ()
    (tmp_path / ".sluice-local").write_text("Layer: these.\nsource abc\npackages numpy pyyaml\n")
    assert marked_distributions(tmp_path) == ("numpy", "pyyaml")
    assert {"numpy", "yaml", "_yaml"} <= set(fitting.fit(tmp_path, tmp_path / "views", "v").names)
    (tmp_path / ".sluice-local").write_text("Layer: an older deploy's.\nsource abc\n")
    assert marked_distributions(tmp_path) == ()


def test_modules_of_distributions() -> None:
    assert modules_of(["python-dateutil"]) == {"dateutil"}
    assert "_duckdb" in modules_of(["duckdb"])  # an extension module beside the package
    assert modules_of(["not-installed-at-all"]) == {"not_installed_at_all"}

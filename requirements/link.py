"""Make this checkout importable in the environment that runs this, and give it the ``sluice`` command.

A path file instead of ``pip install -e``: no build, no network, and the same on every Python.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Through sh, because a path in a ``#!`` line may neither be long nor have spaces.
SCRIPT = """#!/bin/sh
exec '{python}' -m sluice "$@"
"""


def link(site_packages: Path, scripts: Path, python: str) -> None:
    """Write ``sluicegate.pth`` into ``site_packages`` and ``sluice`` into ``scripts``."""
    folders = [ROOT / "layers" / "core" / "src", ROOT / "cli", ROOT]
    (site_packages / "sluicegate.pth").write_text("".join(f"{folder}\n" for folder in folders))
    command = scripts / "sluice"
    command.write_text(SCRIPT.format(python=python.replace("'", "'\\''")))
    command.chmod(0o755)


if __name__ == "__main__":
    if sys.prefix == sys.base_prefix:
        sys.exit("Run this with the environment's Python: .venv/bin/python requirements/link.py")
    link(Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts")), sys.executable)

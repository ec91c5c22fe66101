"""The layers as pip builds them for Lambda: every function stays below Lambda's 250 MB.

Here for arm64; for x86_64 `test_sam_project` holds what `sam build` made to the same.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sluice.packaging import read_template

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 250 * 1024 * 1024
RESOURCES = read_template(ROOT / "template.yaml")["Resources"]
FUNCTIONS = [name for name, item in RESOURCES.items() if item["Type"] == "AWS::Serverless::Function"]
LAYERS = {name: item for name, item in RESOURCES.items() if item["Type"] == "AWS::Serverless::LayerVersion"}
MADE = [name for name, item in LAYERS.items() if item["Metadata"]["BuildMethod"] == "makefile"]

pytestmark = pytest.mark.e2e


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def every_function_fits(folders: dict[str, Path], machine: str) -> None:
    """``folders``: each layer, unpacked. ``machine``: what the functions run on, as a wheel names it."""
    layers = {name: size(folder) for name, folder in folders.items()}
    for name in FUNCTIONS:
        properties = RESOURCES[name]["Properties"]
        attached = [layer["Ref"] for layer in properties["Layers"]]
        total = size(ROOT / properties["CodeUri"]) + sum(layers[layer] for layer in attached)
        assert total < LIMIT, f"{name}: {total / 2**20:.0f} MB"
    for name in MADE:
        wanted, wheels = machine, [path.read_text() for path in folders[name].glob("python/*.dist-info/WHEEL")]
        if name == "PreparationWheelsLayer":  # for the processing job's processor, whatever the functions run on
            wanted, wheels = "x86_64", [path.name for path in folders[name].glob("python/sluicegate_wheels/*.whl")]
        assert any(wanted in wheel for wheel in wheels), f"no wheel of {name} is for {wanted}"


def test_every_function_fits_into_lambda_on_arm64(tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make is not None
    folders = {}
    for name, item in LAYERS.items():
        source = ROOT / item["Properties"]["ContentUri"]
        folders[name] = tmp_path / name if name in MADE else source
        if name in MADE:
            environment = {**os.environ, "ARTIFACTS_DIR": str(folders[name]), "SLUICE_ARCHITECTURE": "arm64"}
            command = [make, f"build-{name}", f"PYTHON={sys.executable}"]
            done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    every_function_fits(folders, "aarch64")

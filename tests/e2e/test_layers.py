"""The layers as pip builds them for Lambda: every function stays below Lambda's 250 MB."""

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

pytestmark = pytest.mark.e2e


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module", params=["x86_64", "arm64"])
def layers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """Bytes of each layer, unpacked."""
    make = shutil.which("make")
    assert make is not None
    found = {}
    for name, item in LAYERS.items():
        source = ROOT / item["Properties"]["ContentUri"]
        if item["Metadata"]["BuildMethod"] != "makefile":
            found[name] = size(source)
            continue
        target = tmp_path_factory.mktemp(f"{name}-{request.param}")
        environment = {**os.environ, "ARTIFACTS_DIR": str(target), "SLUICE_ARCHITECTURE": request.param}
        command = [make, f"build-{name}", f"PYTHON={sys.executable}"]
        done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        machine = "aarch64" if request.param == "arm64" else "x86_64"
        wheels = [path.read_text() for path in target.glob("python/*.dist-info/WHEEL")]
        if name == "PreparationWheelsLayer":  # for the processing job's processor, whatever the functions run on
            machine, wheels = "x86_64", [path.name for path in target.glob("python/sluicegate_wheels/*.whl")]
        assert any(machine in wheel for wheel in wheels), f"no wheel of {name} is for {machine}"
        found[name] = size(target)
    return found


def test_every_function_fits_into_lambda(layers: dict[str, int]) -> None:
    for name in FUNCTIONS:
        properties = RESOURCES[name]["Properties"]
        attached = [layer["Ref"] for layer in properties["Layers"]]
        total = size(ROOT / properties["CodeUri"]) + sum(layers[layer] for layer in attached)
        assert total < LIMIT, f"{name}: {total / 2**20:.0f} MB"

"""The notebooks, executed as a person would: against a region with the application's example in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.application import ROOT, Application, running_application

pytestmark = pytest.mark.e2e
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    with running_application(tmp_path_factory.mktemp("region")) as app:
        app.sluice("example")
        app.sluice("watch", "churn", "--quiet")
        yield app


@pytest.fixture
def settings(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `eval "$(sluice env --admin)"` does in the shell that starts Jupyter."""
    lines = application.sluice("env", "--admin").stdout.splitlines()
    for line in lines:
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value.strip("'"))


def executed(path: Path) -> Any:
    notebook: Any = nbformat.reads(path.read_text(), as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}})
    client.execute()
    return notebook


def printed(notebook: Any) -> str:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(str(output.get("text") or output.get("data", {}).get("text/plain", "")) for output in outputs)


@pytest.mark.usefixtures("settings")
def test_the_notebooks_run_from_top_to_bottom(application: Application) -> None:
    with ThreadPoolExecutor(len(NOTEBOOKS)) as pool:  # a kernel each: starting one takes seconds
        explore, tune, ab = (printed(notebook) for notebook in pool.map(executed, NOTEBOOKS))
    assert "version 1: Accepted with AUC" in explore
    assert "v1 is right for" in explore
    assert "best trial" in tune
    assert "promote: challenger is better than champion" in ab
    sagemaker = application.client("sagemaker")
    assert [found["EndpointName"] for found in sagemaker.list_endpoints()["Endpoints"]] == ["sluicegate-churn"]
    models = [found["ModelName"] for found in sagemaker.list_models(NameContains="notebook-")["Models"]]
    assert [name for name in models if name.startswith("notebook-")] == []
    application.sluice("deploy", "-p", "NotebookInstanceType=ml.t3.medium", timeout=180)
    found = sagemaker.describe_notebook_instance(NotebookInstanceName="sluicegate-notebooks")
    assert found["NotebookInstanceStatus"] == "InService"
    config = found["NotebookInstanceLifecycleConfigName"]
    assert sagemaker.describe_notebook_instance_lifecycle_config(NotebookInstanceLifecycleConfigName=config)["OnStart"]
    assert application.target.describe_stack() is not None

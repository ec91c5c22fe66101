"""The notebook instance: only when asked for; its script is the file under notebooks/, which stops it when idle."""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jmespath  # type: ignore[import-untyped]
import pytest

from sluice.packaging import read_template

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
MODEL_YAML = "models/notebook-*/model.yaml"
NOW = 1_795_348_800.0  # 2026-11-22T12:00:00Z


def on_start() -> str:
    """The script as the instance gets it."""
    (hook,) = RESOURCES["NotebookLifecycle"]["Properties"]["OnStart"]
    text = hook["Content"]["Fn::Base64"]["Fn::Sub"]
    values = {
        "AWS::Region": "eu-west-1",
        "DataBucket": "sluicegate-databucket-0123456789abc",
        "NamePrefix": "sluicegate",
        "NotebookIdleMinutes": "60",
        "Api": "a1b2c3",
        "AWS::URLSuffix": "amazonaws.com",
    }
    return re.sub(r"\$\{([\w:]+)\}", lambda match: values[match[1]], str(text))


def auto_stop() -> Any:
    spec = importlib.util.spec_from_file_location("auto_stop", ROOT / "notebooks/auto_stop.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_there_is_none_unless_its_type_is_said() -> None:
    assert TEMPLATE["Parameters"]["NotebookInstanceType"]["Default"] == ""
    for name in ("Notebook", "NotebookRole", "NotebookLifecycle"):
        assert RESOURCES[name]["Condition"] == "HasNotebook"
    pattern = TEMPLATE["Parameters"]["NotebookInstanceType"]["AllowedPattern"]
    assert all(re.fullmatch(pattern, value) for value in ("", "ml.t3.medium", "ml.p6-b200.48xlarge"))
    assert not re.fullmatch(pattern, "t3.medium")


def test_its_role_changes_only_what_notebooks_made() -> None:
    (policy,) = RESOURCES["NotebookRole"]["Properties"]["Policies"]
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        changing = [name for name in actions if re.search(":(Create|Update|Delete|Put|Stop)", name)]
        if not changing or statement["Sid"] == "Logs":
            continue
        for resource in statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]:
            name = resource["Fn::Sub"].split("/", 1)[-1]
            allowed = ("notebook-${NamePrefix}-*", "${NamePrefix}-notebooks", "data/notebook-*", MODEL_YAML)
            assert name in allowed, statement["Sid"]


def test_the_script_is_the_file_and_fits() -> None:
    script = on_start()
    assert len(base64.b64encode(script.encode())) <= 16_384
    inner = re.search(r"<<'END_OF_SCRIPT'\n(.*?)^END_OF_SCRIPT$", script, re.DOTALL | re.MULTILINE)
    assert inner is not None
    assert inner[1] == (ROOT / "notebooks/auto_stop.py").read_text()


def test_the_script_sets_up_the_folder_and_cron(tmp_path: Path) -> None:
    """Run with its folders moved below a temporary one, and commands that write down how they were called."""
    script = on_start()
    for place in ("/home/ec2-user", "/usr/local/bin", "/etc/cron.d"):
        (tmp_path / place[1:]).mkdir(parents=True)
        script = script.replace(f" {place}", f" {tmp_path}{place}").replace(f"={place}", f"={tmp_path}{place}")
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "aws").write_text(
        f'#!/bin/bash\necho "$@" > {tmp_path}/called\nfor last; do :; done\necho new > "$last/01.ipynb"\n'
    )
    (tools / "chown").write_text("#!/bin/bash\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    folder = tmp_path / "home/ec2-user/SageMaker/sluicegate"
    folder.mkdir(parents=True)
    (folder / "02.ipynb").write_text("mine")
    bash = shutil.which("bash")
    assert bash is not None
    environment = {"PATH": f"{tools}:/usr/bin:/bin"}
    subprocess.run([bash, "-c", script], check=True, env=environment)
    (folder / "01.ipynb").write_text("changed")
    subprocess.run([bash, "-c", script], check=True, env=environment)
    assert (folder / "01.ipynb").read_text() == "changed"
    assert (folder / "02.ipynb").read_text() == "mine"
    assert json.loads((folder / "settings.json").read_text()) == {
        "bucket": "sluicegate-databucket-0123456789abc",
        "prefix": "sluicegate",
        "api_url": "https://a1b2c3.execute-api.eu-west-1.amazonaws.com/v1",
    }
    assert "s3://sluicegate-databucket-0123456789abc/notebooks/" in (tmp_path / "called").read_text()
    cron = (tmp_path / "etc/cron.d/sluicegate-auto-stop").read_text()
    assert cron.startswith("*/5 * * * * root ")
    assert "sluicegate-auto-stop 3600 2>&1" in cron


def jupyter(used: str, *kernels: tuple[str, str], terminals: tuple[str, ...] = ()) -> Any:
    answers = {
        "status": {"started": "2026-11-22T08:00:00.000000Z", "last_activity": used, "kernels": len(kernels)},
        "kernels": [{"execution_state": state, "last_activity": moment} for state, moment in kernels],
        "terminals": [{"name": "1", "last_activity": moment} for moment in terminals],
    }
    return answers.__getitem__


@pytest.mark.parametrize(
    ("get", "idle"),
    [
        (jupyter("2026-11-22T11:30:00.5Z"), False),
        (jupyter("2026-11-22T10:30:00.123456Z"), True),
        (jupyter("2026-11-22T10:30:00Z", ("idle", "2026-11-22T10:59:59Z")), True),
        (jupyter("2026-11-22T10:30:00Z", ("idle", "2026-11-22T11:00:01Z")), False),
        (jupyter("2026-11-22T08:30:00Z", ("busy", "2026-11-22T08:30:00Z")), False),
        (jupyter("2026-11-22T08:30:00Z", terminals=("2026-11-22T11:50:00Z",)), False),
    ],
)
def test_idle_is_what_nobody_used_for_an_hour(get: Any, idle: bool) -> None:
    assert auto_stop().is_idle(3600, NOW, get, lambda: NOW) is idle


@pytest.mark.parametrize(("age", "idle"), [(600, False), (7200, True)])
def test_while_jupyter_does_not_answer_the_machines_age_counts(age: int, idle: bool) -> None:
    def gone(path: str) -> Any:
        raise ConnectionRefusedError(path)

    assert auto_stop().is_idle(3600, NOW, gone, lambda: NOW - age) is idle


def test_it_stops_the_instance_that_it_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = auto_stop()
    (tmp_path / "metadata.json").write_text(json.dumps({"ResourceName": "sluicegate-notebooks"}))
    called: list[list[str]] = []
    monkeypatch.setattr(module, "METADATA", str(tmp_path / "metadata.json"))
    monkeypatch.setattr(module, "ask", jupyter("2026-11-22T08:30:00Z"))
    monkeypatch.setattr(module.subprocess, "run", lambda command, check: called.append(command))
    monkeypatch.setattr(module.time, "time", lambda: NOW)
    monkeypatch.setattr(module.sys, "argv", ["auto-stop", "3600"])
    module.main()
    assert called == [
        ["aws", "sagemaker", "stop-notebook-instance", "--notebook-instance-name", "sluicegate-notebooks"]
    ]
    monkeypatch.setattr(module, "ask", jupyter("2026-11-22T11:59:00Z"))
    module.main()
    assert len(called) == 1


def test_jobs_under_way_are_stopped_and_no_others(tmp_path: Path) -> None:
    """Run by a shell, with a command that answers as ``aws`` does and writes down what it is told to stop."""
    command = TEMPLATE["Outputs"]["StopJobs"]["Value"]["Fn::Sub"].replace("${NamePrefix}", "sluicegate")
    listed = {
        "hyper-parameter-tuning": ("HyperParameterTuningJob", "HyperParameterTuningJobSummaries"),
        "training": ("TrainingJob", "TrainingJobSummaries"),
        "processing": ("ProcessingJob", "ProcessingJobSummaries"),
        "transform": ("TransformJob", "TransformJobSummaries"),
    }
    names = ["sluicegate-churn-1f2e3d4c", "notebook-sluicegate-012345", "not-sluicegate-a", "sluicegate2-b"]
    answers = {
        f"list-{kind}-jobs": {summaries: [{f"{job}Name": f"{name}", f"{job}Status": "InProgress"} for name in names]}
        for kind, (job, summaries) in listed.items()
    }
    (tmp_path / "answers.json").write_text(json.dumps(answers))
    script = f"""#!{sys.executable}
import json, pathlib, sys
import jmespath
folder, words = pathlib.Path({str(tmp_path)!r}), sys.argv[2:]
if words[0].startswith("list-"):
    assert words[1:3] == ["--status-equals", "InProgress"], words
    answer = json.loads((folder / "answers.json").read_text())[words[0]]
    print("\\t".join(jmespath.search(words[words.index("--query") + 1], answer)))
else:
    with (folder / "stopped").open("a") as file:
        print(*words, file=file)
"""
    (tmp_path / "aws").write_text(script)
    (tmp_path / "aws").chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-c", command], check=True, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert (tmp_path / "stopped").read_text().splitlines() == [
        f"stop-{kind}-job --{kind}-job-name {name}" for kind in listed for name in names[:2]
    ]


def test_what_notebooks_left_behind_is_taken_down_with_the_rest() -> None:
    command = TEMPLATE["Outputs"]["TearDown"]["Value"]["Fn::Sub"].replace("${NamePrefix}", "sluicegate")
    queries = dict(re.findall(r'list-([a-z-]+) --output text --query "([^"]+)"', command))
    for listed, kind in (("endpoints", "Endpoint"), ("endpoint-configs", "EndpointConfig"), ("models", "Model")):
        names = ["sluicegate-churn", "notebook-sluicegate-012345", "sluicegate2-churn", "other"]
        answer = {f"{kind}s": [{f"{kind}Name": name} for name in names]}
        assert jmespath.search(queries[listed], answer) == names[:2]

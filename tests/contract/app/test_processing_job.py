"""Processing jobs against botocore's own model of SageMaker, and the program as a process, with no network to help."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from local_region.sagemaker.processing import _check
from sluicegate.adapters import program
from sluicegate.adapters.processing import SageMakerProcessing
from sluicegate.domain.errors import AlreadyExists
from sluicegate.ports import ProcessingSpec
from sluicegate.services.prepare import order_of
from tests.support.flow import Flow, table

ROLE = "arn:aws:iam::123456789012:role/preparation"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:processing-job/a"
NAME = "sluicegate-churn-1f2e3d4c-p"
HERE = "/opt/ml/processing"
SPEC = ProcessingSpec(
    name=NAME,
    image="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-cpu-py312",
    command=("python", f"{HERE}/program/prepare.pyz"),
    arguments=("--rows", f"{HERE}/rows"),
    inputs={"program": ("s3://b/code/_preparation/0/prepare.pyz", f"{HERE}/program")},
    manifests={"rows": ("s3://b/preparation/churn/1f2e3d4c/rows.manifest", f"{HERE}/rows")},
    outputs={"dataset": (f"{HERE}/dataset", "s3://b/datasets/churn/0")},
    instance_type="ml.m5.xlarge",
    volume_gb=30,
    max_runtime_seconds=3600,
    tags={"sluicegate:model": "churn"},
)


@pytest.fixture
def sagemaker() -> Any:
    client: Any = boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        yield client, stub


def test_a_job_is_made_as_asked_and_the_region_takes_it(sagemaker: Any) -> None:
    client, stub = sagemaker
    sent: dict[str, Any] = {}
    client.meta.events.register("provide-client-params.sagemaker.*", lambda params, **_: sent.update(params))
    stub.add_response("create_processing_job", {"ProcessingJobArn": ARN})
    SageMakerProcessing(client, ROLE).create_processing_job(SPEC)
    kinds = {each["InputName"]: each["S3Input"]["S3DataType"] for each in sent["ProcessingInputs"]}
    assert kinds == {"program": "S3Prefix", "rows": "ManifestFile"}
    assert sent["NetworkConfig"] == {"EnableNetworkIsolation": True}
    assert sent["RoleArn"] == ROLE
    _check(sent)


def test_a_name_that_is_taken_is_told_apart(sagemaker: Any) -> None:
    client, stub = sagemaker
    stub.add_client_error("create_processing_job", "ResourceInUse", "Job name must be unique … already exists")
    with pytest.raises(AlreadyExists):
        SageMakerProcessing(client, ROLE).create_processing_job(SPEC)


def described(**more: Any) -> dict[str, Any]:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 30}
    return {
        "ProcessingJobName": NAME,
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {"ImageUri": SPEC.image},
        "ProcessingJobArn": ARN,
        "CreationTime": datetime(2026, 1, 2, tzinfo=UTC),
        **more,
    }


def test_a_job_is_read_with_its_last_words_and_its_seconds(sagemaker: Any) -> None:
    client, stub = sagemaker
    began = datetime(2026, 1, 2, tzinfo=UTC)
    ended = {"ProcessingStartTime": began, "ProcessingEndTime": began + timedelta(seconds=90)}
    words = {"FailureReason": "AlgorithmError: exit code: 1", "ExitMessage": "Incomplete: gone"}
    stub.add_response("describe_processing_job", described(ProcessingJobStatus="Failed", **ended, **words))
    stub.add_response("describe_processing_job", described(ProcessingJobStatus="InProgress"))
    found = SageMakerProcessing(client).processing_job(NAME)
    assert (found.status, found.seconds) == ("Failed", 90.0)
    assert found.failure_reason == "AlgorithmError: exit code: 1 Incomplete: gone"
    running = SageMakerProcessing(client).processing_job(NAME)
    assert not running.over and running.seconds is None


def test_equal_content_is_an_equal_program(tmp_path: Path) -> None:
    digests = {program.PackageProgram().write(tmp_path / name) for name in ("a.pyz", "b.pyz")}
    assert len(digests) == 1
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.pyz") as archive:
        names = archive.namelist()
    assert {"__main__.py", "sluicegate/job.py", "sluicegate/data/build.py"} <= set(names)
    assert not [name for name in names if "report/" in name or "__pycache__" in name]


def wheel(path: Path, module: str, text: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{module}.py", text)


def run(archive: Path, *arguments: str) -> Any:
    """As the image would: no path to this checkout, no environment of ours."""
    kept = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = [sys.executable, "-P", str(archive), *arguments]
    return subprocess.run(command, env=kept, capture_output=True, text=True, check=False, cwd=archive.parent)


def test_the_program_prepares_what_is_ordered_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow(limit=1)
    flow.put("data/churn/a.csv", table(240, 1))
    flow.collect()
    flow.deliver(*flow.pending.pop(0))
    (upload,) = flow.registry.uploads("churn")
    key = f"uploads/churn/{upload['upload']}/rows.parquet"
    rows = tmp_path / "rows" / upload["upload"]
    rows.mkdir(parents=True)
    (rows / "rows.parquet").write_bytes(flow.storage.objects[key])
    run_item: Any = {"dataset_version": "0123456789ab", "uploads": [upload["upload"]]}
    (tmp_path / "order.json").write_text(order_of(run_item, [flow.storage.head(key)], None).to_json())
    # a wheel for this Python is unpacked and comes first
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    place = tmp_path / "wheels"
    place.mkdir()
    wheel(place / "marker-1-py3-none-any.whl", "marker", "")
    monkeypatch.setattr(program, "wheels", lambda: sorted(place.glob("*.whl")))
    archive = tmp_path / "prepare.pyz"
    program.PackageProgram().write(archive)
    arguments = ["--order", "order.json", "--rows", "rows", "--data-set", "set", "--work", "work"]
    arguments += ["--outcome", "outcome.json", "--message", "message"]
    done = run(archive, *arguments)
    assert done.returncode == 0, done.stderr
    assert "with 1 wheels" in done.stdout
    document = json.loads((tmp_path / "outcome.json").read_text())["document"]
    assert document["version"] == "0123456789ab"
    assert sum(document["counts"].values()) == 240
    made = {path.parent.name for path in (tmp_path / "set").rglob("*") if path.is_file()}
    assert made == {"train", "validation", "holdout", "holdout-labels"}
    # under whole keys, as SageMaker may lay a manifest's files
    (tmp_path / "keys/uploads").mkdir(parents=True)
    (tmp_path / "rows").rename(tmp_path / "keys/uploads/churn")
    (tmp_path / "keys").rename(tmp_path / "rows")
    rows = tmp_path / "rows/uploads/churn" / upload["upload"]
    assert run(archive, *arguments).returncode == 0
    # what is not there ends it as failed, in words
    (rows / "rows.parquet").write_bytes(b"cut off")
    wheel(place / f"other-1-{version}9-{version}9-manylinux_2_17_x86_64.whl", "other", "raise SystemExit(1)")
    program.PackageProgram().write(archive)
    done = run(archive, *arguments)
    assert done.returncode == 1
    assert "with its own packages; the wheels are for another" in done.stdout
    assert "has 7 bytes instead of" in (tmp_path / "message").read_text()

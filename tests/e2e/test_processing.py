"""Processing jobs: a script with inputs and outputs in S3, its logs, its failures, its events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.application import Application, eventually

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3"
BASE = "/opt/ml/processing"
SCRIPT = """
import json, pathlib, sys, time
source, target, *more = [word.partition("=")[2] or word for word in sys.argv[1:]]
config = pathlib.Path(source).parents[2] / "config"
hosts = json.loads((config / "resourceconfig.json").read_text())["hosts"]
job = json.loads((config / "processingjobconfig.json").read_text())
lines = sorted(line for path in pathlib.Path(source).rglob("*.csv") for line in path.read_text().splitlines())
pathlib.Path(target, "part").mkdir()
pathlib.Path(target, "part", "all.csv").write_text("\\n".join(lines))
print(f"{len(lines)} lines for {job['ProcessingJobName']} on {hosts}")
if more == ["fail"]:
    (config.parent / "output" / "message").write_text("one line was wrong")
    sys.exit(3)
if more == ["wait"]:
    time.sleep(600)
"""


def start(app: Application, name: str, *more: str, **given: Any) -> Any:
    bucket = app.target.bucket
    output = {"S3Uri": f"s3://{bucket}/processed/{name}", "LocalPath": f"{BASE}/output/out", "S3UploadMode": "EndOfJob"}
    request: dict[str, Any] = {
        "ProcessingJobName": name,
        "RoleArn": "arn:aws:iam::123456789012:role/processing",
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
        },
        "AppSpecification": {
            "ImageUri": IMAGE,
            "ContainerEntrypoint": ["python3", f"{BASE}/input/code/script.py"],
            "ContainerArguments": [f"--source={BASE}/input/data", f"{BASE}/output/out", *more],
        },
        "ProcessingInputs": [
            {"InputName": "code", "S3Input": _input(f"s3://{bucket}/scripts/", "code")},
            {"InputName": "data", "S3Input": _input(f"s3://{bucket}/raw/manifest.json", "data", "ManifestFile")},
        ],
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
        **given,
    }
    return app.client("sagemaker").create_processing_job(**request)


def _input(uri: str, folder: str, kind: str = "S3Prefix") -> dict[str, str]:
    return {"S3Uri": uri, "LocalPath": f"{BASE}/input/{folder}", "S3DataType": kind, "S3InputMode": "File"}


@pytest.fixture(scope="module")
def app(application: Application) -> Application:
    bucket = application.target.bucket
    application.put("scripts/script.py", SCRIPT)
    for name in ("one", "two", "left-out"):
        application.put(f"raw/{name}.csv", f"{name},1\n")
    manifest = [{"prefix": f"s3://{bucket}/raw/"}, "one.csv", "two.csv"]
    application.put("raw/manifest.json", json.dumps(manifest))
    roles = application.client("iam")
    trust = {"Service": "sagemaker.amazonaws.com"}
    policy = {"Statement": [{"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}]}
    roles.create_role(RoleName="processing", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", **policy}))
    return application


def ended(app: Application, name: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        found = app.client("sagemaker").describe_processing_job(ProcessingJobName=name)
        return dict(found) if found["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return eventually(over, 60, f"{name} ends")


def test_a_job_reads_its_inputs_and_gives_its_outputs(app: Application) -> None:
    arn = start(app, "job-1")["ProcessingJobArn"]
    assert arn.endswith(":processing-job/job-1")
    found = ended(app, "job-1")
    assert found["ProcessingJobStatus"] == "Completed", found
    assert found["CreationTime"] <= found["ProcessingStartTime"] <= found["ProcessingEndTime"]
    assert app.read("processed/job-1/part/all.csv") == b"one,1\ntwo,1"
    logs = app.client("logs").filter_log_events(logGroupName="/aws/sagemaker/ProcessingJobs")["events"]
    assert "2 lines for job-1 on ['algo-1']" in [event["message"] for event in logs]
    listed = app.client("sagemaker").list_processing_jobs(NameContains="job-1", StatusEquals="Completed")
    assert [job["ProcessingJobName"] for job in listed["ProcessingJobSummaries"]] == ["job-1"]
    with pytest.raises(ClientError, match="must be unique") as taken:
        start(app, "job-1")
    assert taken.value.response["Error"]["Code"] == "ResourceInUse"


def test_a_job_that_fails_says_why_and_gives_nothing(app: Application) -> None:
    start(app, "job-2", "fail")
    found = ended(app, "job-2")
    assert (found["ProcessingJobStatus"], found["ExitMessage"]) == ("Failed", "one line was wrong")
    assert "exit code: 3" in found["FailureReason"]
    assert app.keys("processed/job-2") == []
    start(app, "job-3", ProcessingInputs=[{"InputName": "x", "S3Input": _input("s3://nowhere/", "code")}])
    assert "NoSuchBucket" in ended(app, "job-3")["FailureReason"]


def test_a_job_can_be_stopped_and_gives_what_it_has(app: Application) -> None:
    start(app, "job-4", "wait")
    logs = app.client("logs")

    def working() -> bool:
        events = logs.filter_log_events(logGroupName="/aws/sagemaker/ProcessingJobs")["events"]
        return any("job-4" in event["message"] for event in events)

    eventually(working, 60, "job-4 prints")
    app.client("sagemaker").stop_processing_job(ProcessingJobName="job-4")
    assert ended(app, "job-4")["ProcessingJobStatus"] == "Stopped"
    assert app.keys("processed/job-4") == ["processed/job-4/part/all.csv"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"AppSpecification": {"ImageUri": "example.com/own:1", "ContainerEntrypoint": ["x"]}},
            "no container for image",
        ),
        ({"AppSpecification": {"ImageUri": IMAGE}}, "the image's own entry point"),
        ({"ExperimentConfig": {"TrialName": "t"}}, "ExperimentConfig"),
        ({"ProcessingInputs": [{"InputName": "x", "S3Input": _input("s3://b/", "../../etc")}]}, "must lie under"),
    ],
)
def test_what_is_not_done_is_refused_by_name(app: Application, given: Any, words: str) -> None:
    with pytest.raises(ClientError, match=words):
        start(app, "job-5", **given)

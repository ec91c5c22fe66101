"""Transform jobs on a real region: filters and joins, several instances, a manifest, and what goes wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.test_sagemaker import cancer, trained, transform, work
from tests.support.region import wait_for
from tests.support.sagemaker import Work, csv

__all__ = ["cancer", "trained", "work"]
pytestmark = pytest.mark.e2e


def with_ids(rows: Any, first: int) -> bytes:
    lines = csv(rows).decode().splitlines()
    return "".join(f"id-{number},{line}\n" for number, line in enumerate(lines, first)).encode()


def test_filters_join_ids_to_predictions_on_two_instances(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    model = work.model(trained["ModelArtifacts"]["S3ModelArtifacts"])
    for number, start in enumerate((0, 60, 120)):
        work.put(f"filtered/{number}.csv", with_ids(x[start : start + 60], start))
    plain = transform(work, model, work.put("plain/all.csv", csv(x[:180])))
    scores = work.get(f"{plain['TransformOutput']['S3OutputPath']}/all.csv.out").decode().split()
    manifest = work.put(
        "lists/two.manifest", json.dumps([{"prefix": f"s3://{work.bucket}/filtered/"}, "0.csv", "2.csv"]).encode()
    )
    filters = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    more: dict[str, Any] = {
        "DataProcessing": filters,
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 2},
        "TransformOutput": {
            "AssembleWith": "Line",
            "S3OutputPath": f"s3://{work.bucket}/out/joined",
            "Accept": "text/csv",
        },
    }
    job = transform(work, model, f"s3://{work.bucket}/filtered/", **more)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    joined = b"".join(work.get(f"s3://{work.bucket}/out/joined/{number}.csv.out") for number in range(3))
    assert joined.decode().splitlines() == [f"id-{number},{score}" for number, score in enumerate(scores)]
    listed = {"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": manifest}}}
    more["TransformOutput"]["S3OutputPath"] = f"s3://{work.bucket}/out/listed"
    job = transform(work, model, manifest, **more, TransformInput=listed, BatchStrategy="SingleRecord")
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    keys = work.region.client("s3").list_objects_v2(Bucket=work.bucket, Prefix="out/listed/")["Contents"]
    assert [item["Key"] for item in keys] == ["out/listed/0.csv.out", "out/listed/2.csv.out"]
    logs = work.region.client("logs")
    group = "/aws/sagemaker/TransformJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job['TransformJobName']}/")
    said = [
        event["message"]
        for stream in streams["logStreams"]
        if stream["logStreamName"].endswith("data-log")
        for event in logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"])["events"]
    ]
    assert any("BatchStrategy=SINGLE_RECORD" in line for line in said)
    assert any("60 of 60 requests answered" in line for line in said)


def test_what_a_container_does_not_take_fails_with_its_answer(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    model = work.model(trained["ModelArtifacts"]["S3ModelArtifacts"])
    uri = work.put("odd/rows.csv", csv(x[:10]))
    chunks = transform(work, model, uri, MaxPayloadInMB=0)
    assert "Bad HTTP status received from algorithm: 411" in chunks["FailureReason"]
    filtered = transform(work, model, uri, DataProcessing={"InputFilter": "$[99]"})
    assert filtered["FailureReason"].endswith("$[99] looks for element 99 of 30")


def test_a_job_is_stopped_in_the_middle(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    model, name = work.model(trained["ModelArtifacts"]["S3ModelArtifacts"]), work.name("transform")
    uri = work.put("long/rows.csv", csv(x[:500]) * 100)
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    work.sm.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        BatchStrategy="SingleRecord",
        TransformInput={"DataSource": source, "ContentType": "text/csv", "SplitType": "Line"},
        TransformOutput={"S3OutputPath": f"s3://{work.bucket}/out/{name}", "AssembleWith": "Line"},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )
    wait_for(lambda: work.sm.describe_transform_job(TransformJobName=name).get("TransformStartTime"), 30, "its start")
    work.sm.stop_transform_job(TransformJobName=name)

    def stopped() -> bool:
        return bool(work.sm.describe_transform_job(TransformJobName=name)["TransformJobStatus"] == "Stopped")

    wait_for(stopped, 30, "its end")
    assert "Contents" not in work.region.client("s3").list_objects_v2(Bucket=work.bucket, Prefix=f"out/{name}")

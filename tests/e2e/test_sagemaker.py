"""SageMaker end to end: a region, boto3 with its waiters, the AWS CLI, real training and serving."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from botocore.exceptions import ClientError
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from tests.support.region import RunningRegion, wait_for
from tests.support.sagemaker import FAST, IMAGE, ROLE, Work, csv

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def work(region: RunningRegion) -> Work:
    return Work(region)


@pytest.fixture(scope="module")
def cancer() -> tuple[Any, Any]:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    return x[order].astype("f4"), y[order]


@pytest.fixture(scope="module")
def trained(work: Work, cancer: tuple[Any, Any]) -> dict[str, Any]:
    x, y = cancer
    train = work.put("cancer/train/part-0.csv", csv(y[:400], x[:400]))
    validation = work.put("cancer/validation/part-0.csv", csv(y[400:], x[400:]))
    name = work.start_training(
        [work.channel("train", train.rpartition("/")[0]), work.channel("validation", validation.rpartition("/")[0])],
        {"num_round": "20", "objective": "binary:logistic", "eval_metric": "auc,logloss,f1"},
    )
    work.sm.get_waiter("training_job_completed_or_stopped").wait(TrainingJobName=name, WaiterConfig=FAST)
    job: dict[str, Any] = work.sm.describe_training_job(TrainingJobName=name)
    return job


def error_of(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


def test_training_is_xgboost_itself_and_tells_its_story(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, y = cancer
    assert trained["TrainingJobStatus"] == trained["SecondaryStatus"] == "Completed"
    direct = xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(x[:400], label=y[:400]), 20)
    booster = work.boosters(trained)["xgboost-model"]
    rows = xgb.DMatrix(x[400:])
    np.testing.assert_allclose(booster.predict(rows), direct.predict(rows), atol=1e-4)
    metrics = {m["MetricName"]: m["Value"] for m in trained["FinalMetricDataList"]}
    assert metrics["validation:auc"] == pytest.approx(roc_auc_score(y[400:], direct.predict(rows)), abs=1e-3)
    assert {"train:auc", "train:logloss", "validation:logloss", "validation:f1"} <= set(metrics)
    transitions = trained["SecondaryStatusTransitions"]
    assert [t["Status"] for t in transitions] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(t["EndTime"] >= t["StartTime"] for t in transitions)
    assert trained["CreationTime"] <= trained["TrainingStartTime"] <= trained["TrainingEndTime"]
    assert trained["BillableTimeInSeconds"] >= 1


def test_training_logs_and_events(work: Work, trained: dict[str, Any]) -> None:
    name = trained["TrainingJobName"]
    logs = work.region.client("logs")
    group = "/aws/sagemaker/TrainingJobs"
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/algo-1-")["logStreams"]
    lines = logs.get_log_events(logGroupName=group, logStreamName=streams[0]["logStreamName"])["events"]
    assert any(line["message"].startswith("[19]#011train-auc:") for line in lines)
    details = [
        event["detail"]
        for event in work.region.events_after(0)
        if event["detail-type"] == "SageMaker Training Job State Change" and event["detail"]["TrainingJobName"] == name
    ]
    assert [d["SecondaryStatus"] for d in details] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert details[-1]["TrainingJobStatus"] == "Completed"
    assert isinstance(details[-1]["CreationTime"], int)
    assert details[-1]["ModelArtifacts"] == trained["ModelArtifacts"]


@pytest.mark.parametrize("load", [datasets.load_iris, datasets.load_wine])
def test_multiclass(work: Work, load: Any) -> None:
    x, y = load(return_X_y=True)
    uri = work.put(f"{load.__name__}/train.csv", csv(y, x))
    job = work.train([work.channel("train", uri)], {"num_round": "10", "objective": "multi:softprob", "num_class": "3"})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    booster = work.boosters(job)["xgboost-model"]
    assert np.mean(booster.predict(xgb.DMatrix(x)).argmax(axis=1) == y) > 0.98


def test_regression_from_gzipped_parts_and_a_manifest(work: Work) -> None:
    x, y = datasets.load_diabetes(return_X_y=True)
    for number, part in enumerate(np.array_split(np.arange(len(y)), 3)):
        work.put(f"diabetes/part-{number}.csv.gz", gzip.compress(csv(y[part], x[part])))
    manifest = [{"prefix": f"s3://{work.bucket}/diabetes/"}, *(f"part-{n}.csv.gz" for n in range(3))]
    uri = work.put("diabetes.manifest", json.dumps(manifest).encode())
    channel = work.channel("train", uri, CompressionType="Gzip")
    channel["DataSource"]["S3DataSource"]["S3DataType"] = "ManifestFile"
    job = work.train([channel], {"num_round": "30", "objective": "reg:squarederror"})
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    direct = xgb.train({}, xgb.DMatrix(x.astype("f4"), label=y), 30).predict(xgb.DMatrix(x))
    ours = work.boosters(job)["xgboost-model"].predict(xgb.DMatrix(x))
    assert np.corrcoef(direct, ours)[0, 1] > 0.99


def test_libsvm_and_weights(work: Work) -> None:
    lines = "\n".join(f"{i % 2} 0:{i % 2} 3:{i}" for i in range(50))
    job = work.train(
        [work.channel("train", work.put("svm/train.svm", lines.encode()), "text/libsvm")],
        {"num_round": "3", "objective": "binary:logistic"},
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert work.boosters(job)["xgboost-model"].num_features() == 4
    # of two contradicting rows the heavier one wins
    rows = np.array([[0, 1, 5.0], [1, 9, 5.0]] * 20)
    job = work.train(
        [work.channel("train", work.put("weights/train.csv", csv(rows)))],
        {"num_round": "30", "objective": "binary:logistic", "csv_weights": "1"},
    )
    assert work.boosters(job)["xgboost-model"].predict(xgb.DMatrix([[5.0]]))[0] == pytest.approx(0.9, abs=0.02)


def test_kfold_leaves_a_model_a_fold_and_an_endpoint_averages_them(work: Work, cancer: Any) -> None:
    x, y = cancer
    uri = work.put("kfold/train.csv", csv(y, x))
    job = work.train(
        [work.channel("train", uri)],
        {"num_round": "3", "objective": "binary:logistic", "_kfold": "3", "eval_metric": "auc"},
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    boosters = work.boosters(job)
    assert sorted(boosters) == ["xgboost-model-0", "xgboost-model-1", "xgboost-model-2"]
    assert {"train:auc", "validation:auc"} <= {m["MetricName"] for m in job["FinalMetricDataList"]}
    output = work.get(f"s3://{work.bucket}/artifacts/{job['TrainingJobName']}/output/output.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(output)) as archive:
        assert len(archive.extractfile("predictions.csv").read().splitlines()) == len(y)  # type: ignore[union-attr]
    endpoint = work.endpoint(work.config(a=(work.model(job["ModelArtifacts"]["S3ModelArtifacts"]), 1.0)))
    work.status(endpoint, "InService")
    answer = float(work.invoke(endpoint, csv(x[:1]))["Body"].read())
    mean = np.mean([b.predict(xgb.DMatrix(x[:1]))[0] for b in boosters.values()])
    assert answer == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize(
    ("hyperparameters", "data", "content_type", "reason"),
    [
        ({}, b"1,2\n", "text/csv", "ClientError: Missing required hyperparameter: num_round, exit code: 2"),
        ({"num_round": "1", "eta": "2"}, b"1,2\n", "text/csv", "ClientError: Hyperparameter eta: 2.0 is not in [0, 1]"),
        ({"num_round": "1", "typo": "2"}, b"1,2\n", "text/csv", "Extraneous hyperparameter found: typo"),
        ({"num_round": "1"}, b"age,label\n1,2\n", "text/csv", "line 1 column 1: 'age' is not a number"),
        ({"num_round": "1"}, b"1,2\n1,2,3\n", "text/csv", "line 2: 3 columns where the first line has 2"),
        ({"num_round": "1"}, b"1,2\n", "application/x-parquet", "application/x-parquet"),
        ({"num_round": "1", "objective": "binary:logistic"}, b"7,2\n0,1\n", "text/csv", "label must be in [0,1]"),
        ({"num_round": "1"}, b"x y\n", "text/libsvm", "is not LIBSVM format"),
    ],
)
def test_failures_that_the_customer_can_mend(
    work: Work, hyperparameters: dict[str, str], data: bytes, content_type: str, reason: str
) -> None:
    job = work.train([work.channel("train", work.put("bad/data", data), content_type)], hyperparameters)
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert reason in job["FailureReason"]


def test_missing_data_and_missing_output_bucket(work: Work) -> None:
    job = work.train([work.channel("train", f"s3://{work.bucket}/nothing/")], {"num_round": "1"})
    assert job["FailureReason"].startswith("ClientError: Data download failed:S3 key:")
    uri = work.put("ok/train.csv", b"1,2\n0,1\n")
    job = work.train(
        [work.channel("train", uri)], {"num_round": "1"}, OutputDataConfig={"S3OutputPath": "s3://no-such-bucket-x/a"}
    )
    assert "Artifact upload failed" in job["FailureReason"]


def log_of(work: Work, job: str) -> str:
    """The beginning of what a training job has printed."""
    logs, group = work.region.client("logs"), "/aws/sagemaker/TrainingJobs"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return ""
    streams = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"]
    pages = [
        logs.get_log_events(logGroupName=group, logStreamName=stream["logStreamName"], limit=200, startFromHead=True)
        for stream in streams
    ]
    return "\n".join(event["message"] for page in pages for event in page["events"])


def test_stop_and_max_runtime(work: Work, cancer: Any) -> None:
    x, y = cancer
    channel = work.channel("train", work.put("long/train.csv", csv(y, x)))
    name = work.start_training([channel], {"num_round": "100000", "save_model_on_termination": "true"})
    wait_for(lambda: "[3]#011train" in log_of(work, name), 60, "the fourth round")
    work.sm.stop_training_job(TrainingJobName=name)
    job = work.finish(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert work.boosters(job)["xgboost-model"].num_boosted_rounds() > 0
    job = work.train([channel], {"num_round": "100000"}, StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_names_are_unique_and_unknown_ones_refused(work: Work, trained: dict[str, Any]) -> None:
    code, _ = error_of(
        lambda: work.sm.create_training_job(
            **{key: trained[key] for key in ("TrainingJobName", "RoleArn", "OutputDataConfig", "StoppingCondition")},
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        )
    )
    assert code == "ResourceInUse"
    for call in (
        lambda: work.sm.describe_training_job(TrainingJobName="none"),
        lambda: work.sm.describe_transform_job(TransformJobName="none"),
        lambda: work.sm.describe_model(ModelName="none"),
        lambda: work.sm.describe_endpoint(EndpointName="none"),
        lambda: work.sm.describe_endpoint_config(EndpointConfigName="none"),
        lambda: work.sm.describe_model_package_group(ModelPackageGroupName="none"),
    ):
        assert error_of(call)[0] == "ValidationException"
    assert error_of(lambda: work.invoke("none", b"1"))[0] == "ValidationError"


def test_unsupported_is_refused_by_name(work: Work) -> None:
    channels = [work.channel("train", f"s3://{work.bucket}/unused")]
    own = {"TrainingImage": "me/mine:1", "TrainingInputMode": "File"}
    code, message = error_of(lambda: work.start_training(channels, {}, AlgorithmSpecification=own))
    assert (code, "sagemaker-xgboost" in message) == ("ValidationException", True)
    code, message = error_of(lambda: work.start_training(channels, {}, CheckpointConfig={"S3Uri": "s3://a/b"}))
    assert (code, "CheckpointConfig" in message) == ("ValidationException", True)
    code, message = error_of(lambda: work.sm.list_pipelines())
    assert (code, "ListPipelines" in message) == ("NotImplemented", True)


def test_an_endpoint_answers_in_every_form(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    artifact = trained["ModelArtifacts"]["S3ModelArtifacts"]
    endpoint = work.endpoint(work.config(v1=(work.model(artifact), 1.0)))
    work.sm.get_waiter("endpoint_in_service").wait(EndpointName=endpoint, WaiterConfig=FAST)
    expected = work.boosters(trained)["xgboost-model"].predict(xgb.DMatrix(x[:3]))
    answer = work.invoke(endpoint, csv(x[:3]), CustomAttributes="trace=1", InferenceId="one")
    assert answer["InvokedProductionVariant"] == "v1"
    assert answer["CustomAttributes"] == "trace=1"
    assert answer["ContentType"].startswith("text/csv")
    np.testing.assert_allclose([float(v) for v in answer["Body"].read().split()], expected, atol=1e-6)
    scores = json.loads(work.invoke(endpoint, csv(x[:1]), Accept="application/json")["Body"].read())
    assert scores["predictions"][0]["score"] == pytest.approx(expected[0], abs=1e-6)
    row = " ".join(f"{i}:{v!r}" for i, v in enumerate(x[0].tolist())).encode()
    answer = work.invoke(endpoint, row, ContentType="text/libsvm")["Body"].read()
    assert float(answer) == pytest.approx(float(expected[0]), abs=1e-6)
    refused: dict[int, dict[str, Any]] = {
        400: {"Body": b"1,2"},
        406: {"Accept": "image/png"},
        415: {"ContentType": "image/png"},
    }
    for status, more in refused.items():
        with pytest.raises(ClientError) as caught:
            work.invoke(endpoint, csv(x[:1]), **more)
        response: Any = caught.value.response
        assert response["Error"]["Code"] == "ModelError"
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
        assert response["OriginalStatusCode"] == status
        assert response["OriginalMessage"]
    assert error_of(lambda: work.invoke(endpoint, csv(x[:1]), TargetVariant="v9"))[0] == "ValidationError"
    code, _ = error_of(lambda: work.invoke(endpoint, b"1" * 6_300_000))
    assert code == "ValidationError"
    metrics = work.region.client("cloudwatch").get_metric_statistics(
        Namespace="AWS/SageMaker",
        MetricName="Invocations",
        Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "v1"}],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["Sum"],
    )
    assert sum(point["Sum"] for point in metrics["Datapoints"]) == 6
    work.sm.delete_endpoint(EndpointName=endpoint)
    work.sm.get_waiter("endpoint_deleted").wait(EndpointName=endpoint, WaiterConfig=FAST)
    statuses = [
        event["detail"]["EndpointStatus"]
        for event in work.region.events_after(0)
        if event["detail-type"] == "SageMaker Endpoint State Change" and event["detail"]["EndpointName"] == endpoint
    ]
    assert statuses == ["CREATING", "IN_SERVICE", "DELETING"]


def test_an_update_loses_no_request_and_a_failed_one_changes_nothing(
    work: Work, cancer: Any, trained: dict[str, Any]
) -> None:
    x, _ = cancer
    artifact = trained["ModelArtifacts"]["S3ModelArtifacts"]
    first, second = work.config(v1=(work.model(artifact), 1.0)), work.config(v2=(work.model(artifact), 1.0))
    endpoint = work.endpoint(first)
    work.status(endpoint, "InService")
    stop, seen, failures = threading.Event(), [], []

    def client() -> None:
        while not stop.is_set():
            try:
                seen.append(work.invoke(endpoint, csv(x[:1]))["InvokedProductionVariant"])
            except ClientError as error:
                failures.append(error)

    def refused() -> bool:
        """A second update during the first; on a machine that stands still for a while the first is over by then."""
        work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=second)
        try:
            work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=first)
        except ClientError as error:
            return error.response["Error"]["Code"] == "ValidationException"
        finally:
            work.status(endpoint, "InService")
        return False

    broken = work.config(v3=(work.model(work.put("broken/model.tar.gz", b"no archive")), 1.0))
    threads = [threading.Thread(target=client) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: "v1" in seen, 10, "an answer of v1")
        wait_for(refused, 60, "an update while another one goes on is refused")
        wait_for(lambda: seen[-1] == "v2", 10, "answers of v2")
        work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=broken)
        after = work.status(endpoint, "InService", "Failed")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures
    assert after["EndpointConfigName"] == second
    assert "Failed to extract model data archive" in after["FailureReason"]
    assert {"v1", "v2"} == set(seen)


def test_weights_move_traffic(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    model = work.model(trained["ModelArtifacts"]["S3ModelArtifacts"])
    endpoint = work.endpoint(work.config(a=(model, 1.0), b=(model, 0.0)))
    work.status(endpoint, "InService")
    assert {work.invoke(endpoint, csv(x[:1]))["InvokedProductionVariant"] for _ in range(10)} == {"a"}
    assert work.invoke(endpoint, csv(x[:1]), TargetVariant="b")["InvokedProductionVariant"] == "b"
    work.sm.update_endpoint_weights_and_capacities(
        EndpointName=endpoint,
        DesiredWeightsAndCapacities=[
            {"VariantName": "a", "DesiredWeight": 0.0},
            {"VariantName": "b", "DesiredWeight": 1.0},
        ],
    )
    found = work.status(endpoint, "InService")
    assert {v["VariantName"]: v["CurrentWeight"] for v in found["ProductionVariants"]} == {"a": 0.0, "b": 1.0}
    assert {work.invoke(endpoint, csv(x[:1]))["InvokedProductionVariant"] for _ in range(10)} == {"b"}


def test_endpoint_creation_fails_with_a_reason(work: Work) -> None:
    gone = work.endpoint(work.config(a=(work.model(f"s3://{work.bucket}/gone.tar.gz"), 1.0)))
    assert "Could not find model data" in work.status(gone, "Failed")["FailureReason"]
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        info = tarfile.TarInfo("xgboost-model")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"\x80\x04N."))
    pickled = work.endpoint(work.config(a=(work.model(work.put("pickled.tar.gz", sink.getvalue())), 1.0)))
    assert "ping health check" in work.status(pickled, "Failed")["FailureReason"]


def test_a_dead_serving_process_is_started_again(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    endpoint = work.endpoint(work.config(a=(work.model(trained["ModelArtifacts"]["S3ModelArtifacts"]), 1.0)))
    work.status(endpoint, "InService")
    expected = work.invoke(endpoint, csv(x[:1]))["Body"].read()
    folders = sorted((work.region.state_dir / "sagemaker").glob("serve-*"), key=lambda p: p.stat().st_mtime)
    pid = next(
        int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and _cwd(p) == str(folders[-1].resolve())
    )
    os.kill(pid, 9)

    def again() -> bytes | None:
        try:
            body: bytes = work.invoke(endpoint, csv(x[:1]))["Body"].read()
        except ClientError:
            return None
        return body

    assert wait_for(again, 10, "an answer after the restart") == expected


def _cwd(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def transform(work: Work, model: str, uri: str, **more: Any) -> dict[str, Any]:
    name = work.name("transform")
    source = {
        "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
        "ContentType": "text/csv",
        "SplitType": "Line",
    }
    work.sm.create_transform_job(
        **{
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {**source, **more.pop("TransformInput", {})},
            "TransformOutput": {"S3OutputPath": f"s3://{work.bucket}/out/{name}", "AssembleWith": "Line"},
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
            **more,
        }
    )

    def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = work.sm.describe_transform_job(TransformJobName=name)
        return job if job["TransformJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return wait_for(ended, 60, name)


@pytest.mark.parametrize(
    "settings", [{}, {"BatchStrategy": "SingleRecord", "MaxConcurrentTransforms": 4, "MaxPayloadInMB": 1}]
)
def test_transform_keeps_order_and_paths(
    work: Work, cancer: Any, trained: dict[str, Any], settings: dict[str, Any]
) -> None:
    x, _ = cancer
    model = work.model(trained["ModelArtifacts"]["S3ModelArtifacts"])
    prefix = f"s3://{work.bucket}/batch"
    work.put("batch/a/rows.csv", csv(x[:100]))
    work.put("batch/b.csv", csv(x[100:150]))
    job = transform(work, model, prefix, **settings)
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    booster = work.boosters(trained)["xgboost-model"]
    out = job["TransformOutput"]["S3OutputPath"]
    for name, rows in (("a/rows.csv", x[:100]), ("b.csv", x[100:150])):
        values = [float(line) for line in work.get(f"{out}/{name}.out").split()]
        np.testing.assert_allclose(values, booster.predict(xgb.DMatrix(rows)), atol=1e-6)
    event = [
        e["detail"]
        for e in work.region.events_after(0)
        if e["detail-type"] == "SageMaker Transform Job State Change"
        and e["detail"]["TransformJobName"] == job["TransformJobName"]
    ]
    assert [e["TransformJobStatus"] for e in event] == ["InProgress", "Completed"]


def test_transform_of_a_gzip_and_failures(work: Work, cancer: Any, trained: dict[str, Any]) -> None:
    x, _ = cancer
    model = work.model(trained["ModelArtifacts"]["S3ModelArtifacts"])
    uri = work.put("batch-gz/rows.csv.gz", gzip.compress(csv(x[:10])))
    job = transform(work, model, uri, TransformInput={"CompressionType": "Gzip"})
    assert job["TransformJobStatus"] == "Completed", job.get("FailureReason")
    assert len(work.get(f"{job['TransformOutput']['S3OutputPath']}/rows.csv.gz.out").split()) == 10
    job = transform(work, model, work.put("batch-bad/rows.csv", b"1,2\n3,4\n"))
    assert job["TransformJobStatus"] == "Failed"
    assert "Bad HTTP status received from algorithm: 400" in job["FailureReason"]
    job = transform(work, model, f"s3://{work.bucket}/batch-none/")
    assert "matched no files" in job["FailureReason"]


def test_the_registry(work: Work, trained: dict[str, Any]) -> None:
    group = work.name("group")
    work.sm.create_model_package_group(ModelPackageGroupName=group, ModelPackageGroupDescription="a group")
    request = {
        "ModelPackageGroupName": group,
        "ModelApprovalStatus": "PendingManualApproval",
        "InferenceSpecification": {
            "Containers": [{"Image": IMAGE, "ModelDataUrl": trained["ModelArtifacts"]["S3ModelArtifacts"]}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
        "CustomerMetadataProperties": {"run": "1"},
    }
    token = uuid.uuid4().hex
    one = work.sm.create_model_package(**request, ClientToken=token)["ModelPackageArn"]
    assert work.sm.create_model_package(**request, ClientToken=token)["ModelPackageArn"] == one
    two = work.sm.create_model_package(**request)["ModelPackageArn"]
    assert (one.rpartition("/")[2], two.rpartition("/")[2]) == ("1", "2")
    work.sm.update_model_package(ModelPackageArn=two, ModelApprovalStatus="Approved", ApprovalDescription="good")
    approved = work.sm.list_model_packages(ModelPackageGroupName=group, ModelApprovalStatus="Approved")
    assert [p["ModelPackageArn"] for p in approved["ModelPackageSummaryList"]] == [two]
    described = work.sm.describe_model_package(ModelPackageName=two)
    assert (described["ModelPackageVersion"], described["ApprovalDescription"]) == (2, "good")
    details = [
        e["detail"]
        for e in work.region.events_after(0)
        if e["detail-type"] == "SageMaker Model Package State Change" and e["detail"]["ModelPackageGroupName"] == group
    ]
    assert [(d["ModelPackageVersion"], d["ModelApprovalStatus"]) for d in details] == [
        (1, "PendingManualApproval"),
        (2, "PendingManualApproval"),
        (2, "Approved"),
    ]
    assert error_of(lambda: work.sm.delete_model_package_group(ModelPackageGroupName=group))[0] == "ConflictException"
    name = work.name("packaged")
    work.sm.create_model(ModelName=name, PrimaryContainer={"ModelPackageName": two}, ExecutionRoleArn=ROLE)
    arn = work.sm.describe_model(ModelName=name)["ModelArn"]
    work.sm.add_tags(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}])
    assert work.sm.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "1"}]


def test_the_aws_cli(work: Work, trained: dict[str, Any]) -> None:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": work.region.endpoint,
        "AWS_ACCESS_KEY_ID": work.region.access_key_id,
        "AWS_SECRET_ACCESS_KEY": work.region.secret_access_key,
        "AWS_DEFAULT_REGION": work.region.region_name,
    }
    command = [str(Path(sys.executable).with_name("aws")), "sagemaker", "list-training-jobs", "--max-items", "100"]
    command += ["--name-contains", trained["TrainingJobName"], "--status-equals", "Completed"]
    output = subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout
    assert [j["TrainingJobName"] for j in json.loads(output)["TrainingJobSummaries"]] == [trained["TrainingJobName"]]

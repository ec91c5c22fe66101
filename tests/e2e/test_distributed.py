"""Training on several hosts: shards of the data, a process each, one model of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from tests.support.region import RunningRegion
from tests.support.sagemaker import Work, csv

pytestmark = pytest.mark.e2e
TWO = {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 10}
BINARY = {"num_round": "20", "objective": "binary:logistic", "eval_metric": "auc"}


@pytest.fixture(scope="module")
def work(region: RunningRegion) -> Work:
    return Work(region)


def sharded(work: Work, uri: str, name: str = "train") -> dict[str, Any]:
    channel = work.channel(name, uri)
    channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    return channel


def test_two_hosts_learn_from_both_shards(work: Work) -> None:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    order = np.argsort(y[:400], kind="stable")  # each host alone would see one class nearly only
    for number, part in enumerate(np.array_split(order, 2)):
        work.put(f"shards/train/part-{number}.csv", csv(y[:400][part], x[:400][part]))
    work.put("shards/validation/part-0.csv", csv(y[400:], x[400:]))
    base = f"s3://{work.bucket}/shards"
    job = work.train(
        [sharded(work, f"{base}/train/"), work.channel("validation", f"{base}/validation/")], BINARY, ResourceConfig=TWO
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    booster = work.boosters(job)["xgboost-model"]
    direct = xgb.train({"objective": "binary:logistic"}, xgb.DMatrix(x[:400], label=y[:400]), 20)
    rows = xgb.DMatrix(x[400:])
    ours, theirs = (roc_auc_score(y[400:], model.predict(rows)) for model in (booster, direct))
    assert ours == pytest.approx(theirs, abs=0.01)
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics["validation:auc"] == pytest.approx(ours, abs=1e-3)
    streams = work.region.client("logs").describe_log_streams(
        logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=job["TrainingJobName"]
    )["logStreams"]
    names = sorted(stream["logStreamName"].split("/")[1].rsplit("-", 1)[0] for stream in streams)
    assert names == ["algo-1", "algo-2"]


def test_a_host_that_fails_fails_the_job(work: Work) -> None:
    work.put("torn/part-0.csv", b"1,2\n0,3\n" * 20)
    work.put("torn/part-1.csv", b"1,2\n0,x\n")
    job = work.train([sharded(work, f"s3://{work.bucket}/torn/")], BINARY, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Failed"
    assert "part-1.csv' line 2 column 2: 'x' is not a number" in job["FailureReason"]


def test_a_host_without_data_takes_no_part(work: Work) -> None:
    work.put("lonely/part-0.csv", b"1,2\n0,3\n" * 20)
    job = work.train([sharded(work, f"s3://{work.bucket}/lonely/")], BINARY, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    assert list(work.boosters(job)) == ["xgboost-model"]


@pytest.mark.parametrize("alone", [{"_kfold": "3"}, {"booster": "gblinear"}, {"tree_method": "exact"}])
def test_what_trains_on_one_host_only_is_refused(work: Work, alone: dict[str, str]) -> None:
    work.put("alone/part-0.csv", b"1,2\n0,3\n" * 20)
    job = work.train([sharded(work, f"s3://{work.bucket}/alone/")], BINARY | alone, ResourceConfig=TWO)
    assert job["TrainingJobStatus"] == "Failed"
    assert "trains on one instance only" in job["FailureReason"]

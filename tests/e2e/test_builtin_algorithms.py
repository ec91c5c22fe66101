"""SageMaker's other built-ins in a real region: trained on one host and on two, served, transformed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.support.containers import RECORDIO, records
from tests.support.region import RunningRegion, wait_for
from tests.support.sagemaker import Work, csv

pytestmark = pytest.mark.e2e
REGISTRY = "382416733822.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture(scope="module")
def work(region: RunningRegion) -> Work:
    return Work(region)


def train(work: Work, name: str, channels: list[dict[str, Any]], hosts: int = 1, **settings: Any) -> dict[str, Any]:
    job = work.train(
        channels,
        {key: str(value) for key, value in settings.items()},
        AlgorithmSpecification={"TrainingImage": f"{REGISTRY}/{name}:1", "TrainingInputMode": "File"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 10},
    )
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    return job


def metrics(job: dict[str, Any]) -> dict[str, float]:
    return {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}


def test_linear_learner_from_training_to_answers(work: Work) -> None:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    train_uri = work.put("ll/train/part-0.csv", csv(y[:400], x[:400]))
    rest_uri = work.put("ll/validation/part-0.csv", csv(y[400:], x[400:]))
    channels = [work.channel("train", train_uri), work.channel("validation", rest_uri)]
    job = train(work, "linear-learner", channels, predictor_type="binary_classifier", feature_dim=30)
    names = {each["Name"] for each in job["AlgorithmSpecification"]["MetricDefinitions"]}
    assert {"validation:binary_classification_accuracy", "train:objective_loss"} <= names
    direct = make_pipeline(StandardScaler(), LogisticRegression()).fit(x[:400], y[:400])
    found = metrics(job)["validation:binary_classification_accuracy"]
    assert found >= direct.score(x[400:], y[400:]) - 0.02
    model = work.model(job["ModelArtifacts"]["S3ModelArtifacts"], f"{REGISTRY}/linear-learner:1")
    endpoint = work.endpoint(work.config(only=(model, 1.0)))
    assert work.status(endpoint, "InService", "Failed")["EndpointStatus"] == "InService"
    body = csv(x[400:])
    answers = json.load(work.invoke(endpoint, body)["Body"])["predictions"]
    assert np.mean([answer["predicted_label"] for answer in answers] == y[400:]) == pytest.approx(found)
    lines = work.invoke(endpoint, body, Accept="application/jsonlines")["Body"].read().splitlines()
    assert [json.loads(line) for line in lines] == answers
    work.sm.delete_endpoint(EndpointName=endpoint)


def test_kmeans_of_two_hosts_is_that_of_one_and_transforms(work: Work) -> None:
    x, _ = datasets.load_iris(return_X_y=True)
    for number, part in enumerate(np.array_split(x, 3)):
        work.put(f"km/train/part-{number}.csv", csv(part))
    channel = work.channel("train", f"s3://{work.bucket}/km/train/", "text/csv;label_size=0")
    channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    jobs = [train(work, "kmeans", [channel], hosts, k=3, feature_dim=4) for hosts in (1, 2)]
    assert metrics(jobs[0])["train:msd"] == pytest.approx(metrics(jobs[1])["train:msd"], rel=1e-3)
    model = work.model(jobs[1]["ModelArtifacts"]["S3ModelArtifacts"], f"{REGISTRY}/kmeans:1")
    name = work.name("transform")
    uri = work.put("km/rows.csv", csv(x))
    work.sm.create_transform_job(
        TransformJobName=name,
        ModelName=model,
        TransformInput={
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{work.bucket}/km/out",
            "Accept": "application/jsonlines",
            "AssembleWith": "Line",
        },
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
    )

    def ended() -> str | None:
        status: str = work.sm.describe_transform_job(TransformJobName=name)["TransformJobStatus"]
        return status if status in ("Completed", "Failed") else None

    assert wait_for(ended, 30, name) == "Completed"
    answers = [json.loads(line) for line in work.get(f"s3://{work.bucket}/km/out/rows.csv.out").splitlines()]
    assert len(answers) == 150 and {answer["closest_cluster"] for answer in answers} == {0.0, 1.0, 2.0}


def test_factorization_machines_learn_from_sparse_records(work: Work) -> None:
    pairs = np.random.default_rng(0).permutation([(a, b) for a in range(20) for b in range(20)])
    y = (pairs.sum(axis=1) % 2 == 0).astype(int)
    places = np.stack([pairs[:, 0], 20 + pairs[:, 1]], axis=1).ravel()
    x = csr_matrix((np.ones(800, "f4"), places, np.arange(0, 801, 2)), shape=(400, 40))
    channels = [
        work.channel(name, work.put(f"fm/{name}", records(y[part], x[part])), RECORDIO)
        for name, part in (("train", slice(0, 300)), ("test", slice(300, 400)))
    ]
    settings: dict[str, Any] = {
        "feature_dim": 40,
        "num_factors": 4,
        "predictor_type": "binary_classifier",
        "epochs": 60,
    }
    settings |= {"mini_batch_size": 50, "factors_lr": 0.05, "factors_init_sigma": 0.1}
    assert metrics(train(work, "factorization-machines", channels, **settings))["test:binary_f_beta"] > 0.9


def test_a_mistake_is_the_jobs_failure_reason(work: Work) -> None:
    channel = work.channel("train", work.put("rcf/train.csv", b"1,2\n" * 50), "text/csv;label_size=0")
    job = work.train(
        [channel],
        {"feature_dim": "2"},
        AlgorithmSpecification={"TrainingImage": f"{REGISTRY}/randomcutforest:1", "TrainingInputMode": "File"},
    )
    said = "The train channel of randomcutforest takes S3DataDistributionType ShardedByS3Key only."
    assert job["FailureReason"] == f"ClientError: {said}, exit code: 2"

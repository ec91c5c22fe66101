"""The main job on a real region: a CSV dropped in S3 becomes a live model behind HTTP, and stays right."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sluice.api import ApiError
from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

Rows = list[list[Any]]


def as_csv(header: list[str], rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def breast_cancer() -> tuple[list[str], Rows]:
    """569 tumours, 30 numbers, benign or malignant (scikit-learn's copy)."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    header = [*(name.replace(" ", "_") for name in data.feature_names), "diagnosis"]
    names = [str(name) for name in data.target_names]
    return header, [[*map(float, row), names[label]] for row, label in zip(data.data, data.target, strict=True)]


def diabetes() -> tuple[list[str], Rows]:
    """442 patients, 10 numbers, and how far the disease went in a year (scikit-learn's copy)."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    header = [*data.feature_names, "progression"]
    return header, [[*map(float, row), float(label)] for row, label in zip(data.data, data.target, strict=True)]


def matrix(application: Application, prefix: str) -> Any:
    """All parts under ``prefix`` as one array."""
    text = b"".join(application.read(key) for key in sorted(application.keys(prefix)))
    return np.genfromtxt(io.BytesIO(text), delimiter=",")


def xgboost_directly(application: Application, run: dict[str, Any], model: str) -> tuple[Any, Any]:
    """Labels of the run's holdout, and what XGBoost called directly (same rows, same hyperparameters) says of them."""
    import xgboost

    folder = f"datasets/{model}/{run['dataset_version']}"
    job = application.client("sagemaker").describe_training_job(TrainingJobName=run["training_job"])
    given = dict(job["HyperParameters"])
    rounds, patience = int(given.pop("num_round")), given.pop("early_stopping_rounds", None)
    metrics = given.pop("eval_metric", None)
    parameters = {name: value for name, value in given.items() if not name.startswith("_")}
    if metrics:
        parameters["eval_metric"] = metrics.split(",")
    parts = {name: matrix(application, f"{folder}/{name}/") for name in ("train", "validation", "holdout")}
    train = xgboost.DMatrix(parts["train"][:, 1:], parts["train"][:, 0])
    validation = xgboost.DMatrix(parts["validation"][:, 1:], parts["validation"][:, 0])
    booster = xgboost.train(
        parameters,
        train,
        rounds,
        evals=[(train, "train"), (validation, "validation")],
        early_stopping_rounds=int(patience) if patience else None,
        verbose_eval=False,
    )
    labels = matrix(application, f"{folder}/holdout-labels/")
    return labels, booster.predict(xgboost.DMatrix(parts["holdout"]))


@pytest.fixture(scope="module")
def tumours(application: Application) -> tuple[list[str], Rows]:
    """The model ``tumours``, live with two thirds of the data; the settings ask for a decent AUC."""
    header, rows = breast_cancer()
    random.Random(7).shuffle(rows)
    application.settings("tumours", "target: diagnosis\nevaluation: {metric: auc, minimum: 0.9}\nproblem: binary\n")
    application.put("data/tumours/first.csv", as_csv(header, rows[:380]))
    watched = application.watch("tumours")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    return header, rows


def test_a_binary_file_becomes_a_live_model_as_good_as_xgboost_called_directly(
    application: Application, tumours: tuple[list[str], Rows]
) -> None:
    from sklearn.metrics import roc_auc_score

    header, rows = tumours
    run = application.runs("tumours")[-1]
    labels, scores = xgboost_directly(application, run, "tumours")
    assert run["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=0.01)
    assert run["metrics"]["auc"]["low"] <= run["metrics"]["auc"]["value"] <= run["metrics"]["auc"]["high"]
    assert sum(run["rows"].values()) == 380
    answer = application.predict("tumours", dict(zip(header[:-1], rows[0][:-1], strict=True)))
    prediction = answer["predictions"][0]
    assert prediction["prediction"] in ("benign", "malignant")
    assert sum(prediction["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert answer["version"] == 1
    assert prediction["inference_id"]
    # Rows that were trained on: nearly all have to come out right.
    known = [dict(zip(header[:-1], row[:-1], strict=True)) for row in rows[:200]]
    told = [item["prediction"] for item in application.predict("tumours", *known)["predictions"]]
    assert sum(a == row[-1] for a, row in zip(told, rows, strict=False)) >= 190


def test_a_regression_file_becomes_a_live_model_as_good_as_xgboost_called_directly(application: Application) -> None:
    header, rows = diabetes()
    application.settings("sugar")
    application.put("data/sugar/all.csv", as_csv(header, rows))
    watched = application.watch("sugar")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    run = application.runs("sugar")[-1]
    assert run["problem"] == "regression"
    labels, scores = xgboost_directly(application, run, "sugar")
    directly = float(np.sqrt(np.mean((labels - scores) ** 2)))
    assert run["metrics"]["rmse"]["value"] == pytest.approx(directly, rel=0.02)
    answer = application.predict("sugar", dict(zip(header[:-1], rows[0][:-1], strict=True)))
    assert 25 <= answer["predictions"][0]["prediction"] <= 346
    assert "probabilities" not in answer["predictions"][0]


def test_two_instances_with_a_share_of_the_rows_each_train_one_model(application: Application) -> None:
    from sklearn.metrics import roc_auc_score

    header, rows = breast_cancer()
    application.settings("pair", "target: diagnosis\ntraining: {count: 2}\n")
    application.put("data/pair/all.csv", as_csv(header, rows))
    watched = application.watch("pair")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    run = application.runs("pair")[-1]
    job = application.client("sagemaker").describe_training_job(TrainingJobName=run["training_job"])
    assert job["ResourceConfig"]["InstanceCount"] == 2
    labels, scores = xgboost_directly(application, run, "pair")
    assert run["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(labels, scores), abs=0.02)


class Caller(threading.Thread):
    """Asks a model again and again, and keeps what came back."""

    def __init__(self, application: Application, model: str, record: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.application, self.model, self.record = application, model, record
        self.ended = threading.Event()
        self.versions: list[int] = []
        self.problems: list[str] = []

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self.versions.append(self.application.predict(self.model, self.record)["version"])
            except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
                self.problems.append(repr(error))


def test_a_second_upload_becomes_version_2_without_a_failed_request_and_a_worse_one_changes_nothing(
    application: Application, tumours: tuple[list[str], Rows]
) -> None:
    header, rows = tumours
    caller = Caller(application, "tumours", dict(zip(header[:-1], rows[0][:-1], strict=True)))
    caller.start()
    try:
        application.put("data/tumours/second.csv", as_csv(header, rows[380:]))
        watched = application.watch("tumours")
        assert watched.returncode == 0, watched.stdout + watched.stderr
        eventually(lambda: caller.versions[-1:] == [2], 30, "requests are answered by version 2")
    finally:
        caller.ended.set()
        caller.join(30)
    assert caller.problems == []
    assert caller.versions == sorted(caller.versions)
    assert set(caller.versions) == {1, 2}
    run = application.runs("tumours")[0]
    assert (run["status"], run["version"]) == ("live", 2)
    assert run["verdict"]["accepted"] is True
    assert len(run["transform_jobs"]) == 2  # the challenger's and the champion's, over the same rows
    versions = {v["version"]: v["status"] for v in application.api.get("models/tumours/versions")["versions"]}
    assert versions == {1: "retired", 2: "live"}

    chance = random.Random(3)
    labels = [row[-1] for row in rows] * 4
    chance.shuffle(labels)
    noise = [[*(value * chance.uniform(0.98, 1.02) for value in row[:-1])] for row in rows * 4]
    shuffled = [[*row, label] for row, label in zip(noise, labels, strict=True)]
    before = application.client("sagemaker").describe_endpoint(EndpointName="sluicegate-tumours")
    application.put("data/tumours/shuffled.csv", as_csv(header, shuffled))
    watched = application.watch("tumours")
    assert watched.returncode == 1, watched.stdout
    assert "rejected" in watched.stdout
    assert "0.9" in watched.stdout  # the reason names the minimum
    after = application.client("sagemaker").describe_endpoint(EndpointName="sluicegate-tumours")
    assert after["EndpointConfigName"] == before["EndpointConfigName"]
    assert after["LastModifiedTime"] == before["LastModifiedTime"]
    detail = application.api.get("models/tumours")
    assert (detail["state"], detail["live"]["version"]) == ("live", 2)
    assert application.predict("tumours", caller.record)["version"] == 2


def test_the_same_file_again_changes_nothing(application: Application, tumours: tuple[list[str], Rows]) -> None:
    header, rows = tumours
    before = application.runs("tumours")
    uploads = application.uploads("tumours")
    logs = application.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix="/aws/lambda/")["logGroups"]
    [group] = [found["logGroupName"] for found in groups if "ingest" in found["logGroupName"].lower()]

    def read() -> int:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern='"object read"')
        return sum("data/tumours/first.csv" in event["message"] for page in pages for event in page["events"])

    once = read()
    assert once >= 1
    application.put("data/tumours/first.csv", as_csv(header, rows[:380]))
    eventually(lambda: read() > once, 60, "the event of the second PUT is dealt with")
    assert application.runs("tumours") == before
    assert application.uploads("tumours") == uploads


def test_wrong_records_are_answered_with_every_mistake(
    application: Application, tumours: tuple[list[str], Rows]
) -> None:
    header, rows = tumours
    record = dict(zip(header[:-1], rows[0][:-1], strict=True))
    record.pop("mean_radius")
    with pytest.raises(ApiError) as caught:
        application.predict("tumours", record | {"mean_texture": "coarse", "colour": "red"})
    assert caught.value.status in (400, 422)
    told = {item["field"] for item in caught.value.problem["errors"]}
    assert {"mean_texture", "colour"} <= told
    with pytest.raises(ApiError) as caught:
        application.predict("nothing-here", record)
    assert caught.value.status == 404


@pytest.fixture
def as_env_says(application: Application) -> Iterator[None]:
    """Commands run with what `sluice env` prints, as in a person's shell."""
    lines = application.sluice("env").stdout.splitlines()
    application.environment = dict(line.removeprefix("export ").split("=", 1) for line in lines)
    yield
    application.environment = {}


@pytest.mark.usefixtures("as_env_says", "tumours")
def test_the_aws_cli_sees_what_it_would_see_in_an_account(application: Application) -> None:
    jobs = json.loads(application.run(["aws", "sagemaker", "list-training-jobs"]).stdout)
    run = application.runs("tumours")[-1]
    states = {job["TrainingJobName"]: job["TrainingJobStatus"] for job in jobs["TrainingJobSummaries"]}
    assert states[run["training_job"]] == "Completed"
    endpoint = application.run(
        ["aws", "sagemaker", "describe-endpoint", "--endpoint-name", "sluicegate-tumours"]
    ).stdout
    assert json.loads(endpoint)["EndpointStatus"] == "InService"
    listed = application.run(["aws", "s3", "ls", f"s3://{application.target.bucket}/data/tumours/"]).stdout
    assert "first.csv" in listed
    job = application.client("sagemaker").describe_training_job(TrainingJobName=run["training_job"])
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert "model.tar.gz" in application.run(["aws", "s3", "ls", artifact]).stdout
    body, answer = application.state_dir.parent / "row.csv", application.state_dir.parent / "answer"
    body.write_text(
        application.read(next(iter(application.keys(f"datasets/tumours/{run['dataset_version']}/holdout/"))))
        .decode()
        .splitlines()[0]
    )
    command = ["aws", "sagemaker-runtime", "invoke-endpoint", "--endpoint-name", "sluicegate-tumours"]
    command += ["--content-type", "text/csv", "--body", f"fileb://{body}", str(answer)]
    assert json.loads(application.run(command).stdout)["InvokedProductionVariant"].startswith("v")
    assert 0 <= float(answer.read_text()) <= 1


#: what a person would write with the SageMaker SDK; it knows nothing of this project
_WITH_THE_SDK = """
import json, sys
import boto3
from sagemaker.core.parameter import ContinuousParameter
from sagemaker.core.resources import (
    Endpoint, HyperParameterTuningJob, Model, ModelPackage, NotebookInstance, TrainingJob
)
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig
from sagemaker.train.tuner import HyperparameterTuner
job = TrainingJob.get(sys.argv[1])
statement = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
iam = boto3.client("iam")
role = iam.create_role(RoleName="trainer", AssumeRolePolicyDocument=json.dumps({"Statement": [statement]}))["Role"]
iam.attach_role_policy(RoleName="trainer", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
trainer = ModelTrainer(
    training_image=job.algorithm_specification.training_image,
    role=role["Arn"],
    compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
    hyperparameters={"objective": "binary:logistic", "eval_metric": "auc", "num_round": "5"},
    base_job_name="by-the-sdk",
    output_data_config=OutputDataConfig(s3_output_path=job.output_data_config.s3_output_path),
)
channels = [
    InputData(
        channel_name=channel.channel_name,
        data_source=channel.data_source.s3_data_source.s3_uri,
        content_type=channel.content_type,
    )
    for channel in job.input_data_config
]
trainer.train(input_data_config=channels, wait=False)
[trained] = TrainingJob.get_all(name_contains="by-the-sdk")
tuner = HyperparameterTuner(
    trainer, "validation:auc", {"eta": ContinuousParameter(0.1, 0.5)}, max_jobs=2, max_parallel_jobs=2,
    base_tuning_job_name="by-the-sdk",
)
tuner.tune(inputs=channels, wait=False)
[search] = HyperParameterTuningJob.get_all(name_contains="by-the-sdk")
for started in (trained, search):
    started.wait(poll=1)
endpoint = Endpoint.get("sluicegate-tumours")
answer = endpoint.invoke(body=sys.argv[2], content_type="text/csv")
notebook = NotebookInstance.create(notebook_instance_name="sdk", instance_type="ml.t3.medium", role_arn=job.role_arn)
notebook.wait_for_status("InService", poll=1)
notebook.stop()
notebook.wait_for_status("Stopped", poll=1)
print(json.dumps({
    "job": job.training_job_status,
    "trained": trained.model_artifacts.s3_model_artifacts,
    "best": tuner.best_training_job(),
    "jobs": [found.training_job_name for found in TrainingJob.get_all(name_contains="tumours")],
    "failed": [found.training_job_name for found in TrainingJob.get_all(status_equals="Failed", sort_by="Name")],
    "notebooks": [found.notebook_instance_name for found in NotebookInstance.get_all(status_equals="Stopped")],
    "image": Model.get(sys.argv[1]).primary_container.image,
    "package": [found.model_approval_status for found in ModelPackage.get_all(model_package_group_name=sys.argv[3])],
    "endpoint": endpoint.endpoint_status,
    "score": float(answer.body.read()),
}))
"""


@pytest.mark.usefixtures("as_env_says", "tumours")
def test_the_sagemaker_sdk_works_with_what_the_application_made(application: Application) -> None:
    run = application.runs("tumours")[-1]
    held_out = next(iter(application.keys(f"datasets/tumours/{run['dataset_version']}/holdout/")))
    row = application.read(held_out).decode().splitlines()[0]
    said = application.run([sys.executable, "-c", _WITH_THE_SDK, run["training_job"], row, "sluicegate-tumours"]).stdout
    found = json.loads(said.splitlines()[-1])
    assert found["job"] == "Completed" and run["training_job"] in found["jobs"]
    assert run["training_job"] not in found["failed"]
    assert found["notebooks"] == ["sdk"]
    assert found["trained"].startswith(f"s3://{application.target.bucket}/") and found["best"].startswith("by-the-sdk")
    assert found["image"].endswith("sagemaker-xgboost:3.0-5")
    assert "Approved" in found["package"]
    assert found["endpoint"] == "InService" and 0 <= found["score"] <= 1


def test_what_sluice_shows_of_a_live_model(application: Application, tumours: tuple[list[str], Rows]) -> None:
    header, rows = tumours
    assert "tumours\tlive" in application.sluice("models").stdout
    shown = application.sluice("model", "tumours").stdout
    assert "malignant" in shown
    assert "mean_radius\tnumber" in shown
    assert "first.csv\taccepted\t380\t0" in application.sluice("uploads", "tumours").stdout
    assert "auc 0.9" in application.sluice("runs", "tumours").stdout
    versions = json.loads(application.sluice("versions", "tumours", "--json").stdout)
    assert versions["versions"]
    record = json.dumps(dict(zip(header[:-1], rows[0][:-1], strict=True)))
    assert rows[0][-1] in application.sluice("predict", "tumours", "-", stdin=record).stdout
    assert "Object Created" in application.sluice("events", "--last", "1000").stdout
    calls = application.sluice("calls", "tumours", "--last", "1000").stdout
    assert re.search(r"\tStartTraining\tCreateTrainingJob\t[a-z]+-tumours-\w+\tok\n", calls)
    assert re.search(r"\tDeployModel\tCreateEndpoint\t[a-z]+-tumours\tok\n", calls)
    assert "[0]" in application.sluice("logs", "job", "--since", "1h", "--raw").stdout
    assert "REPORT" in application.sluice("logs", "ingest_data", "--since", "1h").stdout
    assert "nothing to change" in application.sluice("deploy").stdout
    assert "runs already" in application.sluice("up").stdout
    status = application.sluice("status").stdout
    assert "CREATE_COMPLETE" in status
    assert "model tumours: live" in status


def test_dead_letters_are_shown_and_go_back(application: Application) -> None:
    target = application.target
    training = target.output("TrainingQueueUrl")
    sqs = application.client("sqs")
    arn = json.loads(
        sqs.get_queue_attributes(QueueUrl=training, AttributeNames=["All"])["Attributes"]["RedrivePolicy"]
    )["deadLetterTargetArn"]
    name = arn.rsplit(":", 1)[-1]
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    message = json.dumps({"model": "nobody-has-this", "cause": "u", "at": "2026-03-01T10:00:00.000Z"})
    sqs.send_message(QueueUrl=url, MessageBody=message)
    shown = application.sluice("redrive", name, stdin="n\n").stdout
    assert "1 dead letter" in shown
    assert "nobody-has-this" in shown
    assert "nothing was sent" in shown
    assert "1 sent back" in application.sluice("redrive", name, "--yes").stdout
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])["Attributes"]
    assert left["ApproximateNumberOfMessages"] == "0"

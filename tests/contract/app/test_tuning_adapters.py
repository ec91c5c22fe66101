"""Tuning jobs and prices against botocore's own models of SageMaker's and the price list's requests and answers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from sluicegate.adapters.jobs import SageMakerJobs
from sluicegate.adapters.prices import PriceList
from sluicegate.domain.errors import AlreadyExists, NotFound, Refused
from sluicegate.ports import Trial, TuningSpec
from tests.support.jobs import TRAINING

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
ARN = "arn:aws:sagemaker:us-east-1:123456789012"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
ETA = {"Name": "eta", "MinValue": "0.1", "MaxValue": "0.3", "ScalingType": "Auto"}


def spec(**changed: Any) -> TuningSpec:
    fields: dict[str, Any] = {
        "name": "sluicegate-T1f2e3d4c-churn",
        "trial": TRAINING,
        "strategy": "Bayesian",
        "metric": "validation:auc",
        "direction": "Maximize",
        "jobs": 4,
        "parallel": 2,
        "ranges": {"ContinuousParameterRanges": [ETA]},
        "early_stopping": True,
        "seed": 7,
    }
    return TuningSpec(**{**fields, **changed})


@pytest.fixture
def sagemaker() -> Any:
    client: Any = boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    with Stubber(client) as stub:
        yield client, stub


def test_a_tuning_job_is_made_as_asked(sagemaker: Any) -> None:
    """botocore refuses what SageMaker's model doesn't have; the stub holds the rest."""
    client, stub = sagemaker
    sent: dict[str, Any] = {}
    client.meta.events.register("provide-client-params.sagemaker.*", lambda params, **_: sent.update(params))
    answer = {"HyperParameterTuningJobArn": f"{ARN}:hyper-parameter-tuning-job/a"}
    stub.add_response("create_hyper_parameter_tuning_job", answer)
    SageMakerJobs(client, ROLE).create_tuning_job(spec(parent="sluicegate-T00000000-churn", identical=True))
    config, definition = sent["HyperParameterTuningJobConfig"], sent["TrainingJobDefinition"]
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
    assert config["HyperParameterTuningJobObjective"] == {"MetricName": "validation:auc", "Type": "Maximize"}
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert config["ParameterRanges"] == {"ContinuousParameterRanges": [ETA]}
    assert "StrategyConfig" not in config
    assert definition["StaticHyperParameters"] == {"num_round": "10"}
    assert [each["ChannelName"] for each in definition["InputDataConfig"]] == ["train", "validation"]
    assert definition["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert sent["WarmStartConfig"] == {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "sluicegate-T00000000-churn"}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    stub.add_response("create_hyper_parameter_tuning_job", answer)
    SageMakerJobs(client, ROLE).create_tuning_job(spec(strategy="Hyperband", resources=(1, 27), early_stopping=False))
    band = sent["HyperParameterTuningJobConfig"]["StrategyConfig"]["HyperbandStrategyConfig"]
    assert band == {"MinResource": 1, "MaxResource": 27}
    assert definition["AlgorithmSpecification"].keys() == {"TrainingImage", "TrainingInputMode"}
    assert "Environment" not in definition, "a built-in has none"
    stub.add_response("create_hyper_parameter_tuning_job", answer)
    script = replace(TRAINING, environment={"SLUICEGATE_ENTRY_POINT": "train.py"})
    SageMakerJobs(client, ROLE).create_tuning_job(spec(trial=script, definitions={"validation:auc": "auc=([0-9.]+)"}))
    definition = sent["TrainingJobDefinition"]
    (defined,) = definition["AlgorithmSpecification"]["MetricDefinitions"]
    assert defined == {"Name": "validation:auc", "Regex": "auc=([0-9.]+)"}
    assert definition["Environment"] == {"SLUICEGATE_ENTRY_POINT": "train.py"}
    stub.add_client_error("create_hyper_parameter_tuning_job", "ResourceInUse", "a job with this name already exists")
    with pytest.raises(AlreadyExists):
        SageMakerJobs(client, ROLE).create_tuning_job(spec())


def summary(number: int, **more: Any) -> dict[str, Any]:
    name = f"t-{number:03d}-0a1b2c3d"
    return {
        "TrainingJobName": name,
        "TrainingJobArn": f"{ARN}:training-job/{name}",
        "CreationTime": NOW,
        "TrainingJobStatus": "Completed",
        "TunedHyperParameters": {"eta": "0.2"},
        **more,
    }


def test_trials_are_read_to_the_last_page(sagemaker: Any) -> None:
    client, stub = sagemaker
    final = {"MetricName": "validation:auc", "Value": 0.5, "Type": "Maximize"}
    done = summary(1, FinalHyperParameterTuningJobObjectiveMetric=final, TrainingStartTime=NOW)
    asked = {"HyperParameterTuningJobName": "t", "MaxResults": 100, "SortBy": "Name"}
    operation = "list_training_jobs_for_hyper_parameter_tuning_job"
    stub.add_response(operation, {"TrainingJobSummaries": [done], "NextToken": "n"}, asked)
    running = summary(2, TrainingJobStatus="InProgress")
    stub.add_response(operation, {"TrainingJobSummaries": [running]}, {**asked, "NextToken": "n"})
    assert SageMakerJobs(client, ROLE).trials("t") == [
        Trial("t-001-0a1b2c3d", "Completed", {"eta": "0.2"}, 0.5, NOW),
        Trial("t-002-0a1b2c3d", "InProgress", {"eta": "0.2"}),
    ]


def described(status: str) -> dict[str, Any]:
    counters = {"Completed": 1}
    return {
        "HyperParameterTuningJobName": "t",
        "HyperParameterTuningJobArn": f"{ARN}:hyper-parameter-tuning-job/t",
        "HyperParameterTuningJobConfig": {"Strategy": "Random", "ResourceLimits": {"MaxParallelTrainingJobs": 1}},
        "HyperParameterTuningJobStatus": status,
        "CreationTime": NOW,
        "TrainingJobStatusCounters": counters,
        "ObjectiveStatusCounters": {"Succeeded": 1},
        "BestTrainingJob": summary(1),
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {"TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": "s3://b/artifacts/churn"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 1},
        },
    }


def test_a_job_that_is_over_is_stopped_already(sagemaker: Any) -> None:
    client, stub = sagemaker
    jobs = SageMakerJobs(client, ROLE)
    stub.add_response("describe_hyper_parameter_tuning_job", described("Completed"))
    found = jobs.tuning_job("t")
    assert (found.over, found.best, found.output_uri) == (True, "t-001-0a1b2c3d", "s3://b/artifacts/churn")
    for status in ("Stopped", "Stopping", "Completed"):
        stub.add_client_error("stop_hyper_parameter_tuning_job", "ValidationException", "it is in status …")
        stub.add_response("describe_hyper_parameter_tuning_job", described(status))
        jobs.stop_tuning_job("t")
    stub.add_client_error("stop_hyper_parameter_tuning_job", "AccessDeniedException", "no")
    stub.add_response("describe_hyper_parameter_tuning_job", described("InProgress"))
    with pytest.raises(Refused):
        jobs.stop_tuning_job("t")


def test_prices_are_asked_for_once_and_by_region_instance_and_use() -> None:
    client: Any = boto3.client("pricing", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    entry = {
        "product": {"attributes": {"component": "Batch Transform"}},
        "terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"unit": "Hrs", "pricePerUnit": {"USD": "0.257"}}}}}},
    }
    with Stubber(client) as stub:
        wanted = {"regionCode": "eu-west-1", "instanceName": "ml.m5.xlarge", "component": "Batch Transform"}
        filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]
        asked = {"ServiceCode": "AmazonSageMaker", "Filters": filters}
        stub.add_response("get_products", {"PriceList": [json.dumps(entry)], "FormatVersion": "aws_v1"}, asked)
        prices = PriceList(client)
        for _ in range(2):
            assert prices.usd_per_hour("eu-west-1", "ml.m5.xlarge", "evaluation") == 0.257
        stub.add_response("get_products", {"PriceList": []})
        with pytest.raises(NotFound):
            prices.usd_per_hour("eu-west-1", "ml.unheardof.large", "training")
        stub.add_client_error("get_products", "AccessDeniedException", "not allowed")
        with pytest.raises(Refused):
            prices.usd_per_hour("us-east-1", "ml.m5.large", "training")

"""Hyperparameter tuning jobs of the region with boto3: really searched, really stopped, told to EventBridge."""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError
from sklearn import datasets

from tests.support.region import RunningRegion, wait_for

pytestmark = pytest.mark.e2e
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
STATIC = {"objective": "binary:logistic", "eval_metric": "auc", "num_round": "12", "seed": "1", "nthread": "1"}
Json = dict[str, Any]


class Bench:
    """scikit-learn's breast cancer data as two channels, and a tuning job over them."""

    def __init__(self, region: RunningRegion) -> None:
        self.region, self.sm, s3 = region, region.client("sagemaker"), region.client("s3")
        self.bucket = f"tuning-{uuid.uuid4().hex[:8]}"
        s3.create_bucket(Bucket=self.bucket)
        data = datasets.load_breast_cancer()
        order = np.random.default_rng(0).permutation(len(data.target))
        for name, rows in (("train", order[:400]), ("validation", order[400:])):
            sink = io.BytesIO()
            np.savetxt(sink, np.column_stack([data.target[rows], data.data[rows]]), delimiter=",", fmt="%.9g")
            s3.put_object(Bucket=self.bucket, Key=f"{name}/part.csv", Body=sink.getvalue())

    def channel(self, name: str) -> Json:
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.bucket}/{name}/"}
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}

    def create(self, strategy: str = "Random", jobs: int | None = 4, parallel: int = 2, **more: Any) -> str:
        """``more``: ranges, static, config (more of HyperParameterTuningJobConfig) and members of the request."""
        name = f"t-{uuid.uuid4().hex[:8]}"
        limits = {"MaxParallelTrainingJobs": parallel, **({"MaxNumberOfTrainingJobs": jobs} if jobs else {})}
        ranges = more.pop("ranges", {"ContinuousParameterRanges": [number("eta", "0.01", "0.5")]})
        config = {
            "Strategy": strategy,
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "validation:auc"},
            "ResourceLimits": limits,
            "ParameterRanges": ranges,
            "RandomSeed": 7,
            **more.pop("config", {}),
        }
        definition = {
            "StaticHyperParameters": more.pop("static", STATIC),
            "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            "RoleArn": ROLE,
            "InputDataConfig": [self.channel("train"), self.channel("validation")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/artifacts"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        }
        self.sm.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig=config,
            TrainingJobDefinition=definition,
            **more,
        )
        return name

    def describe(self, name: str) -> Json:
        found: Json = self.sm.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return found

    def finish(self, name: str) -> Json:
        def ended() -> Json | None:
            job = self.describe(name)
            return job if job["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped") else None

        return wait_for(ended, 90, f"the end of {name}")

    def trials(self, name: str, **more: Any) -> list[Json]:
        found: list[Json] = self.sm.list_training_jobs_for_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name, **more
        )["TrainingJobSummaries"]
        return found

    def log_of(self, job: str) -> list[str]:
        logs, group = self.region.client("logs"), "/aws/sagemaker/TrainingJobs"
        (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"]
        found = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True, limit=100
        )
        return [event["message"] for event in found["events"]]


def number(name: str, low: str, high: str, scaling: str = "Auto") -> Json:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}


def value(trial: Json) -> float:
    return float(trial["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


@pytest.fixture(scope="module")
def bench(region: RunningRegion) -> Iterator[Bench]:
    yield Bench(region)


def test_a_bayesian_search_lists_its_jobs_and_names_the_best(bench: Bench) -> None:
    before = bench.region.last_event()
    ranges = {
        "ContinuousParameterRanges": [number("eta", "0.01", "0.5", "Logarithmic")],
        "IntegerParameterRanges": [number("max_depth", "1", "6")],
        "CategoricalParameterRanges": [{"Name": "tree_method", "Values": ["hist", "exact"]}],
    }
    tags = [{"Key": "team", "Value": "a"}]
    name = bench.create("Bayesian", 5, ranges=ranges, Tags=tags)
    job = bench.finish(name)
    assert job["HyperParameterTuningJobStatus"] == "Completed"
    assert job["TrainingJobStatusCounters"]["Completed"] == 5
    assert job["ObjectiveStatusCounters"] == {"Succeeded": 5, "Pending": 0, "Failed": 0}
    assert job["TrainingJobDefinition"]["StaticHyperParameters"]["_tuning_objective_metric"] == "validation:auc"
    found = bench.trials(name, SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    assert [value(trial) for trial in found] == sorted(map(value, found), reverse=True)
    assert value(job["BestTrainingJob"]) == value(found[0])
    for trial in found:
        tuned = trial["TunedHyperParameters"]
        assert set(tuned) == {"eta", "max_depth", "tree_method"}
        assert 0.01 <= float(tuned["eta"]) <= 0.5
        assert int(tuned["max_depth"]) in range(1, 7)
        assert trial["TrainingJobName"].startswith(f"{name}-00")
    trained = bench.sm.describe_training_job(TrainingJobName=found[0]["TrainingJobName"])
    assert trained["TuningJobArn"] == job["HyperParameterTuningJobArn"]
    assert trained["HyperParameters"].items() >= {**STATIC, **found[0]["TunedHyperParameters"]}.items()
    assert {each["MetricName"]: each["Value"] for each in trained["FinalMetricDataList"]}[
        "validation:auc"
    ] == pytest.approx(value(found[0]))
    assert bench.sm.list_tags(ResourceArn=trained["TrainingJobArn"])["Tags"] == tags
    for trial in found:  # exact and histogram trees: the rows were read once, matrices are made as each needs them
        read = [line for line in bench.log_of(trial["TrainingJobName"]) if line.startswith("Read ")]
        assert [line.partition(" rows")[0] for line in read] == ["Read 400", "Read 169"]
        assert all(line.endswith("(once for all training jobs of the tuning job)") for line in read)
    first = bench.sm.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName=name, MaxResults=3)
    rest = bench.trials(name, MaxResults=3, NextToken=first["NextToken"])
    assert {each["TrainingJobName"] for each in (*first["TrainingJobSummaries"], *rest)} == {
        each["TrainingJobName"] for each in found
    }
    assert bench.trials(name, StatusEquals="Failed") == []
    # never more than two at a time
    spans = [(each["CreationTime"], each["TrainingEndTime"]) for each in found]
    assert all(sum(a <= start < b for a, b in spans) <= 2 for start, _ in spans)
    told = [
        event["detail"]["HyperParameterTuningJobStatus"]
        for event in bench.region.events_after(before)
        if event["detail-type"] == "SageMaker HyperParameter Tuning Job State Change"
    ]
    assert told == ["InProgress", "Completed"]
    listed = bench.sm.list_hyper_parameter_tuning_jobs(NameContains=name)["HyperParameterTuningJobSummaries"]
    assert [(each["Strategy"], each["HyperParameterTuningJobStatus"]) for each in listed] == [("Bayesian", "Completed")]


def test_a_grid_tries_every_combination_and_a_warm_start_knows_it(bench: Bench) -> None:
    ranges = {"CategoricalParameterRanges": [{"Name": "max_depth", "Values": ["1", "3"]}]}
    parent = bench.create("Grid", None, ranges=ranges)
    done = bench.finish(parent)
    assert sorted(each["TunedHyperParameters"]["max_depth"] for each in bench.trials(parent)) == ["1", "3"]
    warm = {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent}],
        "WarmStartType": "IdenticalDataAndAlgorithm",
    }
    child = bench.create("Bayesian", 1, 1, ranges=ranges, WarmStartConfig=warm)
    job = bench.finish(child)
    best = max((done["BestTrainingJob"], job["BestTrainingJob"]), key=value)
    assert value(job["OverallBestTrainingJob"]) == value(best)
    with pytest.raises(ClientError, match=r"must be the same as the parent's.*gamma"):
        bench.create("Random", 1, 1, ranges=ranges, static={**STATIC, "gamma": "1"}, WarmStartConfig=warm)


def test_hyperband_ends_jobs_early(bench: Bench) -> None:
    """Ten times the rounds that Hyperband may use: no job gets there."""
    name = bench.create(
        "Hyperband",
        4,
        ranges={"ContinuousParameterRanges": [number("eta", "0.001", "0.5", "Logarithmic")]},
        static={**STATIC, "num_round": "4000"},
        config={"StrategyConfig": {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 27}}},
    )
    job = bench.finish(name)
    assert job["TrainingJobStatusCounters"]["Stopped"] == 4
    assert job["ObjectiveStatusCounters"]["Succeeded"] == 4
    for trial in bench.trials(name):
        trained = bench.sm.describe_training_job(TrainingJobName=trial["TrainingJobName"])
        assert trained["TrainingJobStatus"] == "Stopped"


def test_a_stopped_job_stops_its_jobs(bench: Bench) -> None:
    name = bench.create(jobs=4, static={**STATIC, "num_round": "10000", "tree_method": "exact"})
    wait_for(lambda: bench.trials(name), 20, "the first job")
    bench.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = bench.finish(name)
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["InProgress"] == 0
    assert len(bench.trials(name)) < 4
    with pytest.raises(ClientError, match="is in status Stopped"):
        bench.sm.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    bench.sm.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    with pytest.raises(ClientError) as caught:
        bench.describe(name)
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def test_it_fails_when_every_job_does(bench: Bench) -> None:
    name = bench.create(jobs=3, static={**STATIC, "objective": "reg:gamma", "eval_metric": "rmse", "base_score": "0"})
    job = bench.finish(name)
    assert job["HyperParameterTuningJobStatus"] == "Failed", job
    assert "No training job succeeded" in job["FailureReason"]
    assert job["TrainingJobStatusCounters"]["NonRetryableError"] == 3
    assert "BestTrainingJob" not in job

"""SageMaker's hyperparameter tuning jobs, and what they have in common with training jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.domain.errors import Conflict, Refused
from sluicegate.ports import TrainingSpec, Trial, TuningJob, TuningSpec

_PAGE = 100  # the most that SageMaker lists at once


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _channel(spec: TrainingSpec, index: int, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": spec.distributions[index]}
    return {
        "ChannelName": spec.channels[index],
        "ContentType": spec.content_types[index],
        "DataSource": {"S3DataSource": source},
    }


def training_body(spec: TrainingSpec, role_arn: str) -> dict[str, Any]:
    """What CreateTrainingJob and a tuning job's TrainingJobDefinition share."""
    channels = [_channel(spec, 0, spec.train_uri)]
    if spec.validation_uri is not None:
        channels.append(_channel(spec, 1, spec.validation_uri))
    stopping = {"MaxRuntimeInSeconds": spec.max_runtime_seconds}
    if spec.spot:
        # waiting for capacity counts as well: as long again as the job may run
        wait = 2 * spec.max_runtime_seconds
        stopping["MaxWaitTimeInSeconds"] = wait if spec.longest_spot is None else min(wait, spec.longest_spot)
    return {
        "AlgorithmSpecification": {"TrainingImage": spec.image, "TrainingInputMode": "File"},
        "RoleArn": role_arn,
        "InputDataConfig": channels,
        "OutputDataConfig": {"S3OutputPath": spec.output_uri},
        "ResourceConfig": {
            "InstanceType": spec.instance_type,
            "InstanceCount": spec.instance_count,
            "VolumeSizeInGB": spec.volume_gb,
        },
        "StoppingCondition": stopping,
        "EnableManagedSpotTraining": spec.spot,
        **({"Environment": dict(spec.environment)} if spec.environment else {}),
    }


class SageMakerTuning:
    """The tuning part of ``ports.Jobs``; jobs run as ``role_arn``."""

    def __init__(self, sagemaker: Any, role_arn: str) -> None:
        self._sagemaker = sagemaker
        self._role_arn = role_arn

    def create_tuning_job(self, spec: TuningSpec) -> None:
        config: dict[str, Any] = {
            "Strategy": spec.strategy,
            "HyperParameterTuningJobObjective": {"MetricName": spec.metric, "Type": spec.direction},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": spec.jobs, "MaxParallelTrainingJobs": spec.parallel},
            "ParameterRanges": {name: [dict(each) for each in ranges] for name, ranges in spec.ranges.items()},
            "TrainingJobEarlyStoppingType": "Auto" if spec.early_stopping else "Off",
            "RandomSeed": spec.seed,
        }
        if spec.resources is not None:
            low, high = spec.resources
            config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": low, "MaxResource": high}}
        more: dict[str, Any] = {}
        if spec.parent is not None:
            more["WarmStartConfig"] = {
                "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": spec.parent}],
                "WarmStartType": "IdenticalDataAndAlgorithm" if spec.identical else "TransferLearning",
            }
        definition = training_body(spec.trial, self._role_arn)
        definition["StaticHyperParameters"] = dict(spec.trial.hyperparameters)
        if spec.definitions:
            definition["AlgorithmSpecification"]["MetricDefinitions"] = [
                {"Name": name, "Regex": expression} for name, expression in spec.definitions.items()
            ]
        with translated():
            self._sagemaker.create_hyper_parameter_tuning_job(
                HyperParameterTuningJobName=spec.name,
                HyperParameterTuningJobConfig=config,
                TrainingJobDefinition=definition,
                Tags=tag_list(spec.trial.tags),
                **more,
            )

    def tuning_job(self, name: str) -> TuningJob:
        with translated():
            found = self._sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        definition = found.get("TrainingJobDefinition") or {}
        return TuningJob(
            name,
            found["HyperParameterTuningJobStatus"],
            found.get("FailureReason", ""),
            definition.get("OutputDataConfig", {}).get("S3OutputPath", ""),
            found.get("BestTrainingJob", {}).get("TrainingJobName"),
        )

    def trials(self, tuning_job: str) -> list[Trial]:
        found: list[Trial] = []
        token: dict[str, str] = {}
        while True:
            with translated():
                page = self._sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(
                    HyperParameterTuningJobName=tuning_job, MaxResults=_PAGE, SortBy="Name", **token
                )
            found += [_trial(summary) for summary in page["TrainingJobSummaries"]]
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    def stop_tuning_job(self, name: str) -> None:
        try:
            with translated():
                self._sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        except (Refused, Conflict):
            if self.tuning_job(name).status == "InProgress":
                raise


def _trial(summary: Mapping[str, Any]) -> Trial:
    final = summary.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
    return Trial(
        summary["TrainingJobName"],
        summary["TrainingJobStatus"],
        dict(summary.get("TunedHyperParameters") or {}),
        final.get("Value"),
        summary.get("TrainingStartTime"),
    )

"""Training jobs: the operations. ``training_run`` does the work."""

from __future__ import annotations

import re

from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker import images, programs
from local_region.sagemaker.jobs import Jobs
from local_region.sagemaker.records import Record, invalid, listed, refuse, refuse_members, tags_of
from local_region.sagemaker.training_run import Siblings, TrainingRun

Prepared = tuple[Record, TrainingRun]
_REFUSED = (
    "CheckpointConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig", "ExperimentConfig",
    "ProfilerRuleConfigurations", "RemoteDebugConfig", "InfraCheckConfig", "SessionChainingConfig",
    "ServerlessJobConfig", "MlflowConfig", "ModelPackageConfig",
)  # fmt: skip

#: SageMaker's own default limit for one training job
MAX_INSTANCES = 20


def _missing() -> AwsError:
    return invalid("Requested resource not found.")


class TrainingJobs(Jobs[TrainingRun]):
    """CreateTrainingJob and its kin."""

    def __init__(self, region: Region) -> None:
        super().__init__("training job", "TrainingJobStatus")
        self._region = region

    def create(self, request: AwsRequest) -> Json:
        record, run = self.prepare(request.params)
        run.start()
        return {"TrainingJobArn": record.arn}

    def prepare(self, params: Json, siblings: Siblings | None = None) -> Prepared:
        """A job that is there but not started. ``siblings``: of one that a tuning job makes."""
        check(params, self._region)
        config, now = self._region.config, self._region.clock.now()
        name = params["TrainingJobName"]
        arn = f"arn:{config.partition}:sagemaker:{config.region_name}:{config.account_id}:training-job/{name}"
        stored = {key: value for key, value in params.items() if key != "Tags"}
        algorithm = with_metrics(params["AlgorithmSpecification"])
        algorithm.setdefault("EnableSageMakerMetricsTimeSeries", False)
        stored["AlgorithmSpecification"] = algorithm
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "CreationTime": now,
            "LastModifiedTime": now,
            "ModelArtifacts": {"S3ModelArtifacts": ""},
            "SecondaryStatusTransitions": [],
            "EnableNetworkIsolation": params.get("EnableNetworkIsolation", False),
            "EnableInterContainerTrafficEncryption": params.get("EnableInterContainerTrafficEncryption", False),
            "EnableManagedSpotTraining": params.get("EnableManagedSpotTraining", False),
        }
        if siblings is not None:
            record.state["TuningJobArn"] = siblings.tuning_arn
        run = TrainingRun(self._region, record, siblings)
        self.enter(record, run, lambda: _taken(arn))
        return record, run

    def describe(self, request: AwsRequest) -> Json:
        return self.table.get(request.params["TrainingJobName"], _missing).view("DescribeTrainingJob")

    def list(self, request: AwsRequest) -> Json:
        refuse_members(request.params, ("WarmPoolStatusEquals", "TrainingPlanArnEquals"), "ListTrainingJobs")
        page, token = listed(request.params, self.table.all(), lambda record: record.state["TrainingJobStatus"])
        keys = ("TrainingJobArn", "CreationTime", "TrainingEndTime", "LastModifiedTime", "TrainingJobStatus")
        summaries = []
        for record in page:
            with record.lock:
                summary = {key: record.state[key] for key in (*keys, "SecondaryStatus") if key in record.state}
            summaries.append({"TrainingJobName": record.name, **summary})
        return {"TrainingJobSummaries": summaries, **token}

    def stop_job(self, request: AwsRequest) -> Json:
        return self.stop_record(self.table.get(request.params["TrainingJobName"], _missing))

    def delete(self, request: AwsRequest) -> Json:
        def missing() -> AwsError:
            return AwsError("ResourceNotFound", "Requested resource not found.")

        return self.delete_record(self.table.get(request.params["TrainingJobName"], missing))


def with_metrics(algorithm: Json) -> Json:
    """An AlgorithmSpecification with the image's own MetricDefinitions, if it has none."""
    container = images.container_of(algorithm["TrainingImage"])
    return {"MetricDefinitions": [dict(each) for each in container.metrics] if container else [], **algorithm}


def _taken(arn: str) -> AwsError:
    return AwsError(
        "ResourceInUse",
        "Training job names must be unique within an AWS account and region, and a training job with this name "
        f"already exists ({arn})",
    )


def check(params: Json, region: Region) -> None:
    """What CreateTrainingJob refuses beyond botocore's model."""
    refuse_members(params, _REFUSED, "CreateTrainingJob")
    if (params.get("ProfilerConfig") or {}).get("DisableProfiler") is False:
        raise refuse("ProfilerConfig with DisableProfiler false in CreateTrainingJob")
    if (params.get("DebugHookConfig") or {}).get("CollectionConfigurations"):
        raise refuse("DebugHookConfig with CollectionConfigurations in CreateTrainingJob")
    algorithm = params.get("AlgorithmSpecification") or {}
    refuse_members(algorithm, ("AlgorithmName", "ContainerEntrypoint", "ContainerArguments"), "AlgorithmSpecification")
    image = algorithm.get("TrainingImage")
    if not image:
        raise invalid("AlgorithmSpecification must name a TrainingImage.")
    problem = programs.problem_of(region, image)
    if problem is not None:
        raise invalid(problem)
    _check_metrics(image, algorithm.get("MetricDefinitions") or [])
    if algorithm.get("TrainingInputMode") == "Pipe":
        raise refuse("TrainingInputMode Pipe (use File or FastFile)")
    resources = params.get("ResourceConfig")
    if not resources:
        raise invalid("ResourceConfig is required: InstanceType, InstanceCount and VolumeSizeInGB.")
    refuse_members(
        resources,
        ("InstanceGroups", "KeepAlivePeriodInSeconds", "TrainingPlanArn", "InstancePreferences"),
        "ResourceConfig",
    )
    if resources.get("InstanceCount", 1) > MAX_INSTANCES:
        raise AwsError(
            "ResourceLimitExceeded",
            f"The request was rejected because a training job has at most {MAX_INSTANCES} instances "
            f"(ResourceConfig.InstanceCount is {resources['InstanceCount']}).",
        )
    if resources.get("InstanceCount", 1) != 1 and programs.runs_alone(params):
        raise refuse("scripts and own images on more than one instance (ResourceConfig.InstanceCount above 1)")
    stopping = params.get("StoppingCondition")
    if not stopping:
        raise invalid("StoppingCondition is required: MaxRuntimeInSeconds.")
    _check_spot(params, stopping)
    _check_channels(params.get("InputDataConfig") or [])


def _check_metrics(image: str, definitions: list[Json]) -> None:
    container = images.container_of(image)
    if container is not None and any(each not in container.metrics for each in definitions):
        raise invalid(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request "
            "without specifying metric definitions."
        )
    for each in definitions:
        try:
            re.compile(each["Regex"])
        except (re.error, OverflowError) as error:
            raise invalid(f"The Regex of the metric definition [{each['Name']}] can't be used: {error}.") from error


def _check_spot(params: Json, stopping: Json) -> None:
    limit, wait = stopping.get("MaxRuntimeInSeconds", 86400), stopping.get("MaxWaitTimeInSeconds")
    if params.get("EnableManagedSpotTraining"):
        if wait is None:
            raise invalid("MaxWaitTimeInSeconds is required when EnableManagedSpotTraining is true.")
        if wait < limit:
            raise invalid(f"Invalid MaxWaitTimeInSeconds. It must be at least MaxRuntimeInSeconds ({limit}).")
    elif wait is not None:
        raise invalid("MaxWaitTimeInSeconds takes EnableManagedSpotTraining to be true.")


def _check_channels(channels: list[Json]) -> None:
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) != len(names):
        raise invalid("ChannelName values in InputDataConfig must be unique.")
    for channel in channels:
        name = channel["ChannelName"]
        source = channel["DataSource"]
        if "S3DataSource" not in source:
            raise refuse(f"the data source of channel {name} (only S3DataSource)")
        kind = source["S3DataSource"]["S3DataType"]
        if kind not in ("S3Prefix", "ManifestFile"):
            raise refuse(f"S3DataType {kind} of channel {name}")
        if channel.get("InputMode") == "Pipe":
            raise refuse(f"InputMode Pipe of channel {name} (use File or FastFile)")
        if channel.get("RecordWrapperType", "None") != "None":
            raise refuse(f"RecordWrapperType {channel['RecordWrapperType']} of channel {name}")
        refuse_members(channel, ("ShuffleConfig",), f"channel {name}")
        refuse_members(
            source["S3DataSource"],
            ("AttributeNames", "InstanceGroupNames", "ModelAccessConfig", "HubAccessConfig"),
            name,
        )

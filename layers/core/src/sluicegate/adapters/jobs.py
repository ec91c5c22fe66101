"""SageMaker's training jobs, Models and transform jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.ports import Job, TrainingSpec, TransformSpec


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def _channel(spec: TrainingSpec, index: int, uri: str) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": spec.distributions[index]}
    return {
        "ChannelName": spec.channels[index],
        "ContentType": spec.content_types[index],
        "DataSource": {"S3DataSource": source},
    }


class SageMakerJobs:
    """``ports.Jobs``; jobs and Models run as ``role_arn``."""

    def __init__(self, sagemaker: Any, role_arn: str) -> None:
        self._sagemaker = sagemaker
        self._role_arn = role_arn

    def create_training_job(self, spec: TrainingSpec) -> None:
        channels = [_channel(spec, 0, spec.train_uri)]
        if spec.validation_uri is not None:
            channels.append(_channel(spec, 1, spec.validation_uri))
        stopping = {"MaxRuntimeInSeconds": spec.max_runtime_seconds}
        if spec.spot:
            # waiting for capacity counts as well: as long again as the job may run
            wait = 2 * spec.max_runtime_seconds
            stopping["MaxWaitTimeInSeconds"] = wait if spec.longest_spot is None else min(wait, spec.longest_spot)
        with translated():
            self._sagemaker.create_training_job(
                TrainingJobName=spec.name,
                AlgorithmSpecification={"TrainingImage": spec.image, "TrainingInputMode": "File"},
                RoleArn=self._role_arn,
                HyperParameters=dict(spec.hyperparameters),
                InputDataConfig=channels,
                OutputDataConfig={"S3OutputPath": spec.output_uri},
                ResourceConfig={
                    "InstanceType": spec.instance_type,
                    "InstanceCount": spec.instance_count,
                    "VolumeSizeInGB": spec.volume_gb,
                },
                StoppingCondition=stopping,
                EnableManagedSpotTraining=spec.spot,
                Tags=tag_list(spec.tags),
            )

    def training_job(self, name: str) -> Job:
        with translated():
            found = self._sagemaker.describe_training_job(TrainingJobName=name)
        return Job(name, found["TrainingJobStatus"], found.get("FailureReason", ""))

    def create_model(self, name: str, image: str, artifact_uri: str, tags: Mapping[str, str]) -> None:
        with translated():
            self._sagemaker.create_model(
                ModelName=name,
                PrimaryContainer={"Image": image, "ModelDataUrl": artifact_uri},
                ExecutionRoleArn=self._role_arn,
                Tags=tag_list(tags),
            )

    def delete_model(self, name: str) -> None:
        with translated():
            self._sagemaker.delete_model(ModelName=name)

    def create_transform_job(self, spec: TransformSpec) -> None:
        with translated():
            self._sagemaker.create_transform_job(
                TransformJobName=spec.name,
                ModelName=spec.model_name,
                BatchStrategy="MultiRecord",
                MaxPayloadInMB=spec.max_payload_mb,
                TransformInput={
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": spec.input_uri}},
                    "ContentType": spec.content_type,
                    "SplitType": spec.split_type or "None",
                },
                TransformOutput={
                    "S3OutputPath": spec.output_uri,
                    "AssembleWith": spec.assemble_with or "None",
                    "Accept": spec.accept,
                },
                TransformResources={"InstanceType": spec.instance_type, "InstanceCount": 1},
                Tags=tag_list(spec.tags),
            )

    def transform_job(self, name: str) -> Job:
        with translated():
            found = self._sagemaker.describe_transform_job(TransformJobName=name)
        return Job(name, found["TransformJobStatus"], found.get("FailureReason", ""))

"""SageMaker's training jobs, Models and transform jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.tuning import SageMakerTuning, training_body
from sluicegate.adapters.tuning import tag_list as tag_list
from sluicegate.domain.errors import NotFound, Refused
from sluicegate.ports import Job, TrainingSpec, TransformSpec


class SageMakerJobs(SageMakerTuning):
    """``ports.Jobs``; jobs and Models run as ``role_arn``."""

    def create_training_job(self, spec: TrainingSpec) -> None:
        with translated():
            self._sagemaker.create_training_job(
                TrainingJobName=spec.name,
                HyperParameters=dict(spec.hyperparameters),
                **training_body(spec, self._role_arn),
                Tags=tag_list(spec.tags),
            )

    def training_job(self, name: str) -> Job:
        with translated():
            found = self._sagemaker.describe_training_job(TrainingJobName=name)
        seconds = found.get("BillableTimeInSeconds")
        return Job(name, found["TrainingJobStatus"], found.get("FailureReason", ""), seconds)

    def create_model(
        self,
        name: str,
        image: str,
        artifact_uri: str,
        tags: Mapping[str, str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        container: dict[str, Any] = {"Image": image, "ModelDataUrl": artifact_uri}
        if environment:
            container["Environment"] = dict(environment)
        try:
            with translated():
                self._sagemaker.create_model(
                    ModelName=name,
                    PrimaryContainer=container,
                    ExecutionRoleArn=self._role_arn,
                    Tags=tag_list(tags),
                )
        except NotFound as error:  # "Could not find model data at s3://…": somebody deleted the artifact
            raise Refused(str(error)) from error

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
        began, ended = found.get("TransformStartTime"), found.get("TransformEndTime")
        seconds = (ended - began).total_seconds() if began and ended else None
        return Job(name, found["TransformJobStatus"], found.get("FailureReason", ""), seconds)

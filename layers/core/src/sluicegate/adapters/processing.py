"""SageMaker's processing jobs."""

from __future__ import annotations

from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.tuning import tag_list
from sluicegate.ports import Job, ProcessingSpec


class SageMakerProcessing:
    """``ports.ProcessingJobs``; jobs run as ``role_arn``, which only who starts some has to give."""

    def __init__(self, sagemaker: Any, role_arn: str = "") -> None:
        self._sagemaker = sagemaker
        self._role_arn = role_arn

    def create_processing_job(self, spec: ProcessingSpec) -> None:
        inputs = [_input(name, *where, "S3Prefix") for name, where in spec.inputs.items()]
        inputs += [_input(name, *where, "ManifestFile") for name, where in spec.manifests.items()]
        cluster = {
            "InstanceType": spec.instance_type,
            "InstanceCount": 1,
            "VolumeSizeInGB": spec.volume_gb,
        }
        with translated():
            self._sagemaker.create_processing_job(
                ProcessingJobName=spec.name,
                AppSpecification={
                    "ImageUri": spec.image,
                    "ContainerEntrypoint": list(spec.command),
                    "ContainerArguments": list(spec.arguments),
                },
                ProcessingInputs=inputs,
                ProcessingOutputConfig={
                    "Outputs": [
                        {
                            "OutputName": name,
                            "S3Output": {"S3Uri": uri, "LocalPath": path, "S3UploadMode": "EndOfJob"},
                        }
                        for name, (path, uri) in spec.outputs.items()
                    ]
                },
                ProcessingResources={"ClusterConfig": cluster},
                NetworkConfig={"EnableNetworkIsolation": True},
                StoppingCondition={"MaxRuntimeInSeconds": spec.max_runtime_seconds},
                RoleArn=self._role_arn,
                Tags=tag_list(spec.tags),
            )

    def processing_job(self, name: str) -> Job:
        with translated():
            found = self._sagemaker.describe_processing_job(ProcessingJobName=name)
        began, ended = found.get("ProcessingStartTime"), found.get("ProcessingEndTime")
        seconds = (ended - began).total_seconds() if began and ended else None
        # what the program said last, after what SageMaker says of its end
        reason = " ".join(found[key] for key in ("FailureReason", "ExitMessage") if found.get(key))
        return Job(name, found["ProcessingJobStatus"], reason, seconds)


def _input(name: str, uri: str, path: str, kind: str) -> dict[str, Any]:
    source = {
        "S3Uri": uri,
        "LocalPath": path,
        "S3DataType": kind,
        "S3InputMode": "File",
        "S3DataDistributionType": "FullyReplicated",
    }
    return {"InputName": name, "S3Input": source}

"""Processing jobs: the operations. ``processing_run`` does the work."""

from __future__ import annotations

from pathlib import PurePosixPath

from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker import images
from local_region.sagemaker.frameworks import MAPPED, framework_of
from local_region.sagemaker.jobs import Jobs, name_taken
from local_region.sagemaker.models import arn_of
from local_region.sagemaker.processing_run import ROOT, ProcessingRun
from local_region.sagemaker.records import Record, invalid, refuse, refuse_members, tags_of

_DEFAULT_SECONDS = 86400
_MOST_PATHS = 10
_SUMMARY = (
    *("ProcessingJobArn", "CreationTime", "ProcessingEndTime", "ProcessingJobStatus", "FailureReason", "ExitMessage"),
)


class ProcessingJobs(Jobs[ProcessingRun]):
    """CreateProcessingJob and its kin."""

    def __init__(self, region: Region) -> None:
        super().__init__("processing job", "ProcessingJobStatus")
        self._region = region

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        _check(params)
        now, name = self._region.clock.now(), params["ProcessingJobName"]
        arn = arn_of(self._region, "processing-job", name)
        stored = {key: value for key, value in params.items() if key != "Tags"}
        stored.setdefault("StoppingCondition", {"MaxRuntimeInSeconds": _DEFAULT_SECONDS})
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "ProcessingJobArn": arn,
            "ProcessingJobStatus": "InProgress",
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        run = ProcessingRun(self._region, record)
        self.enter(record, run, lambda: name_taken(arn))
        run.start()
        return {"ProcessingJobArn": arn}

    def _get(self, name: str) -> Record:
        return self.table.get(name, lambda: AwsError("ResourceNotFound", f"Could not find requested job: {name}"))

    def describe(self, request: AwsRequest) -> Json:
        return self._get(request.params["ProcessingJobName"]).view("DescribeProcessingJob")

    def list(self, request: AwsRequest) -> Json:
        found, token = self.summaries(request, "ProcessingJobName", _SUMMARY)
        return {"ProcessingJobSummaries": found, **token}

    def stop_job(self, request: AwsRequest) -> Json:
        return self.stop_record(self._get(request.params["ProcessingJobName"]))

    def delete(self, request: AwsRequest) -> Json:
        return self.delete_record(self._get(request.params["ProcessingJobName"]))


def _check(params: Json) -> None:
    refuse_members(params, ("ExperimentConfig",), "CreateProcessingJob")
    image = params["AppSpecification"]["ImageUri"]
    if images.container_of(image) is None and framework_of(image) is None:
        raise invalid(f"{images.unknown(image).removesuffix('.')}, {MAPPED}.")
    if not params["AppSpecification"].get("ContainerEntrypoint"):
        raise refuse("the image's own entry point (name one in AppSpecification.ContainerEntrypoint)")
    cluster = params["ProcessingResources"]["ClusterConfig"]
    if cluster["InstanceCount"] != 1:
        raise refuse("processing on several hosts (ClusterConfig.InstanceCount above 1)")
    if (params.get("NetworkConfig") or {}).get("VpcConfig"):
        raise refuse("NetworkConfig.VpcConfig in CreateProcessingJob")
    names: list[str] = []
    paths: list[str] = []
    for given in params.get("ProcessingInputs") or []:
        names.append(given["InputName"])
        if "S3Input" not in given:
            raise refuse(f"DatasetDefinition of the input {given['InputName']} (only S3Input)")
        source = given["S3Input"]
        if source.get("S3InputMode", "File") != "File":
            raise refuse(f"S3InputMode {source['S3InputMode']} of the input {given['InputName']} (use File)")
        paths.append(_local(source.get("LocalPath"), f"the input {given['InputName']}"))
    outputs = (params.get("ProcessingOutputConfig") or {}).get("Outputs") or []
    for given in outputs:
        names.append(given["OutputName"])
        if "S3Output" not in given:
            raise refuse(f"FeatureStoreOutput of the output {given['OutputName']} (only S3Output)")
        if given["S3Output"]["S3UploadMode"] != "EndOfJob":
            raise refuse(f"S3UploadMode Continuous of the output {given['OutputName']} (use EndOfJob)")
        paths.append(_local(given["S3Output"].get("LocalPath"), f"the output {given['OutputName']}"))
    if len(set(names)) != len(names):
        raise invalid("The names of inputs and outputs must be unique within a processing job.")
    if len(set(paths)) != len(paths):
        raise invalid("The local paths of inputs and outputs must be unique within a processing job.")
    if max(len(outputs), len(params.get("ProcessingInputs") or [])) > _MOST_PATHS:
        raise invalid(f"A processing job has at most {_MOST_PATHS} inputs and {_MOST_PATHS} outputs.")


def _local(path: str | None, what: str) -> str:
    if not path:
        raise invalid(f"LocalPath of {what} is required when AppManaged is not true.")
    normal = PurePosixPath(path)
    if ".." in normal.parts or not str(normal).startswith(f"{ROOT}/"):
        raise invalid(f"LocalPath of {what} must lie under {ROOT}/, not {path}")
    return str(normal)

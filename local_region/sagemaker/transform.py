"""Transform jobs: the operations. ``transform_run`` does the work."""

from __future__ import annotations

from local_region.ports import AwsRequest, Json, Region
from local_region.sagemaker.jobs import Jobs, name_taken
from local_region.sagemaker.models import Models, arn_of
from local_region.sagemaker.records import Record, invalid, refuse, refuse_members, tags_of
from local_region.sagemaker.transform_filters import BadFilter, processing_of
from local_region.sagemaker.transform_run import TransformRun

_SUMMARY = ("TransformJobArn", "CreationTime", "TransformEndTime", "TransformJobStatus", "FailureReason")


class TransformJobs(Jobs[TransformRun]):
    """CreateTransformJob and its kin."""

    def __init__(self, region: Region, models: Models) -> None:
        super().__init__("transform job", "TransformJobStatus")
        self._region, self._models = region, models

    def create(self, request: AwsRequest) -> Json:
        params = request.params
        _check(params)
        model = self._models.get(params["ModelName"])
        now, name = self._region.clock.now(), params["TransformJobName"]
        arn = arn_of(self._region, "transform-job", name)
        stored = {key: value for key, value in params.items() if key != "Tags"}
        stored["TransformInput"] = {"CompressionType": "None", "SplitType": "None", **params["TransformInput"]}
        stored["TransformOutput"] = {"AssembleWith": "None", **params["TransformOutput"]}
        record = Record(name, arn, stored, now, now, tags=tags_of(params))
        record.state = {"TransformJobArn": arn, "TransformJobStatus": "InProgress", "CreationTime": now}
        run = TransformRun(self._region, record, model)
        self.enter(record, run, lambda: name_taken(arn))
        run.start()
        return {"TransformJobArn": arn}

    def _get(self, name: str) -> Record:
        return self.table.get(name, lambda: invalid(f"Could not find requested job with name: {name}"))

    def describe(self, request: AwsRequest) -> Json:
        return self._get(request.params["TransformJobName"]).view("DescribeTransformJob")

    def list(self, request: AwsRequest) -> Json:
        found, token = self.summaries(request, "TransformJobName", _SUMMARY)
        return {"TransformJobSummaries": found, **token}

    def stop_job(self, request: AwsRequest) -> Json:
        return self.stop_record(self._get(request.params["TransformJobName"]))


def _check(params: Json) -> None:
    refuse_members(params, ("DataCaptureConfig", "ExperimentConfig"), "CreateTransformJob")
    source = params["TransformInput"]
    kind = source["DataSource"]["S3DataSource"]["S3DataType"]
    if kind not in ("S3Prefix", "ManifestFile"):
        raise refuse(f"S3DataType {kind} in TransformInput")
    split = source.get("SplitType", "None")
    if split == "TFRecord":
        raise refuse(f"SplitType {split} in TransformInput")
    if split == "None" and params.get("BatchStrategy") == "MultiRecord":
        raise invalid("BatchStrategy MultiRecord takes SplitType Line (or RecordIO, TFRecord) to find the records.")
    concurrent, payload = params.get("MaxConcurrentTransforms", 1), params.get("MaxPayloadInMB", 6)
    if concurrent > 1 and payload * concurrent > 100:
        raise invalid("MaxConcurrentTransforms * MaxPayloadInMB must be at most 100 MB.")
    try:
        processing_of(params)
    except BadFilter as error:
        raise invalid(f"{error}.") from None

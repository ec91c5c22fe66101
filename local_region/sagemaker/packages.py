"""The model registry: groups and their numbered versions, approval, and the events about them."""

from __future__ import annotations

import re
import threading

from local_region.ports import AwsError, AwsRequest, Json, Region
from local_region.sagemaker.events import iso, publish
from local_region.sagemaker.records import Record, Table, invalid, listed, refuse, refuse_members, tags_of

_CREATE_REFUSED = (
    "ValidationSpecification", "SourceAlgorithmSpecification", "ModelCard", "ModelLifeCycle", "SecurityConfig",
    "ManagedStorageType", "CertifyForMarketplace",
)  # fmt: skip

_SUMMARY = (
    "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription", "CreationTime",
    "ModelPackageStatus", "ModelApprovalStatus", "ModelPackageRegistrationType",
)  # fmt: skip


class Packages:
    """ModelPackageGroup and ModelPackage. A package's record is named by its ARN."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self.groups, self.packages = Table(), Table()
        self._tokens: dict[str, tuple[str, Json]] = {}
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def _arn(self, kind: str, name: str) -> str:
        config = self._region.config
        return f"arn:{config.partition}:sagemaker:{config.region_name}:{config.account_id}:{kind}/{name}"

    # -- groups --------------------------------------------------------------------------------------------------

    def create_group(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(params, ("ManagedConfiguration",), "CreateModelPackageGroup")
        now, name = self._region.clock.now(), params["ModelPackageGroupName"]
        arn = self._arn("model-package-group", name)
        record = Record(
            name, arn, {key: value for key, value in params.items() if key != "Tags"}, now, now, tags=tags_of(params)
        )
        record.state = {
            "ModelPackageGroupArn": arn,
            "CreationTime": now,
            "CreatedBy": {},
            "ModelPackageGroupStatus": "Completed",
        }
        self.groups.add(record, lambda: invalid(f"Model Package Group already exists: {arn}"))
        return {"ModelPackageGroupArn": arn}

    def group(self, name_or_arn: str) -> Record:
        name = name_or_arn.rpartition("/")[2]
        arn = self._arn("model-package-group", name)
        return self.groups.get(name, lambda: invalid(f"ModelPackageGroup {arn} does not exist."))

    def describe_group(self, request: AwsRequest) -> Json:
        return self.group(request.params["ModelPackageGroupName"]).view("DescribeModelPackageGroup")

    def list_groups(self, request: AwsRequest) -> Json:
        if request.params.get("CrossAccountFilterOption") == "CrossAccount":
            raise refuse("CrossAccountFilterOption CrossAccount")
        page, token = listed(request.params, self.groups.all(), default_order="Ascending")
        keys = ("ModelPackageGroupArn", "CreationTime", "ModelPackageGroupStatus")
        summaries = [
            {
                "ModelPackageGroupName": r.name,
                **{key: r.state[key] for key in keys},
                **{k: v for k, v in r.request.items() if k == "ModelPackageGroupDescription"},
            }
            for r in page
        ]
        return {"ModelPackageGroupSummaryList": summaries, **token}

    def delete_group(self, request: AwsRequest) -> Json:
        record = self.group(request.params["ModelPackageGroupName"])
        if self._of_group(record.name):
            raise AwsError("ConflictException", f"{record.name} cannot be deleted: it still has model packages.")
        self.groups.remove(record)
        return {}

    def _of_group(self, name: str) -> list[Record]:
        return [record for record in self.packages.all() if record.request.get("ModelPackageGroupName") == name]

    # -- packages ------------------------------------------------------------------------------------------------

    def create(self, request: AwsRequest) -> Json:
        params = dict(request.params)
        refuse_members(params, _CREATE_REFUSED, "CreateModelPackage")
        if params.get("ModelPackageName"):
            raise refuse("unversioned model packages (ModelPackageName): give a ModelPackageGroupName")
        if not params.get("ModelPackageGroupName"):
            raise invalid("Give a ModelPackageGroupName.")
        group = self.group(params["ModelPackageGroupName"]).name
        params["ModelPackageGroupName"] = group
        with self._lock:
            token = params.get("ClientToken")
            if token and token in self._tokens:
                arn, before = self._tokens[token]
                if before != params:
                    raise AwsError("ConflictException", "This ClientToken was used with another request.")
                return {"ModelPackageArn": arn}
            number = self._last[group] = self._last.get(group, 0) + 1
            record = self._new(params, group, number)
            if token:
                self._tokens[token] = (record.arn, params)
        publish(self._region, "Model Package", record, times=iso)
        return {"ModelPackageArn": record.arn}

    def _new(self, params: Json, group: str, number: int) -> Record:
        now, arn = self._region.clock.now(), self._arn("model-package", f"{group}/{number}")
        stored = {key: value for key, value in params.items() if key not in ("Tags", "ClientToken")}
        stored.setdefault("ModelApprovalStatus", "PendingManualApproval")
        record = Record(arn, arn, stored, now, now, tags=tags_of(params))
        record.state = {
            "ModelPackageName": group,
            "ModelPackageVersion": number,
            "ModelPackageArn": arn,
            "CreationTime": now,
            "LastModifiedTime": now,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
        }
        self.packages.add(record, lambda: invalid(f"Model package {arn} already exists."))
        return record

    def get(self, name: str) -> Record:
        arn = name if name.startswith("arn:") else self._arn("model-package", name)
        return self.packages.get(arn, lambda: invalid(f"ModelPackage {arn} does not exist."))

    def describe(self, request: AwsRequest) -> Json:
        return self.get(request.params["ModelPackageName"]).view("DescribeModelPackage")

    def describe_several(self, request: AwsRequest) -> Json:
        """What is there, by ARN, and for each that isn't its error."""
        found: Json = {}
        missing: Json = {}
        keys = (*_SUMMARY, "InferenceSpecification")
        for arn in request.params["ModelPackageArnList"]:
            record = self.packages.find(arn)
            if record is None:
                problem = f"ModelPackage {arn} does not exist."
                missing[arn] = {"ErrorCode": "ValidationException", "ErrorResponse": problem}
                continue
            whole = record.view("DescribeModelPackage")
            found[arn] = {key: whole[key] for key in keys if key in whole}
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": missing}

    def update(self, request: AwsRequest) -> Json:
        params = request.params
        refuse_members(
            params, ("ModelCard", "ModelLifeCycle", "AdditionalInferenceSpecificationsToAdd"), "UpdateModelPackage"
        )
        record = self.get(params["ModelPackageArn"])
        now = self._region.clock.now()
        removed = params.get("CustomerMetadataPropertiesToRemove") or []
        changed = []
        with record.lock:
            properties = dict(record.request.get("CustomerMetadataProperties") or {})
            properties.update(params.get("CustomerMetadataProperties") or {})
            values: Json = {
                key: params[key]
                for key in ("ModelApprovalStatus", "ApprovalDescription", "InferenceSpecification", "SourceUri",
                            "ModelPackageRegistrationType")
                if key in params
            }  # fmt: skip
            if removed or params.get("CustomerMetadataProperties"):
                values["CustomerMetadataProperties"] = {k: v for k, v in properties.items() if k not in removed}
            for key, value in values.items():
                if record.request.get(key) != value:
                    changed.append(key)
                    record.request[key] = value
            record.state["LastModifiedTime"] = record.modified = now
        if changed:
            publish(self._region, "Model Package", record, {"UpdatedModelPackageFields": changed}, iso)
        return {"ModelPackageArn": record.arn}

    def list(self, request: AwsRequest) -> Json:
        params = dict(request.params)
        records = self.packages.all()
        if params.get("ModelPackageGroupName"):
            records = self._of_group(self.group(params["ModelPackageGroupName"]).name)
        elif params.get("ModelPackageType", "Unversioned") == "Unversioned":
            records = []  # as on AWS: without a group, the list is of unversioned packages
        approval = params.get("ModelApprovalStatus")
        if approval:
            records = [record for record in records if record.request["ModelApprovalStatus"] == approval]
        page, token = listed(params, records)
        summaries = [record.view("DescribeModelPackage") for record in page]
        return {
            "ModelPackageSummaryList": [{key: s[key] for key in _SUMMARY if key in s} for s in summaries],
            **token,
        }

    def delete(self, request: AwsRequest) -> Json:
        self.packages.remove(self.get(request.params["ModelPackageName"]))
        return {}

    def container(self, name: str) -> Json:
        """Image, ModelDataUrl and Environment of a package, for a model made of it."""
        if not re.fullmatch(r"arn:.*:model-package/.+", name):
            raise invalid(f"ModelPackageName {name} must be the ARN of a model package.")
        record = self.get(name)
        containers = (record.request.get("InferenceSpecification") or {}).get("Containers") or []
        if len(containers) != 1:
            raise refuse(f"a model of model package {name}, which has {len(containers)} containers")
        if record.request["ModelApprovalStatus"] == "Rejected":
            raise invalid(f"Model package {name} is not approved: its ModelApprovalStatus is Rejected.")
        return {key: containers[0][key] for key in ("Image", "ModelDataUrl", "Environment") if containers[0].get(key)}

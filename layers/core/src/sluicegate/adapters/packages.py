"""SageMaker's model registry: model package groups and versions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.jobs import tag_list
from sluicegate.domain.errors import NotFound
from sluicegate.ports import Package, PackageSpec

#: what SageMaker takes
_DESCRIPTION = 1024


class SageMakerPackages:
    """``ports.Packages``; ``sagemaker`` is boto3's client."""

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    def create_group(self, group: str, description: str, tags: Mapping[str, str]) -> None:
        with translated():
            self._sagemaker.create_model_package_group(
                ModelPackageGroupName=group, ModelPackageGroupDescription=description, Tags=tag_list(tags)
            )

    def find(self, group: str, description: str, since: datetime) -> Package | None:
        """The group's package that was created after ``since`` with exactly this description."""
        pages = self._sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=group, CreationTimeAfter=since
        )
        with translated():
            for page in pages:
                for found in page["ModelPackageSummaryList"]:
                    if found.get("ModelPackageDescription") == description:
                        return self.package(found["ModelPackageArn"])
        return None

    def create(self, spec: PackageSpec) -> Package:
        """The package waits for ``decide``. The same token again adopts the package that the first call made."""
        container: Any = {"Image": spec.image, "ModelDataUrl": spec.artifact_uri}
        if spec.environment:
            container["Environment"] = dict(spec.environment)
        with translated():
            made = self._sagemaker.create_model_package(
                ModelPackageGroupName=spec.group,
                ClientToken=spec.token,
                ModelPackageDescription=spec.description,
                InferenceSpecification={
                    "Containers": [container],
                    "SupportedContentTypes": [spec.content_type],
                    "SupportedResponseMIMETypes": ["text/csv", "application/json"],
                    "SupportedTransformInstanceTypes": [spec.instance_type],
                    "SupportedRealtimeInferenceInstanceTypes": [spec.instance_type],
                },
                ModelApprovalStatus="PendingManualApproval",
                ModelMetrics={
                    "ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": spec.report_uri}}
                },
                CustomerMetadataProperties=dict(spec.metadata),
            )
        return self.package(made["ModelPackageArn"])

    def decide(self, arn: str, approval: str, reason: str) -> None:
        with translated():
            self._sagemaker.update_model_package(
                ModelPackageArn=arn, ModelApprovalStatus=approval, ApprovalDescription=reason[:_DESCRIPTION]
            )

    def package(self, arn: str) -> Package:
        with translated():
            found = self._sagemaker.describe_model_package(ModelPackageName=arn)
        if "ModelPackageVersion" not in found:
            raise NotFound(f"{arn} is no version of a model package group")
        return Package(
            arn=found["ModelPackageArn"],
            group=found["ModelPackageGroupName"],
            version=int(found["ModelPackageVersion"]),
            approval=found.get("ModelApprovalStatus", "PendingManualApproval"),
            decided_at=_aware(found.get("LastModifiedTime") or found["CreationTime"]),
            metadata=found.get("CustomerMetadataProperties", {}),
            reason=found.get("ApprovalDescription", ""),
        )


def _aware(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

"""SageMaker's endpoint configs and endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.jobs import tag_list
from sluicegate.domain.errors import AlreadyExists, Conflict
from sluicegate.ports import EndpointState, Instances, Serverless


class SageMakerEndpoints:
    """``ports.Endpoints``; ``sagemaker`` is boto3's client."""

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    def create_config(
        self, name: str, model_name: str, variant: str, size: Serverless | Instances, tags: Mapping[str, str]
    ) -> None:
        production: dict[str, Any] = {"VariantName": variant, "ModelName": model_name}
        if isinstance(size, Serverless):
            production["ServerlessConfig"] = {
                "MemorySizeInMB": size.memory_mb,
                "MaxConcurrency": size.max_concurrency,
            }
        else:
            production |= {
                "InstanceType": size.type,
                "InitialInstanceCount": size.count,
                "InitialVariantWeight": 1.0,
            }
        with translated():
            self._sagemaker.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[production], Tags=tag_list(tags)
            )

    def configs(self, prefix: str) -> Iterator[str]:
        with translated():
            for page in self._sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=prefix):
                for found in page["EndpointConfigs"]:
                    if found["EndpointConfigName"].startswith(prefix):
                        yield found["EndpointConfigName"]

    def delete_config(self, name: str) -> None:
        with translated():
            self._sagemaker.delete_endpoint_config(EndpointConfigName=name)

    def endpoint(self, name: str) -> EndpointState:
        with translated():
            found = self._sagemaker.describe_endpoint(EndpointName=name)
        pending = found.get("PendingDeploymentSummary") or {}
        return EndpointState(
            name=name,
            status=found["EndpointStatus"],
            config=found.get("EndpointConfigName", ""),
            pending_config=pending.get("EndpointConfigName"),
            failure_reason=found.get("FailureReason", ""),
        )

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        with translated():
            self._sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tag_list(tags))

    def update(self, name: str, config: str) -> None:
        """``Conflict`` while another update is under way (SageMaker says ValidationException or ResourceInUse)."""
        try:
            with translated():
                self._sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config)
        except AlreadyExists as error:
            raise Conflict(str(error)) from error

    def delete(self, name: str) -> None:
        with translated():
            self._sagemaker.delete_endpoint(EndpointName=name)

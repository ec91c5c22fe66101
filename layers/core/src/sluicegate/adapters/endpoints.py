"""SageMaker's endpoint configs and endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.jobs import tag_list
from sluicegate.domain.errors import AlreadyExists, Conflict
from sluicegate.ports import BlueGreen, EndpointState, Instances, Serverless

_TERMINATION_SECONDS = 120
_START_SECONDS = 1800
_LONGEST_UPDATE = 28_800


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
        capture: dict[str, Any] = {}
        if isinstance(size, Instances) and size.capture:
            capture["DataCaptureConfig"] = {
                "EnableCapture": True,
                "InitialSamplingPercentage": size.capture,
                "DestinationS3Uri": size.capture_to,
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {
                    "CsvContentTypes": ["text/csv"],
                    "JsonContentTypes": ["application/json"],
                },
            }
        with translated():
            self._sagemaker.create_endpoint_config(
                EndpointConfigName=name, ProductionVariants=[production], Tags=tag_list(tags), **capture
            )

    def config_variant(self, name: str) -> str:
        with translated():
            found = self._sagemaker.describe_endpoint_config(EndpointConfigName=name)
        return str(found["ProductionVariants"][0]["VariantName"])

    def delete_config(self, name: str) -> None:
        with translated():
            self._sagemaker.delete_endpoint_config(EndpointConfigName=name)

    def endpoint(self, name: str) -> EndpointState:
        with translated():
            found = self._sagemaker.describe_endpoint(EndpointName=name)
        pending = found.get("PendingDeploymentSummary") or {}
        stages = _stages(pending)
        baking = bool(stages) and all(stage.get("Status") == "Baking" for stage in stages)
        return EndpointState(
            name=name,
            status=found["EndpointStatus"],
            config=found.get("EndpointConfigName", ""),
            pending_config=pending.get("EndpointConfigName"),
            baking_since=max(map(_began, stages)) if baking else None,
            stage=str(stages[0].get("StatusMessage", "")) if stages else "",
            failure_reason=found.get("FailureReason", ""),
            created=found.get("CreationTime"),
            arn=found.get("EndpointArn", ""),
        )

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        with translated():
            self._sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tag_list(tags))

    def update(self, name: str, config: str, guard: BlueGreen | None = None) -> None:
        """``Conflict`` while another update is under way (SageMaker says ValidationException or ResourceInUse)."""
        guarded = {} if guard is None else {"DeploymentConfig": deployment_config(guard)}
        try:
            with translated():
                self._sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **guarded)
        except AlreadyExists as error:
            raise Conflict(str(error)) from error

    def delete(self, name: str) -> None:
        with translated():
            self._sagemaker.delete_endpoint(EndpointName=name)

    def tags(self, arn: str) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with translated():
            for page in self._sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn):
                found |= {tag["Key"]: tag["Value"] for tag in page["Tags"]}
        return found


def _stages(pending: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What each variant of an update under way does now: its last stage, {} before the first."""
    return [
        max((stage for stage in variant.get("VariantStatus") or () if "StartTime" in stage), key=_began, default={})
        for variant in pending.get("ProductionVariants") or ()
    ]


def _began(stage: Mapping[str, Any]) -> Any:
    return stage["StartTime"]


def deployment_config(guard: BlueGreen) -> dict[str, Any]:
    """SageMaker's DeploymentConfig. The old fleet stays for ``TerminationWaitInSeconds`` after it lost all traffic, and
    alarms still count then; everything has to be over within ``MaximumExecutionTimeoutInSeconds``, so fleets that come
    up slowly get half an hour beside the waits."""
    routing: dict[str, Any] = {"Type": guard.strategy.upper()}
    waits = 1
    if guard.strategy == "canary":
        routing["CanarySize"] = {"Type": "CAPACITY_PERCENT", "Value": guard.percent}
    elif guard.strategy == "linear":
        routing["LinearStepSize"] = {"Type": "CAPACITY_PERCENT", "Value": guard.percent}
        waits = -(-100 // guard.percent)
    routing["WaitIntervalInSeconds"] = guard.wait_seconds
    termination = guard.wait_seconds if guard.strategy == "all_at_once" else _TERMINATION_SECONDS
    found: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": termination,
            "MaximumExecutionTimeoutInSeconds": min(
                _LONGEST_UPDATE, waits * guard.wait_seconds + termination + _START_SECONDS
            ),
        }
    }
    if guard.alarms:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in guard.alarms]}
    return found

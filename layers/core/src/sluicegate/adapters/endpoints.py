"""SageMaker's endpoint configs and endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sluicegate.adapters.aws import translated
from sluicegate.adapters.jobs import tag_list
from sluicegate.domain.errors import AlreadyExists, Conflict
from sluicegate.ports_serving import BlueGreen, EndpointState, Instances, Serverless, VariantSpec


class SageMakerEndpoints:
    """``ports.Endpoints``; ``sagemaker`` is boto3's client."""

    def __init__(self, sagemaker: Any) -> None:
        self._sagemaker = sagemaker

    def create_config(self, name: str, variants: Sequence[VariantSpec], tags: Mapping[str, str]) -> None:
        size = variants[0].size
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
                EndpointConfigName=name,
                ProductionVariants=[production_variant(variant) for variant in variants],
                Tags=tag_list(tags),
                **capture,
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
            instances={
                variant["VariantName"]: int(variant["DesiredInstanceCount"])
                for variant in found.get("ProductionVariants") or []
                if variant.get("DesiredInstanceCount")
            },
            weights={
                variant["VariantName"]: float(variant.get("DesiredWeight", variant.get("CurrentWeight", 0.0)))
                for variant in found.get("ProductionVariants") or []
            },
        )

    def create(self, name: str, config: str, tags: Mapping[str, str]) -> None:
        with translated():
            self._sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=tag_list(tags))

    def update(self, name: str, config: str, guard: BlueGreen | None = None, keep: bool = False) -> None:
        """``Conflict`` while another update is under way (SageMaker says ValidationException or ResourceInUse)."""
        more: dict[str, Any] = {} if guard is None else {"DeploymentConfig": deployment_config(guard)}
        if keep:
            more["RetainAllVariantProperties"] = True
        with _busy():
            self._sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=config, **more)

    def weigh(self, name: str, weights: Mapping[str, float]) -> None:
        desired = [{"VariantName": variant, "DesiredWeight": weight} for variant, weight in weights.items()]
        with _busy():
            self._sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=name, DesiredWeightsAndCapacities=desired
            )

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


@contextmanager
def _busy() -> Iterator[None]:
    """Around a change of an endpoint: "in use" means that another one is under way."""
    try:
        with translated():
            yield
    except AlreadyExists as error:
        raise Conflict(str(error)) from error


def production_variant(spec: VariantSpec) -> dict[str, Any]:
    """SageMaker's ProductionVariant. A serverless one has no other beside it, so it needs no weight."""
    found: dict[str, Any] = {"VariantName": spec.name, "ModelName": spec.model_name}
    if isinstance(spec.size, Serverless):
        limits = {"MemorySizeInMB": spec.size.memory_mb, "MaxConcurrency": spec.size.max_concurrency}
        return {**found, "ServerlessConfig": limits}
    return {
        **found,
        "InstanceType": spec.size.type,
        "InitialInstanceCount": spec.size.count,
        "InitialVariantWeight": spec.weight,
    }


def deployment_config(guard: BlueGreen) -> dict[str, Any]:
    """SageMaker's DeploymentConfig."""
    routing: dict[str, Any] = {"Type": guard.strategy.upper()}
    if guard.strategy == "canary":
        routing["CanarySize"] = {"Type": "CAPACITY_PERCENT", "Value": guard.percent}
    elif guard.strategy == "linear":
        routing["LinearStepSize"] = {"Type": "CAPACITY_PERCENT", "Value": guard.percent}
    routing["WaitIntervalInSeconds"] = guard.wait_seconds
    found: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": guard.termination_seconds,
            "MaximumExecutionTimeoutInSeconds": guard.longest_seconds,
        }
    }
    if guard.alarms:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in guard.alarms]}
    return found

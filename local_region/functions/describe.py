"""Functions, layers and mappings in the shapes that Lambda's API answers with. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from local_region.functions.model import Function, Layer
from local_region.ports import Json


def timestamp(moment: datetime) -> str:
    """Lambda's own form: ``2026-11-22T22:29:49.123+0000``."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "+0000"


def configuration(function: Function) -> Json:
    """``FunctionConfiguration``. A function here is always ready: waiters return at once."""
    spec = function.spec
    logging = spec.properties.get("LoggingConfig") or {}
    result: Json = {
        "FunctionName": spec.name,
        "FunctionArn": function.arn,
        "Runtime": spec.runtime,
        "Role": spec.role_arn,
        "Handler": spec.handler,
        "CodeSize": function.package.size,
        "Description": spec.description,
        "Timeout": spec.timeout,
        "MemorySize": spec.memory_mb,
        "LastModified": timestamp(function.modified),
        "CodeSha256": function.package.sha256,
        "Version": "$LATEST",
        "TracingConfig": {"Mode": (spec.properties.get("TracingConfig") or {}).get("Mode", "PassThrough")},
        "RevisionId": function.revision,
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": list(spec.architectures),
        "EphemeralStorage": {"Size": spec.ephemeral_mb},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": logging.get("LogFormat", "Text"), "LogGroup": function.log_group},
    }
    if spec.environment:
        result["Environment"] = {"Variables": dict(spec.environment)}
    if function.layers:
        result["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.package.size} for layer in function.layers]
    if spec.dead_letter_arn:
        result["DeadLetterConfig"] = {"TargetArn": spec.dead_letter_arn}
    return result


def layer_version(layer: Layer) -> Json:
    """``LayerVersionsListItem`` and the common part of ``GetLayerVersion``."""
    properties = layer.properties
    result: Json = {
        "LayerVersionArn": layer.arn,
        "Version": layer.version,
        "Description": properties.get("Description") or "",
        "CreatedDate": timestamp(layer.created),
    }
    for name in ("CompatibleRuntimes", "CompatibleArchitectures", "LicenseInfo"):
        if properties.get(name):
            result[name] = properties[name]
    return result


def layer_content(layer: Layer) -> Json:
    return {
        **layer_version(layer),
        "LayerArn": layer.arn.rsplit(":", 1)[0],
        "Content": {"CodeSize": layer.package.size, "CodeSha256": layer.package.sha256},
    }


_MAPPING_FIELDS = ("FilterCriteria", "FunctionResponseTypes", "ScalingConfig")


def mapping(
    mapping_id: str, properties: Json, function_arn: str, enabled: bool, last_result: str, modified: datetime
) -> Json:
    """``EventSourceMappingConfiguration``."""
    result: dict[str, Any] = {
        "UUID": mapping_id,
        "BatchSize": int(properties.get("BatchSize") or 10),
        "MaximumBatchingWindowInSeconds": int(properties.get("MaximumBatchingWindowInSeconds") or 0),
        "EventSourceArn": properties["EventSourceArn"],
        "FunctionArn": function_arn,
        "LastModified": modified,
        "LastProcessingResult": last_result,
        "State": "Enabled" if enabled else "Disabled",
        "StateTransitionReason": "USER_INITIATED",
    }
    result |= {name: properties[name] for name in _MAPPING_FIELDS if properties.get(name)}
    return result

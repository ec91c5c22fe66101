"""Lambda: functions, layers, event source mappings, invoke configs, permissions."""

# Handlers share one signature; not every one needs all of it. Messages stay on one line.
# ruff: noqa: ARG002, E501

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from local_region.cloudformation.errors import ResourceFailure
from local_region.cloudformation.resources.base import (
    Env,
    Handler,
    expects,
    integer,
    tag_map,
    unsupported,
    words,
)
from local_region.cloudformation.scope import Made
from local_region.ports import FunctionSpec, Json

_EXECUTE_API = re.compile(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com")


def reachable(value: str, endpoint: str) -> str:
    """``value`` with addresses of API Gateway as AWS writes them turned into the region's own.

    >>> reachable("https://a1b2.execute-api.us-east-1.amazonaws.com/v1/x", "http://127.0.0.1:4566")
    'http://127.0.0.1:4566/_api/a1b2/v1/x'
    """
    return _EXECUTE_API.sub(lambda match: f"{endpoint}/_api/{match[1]}", value)


def code_source(env: Env, code: Json) -> Callable[[], IO[bytes]]:
    """A way to open the zip of ``code`` (S3Bucket, S3Key, S3ObjectVersion, or inline ZipFile)."""
    if "ZipFile" in code:
        content = _inline(str(code["ZipFile"]))
        return lambda: io.BytesIO(content)
    bucket, key, version = code["S3Bucket"], code["S3Key"], code.get("S3ObjectVersion")
    if version:
        return lambda: _version(env, bucket, key, str(version))

    def opened() -> IO[bytes]:
        try:
            return env.region.objects.open(bucket, key)
        except KeyError as error:
            raise ResourceFailure(
                f"Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: There is no object {key} in bucket {bucket}."
            ) from error

    return opened


def _version(env: Env, bucket: str, key: str, version: str) -> IO[bytes]:
    body = env.call("s3", "get_object", Bucket=bucket, Key=key, VersionId=version)["Body"]
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115  (the caller closes it)
    for chunk in body.iter_chunks(1 << 20):
        spool.write(chunk)
    spool.seek(0)
    return spool


def _inline(source: str) -> bytes:
    """AWS puts inline code into ``index.py``; the fixed date makes equal code equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("index.py", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, source)
    return buffer.getvalue()


def function_name(name_or_arn: str) -> str:
    """A function's name from a name or an ARN, qualifier left out."""
    if name_or_arn.startswith("arn:"):
        return name_or_arn.split(":")[6]
    return name_or_arn.split(":")[0]


class Function(Handler):
    type = "AWS::Lambda::Function"
    honoured = words(
        "Code Handler Role FunctionName Runtime Timeout MemorySize Environment Layers DeadLetterConfig "
        "ReservedConcurrentExecutions EphemeralStorage Description Tags Architectures PackageType"
    )
    recorded = words("TracingConfig KmsKeyArn LoggingConfig SnapStart RecursiveLoop RuntimeManagementConfig")
    required = words("Code Role")
    replaces = words("FunctionName PackageType")
    attributes = words("Arn")
    name_property = "FunctionName"

    def check(self, properties: Json) -> Iterator[str]:
        yield from unsupported("Code", properties.get("Code"), "S3Bucket S3Key S3ObjectVersion ZipFile")
        yield from expects("PackageType", properties.get("PackageType"), "Zip")
        for name in ("Handler", "Runtime"):
            if name not in properties:
                yield f"property {name} is required."
        runtime = properties.get("Runtime")
        if isinstance(runtime, str) and not runtime.startswith("python3."):
            yield f"Runtime {runtime!r} is not supported by the local region; it runs python3.x."

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("FunctionName") or env.name(64)
        return Made(name, {"Arn": env.region.functions.put_function(self._spec(env, name, properties))})

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        arn = env.region.functions.put_function(self._spec(env, made.physical_id, new))
        return Made(made.physical_id, {"Arn": arn})

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.functions.delete_function(made.physical_id)

    def _spec(self, env: Env, name: str, properties: Json) -> FunctionSpec:
        variables = (properties.get("Environment") or {}).get("Variables") or {}
        endpoint = env.region.config.endpoint
        reserved = properties.get("ReservedConcurrentExecutions")
        return FunctionSpec(
            name=name,
            handler=properties["Handler"],
            role_arn=properties["Role"],
            code_zip=code_source(env, properties["Code"]),
            runtime=properties["Runtime"],
            timeout=integer(properties.get("Timeout", 3)),
            memory_mb=integer(properties.get("MemorySize", 128)),
            environment={key: reachable(_variable(value), endpoint) for key, value in variables.items()},
            layers=tuple(properties.get("Layers") or ()),
            dead_letter_arn=(properties.get("DeadLetterConfig") or {}).get("TargetArn"),
            reserved_concurrency=None if reserved is None else integer(reserved),
            ephemeral_mb=integer((properties.get("EphemeralStorage") or {}).get("Size", 512)),
            description=str(properties.get("Description", "")),
            tags=tag_map(properties.get("Tags")),
            architectures=tuple(properties.get("Architectures") or ("x86_64",)),
            properties=properties,
        )


def _variable(value: Any) -> str:
    if isinstance(value, dict | list):
        raise ResourceFailure(f"An environment variable must be text, not {value!r}")
    return str(value).lower() if isinstance(value, bool) else str(value)


class LayerVersion(Handler):
    type = "AWS::Lambda::LayerVersion"
    honoured = words("Content LayerName Description CompatibleRuntimes CompatibleArchitectures LicenseInfo")
    required = words("Content")
    replaces = honoured
    attributes = words("LayerVersionArn")

    def check(self, properties: Json) -> Iterator[str]:
        yield from unsupported("Content", properties.get("Content"), "S3Bucket S3Key S3ObjectVersion")

    def create(self, env: Env, properties: Json) -> Made:
        name = properties.get("LayerName") or env.name(64)
        arn = env.region.functions.publish_layer(name, code_source(env, properties["Content"]), properties)
        return Made(arn, {"LayerVersionArn": arn})

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.functions.delete_layer_version(made.physical_id)


class Permission(Handler):
    """Kept by Lambda and shown by GetPolicy. The region lets its own services call every function of the template."""

    type = "AWS::Lambda::Permission"
    honoured = words("Action FunctionName Principal SourceArn SourceAccount EventSourceToken PrincipalOrgID")
    required = words("Action FunctionName Principal")
    replaces = honoured
    attributes = words("Id")

    def create(self, env: Env, properties: Json) -> Made:
        statement = env.name(100)
        env.region.functions.add_permission(function_name(properties["FunctionName"]), statement, properties)
        return Made(statement, {"Id": statement})

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.functions.remove_permission(function_name(properties["FunctionName"]), made.physical_id)


class EventSourceMapping(Handler):
    type = "AWS::Lambda::EventSourceMapping"
    honoured = words(
        "EventSourceArn FunctionName BatchSize Enabled FilterCriteria FunctionResponseTypes "
        "MaximumBatchingWindowInSeconds ScalingConfig"
    )
    recorded = words("Tags MetricsConfig KmsKeyArn")
    required = words("FunctionName EventSourceArn")
    replaces = words("EventSourceArn")
    attributes = words("Id EventSourceMappingArn")

    def check(self, properties: Json) -> Iterator[str]:
        source = properties.get("EventSourceArn")
        if isinstance(source, str) and ":sqs:" not in source:
            yield f"the event source {source} is not supported by the local region; it maps SQS queues."

    def create(self, env: Env, properties: Json) -> Made:
        return self._put(env, None, properties)

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        return self._put(env, made.physical_id, new)

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.functions.delete_event_source_mapping(made.physical_id)

    def _put(self, env: Env, mapping_id: str | None, properties: Json) -> Made:
        typed = env.typed("lambda", "create_event_source_mapping", properties)
        made = env.region.functions.put_event_source_mapping(mapping_id, typed)
        return Made(made, {"Id": made, "EventSourceMappingArn": env.arn("lambda", f"event-source-mapping:{made}")})


class EventInvokeConfig(Handler):
    type = "AWS::Lambda::EventInvokeConfig"
    honoured = words("FunctionName Qualifier DestinationConfig MaximumEventAgeInSeconds MaximumRetryAttempts")
    required = words("FunctionName Qualifier")
    replaces = words("FunctionName Qualifier")

    def check(self, properties: Json) -> Iterator[str]:
        yield from expects("Qualifier", properties.get("Qualifier"), "$LATEST")

    def create(self, env: Env, properties: Json) -> Made:
        self._put(env, properties)
        return Made(env.name())

    def update(self, env: Env, made: Made, old: Json, new: Json) -> Made:
        self._put(env, new)
        return made

    def delete(self, env: Env, made: Made, properties: Json) -> None:
        env.region.functions.delete_invoke_config(function_name(properties["FunctionName"]))

    def _put(self, env: Env, properties: Json) -> None:
        settings = dict(properties)
        for name in ("MaximumEventAgeInSeconds", "MaximumRetryAttempts"):
            if name in settings:
                settings[name] = integer(settings[name])
        env.region.functions.put_invoke_config(function_name(properties["FunctionName"]), settings)

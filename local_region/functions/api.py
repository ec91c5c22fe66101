"""Lambda's API over ``FunctionsService``: parameters and answers are botocore's."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

from local_region.functions import describe
from local_region.functions.fleet import REGION_CONCURRENCY
from local_region.functions.model import Function
from local_region.functions.packages import MAX_UNZIPPED, invalid
from local_region.functions.registry import no_invoke_config
from local_region.ports import AwsError, AwsRequest, FunctionSpec, Json

if TYPE_CHECKING:
    from local_region.functions.service import FunctionsService

#: parameters of CreateFunction and UpdateFunctionConfiguration kept as the resource's properties
_PROPERTIES = (
    "TracingConfig",
    "LoggingConfig",
    "VpcConfig",
    "PackageType",
    "SnapStart",
    "FileSystemConfigs",
    "ImageConfig",
    "CodeSigningConfigArn",
)


def operations(service: FunctionsService) -> Mapping[str, Callable[[AwsRequest], Json]]:
    """Every operation that the region's Lambda has, by botocore's name."""
    part = Operations(service)
    names = [name for name in vars(Operations) if name[0].isupper()]
    return {name: _unpack(getattr(part, name)) for name in names}


def _unpack(method: Callable[[Json], Json]) -> Callable[[AwsRequest], Json]:
    return lambda request: method(request.params)


def _page(items: list[Json], params: Json, size: int = 50) -> tuple[list[Json], str | None]:
    marker = str(params.get("Marker") or 0)
    if not marker.isdigit():
        raise invalid("The provided pagination token is invalid.")
    start = int(marker)
    end = start + int(params.get("MaxItems") or size)
    return items[start:end], str(end) if end < len(items) else None


def _listing(name: str, items: list[Json], params: Json) -> Json:
    page, marker = _page(items, params)
    return {name: page, **({"NextMarker": marker} if marker else {})}


class Operations:
    """One method an operation, taking its parameters."""

    def __init__(self, service: FunctionsService) -> None:
        self._service = service

    def _find(self, params: Json) -> Function:
        return self._service.registry.find(params["FunctionName"], params.get("Qualifier"))

    def _to_change(self, params: Json) -> Function:
        """The function, if it is still the one that the caller has seen (``RevisionId``)."""
        function = self._find(params)
        if params.get("RevisionId") not in (None, function.revision):
            raise AwsError(
                "PreconditionFailedException",
                "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to "
                "retrieve the latest Revision Id",
                412,
                {"Type": "User"},
            )
        return function

    def Invoke(self, params: Json) -> Json:
        function = self._find(params)
        payload = _bytes(params.get("Payload"))
        _check_json(payload)
        kind = params.get("InvocationType") or "RequestResponse"
        if kind == "DryRun":
            return {"StatusCode": 204, "Payload": b""}
        if kind == "Event":
            self._service.queue(function, payload)
            return {"StatusCode": 202, "Payload": b""}
        context = params.get("ClientContext")
        result = self._service.invoke_now(
            function,
            payload,
            with_tail=params.get("LogType") == "Tail",
            client_context=base64.b64decode(context).decode() if context else "",
        )
        answer: Json = {"StatusCode": result.status, "ExecutedVersion": result.version, "Payload": result.payload}
        if result.function_error:
            answer["FunctionError"] = result.function_error
        if params.get("LogType") == "Tail":
            answer["LogResult"] = base64.b64encode(result.log_tail.encode()).decode()
        return answer

    # Functions

    def CreateFunction(self, params: Json) -> Json:
        name = params["FunctionName"].rsplit(":", 1)[-1]
        if self._service.registry.get(name) is not None:
            raise AwsError("ResourceConflictException", f"Function already exist: {name}", 409, {"Type": "User"})
        if params.get("Publish"):
            raise invalid("The local region has no function versions: Publish is not supported.")
        code = self._code(params["Code"])
        if params.get("PackageType", "Zip") == "Zip" and not (params.get("Runtime") and params.get("Handler")):
            raise invalid(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        spec = FunctionSpec(
            name=name,
            handler=params.get("Handler") or "",
            role_arn=params["Role"],
            code_zip=code,
            runtime=params.get("Runtime") or "",
            architectures=tuple(params.get("Architectures") or ("x86_64",)),
            tags=params.get("Tags") or {},
        )
        self._service.put_function(_changed(spec, params))
        return describe.configuration(self._service.registry.find(name))

    def UpdateFunctionCode(self, params: Json) -> Json:
        function = self._to_change(params)
        if params.get("Publish"):
            raise invalid("The local region has no function versions: Publish is not supported.")
        if params.get("DryRun"):
            return describe.configuration(function)
        architectures = tuple(params.get("Architectures") or function.spec.architectures)
        spec = dataclasses.replace(function.spec, code_zip=self._code(params), architectures=architectures)
        self._service.put_function(spec)
        return describe.configuration(self._service.registry.find(spec.name))

    def UpdateFunctionConfiguration(self, params: Json) -> Json:
        function = self._to_change(params)
        return describe.configuration(self._service.configure(function, _changed(function.spec, params)))

    def DeleteFunction(self, params: Json) -> Json:
        self._service.delete_function(self._find(params).spec.name)
        return {"StatusCode": 204}

    def GetFunction(self, params: Json) -> Json:
        function = self._find(params)
        answer: Json = {"Configuration": describe.configuration(function), "Code": {"RepositoryType": "S3"}}
        if function.spec.tags:
            answer["Tags"] = dict(function.spec.tags)
        if function.spec.reserved_concurrency is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": function.spec.reserved_concurrency}
        return answer

    def GetFunctionConfiguration(self, params: Json) -> Json:
        return describe.configuration(self._find(params))

    def ListFunctions(self, params: Json) -> Json:
        return _listing("Functions", [describe.configuration(f) for f in self._service.registry.all()], params)

    def ListVersionsByFunction(self, params: Json) -> Json:
        """``$LATEST`` alone: none can be published here."""
        function = self._find(params)
        only = {**describe.configuration(function), "FunctionArn": f"{function.arn}:$LATEST"}
        return _listing("Versions", [only], params)

    def ListAliases(self, params: Json) -> Json:
        self._find(params)
        return {"Aliases": []}

    def PutFunctionConcurrency(self, params: Json) -> Json:
        function = self._find(params)
        count = int(params["ReservedConcurrentExecutions"])
        self._service.configure(function, dataclasses.replace(function.spec, reserved_concurrency=count))
        return {"ReservedConcurrentExecutions": count}

    def GetFunctionConcurrency(self, params: Json) -> Json:
        reserved = self._find(params).spec.reserved_concurrency
        return {} if reserved is None else {"ReservedConcurrentExecutions": reserved}

    def DeleteFunctionConcurrency(self, params: Json) -> Json:
        function = self._find(params)
        self._service.configure(function, dataclasses.replace(function.spec, reserved_concurrency=None))
        return {}

    def GetAccountSettings(self, params: Json) -> Json:
        del params
        functions = self._service.registry.all()
        reserved = sum(f.spec.reserved_concurrency or 0 for f in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": 80_530_636_800,
                "CodeSizeUnzipped": MAX_UNZIPPED,
                "CodeSizeZipped": 52_428_800,
                "ConcurrentExecutions": REGION_CONCURRENCY,
                "UnreservedConcurrentExecutions": max(REGION_CONCURRENCY - reserved, 0),
            },
            "AccountUsage": {"TotalCodeSize": sum(f.package.size for f in functions), "FunctionCount": len(functions)},
        }

    # Layers

    def PublishLayerVersion(self, params: Json) -> Json:
        name = params["LayerName"].rsplit(":layer:", 1)[-1]
        layer = self._service.registry.publish_layer(name, self._code(params["Content"]), params)
        return describe.layer_content(layer)

    def ListLayers(self, params: Json) -> Json:
        items = [
            {
                "LayerName": layer.name,
                "LayerArn": layer.arn.rsplit(":", 1)[0],
                "LatestMatchingVersion": describe.layer_version(layer),
            }
            for layer in self._service.registry.layers()
        ]
        return _listing("Layers", items, params)

    def ListLayerVersions(self, params: Json) -> Json:
        layers = self._service.registry.layers(params["LayerName"])
        return _listing("LayerVersions", [describe.layer_version(layer) for layer in layers], params)

    def GetLayerVersion(self, params: Json) -> Json:
        layer = self._service.registry.layer_by_version(params["LayerName"], int(params["VersionNumber"]))
        return describe.layer_content(layer)

    def GetLayerVersionByArn(self, params: Json) -> Json:
        return describe.layer_content(self._service.registry.layer(params["Arn"]))

    def DeleteLayerVersion(self, params: Json) -> Json:
        layers = self._service.registry.layers(params["LayerName"])
        for layer in layers:  # deleting one that isn't there is no error
            if layer.version == int(params["VersionNumber"]):
                self._service.delete_layer_version(layer.arn)
        return {}

    # Event source mappings

    def CreateEventSourceMapping(self, params: Json) -> Json:
        function = self._find(params)
        return self._service.mappings.put(None, params, function, create_only=True).describe()

    def UpdateEventSourceMapping(self, params: Json) -> Json:
        mapping = self._service.mappings.get(params["UUID"])
        properties = {**mapping.properties, **{k: v for k, v in params.items() if k != "UUID"}}
        function = self._service.registry.find(properties["FunctionName"])
        return self._service.mappings.put(mapping.mapping_id, properties, function).describe()

    def GetEventSourceMapping(self, params: Json) -> Json:
        return self._service.mappings.get(params["UUID"]).describe()

    def ListEventSourceMappings(self, params: Json) -> Json:
        name = self._find(params).spec.name if params.get("FunctionName") else None
        found = self._service.mappings.all(name, params.get("EventSourceArn"))
        return _listing("EventSourceMappings", [mapping.describe() for mapping in found], params)

    def DeleteEventSourceMapping(self, params: Json) -> Json:
        return {**self._service.mappings.delete(params["UUID"]).describe(), "State": "Deleting"}

    # Policies

    def AddPermission(self, params: Json) -> Json:
        registry = self._service.registry
        entry = registry.add_permission(params["FunctionName"], params["StatementId"], params, replace=False)
        return {"Statement": json.dumps(entry)}

    def RemovePermission(self, params: Json) -> Json:
        self._service.remove_permission(params["FunctionName"], params["StatementId"])
        return {}

    def GetPolicy(self, params: Json) -> Json:
        function = self._find(params)
        return {"Policy": json.dumps(self._service.registry.policy(function.arn)), "RevisionId": function.revision}

    # Asynchronous invocation

    def PutFunctionEventInvokeConfig(self, params: Json) -> Json:
        function = self._find(params)
        properties = {k: v for k, v in params.items() if k != "FunctionName"}
        return self._invoke_config(function, self._service.registry.put_invoke_config(function.arn, properties))

    def UpdateFunctionEventInvokeConfig(self, params: Json) -> Json:
        known = self._service.registry.invoke_config(self._find(params).spec.name) or {}
        return self.PutFunctionEventInvokeConfig({**known, **params})

    def GetFunctionEventInvokeConfig(self, params: Json) -> Json:
        function = self._find(params)
        found = self._service.registry.invoke_config(function.spec.name)
        if found is None:
            raise no_invoke_config(function)
        return self._invoke_config(function, found)

    def ListFunctionEventInvokeConfigs(self, params: Json) -> Json:
        function = self._find(params)
        found = self._service.registry.invoke_config(function.spec.name)
        return _listing(
            "FunctionEventInvokeConfigs", [self._invoke_config(function, found)] if found is not None else [], params
        )

    def DeleteFunctionEventInvokeConfig(self, params: Json) -> Json:
        self._service.delete_invoke_config(self._find(params).arn)
        return {}

    @staticmethod
    def _invoke_config(function: Function, properties: Json) -> Json:
        names = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
        shown = {name: properties[name] for name in names if properties.get(name) is not None}
        return {"FunctionArn": f"{function.arn}:$LATEST", "LastModified": function.modified, **shown}

    # Tags

    def ListTags(self, params: Json) -> Json:
        return {"Tags": dict(self._service.registry.find(params["Resource"]).spec.tags)}

    def TagResource(self, params: Json) -> Json:
        function = self._service.registry.find(params["Resource"])
        self._service.registry.tag(function, {**function.spec.tags, **params["Tags"]})
        return {}

    def UntagResource(self, params: Json) -> Json:
        function = self._service.registry.find(params["Resource"])
        kept = {k: v for k, v in function.spec.tags.items() if k not in params["TagKeys"]}
        self._service.registry.tag(function, kept)
        return {}

    def _code(self, code: Json) -> Callable[[], IO[bytes]]:
        """Where an archive comes from: in the request (``ZipFile``), or an object in S3."""
        if code.get("ZipFile"):
            data = _bytes(code["ZipFile"])
            return lambda: io.BytesIO(data)
        bucket, key = code.get("S3Bucket"), code.get("S3Key")
        if not bucket or not key:
            raise invalid("Please provide the code as ZipFile, or as S3Bucket and S3Key; images are not supported.")
        try:
            self._service.head_object(bucket, key)
        except KeyError as error:
            raise invalid(
                f"Error occurred while GetObject. S3 Error Code: NoSuchKey. No object {key} in bucket {bucket}."
            ) from error
        return lambda: self._service.open_object(bucket, key)


def _bytes(value: Any) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else bytes(value.read())


def _check_json(payload: bytes) -> None:
    try:
        json.loads(payload or b"{}")
    except ValueError as error:
        raise AwsError(
            "InvalidRequestContentException", f"Could not parse request body into json: {error}", 400, {"Type": "User"}
        ) from error


def _changed(spec: FunctionSpec, params: Json) -> FunctionSpec:
    """``spec`` with what ``params`` (of CreateFunction or UpdateFunctionConfiguration) give."""
    fields: dict[str, Any] = {}
    for name, key in (
        ("handler", "Handler"),
        ("role_arn", "Role"),
        ("runtime", "Runtime"),
        ("timeout", "Timeout"),
        ("memory_mb", "MemorySize"),
        ("description", "Description"),
    ):
        if params.get(key) is not None:
            fields[name] = params[key]
    if params.get("Environment") is not None:
        fields["environment"] = params["Environment"].get("Variables") or {}
    if params.get("Layers") is not None:
        fields["layers"] = tuple(params["Layers"])
    if params.get("DeadLetterConfig") is not None:
        fields["dead_letter_arn"] = params["DeadLetterConfig"].get("TargetArn") or None
    if params.get("EphemeralStorage") is not None:
        fields["ephemeral_mb"] = params["EphemeralStorage"]["Size"]
    kept = {name: params[name] for name in _PROPERTIES if params.get(name) is not None}
    return dataclasses.replace(spec, **fields, properties={**spec.properties, **kept})

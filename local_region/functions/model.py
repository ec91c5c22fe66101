"""What the region remembers of a function, and the pure parts of running one."""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local_region.functions.fitting import Fit
from local_region.functions.packages import Package, invalid
from local_region.ports import AwsError, FunctionSpec, Json, RegionConfig

#: bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_SYNC_PAYLOAD = 6_291_456
MAX_ASYNC_PAYLOAD = 1_048_576
#: seconds that Lambda gives the init phase before the function's own timeout starts to count
INIT_SECONDS = 10.0
_NAME = re.compile(
    r"(?:arn:[\w-]+:lambda:(?P<region>[\w-]+):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>\$LATEST|[\w-]+))?"
)
RESERVED_VARIABLES = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    )
)
#: resource properties that change how a function runs and that the region has not got
_REFUSED_PROPERTIES = ("FileSystemConfigs", "ImageConfig", "CodeSigningConfigArn", "CapacityProviderConfig")


@dataclass(frozen=True)
class Layer:
    """One layer version. ``fit`` says what of its ``python`` folder goes on the path (None: it has none)."""

    arn: str
    name: str
    version: int
    package: Package
    fit: Fit | None
    properties: Json
    created: datetime


@dataclass(frozen=True)
class Function:
    """A function as it is now. A change makes a new one with a new ``revision``; running workers keep the old."""

    spec: FunctionSpec
    arn: str
    package: Package
    fit: Fit
    layers: tuple[Layer, ...]
    modified: datetime
    revision: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def log_group(self) -> str:
        configured = (self.spec.properties.get("LoggingConfig") or {}).get("LogGroup")
        return str(configured or f"/aws/lambda/{self.spec.name}")


def function_arn(config: RegionConfig, name: str) -> str:
    return f"arn:{config.partition}:lambda:{config.region_name}:{config.account_id}:function:{name}"


def not_found(arn: str) -> AwsError:
    return AwsError("ResourceNotFoundException", f"Function not found: {arn}", 404, {"Type": "User"})


def parse_name(name_or_arn: str, config: RegionConfig, qualifier: str | None = None) -> str:
    """The function's name from a name, a partial ARN or an ARN. Only ``$LATEST`` exists: versions and aliases
    are not found, as for a function on which none were published."""
    match = _NAME.fullmatch(name_or_arn)
    if match is None:
        raise AwsError("ValidationException", f"{name_or_arn!r} is neither a function name nor a function ARN.")
    name, qualifier = match["name"], qualifier or match["qualifier"]
    arn = function_arn(config, name)
    if qualifier not in (None, "$LATEST"):
        raise not_found(f"{arn}:{qualifier}")
    if match["region"] not in (None, config.region_name) or match["account"] not in (None, config.account_id):
        raise not_found(name_or_arn)
    return name


def check_spec(spec: FunctionSpec) -> None:
    """Refuse, by name, what Lambda refuses and what the region can't run."""
    if not re.fullmatch(r"[\w-]{1,64}", spec.name):
        raise AwsError("ValidationException", f"The function name {spec.name!r} must be 1 to 64 of [a-zA-Z0-9-_].")
    if spec.properties.get("PackageType", "Zip") != "Zip":
        raise invalid("The local region runs functions from zip archives only: PackageType Image is not supported.")
    if not spec.runtime.startswith("python3."):
        raise invalid(f"The local region runs Python functions only: the runtime {spec.runtime} is not supported.")
    if (spec.properties.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise invalid("The local region does not support SnapStart.")
    if any((spec.properties.get("VpcConfig") or {}).get(name) for name in ("SubnetIds", "SecurityGroupIds")):
        raise invalid("The local region has no networks: the function property VpcConfig is not supported.")
    for name in _REFUSED_PROPERTIES:
        if spec.properties.get(name):
            raise invalid(f"The local region does not support the function property {name}.")
    for value, low, high, name in (
        (spec.timeout, 1, 900, "timeout"),
        (spec.memory_mb, 128, 10240, "memorySize"),
        (spec.ephemeral_mb, 512, 10240, "ephemeralStorage.size"),
    ):
        if not low <= value <= high:
            raise AwsError("ValidationException", f"Value {value} at '{name}' must be between {low} and {high}.")
    if len(spec.layers) > 5:
        raise invalid("You can attach at most 5 layers to a function.")
    reserved = sorted(RESERVED_VARIABLES & set(spec.environment))
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    if len(json.dumps(dict(spec.environment)).encode()) > 4096:
        raise invalid("Lambda was unable to configure your environment variables because they are larger than 4 KB.")


def environment(function: Function, config: RegionConfig, stream: str, api: str, tmp: str) -> dict[str, str]:
    """The variables of a worker, credentials aside.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    spec = function.spec
    bins = [str(layer.package.folder / "bin") for layer in function.layers if (layer.package.folder / "bin").is_dir()]
    logging = spec.properties.get("LoggingConfig") or {}
    variables = {
        "PATH": ":".join(["/usr/local/bin", "/usr/bin", "/bin", *bins]),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_ENDPOINT_URL": config.endpoint,
        **spec.environment,
        "TMPDIR": tmp,
        "_HANDLER": spec.handler,
        "LAMBDA_TASK_ROOT": str(function.fit.folder),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "AWS_REGION": config.region_name,
        "AWS_DEFAULT_REGION": config.region_name,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{spec.runtime}",
        "AWS_LAMBDA_FUNCTION_NAME": spec.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(spec.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": api,
    }
    if logging.get("LogFormat") == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = str(logging.get("ApplicationLogLevel", "INFO"))
    return variables


def python_path(function: Function) -> list[str]:
    """The task root, then the layers; a later layer lies over an earlier one."""
    return [str(function.fit.folder), *(str(la.fit.folder) for la in reversed(function.layers) if la.fit is not None)]


def import_options(function: Function) -> dict[str, Any]:
    """What the bootstrap must know of the modules that function and layers have, as JSON."""
    parts: list[tuple[str, Fit]] = [("the function's code", function.fit)]
    parts += [(f"the layer {layer.arn}", layer.fit) for layer in function.layers if layer.fit is not None]
    missing: dict[str, str] = {}
    for where, part in parts:
        for module in part.missing:
            missing[module] = (
                f"No module named {module!r} that fits the local region's Python: the copy in {where} is built for "
                "another Python or machine, and the region's own environment has none. "
                "Install it there (see docs/decisions/0004-functions-run-in-the-regions-interpreter.md)"
            )
    return {
        "missing": missing,
        "replace": sorted({name for _, part in parts for name in part.replace}),
        "allowed": sorted({name for _, part in parts for name in part.names}),
        "own": python_path(function),
    }


def stream_name(now: datetime) -> str:
    return f"{now:%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"


def trace_id(now: datetime) -> str:
    """An X-Ray trace header: ``Root=1-<8 hex of time>-<24 hex>;Parent=<16 hex>;Sampled=0``."""
    unique = uuid.uuid4().hex
    return f"Root=1-{int(now.timestamp()):08x}-{unique[:24]};Parent={uuid.uuid4().hex[:16]};Sampled=0"


def report(
    request_id: str,
    seconds: float,
    memory_mb: int,
    used_mb: float,
    init_seconds: float | None,
    status: str = "",
) -> str:
    """The REPORT line. Billed time is in whole milliseconds, the init phase included (since August 2025)."""
    billed = math.ceil(seconds * 1000 + (init_seconds or 0) * 1000)
    fields = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {seconds * 1000:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {memory_mb} MB",
        f"Max Memory Used: {math.ceil(used_mb)} MB",
    ]
    if init_seconds is not None:
        fields.append(f"Init Duration: {init_seconds * 1000:.2f} ms")
    return "\t".join([*fields, *([status] if status else [])])


def exit_reason(exit_code: int | None, signals: Mapping[int, str]) -> str:
    """How Lambda words the end of a process: ``exit status 1``, ``signal: killed``."""
    if exit_code is None or exit_code == 0:
        return "Runtime exited without providing a reason"
    if exit_code < 0:
        return f"Runtime exited with error: signal: {signals.get(-exit_code, str(-exit_code))}"
    return f"Runtime exited with error: exit status {exit_code}"

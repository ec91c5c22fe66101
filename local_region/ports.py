"""What the parts of the local region ask of each other.

``Region`` (``local_region/region.py``) builds every part and hands itself to each; parts know one another only
through these protocols, so each can be tested alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, Protocol

Json = dict[str, Any]
#: what a worker's zygote has loaded already (local_region/processes/zygote.py)
Family = Literal["function", "xgboost", "sklearn"]


class Clock(Protocol):
    """The region's time. Always aware, always UTC."""

    def now(self) -> datetime: ...
    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True)
class RegionConfig:
    """Where the region lives and who it says it is."""

    host: str
    port: int
    state_dir: Path
    region_name: str = "us-east-1"
    account_id: str = "123456789012"
    partition: str = "aws"
    #: seconds before the 1st and 2nd retry of an asynchronous Lambda call or an event delivery (AWS waits minutes)
    retry_delays: tuple[float, ...] = (1.0, 2.0)
    #: a function's process that has been idle this long is ended
    function_idle_seconds: float = 120.0

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"


@dataclass(frozen=True)
class Principal:
    """Who makes a request. ``role_arn`` is None for the region's owner, who may do everything."""

    access_key_id: str
    arn: str
    role_arn: str | None = None


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(frozen=True)
class AwsRequest:
    """One request to an AWS service that the region implements itself (not moto)."""

    service: str  # botocore's service name: "sagemaker", "sagemaker-runtime", "lambda", "cloudformation", ...
    operation: str  # botocore's operation name: "CreateTrainingJob"
    params: Json  # parsed by botocore's model; streaming bodies are bytes
    principal: Principal
    headers: Mapping[str, str]  # keys in lower case


class AwsError(Exception):
    """An error in the form that AWS clients parse. ``code`` is what boto3 shows in ``Error.Code``."""

    def __init__(self, code: str, message: str, status: int = 400, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.members = code, message, status, dict(members or {})


class AwsService(Protocol):
    """A service of the region's own. The front parses the request, checks it against botocore's model (required,
    type, length, enum, pattern), authorizes it, calls ``handle`` and serializes the answer by botocore's output shape.
    An operation that is not implemented is answered by the front: ``AwsError("NotImplemented", …, 501)``, named.
    """

    service: str  # botocore's service name

    def operations(self) -> Mapping[str, Callable[[AwsRequest], Json]]: ...


@dataclass(frozen=True)
class ObjectInfo:
    key: str
    size: int
    etag: str  # without quotes


class ObjectStore(Protocol):
    """The region's S3, in process. ``KeyError`` when bucket or key does not exist. Content is streamed, never whole."""

    def list(self, bucket: str, prefix: str) -> list[ObjectInfo]: ...
    def head(self, bucket: str, key: str) -> ObjectInfo: ...
    def part_sizes(self, bucket: str, key: str) -> Sequence[int]: ...  # empty unless it was uploaded in parts
    def open(self, bucket: str, key: str) -> IO[bytes]: ...
    def download(self, bucket: str, key: str, target: Path) -> None: ...
    def upload(self, source: Path, bucket: str, key: str) -> ObjectInfo: ...


class LogStore(Protocol):
    """CloudWatch Logs, in process. Group and stream are created as needed."""

    def write(self, group: str, stream: str, messages: Sequence[str]) -> None: ...


class MetricStore(Protocol):
    """CloudWatch metrics, in process."""

    def put(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Mapping[str, str],
        at: datetime | None = None,  # now, when nothing is said
    ) -> None: ...


class Alarms(Protocol):
    """CloudWatch's metric alarms."""

    def exists(self, name: str) -> bool: ...
    def look(self) -> None: ...  # evaluate all of them now
    # Those of ``names`` that are in ALARM, or were at any time since.
    def tripped(self, names: Sequence[str], since: datetime) -> list[str]: ...


class EventBus(Protocol):
    """EventBridge's default bus."""

    def publish(self, source: str, detail_type: str, detail: Json, resources: Sequence[str] = ()) -> None: ...


@dataclass(frozen=True)
class ProcessSpec:
    """A worker process: ``entry`` (``"package.module:function"``) is called with ``argv`` (list of str) in a fresh
    process forked from the zygote of ``family``; its return value (int) is the exit status.
    The child sees exactly ``env`` as its environment, ``cwd`` as its folder, ``python_path`` in front of ``sys.path``.
    """

    entry: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    family: Family
    python_path: Sequence[str] = field(default_factory=tuple)


class Process(Protocol):
    """A running worker. It dies with the region, however that ends (also kill -9)."""

    pid: int

    @property
    def exit_code(self) -> int | None: ...  # None while it runs; negative signal number as in subprocess
    def lines(
        self,
    ) -> Iterator[str]: ...  # stdout and stderr merged, decoded, without line ends; ends with the process
    def wait(self, timeout: float | None = None) -> int | None: ...
    def terminate(self, grace_seconds: float = 5.0) -> None: ...  # SIGTERM, then SIGKILL
    def kill(self) -> None: ...
    def memory_mb(self) -> float: ...  # peak resident set size


class Loader(Protocol):
    """A worker that, once its entry has ended well, forks workers with all that the entry left in memory."""

    def spawn(self, spec: ProcessSpec) -> Process | None: ...  # None when it has ended
    def loaded(self, timeout: float) -> bool | None: ...  # False: it ended instead; None: its entry still runs
    def lines(self) -> Iterator[str]: ...  # of its own output, as Process.lines
    def close(self) -> None: ...  # ends it and its workers; at once


class Processes(Protocol):
    def spawn(self, spec: ProcessSpec) -> Process: ...
    def load(self, spec: ProcessSpec) -> Loader: ...  # returns at once; what was spawned from it has spec's family


class Identities(Protocol):
    """IAM and STS as the region needs them."""

    def credentials_for(self, role_arn: str) -> Credentials: ...  # the same role gets the same credentials
    def principal_of(self, access_key_id: str | None) -> Principal: ...
    # These raise AwsError AccessDenied(Exception).
    def check(self, principal: Principal, service: str, operation: str, params: Mapping[str, Any]) -> None: ...
    def check_absence(self, principal: Principal, bucket: str) -> None: ...  # may they know that an object is missing?


@dataclass(frozen=True)
class InvocationResult:
    """A synchronous call's outcome. ``function_error`` is None, "Handled" or "Unhandled" as AWS reports it."""

    payload: bytes
    function_error: str | None
    version: str = "$LATEST"
    log_tail: str = ""
    status: int = 200


@dataclass(frozen=True)
class FunctionSpec:
    """An AWS::Lambda::Function as CloudFormation (or CreateFunction) describes it, resolved."""

    name: str
    handler: str
    role_arn: str
    code_zip: Callable[[], IO[bytes]]
    runtime: str = "python3.13"
    timeout: int = 3
    memory_mb: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    layers: Sequence[str] = ()  # layer version ARNs
    dead_letter_arn: str | None = None
    reserved_concurrency: int | None = None
    ephemeral_mb: int = 512
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    architectures: Sequence[str] = ("x86_64",)
    properties: Json = field(default_factory=dict)  # the whole resource, for DescribeX fields


class Functions(Protocol):
    """Lambda: functions, layers, event source mappings. ``AwsError`` ResourceNotFoundException for unknown names."""

    def put_function(self, spec: FunctionSpec) -> str: ...  # create or replace; returns the ARN
    def delete_function(self, name: str) -> None: ...
    def publish_layer(
        self, name: str, content_zip: Callable[[], IO[bytes]], properties: Json
    ) -> str: ...  # version ARN
    def delete_layer_version(self, arn: str) -> None: ...
    def put_event_source_mapping(
        self, mapping_id: str | None, properties: Json
    ) -> str: ...  # CFN properties; returns UUID
    def delete_event_source_mapping(self, mapping_id: str) -> None: ...
    def put_invoke_config(self, function_name: str, properties: Json) -> None: ...  # AWS::Lambda::EventInvokeConfig
    def delete_invoke_config(self, function_name: str) -> None: ...
    def add_permission(self, function_name: str, statement_id: str, properties: Json) -> None: ...
    def remove_permission(self, function_name: str, statement_id: str) -> None: ...
    def permits(
        self, name_or_arn: str, service: str, source_arn: str
    ) -> bool: ...  # may service call it on behalf of source_arn
    def invoke(self, name_or_arn: str, payload: bytes) -> InvocationResult: ...  # RequestResponse
    def invoke_async(self, name_or_arn: str, payload: bytes) -> None: ...  # Event: queued, retried, dead-lettered


class Gateway(Protocol):
    """API Gateway (REST): what CloudFormation declares, served at ``/_api/{api_id}/{stage}/…``."""

    def put_rest_api(
        self, api_id: str | None, name: str, properties: Json, body: Json
    ) -> str: ...  # returns the api id
    def delete_rest_api(self, api_id: str) -> None: ...
    def put_deployment(self, api_id: str, properties: Json) -> str: ...  # freezes the API as it is; returns an id
    def delete_deployment(self, api_id: str, deployment_id: str) -> None: ...
    def put_gateway_response(self, api_id: str, response_type: str, properties: Json) -> None: ...
    def delete_gateway_response(self, api_id: str, response_type: str) -> None: ...
    def put_stage(self, api_id: str, stage: str, properties: Json) -> None: ...
    def delete_stage(self, api_id: str, stage: str) -> None: ...
    def put_api_key(self, key_id: str | None, properties: Json) -> str: ...
    def delete_api_key(self, key_id: str) -> None: ...
    def put_usage_plan(self, plan_id: str | None, properties: Json) -> str: ...
    def delete_usage_plan(self, plan_id: str) -> None: ...
    def put_usage_plan_key(self, plan_id: str, key_id: str) -> None: ...
    def delete_usage_plan_key(self, plan_id: str, key_id: str) -> None: ...
    def url(self, api_id: str, stage: str) -> str: ...  # http://127.0.0.1:4566/_api/{api_id}/{stage}
    def wsgi(self, environ: Json, start_response: Any) -> Sequence[bytes]: ...  # serves everything under /_api/


class Region(Protocol):
    """Everything that runs, built by ``local_region/region.py``."""

    config: RegionConfig
    clock: Clock
    objects: ObjectStore
    logs: LogStore
    metrics: MetricStore
    events: EventBus
    alarms: Alarms
    processes: Processes
    identities: Identities
    functions: Functions
    gateway: Gateway

    def client(self, service: str) -> Any: ...  # a boto3 client onto this region, as its owner; cached, thread-safe

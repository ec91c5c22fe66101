"""How this application talks to AWS: one client a service and process, made when first asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from boto3.exceptions import S3UploadFailedError
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sluicegate.domain.errors import AlreadyExists, Conflict, Forbidden, NotFound, Refused, SluicegateError, Transient

#: "standard" retries throttling and passing faults with jittered backoff; a call is over within about half a minute
CONFIG = Config(
    connect_timeout=3, read_timeout=20, retries={"mode": "standard", "max_attempts": 4}, user_agent_extra="sluicegate"
)

_NOT_FOUND = frozenset(
    {"404", "NoSuchKey", "NoSuchBucket", "NotFound", "ResourceNotFound", "ResourceNotFoundException"}
    | {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
    | {"ObjectNotFoundException"}  # Application Auto Scaling's
)
_TAKEN = frozenset({"ResourceInUse", "ResourceAlreadyExists", "EntityAlreadyExists"})
_CONFLICT = frozenset(
    {"ConditionalCheckFailedException", "TransactionConflictException", "ConflictException"}
    | {"412", "PreconditionFailed"}
)
_FORBIDDEN = frozenset({"403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_TRANSIENT = frozenset(
    {"Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded", "SlowDown"}
    | {"RequestThrottled", "ConcurrentUpdateException"}
    | {"ProvisionedThroughputExceededException", "TransactionInProgressException", "RequestTimeout"}
    | {"InternalServerError", "InternalError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException"}
    | {"500", "502", "503", "504"}
)
#: SageMaker says "not there" and "busy" with ValidationException and tells them apart in words only
_ABSENT_WORDS = re.compile(r"could not find|does not exist|not found|cannot be found", re.IGNORECASE)
_TAKEN_WORDS = re.compile(r"already exist", re.IGNORECASE)
_BUSY_WORDS = re.compile(r"in-progress|in progress|already has|while (?:creating|updating)", re.IGNORECASE)


@cache
def client(service: str, region: str | None = None) -> Any:
    """The process's client for ``service``; the environment says where (``AWS_ENDPOINT_URL``) and who. ``region``: of a
    service that is not everywhere."""
    make: Any = boto3.client  # the type stubs want the service's name as a literal
    return make(service, config=_s3_config() if service == "s3" else CONFIG, region_name=region)


def _s3_config() -> Config:
    """botocore still signs addresses of S3 the old way, which newer regions and encrypted buckets refuse, and for the
    host of us-east-1: other regions answer that with a redirect, for which the signature is wrong, or not at all."""
    if "AWS_ENDPOINT_URL" in os.environ or "AWS_ENDPOINT_URL_S3" in os.environ:
        return CONFIG.merge(Config(signature_version="s3v4"))  # the host is given, and buckets have no names below it
    return CONFIG.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))


def _meaning(code: str, message: str, status: int) -> type[SluicegateError]:
    if code in _TAKEN:
        # SageMaker answers ResourceInUse also for a resource that is busy
        return Conflict if _BUSY_WORDS.search(message) and not _TAKEN_WORDS.search(message) else AlreadyExists
    if code in _NOT_FOUND:
        return NotFound
    if code in _CONFLICT:
        return Conflict
    if code == "ValidationException":
        if _TAKEN_WORDS.search(message):
            return AlreadyExists
        if _ABSENT_WORDS.search(message):
            return NotFound
        if _BUSY_WORDS.search(message):
            return Conflict
        return Refused
    if code in _TRANSIENT or status >= 500:
        return Transient
    return Forbidden if code in _FORBIDDEN or status == 403 else Refused


def translate(error: ClientError) -> SluicegateError:
    """The domain's error for what an AWS service answered."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(error.response.get("Error", {}).get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return _meaning(code, message, status)(f"{error.operation_name}: {code}: {message}")


@contextmanager
def translated() -> Iterator[None]:
    """Around every call: a ``ClientError`` leaves as a domain error, a broken connection as ``Transient``."""
    try:
        yield
    except S3UploadFailedError as error:  # boto3's own word for a ClientError of its managed uploads
        cause = error.__context__
        raise (translate(cause) if isinstance(cause, ClientError) else Transient(str(error))) from error
    except ClientError as error:
        raise translate(error) from error
    except BotoCoreError as error:
        raise Transient(f"{type(error).__name__}: {error}") from error

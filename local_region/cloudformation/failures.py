"""How operations on resources fail, and what the events say of it."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from local_region.cloudformation.errors import ResourceFailure, TemplateError
from local_region.ports import AwsError

#: what a resource may fail with; anything else is a fault of the region and is logged with its trace
FAILURES = (
    ResourceFailure,
    TemplateError,
    AwsError,
    ClientError,
    BotoCoreError,
    KeyError,
    TypeError,
    ValueError,
    OSError,
)
_GONE = frozenset(
    [
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "ResourceNotFoundException",
        "ResourceNotFound",
        "QueueDoesNotExist",
        "AWS.SimpleQueueService.NonExistentQueue",
        "ParameterNotFound",
        "NoSuchBucketPolicy",
        "DashboardNotFoundError",
    ]
)


class StackFailure(Exception):
    """The operation can't go on; the text is the stack's status reason."""


def reason_of(error: BaseException) -> str:
    """What an event says of an error, in CloudFormation's form for errors that a service answered."""
    if isinstance(error, ClientError):
        answer = error.response
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        service = f"Code: {answer['Error'].get('Code')}, Status Code: {status}"
        return f'Resource handler returned message: "{answer["Error"].get("Message")}" ({service})'
    if isinstance(error, AwsError):
        return f'Resource handler returned message: "{error.message}" (Code: {error.code}, Status Code: {error.status})'
    if isinstance(error, KeyError):
        return f"Property {error} is required."
    return str(error) or type(error).__name__


def is_gone(error: BaseException) -> bool:
    if isinstance(error, ClientError):
        return error.response["Error"].get("Code") in _GONE
    return isinstance(error, AwsError) and error.code in _GONE


def failed_to(what: str, names: list[str]) -> str:
    return f"The following resource(s) failed to {what}: [{', '.join(names)}]."

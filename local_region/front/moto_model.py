"""Requests to moto's services against botocore's model, as ``own.py`` checks those to the region's own.

moto takes what it doesn't look at and fails on what it expects: a missing member would be a failure of the region, a
name that no log group may have a log group. Services whose errors have other words (S3, SNS, CloudWatch) aren't
checked here.
"""

from __future__ import annotations

import json
from typing import Any

from werkzeug.datastructures import MultiDict

from local_region.front import sqs_checks
from local_region.front.members import members
from local_region.front.request import Incoming
from local_region.front.validation import violations
from local_region.ports import AwsError, Json

#: moto's backend → what the service answers to a request that breaks its model
_CODES = {
    "dynamodb": "ValidationException",
    "dynamodbstreams": "ValidationException",
    "events": "ValidationException",
    "kms": "ValidationException",
    "logs": "InvalidParameterException",
    "secretsmanager": "ValidationException",
    "ssm": "ValidationException",
    "iam": "ValidationError",
    "sts": "ValidationError",
}
_BODY = 32 * 1024 * 1024


def refuse_malformed(backend: str, operation: str, request: Incoming) -> None:
    """``AwsError`` in the service's words for members that are missing, too long, not of their pattern or enum."""
    if backend != "sqs" and backend not in _CODES:
        return
    from moto.core.utils import get_service_model

    model = get_service_model(backend)
    if operation not in model.operation_names:
        return  # it is refused by name elsewhere
    described = model.operation_model(operation)
    shape = described.input_shape
    if shape is None:
        return
    params = _parsed(described, request)
    if backend == "sqs":
        # Its other values are checked by moto, in SQS's own words.
        missing = next((name for name in shape.required_members if params.get(name) in (None, "")), None)
        if missing is not None:
            raise AwsError("MissingParameter", f"The request must contain the parameter {missing}.")
        sqs_checks.refuse(operation, params)
        return
    message = violations(params, shape)
    if message is not None:
        raise AwsError(_CODES[backend], message)
    if "AssumeRolePolicyDocument" in params:
        _refuse_no_policy(params["AssumeRolePolicyDocument"])


def _refuse_no_policy(document: str) -> None:
    """A role's trust, of which moto keeps any text. (What it says is not looked at: the region has one account.)"""
    try:
        read = json.loads(document)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise AwsError("MalformedPolicyDocument", "This policy contains invalid Json")


def _parsed(operation: Any, request: Incoming) -> Json:
    protocol = "json" if request.header("X-Amz-Target") else "query"
    body = request.body(_BODY)
    values: MultiDict[str, str] = request.form(_BODY) if protocol == "query" else MultiDict()
    return members(operation, protocol, request, values, body or b"{}")

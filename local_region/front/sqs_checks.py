"""Settings of queues and contents of messages that SQS refuses and moto keeps. Pure.

Sources: "CreateQueue", "SetQueueAttributes", "SendMessage" of the Amazon SQS API Reference.
"""

from __future__ import annotations

import json
import re

from local_region.ports import AwsError, Json

#: attribute → the least and the most that it may be
_NUMBERS = {
    "DelaySeconds": (0, 900),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
    "MaximumMessageSize": (1024, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
}
_FLAGS = frozenset({"ContentBasedDeduplication", "FifoQueue", "SqsManagedSseEnabled"})
_OTHERS = frozenset(
    {"DeduplicationScope", "FifoThroughputLimit", "KmsMasterKeyId", "Policy", "RedriveAllowPolicy", "RedrivePolicy"}
)
_RECEIVED = (1, 1000)
#: what XML 1.0 has no character for
_UNSENT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def refuse(operation: str, params: Json) -> None:
    """``AwsError`` in SQS's words. ``params`` are the request's JSON."""
    if operation in {"CreateQueue", "SetQueueAttributes"}:
        for name, value in (params.get("Attributes") or {}).items():
            _attribute(name, str(value))
    entries = params.get("Entries") if operation == "SendMessageBatch" else [params]
    if operation.startswith("SendMessage"):
        for entry in entries or []:
            if _UNSENT.search(str(entry.get("MessageBody") or "")):
                text = (
                    "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
                    "#xE000 to #xFFFD | #x10000 to #x10FFFF"
                )
                raise AwsError("InvalidMessageContents", text)


def _attribute(name: str, value: str) -> None:
    if name in _NUMBERS:
        low, high = _NUMBERS[name]
        right = value.isdigit() and low <= int(value) <= high
    elif name in _FLAGS:
        right = value.lower() in {"true", "false"}
    elif name in _OTHERS:
        right = True
    else:
        raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
    if not right:
        raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    if name == "RedrivePolicy" and value:
        _redrive(value)


def _redrive(value: str) -> None:
    try:
        policy = json.loads(value)
    except ValueError:
        policy = None
    reason = ""
    if not isinstance(policy, dict):
        reason = "Redrive policy is not a valid JSON map."
    elif policy and "deadLetterTargetArn" not in policy:
        reason = "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."
    elif policy and "maxReceiveCount" not in policy:
        reason = "Redrive policy does not contain mandatory attribute: maxReceiveCount."
    elif policy:
        low, high = _RECEIVED
        count = str(policy["maxReceiveCount"])
        if not (count.isdigit() and low <= int(count) <= high):
            reason = (
                f"Invalid value for maxReceiveCount: {count}, valid values are from {low} to {high} both inclusive."
            )
    if reason:
        raise AwsError(
            "InvalidParameterValue", f"Value {value} for parameter RedrivePolicy is invalid. Reason: {reason}"
        )

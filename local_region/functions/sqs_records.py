"""The event that an SQS event source hands to a function, and what the function's answer means. Pure.

Formats: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html and …/services-sqs-errorhandling.html
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from typing import Any

from local_region.functions.packages import invalid
from local_region.ports import Json


def record(message: Any, queue_arn: str, region_name: str) -> Json:
    """One entry of ``Records`` from moto's message."""
    attributes = {
        "ApproximateReceiveCount": str(message.approximate_receive_count),
        "SentTimestamp": str(message.sent_timestamp),
        "SenderId": str(message.sender_id),
        "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
    }
    for name, value in (
        ("SequenceNumber", message.sequence_number),
        ("MessageGroupId", message.group_id),
        ("MessageDeduplicationId", message.deduplication_id),
        ("AWSTraceHeader", (message.system_attributes or {}).get("AWSTraceHeader", {}).get("StringValue")),
    ):
        if value is not None:
            attributes[name] = str(value)
    result: Json = {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": region_name,
    }
    if message.message_attributes:
        result["md5OfMessageAttributes"] = message.attribute_md5
    return result


def _attribute(value: Json) -> Json:
    result: Json = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if value.get("StringValue") is not None:
        result["stringValue"] = value["StringValue"]
    if value.get("BinaryValue") is not None:
        binary = value["BinaryValue"]
        result["binaryValue"] = base64.b64encode(binary).decode() if isinstance(binary, bytes) else binary
    return result


def failed_messages(payload: bytes, message_ids: Sequence[str]) -> set[str]:
    """The ids that a function with ``ReportBatchItemFailures`` says it could not handle.

    An answer that is null, empty, or has no or an empty ``batchItemFailures`` is a success. One that isn't JSON, or
    names no message of the batch, or names it wrongly, fails the whole batch.
    """
    everything = set(message_ids)
    try:
        answer = json.loads(payload) if payload.strip() else None
    except ValueError:
        return everything
    if answer is None or answer == "" or answer == {}:
        return set()
    if not isinstance(answer, dict):
        return everything
    failures = answer.get("batchItemFailures")
    if failures is None or failures == []:
        return set()
    if not isinstance(failures, list):
        return everything
    failed: set[str] = set()
    for failure in failures:
        identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
        if not isinstance(identifier, str) or identifier not in everything:
            return everything
        failed.add(identifier)
    return failed


def filterable(entry: Json) -> Json:
    """The record as filter patterns see it: a body that is JSON is matched by its fields."""
    try:
        body = json.loads(entry["body"])
    except ValueError:
        return entry
    return {**entry, "body": body} if isinstance(body, dict) else entry


def split_by_size(entries: Iterable[Json], limit: int) -> list[list[Json]]:
    """Batches whose JSON stays under ``limit`` bytes (Lambda's payload limit)."""
    batches: list[list[Json]] = [[]]
    size = 0
    for entry in entries:
        length = len(json.dumps(entry).encode()) + 1
        if batches[-1] and size + length > limit:
            batches.append([])
            size = 0
        batches[-1].append(entry)
        size += length
    return batches


def check_mapping(properties: Json, fifo: bool) -> None:
    """Refuse, by name, what Lambda refuses in a mapping of an SQS queue and what the region has not got."""
    for name in (
        "AmazonManagedKafkaEventSourceConfig",
        "DocumentDBEventSourceConfig",
        "SelfManagedEventSource",
        "SelfManagedKafkaEventSourceConfig",
        "StartingPosition",
        "ParallelizationFactor",
        "TumblingWindowInSeconds",
        "ProvisionedPollerConfig",
        "KmsKeyArn",
    ):
        if properties.get(name):
            raise invalid(f"The local region maps SQS queues only: {name} is not supported.")
    size = int(properties.get("BatchSize") or 10)
    window = int(properties.get("MaximumBatchingWindowInSeconds") or 0)
    if not 1 <= size <= 10_000:
        raise invalid(f"BatchSize must be 1 to 10000, not {size}.")
    if not 0 <= window <= 300:
        raise invalid(f"MaximumBatchingWindowInSeconds must be 0 to 300, not {window}.")
    if fifo and window:
        raise invalid("Batching window is not supported for FIFO queues.")
    if fifo and size > 10:
        raise invalid("BatchSize for a FIFO queue must be at most 10.")
    if size > 10 and window < 1:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    concurrency = (properties.get("ScalingConfig") or {}).get("MaximumConcurrency")
    if concurrency is not None and not 2 <= int(concurrency) <= 1000:
        raise invalid(f"MaximumConcurrency must be 2 to 1000, not {concurrency}.")
    types = properties.get("FunctionResponseTypes") or []
    if set(types) - {"ReportBatchItemFailures"}:
        raise invalid(f"FunctionResponseTypes: only ReportBatchItemFailures is supported, not {types}.")

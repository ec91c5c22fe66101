"""What an SQS event source hands over, and what a function's answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_region.functions.sqs_records import check_mapping, failed_messages, filterable, record, split_by_size
from local_region.ports import AwsError

IDS = ["a", "b", "c"]


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (b"", set()),
        (b"null", set()),
        (b"{}", set()),
        (b'{"batchItemFailures": []}', set()),
        (b'{"batchItemFailures": null}', set()),
        (b'{"batchItemFailures": [{"itemIdentifier": "b"}]}', {"b"}),
        (b'{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "c"}]}', {"b", "c"}),
        (b"{", set(IDS)),
        (b'"text"', set(IDS)),
        (b'{"batchItemFailures": {}}', set(IDS)),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', set(IDS)),
        (b'{"batchItemFailures": [{"itemIdentifier": null}]}', set(IDS)),
        (b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', set(IDS)),
        (b'{"batchItemFailures": [{"id": "a"}]}', set(IDS)),
        (b'{"batchItemFailures": ["a"]}', set(IDS)),
    ],
)
def test_a_function_names_its_failures(answer: bytes, failed: set[str]) -> None:
    assert failed_messages(answer, IDS) == failed


def test_a_record_has_awss_shape() -> None:
    from moto.sqs.models import Message

    message = Message("id-1", "body")
    message.message_attributes = {
        "word": {"DataType": "String", "StringValue": "x"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
    }
    message.mark_sent()
    message.mark_received(30)
    found = record(message, "arn:aws:sqs:us-east-1:123456789012:q", "us-east-1")
    assert set(found["attributes"]) == {
        "ApproximateReceiveCount",
        "SentTimestamp",
        "SenderId",
        "ApproximateFirstReceiveTimestamp",
    }
    assert found["attributes"]["ApproximateReceiveCount"] == "1"
    assert found["md5OfBody"] == "841a2d689ad86bd1611447453c22c6fc"
    assert found["messageAttributes"] == {
        "word": {"stringValue": "x", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
        "raw": {"binaryValue": "AA==", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
    }
    assert (found["eventSource"], found["awsRegion"]) == ("aws:sqs", "us-east-1")
    json.dumps(found)


def test_batches_stay_under_the_payload_limit() -> None:
    entries = [{"n": number} for number in range(10)]
    parts = split_by_size(entries, 30)
    assert [entry for part in parts for entry in part] == entries
    assert len(parts) > 1 and all(len(json.dumps(part)) <= 60 for part in parts)


def test_a_json_body_is_filtered_by_its_fields() -> None:
    assert filterable({"body": '{"a": 1}'})["body"] == {"a": 1}
    assert filterable({"body": "text"})["body"] == "text"
    assert filterable({"body": "[1]"})["body"] == "[1]"


@pytest.mark.parametrize(
    ("properties", "fifo", "problem"),
    [
        ({"BatchSize": 11}, False, "batch window"),
        ({"BatchSize": 11, "MaximumBatchingWindowInSeconds": 1}, True, "not supported for FIFO"),
        ({"BatchSize": 10_001, "MaximumBatchingWindowInSeconds": 1}, False, "BatchSize"),
        ({"MaximumBatchingWindowInSeconds": 301}, False, "MaximumBatchingWindow"),
        ({"ScalingConfig": {"MaximumConcurrency": 1}}, False, "MaximumConcurrency"),
        ({"FunctionResponseTypes": ["Other"]}, False, "FunctionResponseTypes"),
        ({"StartingPosition": "LATEST"}, False, "StartingPosition"),
    ],
)
def test_mappings_that_are_refused(properties: dict[str, Any], fifo: bool, problem: str) -> None:
    with pytest.raises(AwsError, match=problem):
        check_mapping(properties, fifo)

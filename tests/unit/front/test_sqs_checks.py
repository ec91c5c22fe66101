"""SQS's refusals of settings and of contents."""

from __future__ import annotations

import json

import pytest

from local_region.front.sqs_checks import refuse
from local_region.ports import AwsError

DEAD = "arn:aws:sqs:us-east-1:123456789012:dead"


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("VisibilityTimeout", "43201", "InvalidAttributeValue", "parameter VisibilityTimeout"),
        ("VisibilityTimeout", "soon", "InvalidAttributeValue", "parameter VisibilityTimeout"),
        ("MessageRetentionPeriod", "59", "InvalidAttributeValue", "parameter MessageRetentionPeriod"),
        ("FifoQueue", "yes", "InvalidAttributeValue", "parameter FifoQueue"),
        ("Visibility", "1", "InvalidAttributeName", "Unknown Attribute Visibility"),
        ("RedrivePolicy", "foo", "InvalidParameterValue", "not a valid JSON map"),
        ("RedrivePolicy", json.dumps({"maxReceiveCount": 1}), "InvalidParameterValue", "deadLetterTargetArn"),
        ("RedrivePolicy", json.dumps({"deadLetterTargetArn": DEAD}), "InvalidParameterValue", "maxReceiveCount"),
        (
            "RedrivePolicy",
            json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": 0}),
            "InvalidParameterValue",
            "from 1 to 1000",
        ),
    ],
)
@pytest.mark.parametrize("operation", ["CreateQueue", "SetQueueAttributes"])
def test_attributes(operation: str, name: str, value: str, code: str, words: str) -> None:
    with pytest.raises(AwsError, match=words) as caught:
        refuse(operation, {"Attributes": {name: value}})
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_what_sqs_takes() -> None:
    policy = json.dumps({"deadLetterTargetArn": DEAD, "maxReceiveCount": "3"})
    taken = {"VisibilityTimeout": "0", "DelaySeconds": 900, "FifoQueue": "True", "Policy": "", "RedrivePolicy": policy}
    refuse("CreateQueue", {"Attributes": taken})
    refuse("SetQueueAttributes", {"Attributes": {"RedrivePolicy": ""}})
    refuse("SendMessage", {"MessageBody": "tab\tline\r\n☃ 🙂"})


def test_characters_that_cannot_be_sent() -> None:
    for operation, params in (
        ("SendMessage", {"MessageBody": "a\x01"}),
        ("SendMessageBatch", {"Entries": [{"MessageBody": "a"}, {"MessageBody": "\ufffe"}]}),
    ):
        with pytest.raises(AwsError) as caught:
            refuse(operation, params)
        assert caught.value.code == "InvalidMessageContents"

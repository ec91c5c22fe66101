"""What is logged reaches the function that subscribed, in CloudWatch Logs' own form; moto keeps filters and events."""

from __future__ import annotations

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from local_region.clock import SystemClock
from local_region.ports import AwsError, Region, RegionConfig
from local_region.stores.logs import MotoLogs
from local_region.stores.subscriptions import Subscriptions, refuse_unread

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:record"
GROUP = "/aws/lambda/predict"


class Functions:
    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.called = threading.Event()
        self.largest = 1_000_000
        self.asked: list[tuple[str, str]] = []

    def permits(self, name_or_arn: str, service: str, source_arn: str) -> bool:
        self.asked.append((service, source_arn))
        if name_or_arn != FUNCTION:
            raise AwsError("ResourceNotFoundException", "Function not found", 404)
        return True

    def invoke_async(self, name_or_arn: str, payload: bytes) -> None:
        if len(payload) > self.largest:
            raise AwsError("RequestTooLargeException", "too large", 413)
        self.calls.append(payload)
        self.called.set()

    def documents(self) -> list[Any]:
        """What was delivered, read as AWS's documentation says."""
        return [json.loads(gzip.decompress(base64.b64decode(json.loads(p)["awslogs"]["data"]))) for p in self.calls]


class Running:
    def __init__(self, config: RegionConfig) -> None:
        self.functions = Functions()
        self.logs = MotoLogs(config, SystemClock())
        region = cast("Region", SimpleNamespace(config=config, functions=self.functions))
        self.subscriptions = Subscriptions(region, window=0.01)
        self.client: Any = boto3.client("logs")

    def subscribe(self, pattern: str = "", function: str = FUNCTION) -> None:
        self.client.create_log_group(logGroupName=GROUP)
        self.client.put_subscription_filter(
            logGroupName=GROUP, filterName="f", filterPattern=pattern, destinationArn=function
        )

    def delivered(self, count: int) -> list[Any]:
        """The events of all batches, once there are so many."""
        while True:
            events = [event for document in self.functions.documents() for event in document["logEvents"]]
            if len(events) >= count:
                return events
            self.functions.called.clear()
            assert self.functions.called.wait(10)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Running]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        found = Running(RegionConfig("127.0.0.1", 1, tmp_path))
        found.subscriptions.start()
        yield found
        found.subscriptions.stop()


def test_matching_events_are_delivered_as_awslogs(running: Running) -> None:
    running.subscribe('{ $.log = "prediction" }')
    running.logs.write(GROUP, "stream", ['{"log": "prediction", "n": 1}', "START", '{"log": "prediction", "n": 2}'])
    running.delivered(2)
    [document] = running.functions.documents()
    events = document.pop("logEvents")
    assert document == {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": GROUP,
        "logStream": "stream",
        "subscriptionFilters": ["f"],
    }
    assert [json.loads(event["message"])["n"] for event in events] == [1, 2]
    assert {len(event["id"]) for event in events} == {56}
    assert len({event["id"] for event in events}) == 2
    assert all(isinstance(event["timestamp"], int) for event in events)
    assert running.functions.asked == [
        ("logs.amazonaws.com", f"arn:aws:logs:us-east-1:123456789012:log-group:{GROUP}:*")
    ]


def test_events_that_others_put_are_delivered_too(running: Running) -> None:
    running.subscribe("ERROR")
    running.client.create_log_stream(logGroupName=GROUP, logStreamName="s")
    event = {"timestamp": int(SystemClock().now().timestamp() * 1000), "message": "an ERROR"}
    running.client.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=[event])
    assert running.delivered(1)[0]["message"] == "an ERROR"


def test_what_one_call_cannot_take_is_sent_in_several(running: Running) -> None:
    running.subscribe()
    running.functions.largest = 900
    running.logs.write(GROUP, "stream", [f"{number} " + str(hash(str(number))) * 5 for number in range(40)])
    assert [int(event["message"].split()[0]) for event in running.delivered(40)] == list(range(40))
    assert len(running.functions.calls) > 1


def test_a_filter_that_is_gone_delivers_nothing_more(running: Running) -> None:
    running.subscribe()
    running.client.delete_subscription_filter(logGroupName=GROUP, filterName="f")
    running.logs.write(GROUP, "stream", ["x"])
    assert running.subscriptions.pending() == 0


def test_a_function_that_may_not_be_called_is_refused_as_aws_does(running: Running) -> None:
    with pytest.raises(ClientError, match="Could not execute the lambda function") as caught:
        running.subscribe(function=FUNCTION + "-other")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"destinationArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s"}, "kinesis"),
        ({"destinationArn": FUNCTION, "filterPattern": "[a, b]"}, "filter pattern"),
        ({"destinationArn": FUNCTION, "applyOnTransformedLogs": True}, "applyOnTransformedLogs"),
    ],
)
def test_what_the_region_would_not_do_is_refused_by_name(asked: dict[str, Any], named: str) -> None:
    with pytest.raises(AwsError, match=named) as caught:
        refuse_unread(json.dumps(asked).encode())
    assert caught.value.status == 501

"""The bus with moto's rules and queues in process: matching, delivery, retries, dead letters, what recent() tells."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from moto.events.models import events_backends
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from local_region.clock import SystemClock
from local_region.events.bus import EventBusService
from local_region.functions.sqs_store import Queues
from local_region.ports import AwsError, AwsRequest, Json, Principal, Region, RegionConfig
from tests.support.region import wait_for

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:"


class FakeFunctions:
    """Refuses as often as ``throttles`` says; ``allowed`` names the functions that rules may call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.throttles = 0
        self.allowed = {"f"}

    def invoke_async(self, name_or_arn: str, payload: bytes) -> None:
        if self.throttles:
            self.throttles -= 1
            raise AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
        self.calls.append((name_or_arn, json.loads(payload)))

    def permits(self, name_or_arn: str, service: str, source_arn: str) -> bool:
        if name_or_arn.endswith("gone"):
            raise AwsError("ResourceNotFoundException", "Function not found", 404)
        return name_or_arn.rsplit(":", 1)[1] in self.allowed


class FakeLogs:
    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []

    def write(self, group: str, stream: str, messages: list[str]) -> None:
        self.written += [(group, message) for message in messages]


class FakeRegion:
    def __init__(self) -> None:
        # An account of its own, so that moto's state of one test is not another's.
        self.config = RegionConfig(
            "127.0.0.1", 1, Path(), account_id=f"{uuid.uuid4().int % 10**12:012d}", retry_delays=(0.01, 0.02)
        )
        self.clock, self.functions, self.logs = SystemClock(), FakeFunctions(), FakeLogs()


class Bus:
    def __init__(self) -> None:
        self.region = FakeRegion()
        self.service = EventBusService(cast("Region", self.region))
        self.service.start()
        self.account = self.region.config.account_id

    def call(self, operation: str, **params: Any) -> Json:
        request = AwsRequest("events", operation, params, Principal("k", "arn"), {})
        return self.service.operations()[operation](request)

    def rule(self, name: str, pattern: Json, *targets: Json, **settings: Any) -> None:
        self.call("PutRule", Name=name, EventPattern=json.dumps(pattern), **settings)
        if targets:
            found = [{"Id": str(number), **target} for number, target in enumerate(targets)]
            self.call("PutTargets", Rule=name, EventBusName=settings.get("EventBusName"), Targets=found)

    def queue(self, name: str) -> str:
        return str(sqs_backends[self.account]["us-east-1"].create_queue(name).queue_arn)

    def read(self, arn: str) -> list[Any]:
        return Queues(self.account, "us-east-1").receive(arn, 10)

    def settled(self) -> list[Json]:
        """``recent()`` when nothing is pending."""

        def look() -> list[Json] | None:
            found = self.service.recent()
            return None if any(d["status"] == "pending" for e in found for d in e["deliveries"]) else found

        return wait_for(look, 5, "delivery", every=0.002)


@pytest.fixture
def bus() -> Iterator[Bus]:
    made = Bus()
    yield made
    made.service.stop()


def test_only_enabled_rules_that_match_get_the_event(bus: Bus) -> None:
    target = {"Arn": f"{FUNCTION}f"}
    bus.rule("match", {"source": ["aws.s3"], "detail": {"key": [{"prefix": "data/"}]}}, target)
    bus.rule("other", {"source": ["aws.s4"]}, target)
    bus.rule("off", {"source": ["aws.s3"]}, target, State="DISABLED")
    bus.service.publish("aws.s3", "Object Created", {"key": "data/x"}, ["arn:b"])
    (entry,) = bus.settled()
    assert entry["rules"] == ["match"]
    assert [d["status"] for d in entry["deliveries"]] == ["delivered"]
    ((arn, event),) = bus.region.functions.calls
    assert arn == f"{FUNCTION}f" and event == entry["event"]
    assert event["detail-type"] == "Object Created" and event["resources"] == ["arn:b"]


def test_throttling_is_retried(bus: Bus) -> None:
    bus.region.functions.throttles = 2
    bus.rule("r", {"source": ["s"]}, {"Arn": f"{FUNCTION}f"})
    bus.service.publish("s", "t", {})
    assert bus.settled()[0]["deliveries"][0]["attempts"] == 3
    assert len(bus.region.functions.calls) == 1


def test_a_rule_may_forbid_retries(bus: Bus) -> None:
    dead = bus.queue("dead")
    bus.region.functions.throttles = 1
    target = {"Arn": f"{FUNCTION}f", "RetryPolicy": {"MaximumRetryAttempts": 0}, "DeadLetterConfig": {"Arn": dead}}
    bus.rule("r", {"source": ["s"]}, target)
    bus.service.publish("s", "t", {"a": 1})
    assert bus.settled()[0]["deliveries"][0]["status"] == "dead-lettered"
    (letter,) = bus.read(dead)
    assert json.loads(letter.body)["detail"] == {"a": 1}
    assert letter.message_attributes["ERROR_CODE"]["StringValue"] == "THROTTLING"
    assert letter.message_attributes["TARGET_ARN"]["StringValue"] == f"{FUNCTION}f"


@pytest.mark.parametrize(("name", "code"), [("gone", "NO_RESOURCE"), ("private", "NO_PERMISSIONS")])
def test_what_can_never_work_is_not_retried(bus: Bus, name: str, code: str) -> None:
    bus.rule("r", {"source": ["s"]}, {"Arn": f"{FUNCTION}{name}"})
    bus.service.publish("s", "t", {})
    (delivery,) = bus.settled()[0]["deliveries"]
    assert (delivery["status"], delivery["attempts"]) == ("failed", 1)
    assert delivery["error"].startswith(code)


def test_all_kinds_of_targets(bus: Bus) -> None:
    queue = bus.queue("q")
    prefix = f"us-east-1:{bus.account}"
    topic = sns_backends[bus.account]["us-east-1"].create_topic("t").arn
    sns_backends[bus.account]["us-east-1"].subscribe(topic, bus.queue("from-topic"), "sqs")
    logs_backends[bus.account]["us-east-1"].create_log_group("/aws/events/x", {})
    events_backends[bus.account]["us-east-1"].create_event_bus("second")
    bus.rule("onward", {"source": ["s"]}, {"Arn": f"{FUNCTION}f"}, EventBusName="second")
    arns = [queue, topic, f"arn:aws:logs:{prefix}:log-group:/aws/events/x", f"arn:aws:events:{prefix}:event-bus/second"]
    bus.rule("r", {"source": ["s"]}, *({"Arn": arn} for arn in arns))
    bus.service.publish("s", "t", {"n": 1})
    wait_for(lambda: bus.region.functions.calls, 5, "the second bus's delivery")
    first, second = bus.settled()
    assert [d["status"] for d in first["deliveries"]] == ["delivered"] * 4
    assert (second["bus"], second["event"]["id"]) == ("second", first["event"]["id"])
    assert json.loads(bus.read(queue)[0].body)["detail"] == {"n": 1}
    notice = json.loads(bus.read(f"arn:aws:sqs:{prefix}:from-topic")[0].body)
    assert json.loads(notice["Message"])["detail"] == {"n": 1}
    assert [group for group, _ in bus.region.logs.written] == ["/aws/events/x"]


def test_put_events_answers_each_entry(bus: Bus) -> None:
    good = {"Source": "mine", "DetailType": "t", "Detail": "{}", "Time": datetime(2026, 1, 2, tzinfo=UTC)}
    answer = bus.call("PutEvents", Entries=[good, {**good, "Detail": "["}, {**good, "Source": "aws.s3"}])
    assert answer["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [
        None,
        "MalformedDetail",
        "NotAuthorizedForSourceException",
    ]
    (entry,) = bus.service.recent()
    assert entry["event"]["time"] == "2026-01-02T00:00:00Z"
    with pytest.raises(AwsError, match="over the limit"):
        bus.call("PutEvents", Entries=[{**good, "Detail": json.dumps({"x": "y" * 1_100_000})}])


def test_scheduled_rules_fire_their_own_event(bus: Bus) -> None:
    bus.call("PutRule", Name="tick", ScheduleExpression="rate(1 minute)")
    bus.call("PutTargets", Rule="tick", Targets=[{"Id": "1", "Arn": f"{FUNCTION}f"}])
    bus.service.publish("s", "t", {})
    assert bus.settled()[0]["rules"] == [], "a scheduled rule takes no other event"
    bus.service._fire("tick", datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    assert bus.settled()[1]["rules"] == ["tick"]
    event = bus.region.functions.calls[0][1]
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.events", "Scheduled Event", {})
    assert event["time"] == "2026-01-02T03:04:00Z"
    assert event["resources"] == [f"arn:aws:events:us-east-1:{bus.account}:rule/tick"]


@pytest.mark.parametrize(
    ("operation", "params", "problem"),
    [
        ("PutRule", {"Name": "r", "ScheduleExpression": "rate(1 minutes)"}, "singular for 1 only"),
        ("PutRule", {"Name": "r", "EventPattern": "{"}, "Event pattern is not valid"),
        ("PutTargets", {"Rule": "none", "Targets": [{"Id": "1", "Arn": f"{FUNCTION}f"}]}, "does not exist"),
        ("PutTargets", {"Rule": "r", "Targets": [{"Id": "1", "Arn": "arn:aws:ecs:a:b:cluster/c"}]}, "can't deliver"),
        (
            "PutTargets",
            {"Rule": "r", "Targets": [{"Id": "1", "Arn": f"{FUNCTION}f", "Input": "1", "InputPath": "$"}]},
            "Only one of",
        ),
    ],
)
def test_refusals(bus: Bus, operation: str, params: Json, problem: str) -> None:
    with pytest.raises(AwsError, match=problem):
        bus.call(operation, **params)


def test_a_pattern_can_be_tried(bus: Bus) -> None:
    event = json.dumps({"source": "s", "detail": {"n": 1}})
    assert bus.call("TestEventPattern", EventPattern='{"detail": {"n": [1]}}', Event=event) == {"Result": True}
    assert bus.call("TestEventPattern", EventPattern='{"detail": {"n": [2]}}', Event=event) == {"Result": False}

"""Alarms in moto, evaluated by the service: states, events, messages, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from moto.cloudwatch.exceptions import ValidationError
from moto.cloudwatch.models import cloudwatch_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from local_region.alarms.messages import region_title
from local_region.alarms.service import AlarmsService
from local_region.ports import Json, Region, RegionConfig
from local_region.stores.metrics import MotoMetrics

#: an account of its own: moto's backends belong to the process
ACCOUNT = "210987654321"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:told"


class FakeClock:
    def __init__(self) -> None:
        self.time = datetime.now(UTC)

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


class FakeRegion:
    def __init__(self, folder: Path) -> None:
        self.config = RegionConfig("127.0.0.1", 1, folder, account_id=ACCOUNT)
        self.clock = FakeClock()
        self.metrics = MotoMetrics(self.config, self.clock)
        self.events = self
        self.functions = self
        self.published: list[tuple[str, Json, Sequence[str]]] = []
        self.called: list[tuple[str, Json]] = []

    def publish(self, source: str, detail_type: str, detail: Json, resources: Sequence[str] = ()) -> None:
        assert (source, detail_type) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
        self.published.append((source, detail, resources))

    def invoke_async(self, arn: str, payload: bytes) -> None:
        self.called.append((arn, json.loads(payload)))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.region = FakeRegion(folder)
        self.service = AlarmsService(cast("Region", self.region))
        self.backend = cloudwatch_backends[ACCOUNT]["us-east-1"]
        self.topics = sns_backends[ACCOUNT]["us-east-1"]
        self.queues = sqs_backends[ACCOUNT]["us-east-1"]
        for backend in (self.backend, self.topics, self.queues):
            backend.reset()
        self.topics.create_topic("told")

    def put(self, **changed: Any) -> Any:
        settings: dict[str, Any] = {
            "name": "errors",
            "namespace": "AWS/Lambda",
            "metric_name": "Errors",
            "dimensions": [{"Name": "FunctionName", "Value": "f"}],
            "comparison_operator": "GreaterThanThreshold",
            "evaluation_periods": 1,
            "period": 300,
            "threshold": 0.0,
            "statistic": "Sum",
            "description": "It failed.",
            "alarm_actions": [TOPIC],
            "treat_missing_data": "notBreaching",
        }
        return self.backend.put_metric_alarm(**{**settings, **changed})

    def fail(self, function: str = "f") -> None:
        self.region.metrics.put("AWS/Lambda", "Errors", 1, "Count", {"FunctionName": function})

    def told(self) -> list[tuple[str, Json]]:
        return [(str(sent[2]), json.loads(sent[1])) for sent in self.topics.topics[TOPIC].sent_notifications]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    made.service._install()  # without its thread: the tests say when it looks
    yield made
    made.service.stop()


def test_a_new_alarm_knows_nothing_and_keeps_its_state_when_it_is_put_again(bench: Bench) -> None:
    assert bench.put().state_value == "INSUFFICIENT_DATA"
    bench.service.look()
    assert bench.backend.alarms["errors"].state_value == "OK"
    assert bench.put(threshold=2.0).state_value == "OK"
    assert bench.told() == []


def test_an_error_is_told_once_with_cloudwatchs_message(bench: Bench) -> None:
    bench.put()
    bench.service.look()
    bench.fail("other")
    bench.service.look()
    assert bench.backend.alarms["errors"].state_value == "OK"
    bench.fail()
    bench.service.look()
    bench.service.look()
    ((subject, message),) = bench.told()
    assert subject == 'ALARM: "errors" in US East (N. Virginia)'
    assert (message["OldStateValue"], message["NewStateValue"]) == ("OK", "ALARM")
    assert message["NewStateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [1.0 (")
    assert (message["AWSAccountId"], message["Region"]) == (ACCOUNT, "US East (N. Virginia)")
    assert message["AlarmActions"] == [TOPIC]
    assert message["Trigger"]["Dimensions"] == [{"value": "f", "name": "FunctionName"}]
    assert (message["Trigger"]["Statistic"], message["Trigger"]["Period"]) == ("SUM", 300)
    _, detail, resources = bench.region.published[-1]
    assert resources == [bench.backend.alarms["errors"].alarm_arn]
    assert (detail["previousState"]["value"], detail["state"]["value"]) == ("OK", "ALARM")
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [1.0]
    stat = detail["configuration"]["metrics"][0]["metricStat"]
    assert stat["metric"] == {"namespace": "AWS/Lambda", "name": "Errors", "dimensions": {"FunctionName": "f"}}


def test_it_ends_when_the_errors_are_past(bench: Bench) -> None:
    bench.put(ok_actions=[TOPIC])
    bench.fail()
    bench.service.look()
    bench.region.clock.sleep(1000)
    bench.service.look()
    assert [subject.split(":")[0] for subject, _ in bench.told()] == ["ALARM", "OK"]


def test_values_from_a_client_count_too(bench: Bench) -> None:
    bench.put(namespace="Mine", metric_name="n", dimensions=[], statistic="Average", threshold=3.0)
    now = bench.region.clock.now().replace(tzinfo=None)
    data = [{"MetricName": "n", "Values": [2.0, 6.0], "Counts": [1, 3], "Timestamp": now, "Unit": "None"}]
    bench.backend.put_metric_data("Mine", data)
    bench.service.look()
    assert bench.backend.alarms["errors"].state_value == "ALARM"
    assert "[5.0 (" in bench.backend.alarms["errors"].state_reason


def test_values_that_cloudwatch_has_already_are_not_counted_twice(bench: Bench) -> None:
    bench.put(threshold=1.0)
    bench.fail()
    bench.region.metrics.flush()
    bench.service.look()
    assert bench.backend.alarms["errors"].state_value == "OK"


def test_the_depth_and_age_of_a_queue(bench: Bench) -> None:
    bench.queues.create_queue("dead")
    where = {"namespace": "AWS/SQS", "dimensions": [{"Name": "QueueName", "Value": "dead"}], "statistic": "Maximum"}
    bench.put(name="depth", metric_name="ApproximateNumberOfMessagesVisible", **where)
    bench.put(name="age", metric_name="ApproximateAgeOfOldestMessage", threshold=3600.0, **where)
    bench.service.look()
    assert {a.name: a.state_value for a in bench.backend.describe_alarms()} == {"depth": "OK", "age": "OK"}
    bench.queues.send_message("dead", "body")
    bench.service.look()
    assert bench.backend.alarms["depth"].state_value == "ALARM"
    bench.region.clock.sleep(3700)
    bench.service.look()
    assert bench.backend.alarms["age"].state_value == "ALARM"


def test_a_state_set_by_hand_acts_before_it_is_evaluated_away(bench: Bench) -> None:
    bench.put()
    bench.service.look()
    bench.backend.set_alarm_state("errors", "a drill", "{}", "ALARM")
    bench.service.look()
    assert [message["NewStateReason"] for _, message in bench.told()] == ["a drill"]
    assert bench.backend.alarms["errors"].state_value == "OK"


def test_disabled_actions_stay_silent_and_the_event_is_sent_all_the_same(bench: Bench) -> None:
    bench.put(actions_enabled=False)
    bench.fail()
    bench.service.look()
    assert bench.told() == []
    assert [detail["state"]["value"] for _, detail, _ in bench.region.published] == ["ALARM"]


def test_one_failing_action_does_not_keep_the_others(bench: Bench) -> None:
    function = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
    bench.put(alarm_actions=[TOPIC + "-gone", function, TOPIC])
    bench.fail()
    bench.service.look()
    assert len(bench.told()) == 1
    ((arn, payload),) = bench.region.called
    assert (arn, payload["alarmData"]["alarmName"]) == (function, "errors")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rule": "ALARM(a) OR ALARM(b)"}, "composite alarms"),
        ({"metric_data_queries": [object()]}, "alarms on Metrics"),
        ({"comparison_operator": "GreaterThanUpperThreshold"}, "anomaly detection"),
        ({"statistic": None, "extended_statistic": "tm90"}, "the statistic tm90"),
    ],
)
def test_what_it_cannot_evaluate_is_refused(bench: Bench, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        bench.put(**changed)
    assert not bench.backend.alarms


def test_moto_is_itself_again_afterwards(bench: Bench) -> None:
    bench.service.stop()
    assert bench.put().state_value == "OK"


def test_titles_of_regions() -> None:
    assert region_title("eu-central-1") == "Europe (Frankfurt)"
    assert region_title("nowhere-1") == "nowhere-1"


# the clock is moved (timeline.Timekeeper)


def at_its_instants(bench: Bench, minutes: int) -> list[tuple[int, str]]:
    """Goes where ``next_due`` says, as the timeline does; (minute, state) of the alarm after each."""
    begin = bench.region.clock.now()
    until, passed = begin + timedelta(minutes=minutes), []
    while (due := bench.service.next_due(until)) is not None:
        bench.region.clock.time = due
        bench.service.catch_up()
        passed.append((round((due - begin) / timedelta(minutes=1)), bench.backend.alarms["errors"].state_value))
    return passed


def test_an_alarm_is_due_when_its_state_changes_and_not_before(bench: Bench) -> None:
    bench.put(evaluation_periods=2, datapoints_to_alarm=1)
    bench.service.look()
    assert at_its_instants(bench, 10_000) == []  # nothing will ever change
    bench.fail()
    bench.service.look()
    assert bench.backend.alarms["errors"].state_value == "ALARM"
    passed = at_its_instants(bench, 10_000)
    assert [state for _, state in passed] == ["OK"]
    assert passed[0][0] in range(10, 22)  # when the value has left both periods and those that are looked at beyond


def test_until_is_the_end(bench: Bench) -> None:
    bench.put()
    bench.fail()
    bench.service.look()
    assert at_its_instants(bench, 3) == []


def test_the_age_of_a_queues_message_grows_over_minutes_that_are_left_out(bench: Bench) -> None:
    bench.queues.create_queue("dead")
    bench.put(
        namespace="AWS/SQS",
        metric_name="ApproximateAgeOfOldestMessage",
        dimensions=[{"Name": "QueueName", "Value": "dead"}],
        statistic="Maximum",
        threshold=600.0,
        period=60,
        evaluation_periods=3,
    )
    bench.queues.send_message("dead", "body")
    bench.service.look()
    # three minutes running above ten of them
    assert at_its_instants(bench, 30)[0] in {(11, "ALARM"), (12, "ALARM"), (13, "ALARM"), (14, "ALARM")}
    values = [v.value for v in bench.region.metrics._values if v.name == "ApproximateAgeOfOldestMessage"]
    assert values == sorted(values)
    assert len(values) >= 12  # also for the minutes at which nobody looked

"""A region of its own whose clock is moved: what AWS clients see of it."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.region import RunningRegion, running_region

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegion]:
    with running_region(tmp_path_factory.mktemp("clock") / "state") as running:
        yield running


def now_in(region: RunningRegion) -> datetime:
    return datetime.fromisoformat(region.control("clock")["now"])


def queue(region: RunningRegion, name: str, **attributes: str) -> tuple[str, str]:
    sqs = region.client("sqs")
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return url, arn


def drained(region: RunningRegion, url: str) -> list[dict[str, Any]]:
    sqs, found = region.client("sqs"), []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get("Messages"):
        found += batch
    return found


def test_a_schedule_fires_at_each_of_its_instants(moved: RunningRegion) -> None:
    url, arn = queue(moved, "looks")
    events = moved.client("events")
    events.put_rule(Name="often", ScheduleExpression="rate(20 minutes)")
    events.put_rule(Name="off", ScheduleExpression="rate(1 minute)", State="DISABLED")
    for rule in ("often", "off"):
        events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    began = now_in(moved)
    state = moved.advance("+1d")
    messages = drained(moved, url)
    times = [datetime.fromisoformat(json.loads(message["Body"])["time"]) for message in messages]
    assert len(times) == 72
    assert times == sorted(times)
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {20 * MINUTE}
    assert abs(times[0] - began - 20 * MINUTE) < MINUTE
    # each was sent at its instant, not at the end of the way
    sent = [int(message["Attributes"]["SentTimestamp"]) / 1000 for message in messages]
    assert all(abs(at - time.timestamp()) < 60 for at, time in zip(sent, times, strict=True))
    assert state["instants"] >= 72
    events.remove_targets(Rule="often", Ids=["queue"])
    events.delete_rule(Name="often")


def test_delays_and_visibility_timeouts_pass(moved: RunningRegion) -> None:
    sqs = moved.client("sqs")
    url, _ = queue(moved, "delayed", VisibilityTimeout="600")
    sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=900)
    assert drained(moved, url) == []
    moved.advance("+16m")
    assert [message["Body"] for message in drained(moved, url)] == ["late"]
    assert drained(moved, url) == []  # in flight
    moved.advance("+11m")
    again = drained(moved, url)
    assert [message["Attributes"]["ApproximateReceiveCount"] for message in again] == ["2"]


def test_a_message_older_than_the_retention_is_gone_and_holds_up_none(moved: RunningRegion) -> None:
    sqs = moved.client("sqs")
    url, _ = queue(moved, "forgetful", MessageRetentionPeriod="3600")
    sqs.send_message(QueueUrl=url, MessageBody="old")
    moved.advance("+2h")
    sqs.send_message(QueueUrl=url, MessageBody="new")
    assert [message["Body"] for message in drained(moved, url)] == ["new"]


def test_alarms_are_evaluated_on_the_way(moved: RunningRegion) -> None:
    cloudwatch = moved.client("cloudwatch")
    url, arn = queue(moved, "alarmed")
    moved.client("events").put_rule(
        Name="alarms", EventPattern=json.dumps({"source": ["aws.cloudwatch"], "detail": {"alarmName": ["high"]}})
    )
    moved.client("events").put_targets(Rule="alarms", Targets=[{"Id": "queue", "Arn": arn}])
    cloudwatch.put_metric_alarm(
        AlarmName="high",
        Namespace="mine",
        MetricName="errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=2,
        DatapointsToAlarm=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
    )
    cloudwatch.put_metric_data(Namespace="mine", MetricData=[{"MetricName": "errors", "Value": 1}])
    at = now_in(moved)
    moved.advance("+1h")
    changes = [json.loads(message["Body"]) for message in drained(moved, url)]
    assert [change["detail"]["state"]["value"] for change in changes][-2:] == ["ALARM", "OK"]
    # the value is two periods old then, not an hour
    over = datetime.fromisoformat(changes[-1]["time"]) - at
    assert MINUTE <= over <= 5 * MINUTE
    alarm = cloudwatch.describe_alarms(AlarmNames=["high"])["MetricAlarms"][0]
    assert abs(alarm["StateUpdatedTimestamp"] - at) < 6 * MINUTE


def test_all_of_the_region_shows_one_time_and_real_signatures_are_taken(moved: RunningRegion) -> None:
    s3 = moved.client("s3")
    s3.create_bucket(Bucket="times")
    s3.put_object(Bucket="times", Key="k", Body=b"x")
    now = now_in(moved)
    assert abs(s3.head_object(Bucket="times", Key="k")["LastModified"] - now) < MINUTE
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "times", "Key": "k"}, ExpiresIn=60)
    with urllib.request.urlopen(url, timeout=10) as answer:  # signed by this machine's time, more than a day ago there
        assert answer.read() == b"x"
    group = moved.client("sagemaker").create_model_package_group(ModelPackageGroupName="g")
    assert group["ModelPackageGroupArn"]
    made = moved.client("sagemaker").describe_model_package_group(ModelPackageGroupName="g")["CreationTime"]
    assert abs(made - now) < MINUTE


def refusal(region: RunningRegion, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    request = urllib.request.Request(
        f"{region.endpoint}/_local/clock", body, {"Content-Type": content_type}, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    return refused.value.code, str(json.load(refused.value)["error"])


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "Expecting"),
        (b"[]", "the body is"),
        (b'{"advance": 3}', "the body is"),
        (b'{"advance": "+3h", "to": 1}', "the body is"),
        (b'{"advance": "-3h"}', "no span of time"),
        (b'{"advance": "+3h", "patience_seconds": -1}', "patience_seconds"),
        (b'{"advance": "+3h", "patience_seconds": true}', "patience_seconds"),
    ],
)
def test_what_the_control_refuses(moved: RunningRegion, body: bytes, words: str) -> None:
    before = moved.control("clock")["ahead_seconds"]
    status, error = refusal(moved, body)
    assert status == 400
    assert words in error
    assert moved.control("clock")["ahead_seconds"] == before


def test_a_form_of_a_page_elsewhere_does_not_move_it(moved: RunningRegion) -> None:
    assert refusal(moved, b'{"advance": "+3h"}', "text/plain")[0] == 400


def test_the_next_region_of_the_folder_goes_on_from_there(tmp_path: Path) -> None:
    for expected in (7200, 14400):
        with running_region(tmp_path / "state") as region:
            region.advance("+2h")
            assert region.control("clock")["ahead_seconds"] == expected

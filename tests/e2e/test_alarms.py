"""An alarm on a real region: from a message in a dead-letter queue to a message at a subscriber."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, wait_for

pytestmark = pytest.mark.e2e

TEMPLATE = {
    "Resources": {
        "Dead": {"Type": "AWS::SQS::Queue"},
        "Inbox": {"Type": "AWS::SQS::Queue"},
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Subscription": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"},
                "Protocol": "sqs",
                "Endpoint": {"Fn::GetAtt": ["Inbox", "Arn"]},
            },
        },
        "Alarm": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": "AWS/SQS",
                "MetricName": "ApproximateNumberOfMessagesVisible",
                "Dimensions": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["Dead", "QueueName"]}}],
                "Statistic": "Maximum",
                "Period": 300,
                "EvaluationPeriods": 1,
                "Threshold": 0,
                "ComparisonOperator": "GreaterThanThreshold",
                "TreatMissingData": "notBreaching",
                "AlarmActions": [{"Ref": "Topic"}],
            },
        },
    },
    "Outputs": {
        "Dead": {"Value": {"Ref": "Dead"}},
        "Inbox": {"Value": {"Ref": "Inbox"}},
        "Alarm": {"Value": {"Ref": "Alarm"}},
    },
}


def test_a_dead_letter_reaches_the_topics_subscriber(region: RunningRegion) -> None:
    stacks, sqs, cloudwatch = region.client("cloudformation"), region.client("sqs"), region.client("cloudwatch")
    name = f"alarms-{uuid.uuid4().hex[:8]}"
    stacks.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))
    stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (stack,) = stacks.describe_stacks(StackName=name)["Stacks"]
    made = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def alarm() -> dict[str, Any]:
        (found,) = cloudwatch.describe_alarms(AlarmNames=[made["Alarm"]])["MetricAlarms"]
        return dict(found)

    wait_for(lambda: alarm()["StateValue"] == "OK", what="an evaluated alarm")
    before = region.last_event()
    sqs.send_message(QueueUrl=made["Dead"], MessageBody="a dead letter")
    wait_for(lambda: alarm()["StateValue"] == "ALARM", what="an alarm")
    assert alarm()["StateReason"].startswith("Threshold Crossed: 1 out of the last 1 datapoints [1.0 (")
    (received,) = wait_for(
        lambda: sqs.receive_message(QueueUrl=made["Inbox"], WaitTimeSeconds=5).get("Messages"), what="a notification"
    )
    envelope = json.loads(received["Body"])
    assert envelope["Subject"].startswith(f'ALARM: "{made["Alarm"]}" in US East')
    assert json.loads(envelope["Message"])["NewStateValue"] == "ALARM"
    changes = [e for e in region.events_after(before) if e["detail-type"] == "CloudWatch Alarm State Change"]
    assert [e["detail"]["state"]["value"] for e in changes if e["detail"]["alarmName"] == made["Alarm"]] == ["ALARM"]
    stacks.delete_stack(StackName=name)


def test_metric_math_is_refused_by_name(region: RunningRegion) -> None:
    with pytest.raises(ClientError, match="does not support alarms on Metrics"):
        region.client("cloudwatch").put_metric_alarm(
            AlarmName="math",
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Threshold=1,
            Metrics=[{"Id": "e", "Expression": "1 + 1", "ReturnData": True}],
        )
    with pytest.raises(ClientError, match="PutCompositeAlarm"):
        region.client("cloudwatch").put_composite_alarm(AlarmName="both", AlarmRule="ALARM(a)")

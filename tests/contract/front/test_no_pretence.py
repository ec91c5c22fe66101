"""What moto would keep and nobody act on is refused by name, and so are its services that are nobody's here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion

ROLE = "arn:aws:iam::123456789012:role/r"
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"
QUEUE = "arn:aws:sqs:us-east-1:123456789012:q"
TOPIC = "arn:aws:sns:us-east-1:123456789012:t"
BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"
BUCKET = "no-pretence"
EMPTY_ARCHIVE = b"PK\x05\x06" + bytes(18)

CASES: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "a machine": ("ec2", lambda c: c.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1), "RunInstances"),
    "a query": ("athena", lambda c: c.start_query_execution(QueryString="select 1"), "athena StartQueryExecution"),
    "a state machine": (
        "stepfunctions",
        lambda c: c.create_state_machine(name="s", roleArn=ROLE, definition="{}"),
        "CreateStateMachine",
    ),
    "a pipe": ("pipes", lambda c: c.create_pipe(Name="p", Source=QUEUE, Target=FUNCTION, RoleArn=ROLE), "/v1/pipes/p"),
    "a schedule of the Scheduler": (
        "scheduler",
        lambda c: c.create_schedule(
            Name="s",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": FUNCTION, "RoleArn": ROLE},
        ),
        "/schedules/s",
    ),
    "an archive": ("events", lambda c: c.create_archive(ArchiveName="a", EventSourceArn=BUS), "CreateArchive"),
    "a metric filter": (
        "logs",
        lambda c: c.put_metric_filter(
            logGroupName="g",
            filterName="f",
            filterPattern="ERROR",
            metricTransformations=[{"metricName": "m", "metricNamespace": "n", "metricValue": "1"}],
        ),
        "PutMetricFilter",
    ),
    "a subscription to a stream": (
        "logs",
        lambda c: c.put_subscription_filter(
            logGroupName="g",
            filterName="f",
            filterPattern="",
            destinationArn="arn:aws:kinesis:us-east-1:123456789012:stream/s",
        ),
        "PutSubscriptionFilter with the destination",
    ),
    "a subscription by a pattern that isn't read": (
        "logs",
        lambda c: c.put_subscription_filter(
            logGroupName="g", filterName="f", filterPattern="[a, b]", destinationArn=FUNCTION
        ),
        "PutSubscriptionFilter with the filter pattern",
    ),
    "a read by a pattern that isn't read": (
        "logs",
        lambda c: c.filter_log_events(logGroupName="g", filterPattern="[a, b]"),
        "FilterLogEvents with the filter pattern",
    ),
    "a query that counts": (
        "logs",
        lambda c: c.start_query(logGroupName="g", startTime=0, endTime=1, queryString="stats count(*) by bin(5m)"),
        "StartQuery with the command stats",
    ),
    "a contributor insights rule": (
        "cloudwatch",
        lambda c: c.put_insight_rule(RuleName="r", RuleDefinition="{}"),
        "PutInsightRule",
    ),
    "a topic's function": (
        "sns",
        lambda c: c.subscribe(TopicArn=TOPIC, Protocol="lambda", Endpoint=FUNCTION),
        "Subscribe with the protocol lambda.*queue",
    ),
    "a topic's firehose": (
        "sns",
        lambda c: c.subscribe(TopicArn=TOPIC, Protocol="firehose", Endpoint="arn:aws:firehose:us-east-1:1:d/x"),
        "Subscribe with the protocol firehose",
    ),
    "a text message": ("sns", lambda c: c.publish(PhoneNumber="+491234567", Message="x"), "Publish to a PhoneNumber"),
    "a bucket's function": (
        "s3",
        lambda c: c.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={
                "LambdaFunctionConfigurations": [{"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"]}]
            },
        ),
        "LambdaFunctionConfigurations.*EventBridgeConfiguration",
    ),
    "a bucket's queue": (
        "s3",
        lambda c: c.put_bucket_notification_configuration(
            Bucket=BUCKET,
            NotificationConfiguration={"QueueConfigurations": [{"QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:*"]}]},
        ),
        "QueueConfigurations.*EventBridgeConfiguration",
    ),
    "a website": (
        "s3",
        lambda c: c.put_bucket_website(Bucket=BUCKET, WebsiteConfiguration={"IndexDocument": {"Suffix": "i.html"}}),
        "PutBucketWebsite",
    ),
    "a secret's rotation": ("secretsmanager", lambda c: c.rotate_secret(SecretId="s"), "RotateSecret"),
    "a command on machines": ("ssm", lambda c: c.send_command(DocumentName="AWS-RunShellScript"), "SendCommand"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_nobody_would_act_on_is_refused(region: RunningRegion, case: str) -> None:
    service, call, expected = CASES[case]
    with pytest.raises(ClientError, match=expected) as caught:
        call(region.client(service, config=Config()))
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_a_function_in_a_network_is_refused(region: RunningRegion) -> None:
    with pytest.raises(ClientError, match="VpcConfig is not supported"):
        region.client("lambda").create_function(
            FunctionName="in-a-network",
            Runtime="python3.13",
            Handler="m.h",
            Role=ROLE,
            Code={"ZipFile": EMPTY_ARCHIVE},
            VpcConfig={"SubnetIds": ["subnet-12345678"], "SecurityGroupIds": ["sg-12345678"]},
        )


def _elsewhere(region: RunningRegion, service: str) -> Any:
    """A client that is set to another AWS region's name."""
    return boto3.Session().client(  # type: ignore[call-overload]
        service,
        endpoint_url=region.endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        region_name="eu-central-1",
    )


@pytest.mark.parametrize(
    ("service", "call"), [("sqs", "list_queues"), ("sns", "list_topics"), ("lambda", "list_functions")]
)
def test_another_regions_name_is_told_from_ours(region: RunningRegion, service: str, call: str) -> None:
    with pytest.raises(ClientError, match=r"goes by us-east-1, not eu-central-1.*AWS_DEFAULT_REGION=us-east-1"):
        getattr(_elsewhere(region, service), call)()


def test_services_without_regions_take_any_name(region: RunningRegion) -> None:
    for service, call in (("s3", "list_buckets"), ("iam", "list_roles"), ("sts", "get_caller_identity")):
        assert getattr(_elsewhere(region, service), call)()["ResponseMetadata"]["HTTPStatusCode"] == 200

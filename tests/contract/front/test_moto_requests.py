"""Requests to moto's services are held to their models and refused in their words, before moto sees them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion
from tests.support.tables import make_table

NO_CHECKS = Config(parameter_validation=False, retries={"max_attempts": 0})
TABLE = "held-to-its-model"

CASES: dict[str, tuple[str, Callable[[Any], Any], str, str]] = {
    "a table without a name": (
        "dynamodb",
        lambda c: c.create_table(),
        "ValidationException",
        "Value null at 'tableName' failed to satisfy constraint: Member must not be null",
    ),
    "a page of no items": (
        "dynamodb",
        lambda c: c.scan(TableName=TABLE, Limit=0),
        "ValidationException",
        "at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    "a log group with a space": (
        "logs",
        lambda c: c.create_log_group(logGroupName="/a b"),
        "InvalidParameterException",
        "Value '/a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern",
    ),
    "a short session name": (
        "sts",
        lambda c: c.assume_role(RoleArn="arn:aws:iam::123456789012:role/r", RoleSessionName="s"),
        "ValidationError",
        "at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2",
    ),
    "a role without a policy": (
        "iam",
        lambda c: c.create_role(RoleName="r"),
        "ValidationError",
        "Member must not be null",
    ),
    "a role trusted by no JSON": (
        "iam",
        lambda c: c.create_role(RoleName="r", AssumeRolePolicyDocument="{"),
        "MalformedPolicyDocument",
        "This policy contains invalid Json",
    ),
    "a message without a body": (
        "sqs",
        lambda c: c.send_message(QueueUrl="http://localhost/123456789012/q", MessageBody=""),
        "MissingParameter",
        "must contain the parameter MessageBody",
    ),
    "a notice of nothing": (
        "sns",
        lambda c: c.publish(TopicArn="arn:aws:sns:us-east-1:123456789012:t", Message=""),
        "InvalidParameter",
        "Invalid parameter: Empty message",
    ),
    "a parameter of no type": (
        "ssm",
        lambda c: c.put_parameter(Name="/a", Value="v", Type="Text"),
        "ValidationException",
        r"Member must satisfy enum value set: \[String, StringList, SecureString\]",
    ),
    "an alias of a key that is no alias": (
        "kms",
        lambda c: c.create_alias(AliasName="a b", TargetKeyId="k"),
        "ValidationException",
        "at 'aliasName' failed",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_refusals(region: RunningRegion, case: str) -> None:
    service, call, code, words = CASES[case]
    with pytest.raises(ClientError, match=words) as caught:
        call(region.client(service, config=NO_CHECKS))
    error = caught.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400)


@pytest.fixture(scope="module")
def table(region: RunningRegion) -> Any:
    client = region.client("dynamodb")
    make_table(client, TABLE, ranged=False)
    return client


def test_a_transaction_that_is_sent_again_is_carried_out_once(table: Any) -> None:
    def add(amount: str) -> Any:
        update = {
            "TableName": TABLE,
            "Key": {"pk": {"S": "sum"}},
            "UpdateExpression": "ADD n :n",
            "ExpressionAttributeValues": {":n": {"N": amount}},
        }
        return table.transact_write_items(TransactItems=[{"Update": update}], ClientRequestToken="token")

    for _ in range(2):
        assert add("1")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert table.get_item(TableName=TABLE, Key={"pk": {"S": "sum"}})["Item"]["n"] == {"N": "1"}
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        add("2")


def test_an_item_of_its_key_alone(table: Any) -> None:
    made = table.update_item(TableName=TABLE, Key={"pk": {"S": "alone"}}, ReturnValues="ALL_NEW")
    assert made["Attributes"] == {"pk": {"S": "alone"}}


def test_an_expression_that_cannot_be_read_is_the_callers_mistake(table: Any) -> None:
    for expression in ("attribute_exists(pk", "pk = ", "status = pk", "pk pk"):
        with pytest.raises(ClientError) as caught:
            table.put_item(TableName=TABLE, Item={"pk": {"S": "x"}}, ConditionExpression=expression)
        assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_logs_are_filtered_by_pattern_and_by_streams_prefix(region: RunningRegion) -> None:
    logs, now = region.client("logs"), int(time.time() * 1000)
    logs.create_log_group(logGroupName="/filtered")
    for stream, messages in {
        "a/1": ['{"level": "ERROR", "n": 3}', "plain"],
        "b/1": ['{"level": "ERROR", "n": 5}'],
    }.items():
        logs.create_log_stream(logGroupName="/filtered", logStreamName=stream)
        events = [{"timestamp": now, "message": message} for message in messages]
        logs.put_log_events(logGroupName="/filtered", logStreamName=stream, logEvents=events)

    def found(**asked: str) -> list[str]:
        return [event["message"] for event in logs.filter_log_events(logGroupName="/filtered", **asked)["events"]]

    assert found(logStreamNamePrefix="a/") == ['{"level": "ERROR", "n": 3}', "plain"]
    assert found(logStreamNamePrefix="c/") == []
    assert found(filterPattern='{ $.level = "ERR*" && $.n > 3 }') == ['{"level": "ERROR", "n": 5}']
    assert found(filterPattern="?plain ?nothing", logStreamNamePrefix="a") == ["plain"]


def test_metrics_have_percentiles_and_math(region: RunningRegion) -> None:
    cloudwatch, now = region.client("cloudwatch"), datetime.now(UTC)
    data = [{"MetricName": "latency", "Value": value, "Timestamp": now} for value in (1.0, 2.0, 9.0)]
    cloudwatch.put_metric_data(Namespace="Read", MetricData=data)
    window = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(hours=1)}
    (point,) = cloudwatch.get_metric_statistics(
        Namespace="Read", MetricName="latency", Period=86400, ExtendedStatistics=["p50"], **window
    )["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 2.0}

    def read(expression: str) -> Any:
        metric = {"Metric": {"Namespace": "Read", "MetricName": "latency"}, "Period": 86400, "Stat": "Maximum"}
        queries = [{"Id": "a", "MetricStat": metric}, {"Id": "b", "Expression": expression}]
        return cloudwatch.get_metric_data(MetricDataQueries=queries, **window)["MetricDataResults"]

    assert [one["Values"] for one in read("a * 2")] == [[9.0], [18.0]]
    with pytest.raises(ClientError, match="GetMetricData with the expression") as caught:
        read("SUM(METRICS())")
    assert caught.value.response["Error"]["Code"] == "NotImplemented"

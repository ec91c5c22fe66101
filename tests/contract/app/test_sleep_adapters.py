"""How the reaper looks at endpoints and their calls, against moto and botocore's own model; and its handlers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from sluicegate.adapters import aws
from sluicegate.adapters.calls import CloudWatchCalls
from sluicegate.adapters.endpoints import SageMakerEndpoints
from sluicegate.adapters.prices import PriceList
from sluicegate.bootstrap import base, costs, sleep
from sluicegate.events import MalformedEvent
from sluicegate.ports import Change
from tests.contract.app.test_handlers import handler, sample
from tests.support.tables import make_table

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ARN = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/sluicegate-churn"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    caches = (aws.client, base.registry, base.ledger, base.bell, sleep.wake_endpoint, sleep.reap)
    for cached in (*caches, costs.prices):
        cached.cache_clear()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "NAME_PREFIX": "sluicegate",
        "REGISTRY_TABLE": "registry",
        "DEFAULT_QUIET_PERIOD_SECONDS": "60",
        "TRAINING_QUEUE_URL": "http://sqs/q",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        make_table(boto3.client("dynamodb"))
        yield
    for cached in (*caches, costs.prices):
        cached.cache_clear()


def test_calls_of_the_variant_are_counted_within_the_time(account: None) -> None:
    cloudwatch = boto3.client("cloudwatch")

    def call(variant: str, at: datetime, times: int) -> None:
        dimensions = [{"Name": "EndpointName", "Value": "e"}, {"Name": "VariantName", "Value": variant}]
        data = {"MetricName": "Invocations", "Dimensions": dimensions, "Timestamp": at, "Value": times, "Unit": "Count"}
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data])  # type: ignore[list-item]

    call("v1", NOON - timedelta(hours=1), 2)
    call("v1", NOON - timedelta(minutes=3), 1)
    call("v1", NOON - timedelta(hours=5), 40)
    call("v2", NOON - timedelta(hours=1), 7)
    calls = CloudWatchCalls(cloudwatch)
    assert calls.count("e", "v1", NOON - timedelta(hours=2), NOON) == 3
    assert calls.count("e", "v2", NOON - timedelta(hours=2), NOON) == 7
    assert calls.count("e", "v3", NOON - timedelta(hours=2), NOON) == 0


@pytest.mark.parametrize("span", [timedelta(minutes=20), timedelta(days=5), timedelta(days=30, minutes=5)])
def test_never_more_sums_are_asked_for_than_cloudwatch_gives(span: timedelta) -> None:
    asked: list[dict[str, Any]] = []

    class Recording:
        def get_metric_statistics(self, **parameters: Any) -> dict[str, Any]:
            asked.append(parameters)
            return {"Datapoints": []}

    assert CloudWatchCalls(Recording()).count("e", "v1", NOON - span, NOON) == 0
    period = asked[0]["Period"]
    assert period % 60 == 0
    assert span.total_seconds() / period <= 1440


def test_an_endpoint_says_when_it_was_made_and_its_tags() -> None:
    client = boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t")
    described = {
        "EndpointName": "sluicegate-churn",
        "EndpointArn": ARN,
        "EndpointConfigName": "sluicegate-churn-v1",
        "EndpointStatus": "InService",
        "CreationTime": NOON,
        "LastModifiedTime": NOON,
    }
    with Stubber(client) as stub:
        stub.add_response("describe_endpoint", described, {"EndpointName": "sluicegate-churn"})
        pages: list[dict[str, Any]] = [
            {"Tags": [{"Key": "a", "Value": "1"}], "NextToken": "more"},
            {"Tags": [{"Key": "b", "Value": "2"}]},
        ]
        stub.add_response("list_tags", pages[0], {"ResourceArn": ARN})
        stub.add_response("list_tags", pages[1], {"ResourceArn": ARN, "NextToken": "more"})
        endpoints = SageMakerEndpoints(client)
        state = endpoints.endpoint("sluicegate-churn")
        assert (state.created, state.arn) == (NOON, ARN)
        assert endpoints.tags(state.arn) == {"a": "1", "b": "2"}


def test_the_price_of_hosting_is_asked_for_by_the_lists_own_word() -> None:
    asked: list[Any] = []

    class Recording:
        def get_products(self, **parameters: Any) -> dict[str, Any]:
            asked.append({one["Field"]: one["Value"] for one in parameters["Filters"]})
            dimension = {"unit": "Hrs", "pricePerUnit": {"USD": "0.115"}}
            return {"PriceList": [{"terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}}}]}

    assert PriceList(Recording()).usd_per_hour("eu-west-1", "ml.m5.large", "hosting") == 0.115
    assert asked == [{"regionCode": "eu-west-1", "instanceName": "ml.m5.large", "component": "Hosting"}]


def test_a_prediction_for_a_sleeping_endpoint_is_taken_once(account: None) -> None:
    assert handler("wake_endpoint")(sample("wake_endpoint"), None) == {"outcome": "ignored"}
    line = {"model": "churn", "state": "live", "message": "", "updated_at": "2026-01-01T00:00:00.000Z", "revision": 1}
    sleep: dict[str, Any] = {
        "state": "asleep",
        "since": "2026-01-02T01:05:00.000Z",
        "asleep_at": "2026-01-02T01:05:00.000Z",
    }
    sleep |= {"version": 1, "config": "c", "gone": True, "usd_per_hour": 0.5}
    kept: dict[str, Any] = {"live_version": 1, "sleep": sleep}
    base.registry().commit([Change("model", "churn", "", set=line | kept)])
    assert handler("wake_endpoint")(sample("wake_endpoint"), None) == {"outcome": "waking"}
    assert handler("wake_endpoint")(sample("wake_endpoint"), None) == {"outcome": "nothing"}
    item = base.registry().model("churn")
    assert item["sleep"] is not None
    assert item["saved"] is not None
    assert (item["sleep"]["state"], item["saved"]["usd"], item["saved"]["times"]) == ("waking", 1.0, 1)
    with pytest.raises(MalformedEvent, match=r"detail\.model"):
        handler("wake_endpoint")(sample("wake_endpoint.malformed"), None)


def test_the_reaper_finds_nothing_where_nothing_is(account: None) -> None:
    assert handler("reap_endpoints")(sample("reap_endpoints"), None) == {"asleep": []}
    with pytest.raises(MalformedEvent, match="yesterday"):
        handler("reap_endpoints")(sample("reap_endpoints.malformed"), None)

"""Guarded updates and their alarms, as botocore's models and CloudWatch (moto) take them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from moto import mock_aws

from sluicegate.adapters.alarms import CloudWatchAlarms
from sluicegate.adapters.bell import EventBridgeBell
from sluicegate.adapters.endpoints import SageMakerEndpoints, deployment_config
from sluicegate.adapters.scaling import ApplicationAutoScaling
from sluicegate.domain.errors import Conflict, Transient
from sluicegate.ports_serving import AlarmSpec, BlueGreen, Instances, Serverless, VariantSpec

NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
FLEET = {"EndpointName": "sluicegate-churn", "VariantName": "v1"}


@pytest.mark.parametrize(
    ("guard", "routing", "longest"),
    [
        (BlueGreen("canary", 10, 300, ("a",)), {"CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}}, 2220),
        (BlueGreen("linear", 33, 300, ("a",)), {"LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 33}}, 3120),
        (BlueGreen("linear", 10, 2400, ()), {"LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 10}}, 25_920),
        (BlueGreen("all_at_once", 100, 600, ("a", "b")), {}, 3000),
    ],
)
def test_a_guarded_update_has_the_shape_and_bounds_of_sagemaker(guard: BlueGreen, routing: Any, longest: int) -> None:
    config = deployment_config(guard)
    shape = botocore.session.get_session().get_service_model("sagemaker").shape_for("DeploymentConfig")
    assert not ParamValidator().validate(config, shape).has_errors()
    policy = config["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": guard.strategy.upper(),
        "WaitIntervalInSeconds": guard.wait_seconds,
        **routing,
    }
    assert policy["MaximumExecutionTimeoutInSeconds"] == longest
    named = [alarm["AlarmName"] for alarm in config.get("AutoRollbackConfiguration", {}).get("Alarms", [])]
    assert named == list(guard.alarms)


class Recorder:
    """A client that keeps what it was asked, checked against botocore's model of the service."""

    def __init__(self, service: str) -> None:
        self.model = botocore.session.get_session().get_service_model(service)
        self.asked: dict[str, dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        operation = "".join(part.title() for part in name.split("_"))

        def call(**given: Any) -> dict[str, Any]:
            shape = self.model.operation_model(operation).input_shape
            assert shape is not None
            report = ParamValidator().validate(given, shape)
            assert not report.has_errors(), report.generate_report()
            self.asked[operation] = given
            return {}

        return call


def test_instances_may_be_captured_and_serverless_never_is() -> None:
    client = Recorder("sagemaker")
    size = Instances("ml.m5.large", 1, capture=20, capture_to="s3://data/data-capture/churn")
    SageMakerEndpoints(client).create_config("c-v2", [VariantSpec("v1", "m", size)], {})
    capture = client.asked["CreateEndpointConfig"]["DataCaptureConfig"]
    assert (capture["InitialSamplingPercentage"], capture["DestinationS3Uri"]) == (20, "s3://data/data-capture/churn")
    for plain in (Instances("ml.m5.large", 1), Serverless(2048, 5)):
        SageMakerEndpoints(client).create_config("c-v2", [VariantSpec("v1", "m", plain)], {})
        assert "DataCaptureConfig" not in client.asked["CreateEndpointConfig"]


def test_variants_share_an_endpoint_by_weight() -> None:
    client = Recorder("sagemaker")
    endpoints = SageMakerEndpoints(client)
    size = Instances("ml.m5.large", 2, capture=20, capture_to="s3://data/data-capture/churn")
    lanes = [VariantSpec("v1", "m1", size), VariantSpec("lane-2", "m2", Instances("ml.c5.large", 1), 0.0)]
    endpoints.create_config("c-X1f2e3d4c", lanes, {})
    made = client.asked["CreateEndpointConfig"]
    assert [tuple(variant.values()) for variant in made["ProductionVariants"]] == [
        ("v1", "m1", "ml.m5.large", 2, 1.0),
        ("lane-2", "m2", "ml.c5.large", 1, 0.0),
    ]
    assert made["DataCaptureConfig"]["InitialSamplingPercentage"] == 20
    endpoints.update("c", "c-X1f2e3d4c", keep=True)
    assert client.asked["UpdateEndpoint"] == {
        "EndpointName": "c",
        "EndpointConfigName": "c-X1f2e3d4c",
        "RetainAllVariantProperties": True,
    }
    endpoints.weigh("c", {"v1": 0.8, "lane-2": 0.2})
    assert client.asked["UpdateEndpointWeightsAndCapacities"]["DesiredWeightsAndCapacities"] == [
        {"VariantName": "v1", "DesiredWeight": 0.8},
        {"VariantName": "lane-2", "DesiredWeight": 0.2},
    ]


@pytest.mark.parametrize("code", ["ResourceInUse", "ValidationException"])
def test_an_endpoint_that_changes_is_busy_for_weights_too(code: str) -> None:
    class Busy:
        def update_endpoint_weights_and_capacities(self, **_asked: Any) -> None:
            said = 'Cannot update in-progress endpoint "arn:…:endpoint/c".'
            raise ClientError({"Error": {"Code": code, "Message": said}}, "UpdateEndpointWeightsAndCapacities")

    with pytest.raises(Conflict):
        SageMakerEndpoints(Busy()).weigh("c", {"v1": 1.0})


def test_the_weights_of_an_endpoint_are_those_that_were_asked_for() -> None:
    class Described:
        def describe_endpoint(self, **_asked: Any) -> Any:
            first = {"VariantName": "v1", "CurrentWeight": 1.0, "DesiredWeight": 0.8, "DesiredInstanceCount": 3}
            return {"EndpointStatus": "Updating", "ProductionVariants": [first, {"VariantName": "lane-2"}]}

    found = SageMakerEndpoints(Described()).endpoint("c")
    assert (found.weights, found.instances) == ({"v1": 0.8, "lane-2": 0.0}, {"v1": 3})


def test_a_variant_scales_between_its_bounds_by_its_requests() -> None:
    client = Recorder("application-autoscaling")
    scaling = ApplicationAutoScaling(client)
    scaling.keep("sluicegate-churn", "v1", 1, 4, 800)
    target = client.asked["RegisterScalableTarget"]
    assert (target["ResourceId"], target["MinCapacity"], target["MaxCapacity"]) == (
        *("endpoint/sluicegate-churn/variant/v1", 1),
        4,
    )
    policy = client.asked["PutScalingPolicy"]["TargetTrackingScalingPolicyConfiguration"]
    assert policy["TargetValue"] == 800.0
    assert policy["PredefinedMetricSpecification"] == {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    scaling.stop("sluicegate-churn", "v1")
    assert client.asked["DeregisterScalableTarget"]["ResourceId"] == "endpoint/sluicegate-churn/variant/v1"


@pytest.fixture
def alarms(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield CloudWatchAlarms(boto3.client("cloudwatch", region_name="us-east-1"))


def test_alarms_are_made_once_seen_and_deleted_whatever_is_there(alarms: CloudWatchAlarms) -> None:
    errors = AlarmSpec("c-v2-errors", "It failed.", "AWS/SageMaker", "Invocation5XXErrors", FLEET, "Sum", 1)
    latency = AlarmSpec("c-v2-latency", "It is slow.", "AWS/SageMaker", "ModelLatency", FLEET, "p99", 5e5)
    for _ in range(2):
        for spec in (errors, latency):
            alarms.put(spec, {"sluicegate:model": "churn"})
    assert {state.name for state in alarms.states(["c-v2-errors", "c-v2-latency", "other"])} == {
        "c-v2-errors",
        "c-v2-latency",
    }
    assert alarms.states([]) == []
    alarms.delete(["c-v2-errors", "other"])
    assert [state.name for state in alarms.states(["c-v2-errors", "c-v2-latency"])] == ["c-v2-latency"]
    alarms.delete(["other"])


def test_a_latency_that_nobody_measured_is_none(alarms: CloudWatchAlarms) -> None:
    assert alarms.latency_ms("sluicegate-churn", "v1", NOW, timedelta(days=1)) is None


def test_the_latency_is_in_milliseconds() -> None:
    class CloudWatch:
        def get_metric_statistics(self, **asked: Any) -> Any:
            assert asked["Period"] == 86_400
            assert asked["EndTime"] - asked["StartTime"] == timedelta(days=1)
            return {"Datapoints": [{"ExtendedStatistics": {"p99": 12_500.0}}]}

    assert CloudWatchAlarms(CloudWatch()).latency_ms("e", "v", NOW, timedelta(days=1)) == 12.5


def test_the_bell_is_an_event_of_the_models_time() -> None:
    class Events:
        failed = 0

        def put_events(self, Entries: list[dict[str, Any]]) -> Any:
            self.entry = Entries[0]
            return {"FailedEntryCount": self.failed, "Entries": [{"ErrorMessage": "full"}]}

    events = Events()
    EventBridgeBell(events, "sluicegate").ring("churn", NOW)
    assert (events.entry["Source"], events.entry["DetailType"]) == ("sluicegate", "Rollout Asked")
    assert json.loads(events.entry["Detail"]) == {"prefix": "sluicegate", "model": "churn"}
    assert events.entry["Time"] == NOW
    EventBridgeBell(events, "sluicegate").ended("tuning", "sluicegate-T1", "Completed", NOW)
    assert events.entry["DetailType"] == "SageMaker HyperParameter Tuning Job State Change"
    assert json.loads(events.entry["Detail"]) == {
        "HyperParameterTuningJobName": "sluicegate-T1",
        "HyperParameterTuningJobStatus": "Completed",
    }
    events.failed = 1
    with pytest.raises(Transient, match="full"):
        EventBridgeBell(events, "sluicegate").ring("churn", NOW)

"""Autoscaling of an endpoint on a region of its own, whose clock is moved minute by minute."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, running_region
from tests.support.sagemaker import Work

DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegion]:
    with running_region(tmp_path_factory.mktemp("autoscaling") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def work(region: RunningRegion) -> Work:
    return Work(region)


def place(endpoint: str) -> dict[str, str]:
    resource = f"endpoint/{endpoint}/variant/v"
    return {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": DIMENSION}


def policy(target: float, metric: str = "SageMakerVariantInvocationsPerInstance", **more: Any) -> dict[str, Any]:
    tracking = {"TargetValue": target, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}, **more}
    return {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": tracking}


def instances(work: Work, endpoint: str) -> int:
    found = work.status(endpoint, "InService")["ProductionVariants"][0]
    assert found["CurrentInstanceCount"] == found["DesiredInstanceCount"]
    return int(found["CurrentInstanceCount"])


def minute(work: Work, endpoint: str, requests: int) -> None:
    for _ in range(requests):
        work.invoke(endpoint, b"1,2")
    work.region.advance("+1m")


def test_out_with_the_load_and_in_without_it(work: Work) -> None:
    scaling = work.region.client("application-autoscaling")
    endpoint = work.endpoint(work.config(v=(work.small_model(), 1.0)))
    work.status(endpoint, "InService")
    scaling.register_scalable_target(**place(endpoint), MinCapacity=1, MaxCapacity=3)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 3)
    scaling.put_scaling_policy(**place(endpoint), PolicyName="p", **policy(10, ScaleInCooldown=60))
    (kept,) = scaling.describe_scaling_policies(**place(endpoint))["ScalingPolicies"]
    assert kept["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 10
    for _ in range(4):
        minute(work, endpoint, 25)
    assert instances(work, endpoint) == 3
    for _ in range(17):
        minute(work, endpoint, 1)
    assert instances(work, endpoint) == 1
    told = scaling.describe_scaling_activities(**place(endpoint))["ScalingActivities"]
    counts = [int(activity["Description"].removeprefix("Setting desired instance count to ")[0]) for activity in told]
    assert (counts[-1], counts[0]) == (3, 1)  # the newest is first
    assert {activity["StatusCode"] for activity in told} == {"Successful"}
    # a new lower bound holds without any load
    scaling.register_scalable_target(**place(endpoint), MinCapacity=2)
    work.region.advance("+2m")
    assert instances(work, endpoint) == 2
    # a target does not outlive its endpoint
    work.sm.delete_endpoint(EndpointName=endpoint)
    work.region.advance("+2m")
    assert scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"] == []


def test_what_is_refused(work: Work) -> None:
    scaling = work.region.client("application-autoscaling")
    endpoint = work.endpoint(work.config(v=(work.small_model(), 1.0)))
    work.status(endpoint, "InService")
    register = scaling.register_scalable_target
    for given, words in (
        ({**place("gone"), "MinCapacity": 1, "MaxCapacity": 2}, "doesn't exist"),
        ({**place(endpoint), "MinCapacity": 3, "MaxCapacity": 2}, "less than minimum"),
        ({**place(endpoint), "MaxCapacity": 2}, "are required"),
        ({**place(endpoint), "MinCapacity": 0, "MaxCapacity": 2}, "at least 1"),
        ({**place(endpoint), "ServiceNamespace": "ecs", "MinCapacity": 1, "MaxCapacity": 2}, "namespace ecs"),
    ):
        with pytest.raises(ClientError, match=words):
            register(**given)
    with pytest.raises(ClientError, match="ObjectNotFound"):
        scaling.put_scaling_policy(**place(endpoint), PolicyName="p", **policy(10))
    register(**place(endpoint), MinCapacity=1, MaxCapacity=2)
    with pytest.raises(ClientError, match="does not support the metric"):
        scaling.put_scaling_policy(
            **place(endpoint), PolicyName="p", **policy(10, "SageMakerInferenceComponentInvocationsPerCopy")
        )
    with pytest.raises(ClientError, match="StepScaling"):
        scaling.put_scaling_policy(**place(endpoint), PolicyName="p", PolicyType="StepScaling")
    scaling.deregister_scalable_target(**place(endpoint))
    with pytest.raises(ClientError, match="ObjectNotFound"):
        scaling.deregister_scalable_target(**place(endpoint))

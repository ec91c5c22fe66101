"""Guarded updates on a region of its own, whose clock is moved: canary, linear, alarms, rollback, under load."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, running_region, wait_for
from tests.support.sagemaker import Work


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegion]:
    with running_region(tmp_path_factory.mktemp("guarded") / "state") as running:
        yield running


@pytest.fixture(scope="module")
def work(region: RunningRegion) -> Work:
    return Work(region)


@pytest.fixture(scope="module")
def model(work: Work) -> str:
    return work.small_model()


def guard(kind: str, *alarms: str, wait: int = 600, termination: int = 600, **size: int) -> dict[str, Any]:
    routing: dict[str, Any] = {"Type": kind, "WaitIntervalInSeconds": wait}
    routing |= {name: {"Type": "CAPACITY_PERCENT", "Value": value} for name, value in size.items()}
    config: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": termination}
    }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def alarm(work: Work, endpoint: str, metric: str = "Invocation5XXErrors", **dimensions: str) -> str:
    name = f"alarm-{uuid.uuid4().hex[:8]}"
    named = {"EndpointName": endpoint, "VariantName": "v", **dimensions}
    work.region.client("cloudwatch").put_metric_alarm(
        AlarmName=name,
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=[{"Name": key, "Value": value} for key, value in named.items()],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    return name


def told(work: Work, endpoint: str, kind: str) -> list[dict[str, Any]]:
    name = f"SageMaker {kind} State Change"
    events = work.region.events_after(0)
    return [e["detail"] for e in events if e["detail-type"] == name and e["detail"]["EndpointName"] == endpoint]


def stages(work: Work, endpoint: str) -> list[str]:
    """The message of each change of the pending deployment, in order."""
    return [
        detail["PendingDeploymentSummary"]["ProductionVariants"][0]["VariantStatus"][0]["StatusMessage"]
        for detail in told(work, endpoint, "Endpoint Deployment")
    ]


class Load:
    """Two clients that call without a pause."""

    def __init__(self) -> None:
        self.answered, self.failures = 0, list[Exception]()

    def go_on(self, requests: int = 30) -> None:
        """Wait until so many more were answered: a clock that is moved leaves no time for any."""
        enough = self.answered + requests
        wait_for(lambda: self.answered >= enough or self.failures, 30, f"{requests} more answers")


@contextmanager
def load(work: Work, endpoint: str) -> Iterator[Load]:
    stop, seen = threading.Event(), Load()

    def client() -> None:
        while not stop.is_set():
            try:
                work.invoke(endpoint, b"1,2")
                seen.answered += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                seen.failures.append(error)

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        seen.go_on()
        yield seen
        seen.go_on()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def stage(work: Work, endpoint: str, text: str) -> None:
    wait_for(lambda: [message for message in stages(work, endpoint) if text in message], 30, text)


def refused(work: Work, endpoint: str, config: str, **more: Any) -> str:
    with pytest.raises(ClientError) as error:
        work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=config, **more)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    return str(error.value.response["Error"]["Message"])


def test_a_canary_bakes_by_the_clock_and_takes_all(work: Work, model: str) -> None:
    old, new = work.config(v=(model, 1.0)), work.config(v=(model, 1.0))
    endpoint = work.endpoint(old)
    work.status(endpoint, "InService")
    deployment = guard("CANARY", alarm(work, endpoint), CanarySize=30)
    with load(work, endpoint) as seen:
        work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=deployment)
        assert "Cannot update in-progress endpoint" in refused(work, endpoint, old)
        stage(work, endpoint, "Baking for 600 seconds (WaitIntervalInSeconds)")
        found = work.sm.describe_endpoint(EndpointName=endpoint)
        assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("Updating", old)
        pending = found["PendingDeploymentSummary"]
        assert pending["EndpointConfigName"] == new
        assert pending["ProductionVariants"][0]["VariantStatus"][0]["Status"] == "Baking"
        seen.go_on()
        work.region.advance("+9m")
        assert work.sm.describe_endpoint(EndpointName=endpoint)["EndpointStatus"] == "Updating"
        work.region.advance("+2m")
        seen.go_on()
        work.region.advance("+10m")
        found = work.status(endpoint, "InService")
    assert not seen.failures
    assert found["EndpointConfigName"] == new
    assert found["LastDeploymentConfig"] == deployment
    assert "PendingDeploymentSummary" not in found
    assert "FailureReason" not in found
    assert stages(work, endpoint) == [
        "Launching 1 instance(s).",
        "Activating traffic on canary capacity of 1 instance(s).",
        "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s).",
        "Activating traffic on full capacity of 1 instance(s).",
        "Baking for 600 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 1 instance(s).",
        "Terminating 1 instance(s).",
    ]
    statuses = [detail["EndpointStatus"] for detail in told(work, endpoint, "Endpoint")]
    assert statuses == ["CREATING", "IN_SERVICE", "UPDATING", "IN_SERVICE"]
    # the canary had its share: what the metrics of the new configuration say of the time before it had all
    by_config = {
        config: sum(
            point["Sum"]
            for point in work.region.client("cloudwatch").get_metric_statistics(
                Namespace="AWS/SageMaker",
                MetricName="Invocations",
                Dimensions=[
                    {"Name": "EndpointName", "Value": endpoint},
                    {"Name": "VariantName", "Value": "v"},
                    {"Name": "EndpointConfigName", "Value": config},
                ],
                StartTime=pending["StartTime"],
                EndTime=found["LastModifiedTime"],
                Period=86400,
                Statistics=["Sum"],
            )["Datapoints"]
        )
        for config in (old, new)
    }
    assert all(count > 0 for count in by_config.values()), by_config


def test_errors_of_the_new_fleet_alone_roll_back(work: Work, model: str) -> None:
    old, new = work.config(v=(model, 1.0)), work.config(v=(model, 1.0))
    endpoint = work.endpoint(old)
    work.status(endpoint, "InService")
    name = alarm(work, endpoint, "Invocation4XXErrors", EndpointConfigName=new)
    deployment = guard("LINEAR", name, LinearStepSize=50)
    work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=deployment)
    stage(work, endpoint, "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on linear capacity")
    with load(work, endpoint) as seen:
        for _ in range(20):  # half of them, more or less, reach the new fleet
            with pytest.raises(ClientError):
                work.invoke(endpoint, b"no,numbers")
        work.region.advance("+1m")
        found = work.status(endpoint, "InService")
    assert not seen.failures
    assert found["EndpointConfigName"] == old
    assert name in found["FailureReason"]
    assert "PendingDeploymentSummary" not in found
    statuses = [detail["EndpointStatus"] for detail in told(work, endpoint, "Endpoint")]
    assert statuses == ["CREATING", "IN_SERVICE", "UPDATING", "ROLLING_BACK", "IN_SERVICE"]
    # the next update may reuse what the last one was guarded by; a good one forgets the failure
    work.region.client("cloudwatch").delete_alarms(AlarmNames=[name])
    assert name in refused(work, endpoint, new, RetainDeploymentConfig=True)
    work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=new)
    wait_for(lambda: work.sm.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"] == new, 30, "the update")
    assert "FailureReason" not in work.status(endpoint, "InService")


def test_an_alarm_that_is_set_rolls_back_at_once_and_a_broken_artifact_never_takes_a_request(
    work: Work, model: str
) -> None:
    old, new = work.config(v=(model, 1.0)), work.config(v=(model, 1.0))
    broken = work.config(v=(work.model(work.put("broken/model.tar.gz", b"no archive")), 1.0))
    endpoint = work.endpoint(old)
    work.status(endpoint, "InService")
    name = alarm(work, endpoint)
    deployment, cloudwatch = guard("ALL_AT_ONCE", name), work.region.client("cloudwatch")

    def calm() -> bool:
        return bool(cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"] == "OK")

    with load(work, endpoint) as seen:
        work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=new, DeploymentConfig=deployment)
        stage(work, endpoint, "Baking for 600 seconds (TerminationWaitInSeconds)")
        seen.go_on()
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a drill")
        found = work.status(endpoint, "InService")
        assert (found["EndpointConfigName"], name in found["FailureReason"]) == (old, True)
        wait_for(calm, 30, "the alarm's end")
        work.sm.update_endpoint(EndpointName=endpoint, EndpointConfigName=broken, RetainDeploymentConfig=True)
        wait_for(lambda: "FailureReason" in work.sm.describe_endpoint(EndpointName=endpoint), 30, "the failure")
        found = work.status(endpoint, "InService")
    assert not seen.failures
    assert found["EndpointConfigName"] == old
    assert "Failed to extract model data archive" in found["FailureReason"]


def test_what_is_refused(work: Work, model: str) -> None:
    old, new = work.config(v=(model, 1.0)), work.config(v=(model, 1.0))
    other = work.config(w=(model, 1.0))
    serverless = work.name("serverless")
    work.sm.create_endpoint_config(
        EndpointConfigName=serverless,
        ProductionVariants=[
            {"VariantName": "v", "ModelName": model, "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
        ],
    )
    endpoint = work.endpoint(old)
    work.status(endpoint, "InService")
    at_once = guard("ALL_AT_ONCE")
    assert "variant names" in refused(work, endpoint, other, DeploymentConfig=at_once)
    assert "serverless" in refused(work, endpoint, serverless, DeploymentConfig=at_once)
    assert "to a serverless endpoint is not supported" in refused(work, endpoint, serverless)
    assert "at most 50%" in refused(work, endpoint, new, DeploymentConfig=guard("CANARY", CanarySize=60))
    assert "no-such-alarm" in refused(work, endpoint, new, DeploymentConfig=guard("ALL_AT_ONCE", "no-such-alarm"))
    assert "not both" in refused(work, endpoint, new, DeploymentConfig=at_once, RetainDeploymentConfig=True)
    rolling = {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 0}
    rolling |= {"RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}}
    answer = refused(work, endpoint, new, DeploymentConfig={"RollingUpdatePolicy": rolling})
    assert "does not support RollbackMaximumBatchSize" in answer
    found = work.sm.describe_endpoint(EndpointName=endpoint)
    assert (found["EndpointStatus"], "LastDeploymentConfig" in found) == ("InService", False)

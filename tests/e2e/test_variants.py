"""What an endpoint may have beside its variants' models: instances, a shadow, data capture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, wait_for
from tests.support.sagemaker import Work


@pytest.fixture(scope="module")
def work(region: RunningRegion) -> Work:
    return Work(region)


@pytest.fixture(scope="module")
def model(work: Work) -> str:
    return work.small_model()


def variant(name: str, model: str, **more: Any) -> dict[str, Any]:
    base = {"VariantName": name, "ModelName": model, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    return {**base, **more}


def capture(work: Work, **more: Any) -> dict[str, Any]:
    return {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{work.bucket}/captured",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        **more,
    }


def serving(work: Work, production: list[dict[str, Any]], **more: Any) -> str:
    config = work.name("config")
    work.sm.create_endpoint_config(EndpointConfigName=config, ProductionVariants=production, **more)
    endpoint = work.endpoint(config)
    work.status(endpoint, "InService")
    return endpoint


def lines(work: Work, endpoint: str, name: str) -> list[dict[str, Any]]:
    prefix = f"captured/{endpoint}/{name}/"
    found = work.s3.list_objects_v2(Bucket=work.bucket, Prefix=prefix).get("Contents", [])
    texts = [work.get(f"s3://{work.bucket}/{item['Key']}").decode() for item in found]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def enough(work: Work, endpoint: str, name: str, count: int) -> list[dict[str, Any]]:
    """The captured lines, when there are so many."""
    wait_for(lambda: len(lines(work, endpoint, name)) >= count, 20, f"{count} captured lines of {name}")
    return lines(work, endpoint, name)


def test_requests_and_answers_are_captured_behind_the_requests(work: Work, model: str) -> None:
    endpoint = serving(work, [variant("v", model)], DataCaptureConfig=capture(work))
    described = work.sm.describe_endpoint(EndpointName=endpoint)["DataCaptureConfig"]
    assert (described["CaptureStatus"], described["CurrentSamplingPercentage"]) == ("Started", 100)
    answers = [work.invoke(endpoint, f"{n},2".encode(), InferenceId=f"id-{n}")["Body"].read() for n in range(5)]
    with pytest.raises(ClientError):
        work.invoke(endpoint, b"no,numbers")  # no answer, nothing to capture
    found = enough(work, endpoint, "v", 5)
    assert len(found) == 5
    by_id = {line["eventMetadata"]["inferenceId"]: line for line in found}
    for n, answer in enumerate(answers):
        line = by_id[f"id-{n}"]
        given, got = line["captureData"]["endpointInput"], line["captureData"]["endpointOutput"]
        assert given == {"observedContentType": "text/csv", "mode": "INPUT", "data": f"{n},2", "encoding": "CSV"}
        assert (got["mode"], got["data"], got["encoding"]) == ("OUTPUT", answer.decode(), "CSV")
        assert line["eventVersion"] == "0"
    assert len({line["eventMetadata"]["eventId"] for line in found}) == 5
    key = work.s3.list_objects_v2(Bucket=work.bucket, Prefix=f"captured/{endpoint}/")["Contents"][0]["Key"]
    hour = found[0]["eventMetadata"]["inferenceTime"][:13].replace("-", "/").replace("T", "/")
    assert key.startswith(f"captured/{endpoint}/v/{hour}/")
    assert key.endswith(".jsonl")


def test_a_shadow_sees_copies_that_nobody_waits_for(work: Work, model: str) -> None:
    broken = work.model(work.put("pickle/model.tar.gz", b"no archive"))
    shadowed = {"ShadowProductionVariants": [variant("s", model)], "DataCaptureConfig": capture(work)}
    endpoint = serving(work, [variant("v", model)], **shadowed)
    described = work.sm.describe_endpoint(EndpointName=endpoint)
    assert [each["VariantName"] for each in described["ShadowProductionVariants"]] == ["s"]
    seen = {work.invoke(endpoint, b"1,2", InferenceId=f"n{n}")["InvokedProductionVariant"] for n in range(6)}
    assert seen == {"v"}
    with pytest.raises(ClientError, match="not found"):
        work.invoke(endpoint, b"1,2", TargetVariant="s")
    copies = enough(work, endpoint, "s", 6)
    assert {line["eventMetadata"]["inferenceId"] for line in copies} == {f"n{n}" for n in range(6)}
    # none of them when its weight is 0
    work.sm.update_endpoint_weights_and_capacities(
        EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "s", "DesiredWeight": 0.0}]
    )
    work.status(endpoint, "InService")
    work.invoke(endpoint, b"1,2", InferenceId="unseen")
    wait_for(
        lambda: "unseen" in {line["eventMetadata"].get("inferenceId") for line in lines(work, endpoint, "v")}, 20, "it"
    )
    assert "unseen" not in {line["eventMetadata"].get("inferenceId") for line in lines(work, endpoint, "s")}
    # a shadow that can't load fails the creation, as any variant does
    config = work.name("config")
    work.sm.create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[variant("v", model)],
        ShadowProductionVariants=[variant("s", broken)],
    )
    assert "variant s" in work.status(work.endpoint(config), "Failed")["FailureReason"]


def folders(work: Work) -> set[str]:
    return {path.name for path in Path(work.region.state_dir / "sagemaker").glob("serve-*")}


def test_instances_are_processes_and_no_request_fails_while_they_come_and_go(work: Work, model: str) -> None:
    before = folders(work)
    endpoint = serving(work, [variant("v", model, InitialInstanceCount=2)])
    assert len(folders(work) - before) == 2
    for count in (3, 1):
        work.sm.update_endpoint_weights_and_capacities(
            EndpointName=endpoint, DesiredWeightsAndCapacities=[{"VariantName": "v", "DesiredInstanceCount": count}]
        )
        work.invoke(endpoint, b"1,2")
        described = work.status(endpoint, "InService")["ProductionVariants"][0]
        assert (described["CurrentInstanceCount"], described["DesiredInstanceCount"]) == (count, count)
        assert len(folders(work) - before) == count
        work.invoke(endpoint, b"1,2")
    events = work.region.events_after(0)
    told = [
        e["detail"]["ProductionVariants"][0]["VariantStatus"][0]["StatusMessage"]
        for e in events
        if e["detail-type"] == "SageMaker Endpoint Deployment State Change" and e["detail"]["EndpointName"] == endpoint
    ]
    assert told == ["Scaling out desired instance count to 3.", "Scaling in desired instance count to 1."]


def test_what_serverless_has_not(work: Work, model: str) -> None:
    serverless: dict[str, Any] = {"VariantName": "v", "ModelName": model}
    serverless |= {"ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    for more, words in (
        ({"DataCaptureConfig": capture(work)}, "Data capture is not supported"),
        ({"ShadowProductionVariants": [variant("s", model)]}, "Shadow variants are not supported"),
    ):
        with pytest.raises(ClientError, match=words):
            work.sm.create_endpoint_config(
                EndpointConfigName=work.name("config"), ProductionVariants=[serverless], **more
            )

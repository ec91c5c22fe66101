"""The operations and their answers against botocore's model of SageMaker, with a region that records."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from local_region.ports import AwsError, AwsRequest, Principal, RegionConfig
from local_region.sagemaker.runtime import SageMakerRuntimeService
from local_region.sagemaker.service import SageMakerService

MODEL = botocore.session.get_session().get_service_model("sagemaker")
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
ROLE = "arn:aws:iam::123456789012:role/r"


class FakeRegion(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment] # a region is itself, not what it holds


@pytest.fixture
def region(tmp_path: Path) -> Any:
    published: list[tuple[Any, ...]] = []
    return FakeRegion(
        config=RegionConfig("127.0.0.1", 4566, tmp_path),
        clock=SimpleNamespace(now=lambda: datetime.now(UTC)),
        events=SimpleNamespace(publish=lambda *event: published.append(event)),
        published=published,
    )


def call(service: SageMakerService, operation: str, **params: Any) -> dict[str, Any]:
    """As the front does it; the answer is checked against the output shape, required members included."""
    request = AwsRequest("sagemaker", operation, params, Principal("k", "arn:aws:iam::1:root"), {})
    answer = service.operations()[operation](request)
    shape = MODEL.operation_model(operation).output_shape
    if shape is not None:
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), report.generate_report()
        assert set(answer) <= set(shape.members)
    return answer


def test_every_operation_is_sagemakers(region: Any) -> None:
    assert set(SageMakerService(region).operations()) <= set(MODEL.operation_names)
    runtime = botocore.session.get_session().get_service_model("sagemaker-runtime")
    assert set(SageMakerRuntimeService(region).operations()) <= set(runtime.operation_names)


def test_answers_have_their_shapes(region: Any) -> None:
    service = SageMakerService(region)
    container = {"Image": IMAGE, "ModelDataUrl": "s3://b/m.tar.gz"}
    arn = call(service, "CreateModel", ModelName="m", PrimaryContainer=container, ExecutionRoleArn=ROLE)["ModelArn"]
    assert arn == "arn:aws:sagemaker:us-east-1:123456789012:model/m"
    assert call(service, "DescribeModel", ModelName="m")["PrimaryContainer"]["Image"] == IMAGE
    variant = {"VariantName": "v", "ModelName": "m", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 1}}
    call(service, "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant])
    call(service, "DescribeEndpointConfig", EndpointConfigName="c")
    call(service, "CreateModelPackageGroup", ModelPackageGroupName="g")
    call(service, "DescribeModelPackageGroup", ModelPackageGroupName="g")
    package = call(
        service, "CreateModelPackage", ModelPackageGroupName="g", InferenceSpecification={"Containers": [container]}
    )["ModelPackageArn"]
    assert call(service, "DescribeModelPackage", ModelPackageName=package)["ModelPackageVersion"] == 1
    for operation in (
        "ListModels", "ListEndpointConfigs", "ListEndpoints", "ListModelPackageGroups", "ListTrainingJobs",
        "ListTransformJobs",
    ):  # fmt: skip
        call(service, operation)
    assert len(call(service, "ListModelPackages", ModelPackageGroupName="g")["ModelPackageSummaryList"]) == 1
    kinds = [event[1] for event in region.published]
    assert kinds == [f"SageMaker {kind} State Change" for kind in ("Model", "Endpoint Config", "Model Package")]


@pytest.mark.parametrize(
    ("operation", "params", "named"),
    [
        ("CreateModel", {"ModelName": "m", "PrimaryContainer": {"Image": "me/x:1"}}, "me/x:1"),
        ("CreateModel", {"ModelName": "m", "Containers": [{"Image": IMAGE}, {"Image": IMAGE}]}, "pipelines"),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": [], "ExplainerConfig": {"ClarifyExplainerConfig": {}}},
            "ExplainerConfig",
        ),
        ("CreateModelPackage", {"ModelPackageName": "p"}, "unversioned"),
    ],
)
def test_what_is_not_supported_is_named(region: Any, operation: str, params: dict[str, Any], named: str) -> None:
    with pytest.raises(AwsError, match=named) as caught:
        call(SageMakerService(region), operation, **params)
    assert caught.value.code == "ValidationException"

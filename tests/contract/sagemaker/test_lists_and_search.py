"""Lists, search, tags and notebook instances as clients expect them; each answer against botocore's model."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_region.ports import AwsError, RegionConfig
from local_region.sagemaker.records import Record, invalid, paged
from local_region.sagemaker.service import SageMakerService
from tests.contract.sagemaker.test_service_model import IMAGE, ROLE, FakeRegion, call
from tests.support.region import wait_for

START = datetime(2026, 1, 1, tzinfo=UTC)
SCRIPT = base64.b64encode(b"#!/bin/bash\n").decode()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SageMakerService]:
    """Its clock goes on by a minute with every look."""
    published: list[tuple[Any, ...]] = []
    times = iter(START + timedelta(minutes=number) for number in range(10_000))
    region: Any = FakeRegion(
        config=RegionConfig("127.0.0.1", 4566, tmp_path),
        clock=SimpleNamespace(now=lambda: next(times)),
        events=SimpleNamespace(publish=lambda *event: published.append(event)),
        published=published,
    )
    made = SageMakerService(region)
    yield made
    made.notebooks.stop()


def published(service: SageMakerService) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = service._region.published  # type: ignore[attr-defined]
    return found


def job(service: SageMakerService, name: str, at: int, status: str = "Completed", **more: Any) -> None:
    """A training job that has been: only its record is needed here."""
    moment = START + timedelta(hours=at)
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"
    record = Record(name, arn, {"TrainingJobName": name, **more.pop("request", {})}, moment, moment)
    record.tags.update(more.pop("tags", {}))
    record.state = {
        "TrainingJobArn": arn, "TrainingJobStatus": status, "CreationTime": moment, "LastModifiedTime": moment,
        "SecondaryStatus": status, **more,
    }  # fmt: skip
    service.training.table.add(record, lambda: invalid("taken"))


@pytest.fixture
def jobs(service: SageMakerService) -> SageMakerService:
    for number in range(25):
        job(
            service,
            f"churn-{number:02d}",
            number,
            "Failed" if number % 5 == 0 else "Completed",
            request={"HyperParameters": {"eta": f"0.{number + 1:02d}", "booster": "gbtree"}},
            tags={"team": "a" if number < 10 else "b"},
            FinalMetricDataList=[{"MetricName": "validation:auc", "Value": 0.5 + number / 100, "Timestamp": START}],
            BillableTimeInSeconds=number + 1,
            SecondaryStatusTransitions=[
                {"Status": "Starting", "StartTime": START, "StatusMessage": "a"},
                {"Status": "Training", "StartTime": START, "StatusMessage": f"b{number}"},
            ],
        )
    job(service, "price-1", 99, "InProgress")
    return service


def names(answer: dict[str, Any]) -> list[str]:
    return [line["TrainingJobName"] for line in answer["TrainingJobSummaries"]]


def test_a_list_is_filtered_sorted_and_paged(jobs: SageMakerService) -> None:
    assert names(call(jobs, "ListTrainingJobs", MaxResults=2)) == ["price-1", "churn-24"]
    failed = call(jobs, "ListTrainingJobs", StatusEquals="Failed", SortBy="Name", SortOrder="Ascending")
    assert names(failed) == [f"churn-{number:02d}" for number in range(0, 25, 5)]
    some = call(
        jobs, "ListTrainingJobs", NameContains="CHURN", CreationTimeAfter=START + timedelta(hours=3),
        LastModifiedTimeBefore=START + timedelta(hours=6), SortBy="CreationTime", SortOrder="Ascending",
    )  # fmt: skip
    assert names(some) == ["churn-04", "churn-05"]
    by_status = names(call(jobs, "ListTrainingJobs", SortBy="Status", SortOrder="Ascending", MaxResults=100))
    assert by_status[-1] == "price-1" and by_status[0] == "churn-01"


def test_all_pages_are_the_whole_list_once(jobs: SageMakerService) -> None:
    seen: list[str] = []
    token: dict[str, Any] = {}
    while True:
        page = call(jobs, "ListTrainingJobs", NameContains="churn", MaxResults=7, **token)
        seen += names(page)
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == [f"churn-{number:02d}" for number in reversed(range(25))]


def test_a_job_that_has_ended_can_be_deleted(jobs: SageMakerService) -> None:
    job(jobs, "runs", 30, "InProgress")
    with pytest.raises(AwsError, match="in status InProgress") as caught:
        call(jobs, "DeleteTrainingJob", TrainingJobName="runs")
    assert caught.value.code == "ResourceInUse"
    call(jobs, "DeleteTrainingJob", TrainingJobName="churn-03")
    with pytest.raises(AwsError) as caught:
        call(jobs, "DeleteTrainingJob", TrainingJobName="churn-03")
    assert caught.value.code == "ResourceNotFound"
    with pytest.raises(AwsError, match="not found"):
        call(jobs, "DescribeTrainingJob", TrainingJobName="churn-03")
    job(jobs, "churn-03", 31)  # the name is free again


@pytest.mark.parametrize("other", [{"NameContains": "price"}, {"SortBy": "Name"}, {"StatusEquals": "Failed"}])
def test_a_token_is_of_its_query(jobs: SageMakerService, other: dict[str, Any]) -> None:
    token = call(jobs, "ListTrainingJobs", MaxResults=3)["NextToken"]
    assert len(names(call(jobs, "ListTrainingJobs", MaxResults=5, NextToken=token))) == 5
    with pytest.raises(AwsError, match="other parameters"):
        call(jobs, "ListTrainingJobs", NextToken=token, **other)
    for broken in ("nonsense", "AAAA", token[:-6]):
        with pytest.raises(AwsError, match="NextToken"):
            call(jobs, "ListTrainingJobs", NextToken=broken)


@given(st.integers(0, 60), st.integers(1, 25))
def test_pages_of_any_size(count: int, size: int) -> None:
    items, seen, token = list(range(count)), list[int](), dict[str, Any]()
    for _ in range(count + 1):
        page, token = paged({"MaxResults": size, **token}, items)
        seen += page
        if not token:
            break
    assert seen == items


def found(service: SageMakerService, *filters: dict[str, Any], **more: Any) -> list[str]:
    expression = {"Filters": list(filters)} | more.pop("expression", {})
    expression = {name: value for name, value in expression.items() if value}
    answer = call(service, "Search", Resource="TrainingJob", SearchExpression=expression, MaxResults=100, **more)
    return [line["TrainingJob"]["TrainingJobName"] for line in answer["Results"]]


def test_search_by_each_operator(jobs: SageMakerService) -> None:
    status = {"Name": "TrainingJobStatus"}
    assert found(jobs, {**status, "Operator": "Equals", "Value": "InProgress"}) == ["price-1"]
    assert len(found(jobs, {**status, "Operator": "NotEquals", "Value": "Completed"})) == 6
    assert len(found(jobs, {**status, "Operator": "In", "Value": "Failed,InProgress"})) == 6
    assert len(found(jobs, {"Name": "TrainingJobName", "Operator": "Contains", "Value": "hurn-2"})) == 5
    metric = {"Name": "Metrics.validation:auc"}
    assert found(jobs, {**metric, "Operator": "GreaterThan", "Value": "0.725"}) == ["churn-24", "churn-23"]
    assert found(jobs, {**metric, "Operator": "LessThanOrEqualTo", "Value": "0.5"}) == ["churn-00"]
    assert found(jobs, {**metric, "Operator": "NotExists"}) == ["price-1"]
    assert len(found(jobs, {**metric, "Operator": "Exists"})) == 25
    eta = {"Name": "HyperParameters.eta"}
    assert found(jobs, {**eta, "Operator": "LessThan", "Value": "0.02"}) == ["churn-00"]
    assert len(found(jobs, {"Name": "Tags.team", "Value": "a"})) == 10
    later = {"Name": "CreationTime", "Operator": "GreaterThanOrEqualTo", "Value": "2026-01-02T00:00:00"}
    assert found(jobs, later) == ["price-1", "churn-24"]
    assert len(found(jobs, {"Name": "BillableTimeInSeconds", "Operator": "LessThan", "Value": "4"})) == 3


def test_search_by_expressions(jobs: SageMakerService) -> None:
    either = {
        "Operator": "Or",
        "SubExpressions": [
            {"Filters": [{"Name": "TrainingJobName", "Value": "churn-03"}]},
            {
                "Filters": [
                    {"Name": "Tags.team", "Value": "b"},
                    {"Name": "Metrics.validation:auc", "Operator": "LessThan", "Value": "0.62"},
                ]
            },
        ],
    }
    assert found(jobs, expression=either) == ["churn-11", "churn-10", "churn-03"]
    nested = {"NestedPropertyName": "SecondaryStatusTransitions"}
    both = [
        {"Name": "SecondaryStatusTransitions.Status", "Value": "Training"},
        {"Name": "SecondaryStatusTransitions.StatusMessage", "Value": "b7"},
    ]
    assert found(jobs, expression={"NestedFilters": [{**nested, "Filters": both}]}) == ["churn-07"]
    mixed = [both[0], {**both[1], "Value": "a"}]  # of two different items
    assert found(jobs, expression={"NestedFilters": [{**nested, "Filters": mixed}]}) == []


def test_search_is_sorted_and_paged(jobs: SageMakerService) -> None:
    ascending = {"SortBy": "Metrics.validation:auc", "SortOrder": "Ascending"}
    assert found(jobs, {"Name": "Tags.team", "Value": "a"}, **ascending)[:2] == ["churn-00", "churn-01"]
    page = call(jobs, "Search", Resource="TrainingJob", MaxResults=20)
    assert len(page["Results"]) == 20
    rest = call(jobs, "Search", Resource="TrainingJob", MaxResults=20, NextToken=page["NextToken"])
    assert len(rest["Results"]) == 6 and "NextToken" not in rest
    assert page["Results"][1]["TrainingJob"]["Tags"] == [{"Key": "team", "Value": "b"}]


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"Resource": "FeatureGroup"}, "Resource FeatureGroup in Search"),
        ({"SearchExpression": {"Filters": [{"Name": "Colour", "Value": "x"}]}}, "no property of TrainingJob"),
        ({"SortBy": "Colour"}, "SortBy Colour"),
        ({"SearchExpression": {"Filters": [{"Name": "RoleArn", "Operator": "Exists", "Value": "x"}]}}, "no Value"),
        ({"SearchExpression": {"Filters": [{"Name": "RoleArn", "Operator": "Contains"}]}}, "takes a Value"),
        (
            {"SearchExpression": {"SubExpressions": [{"Filters": [{"Name": "RoleArn", "Value": "x"}] * 21}]}},
            "at most 20",
        ),
        ({"CrossAccountFilterOption": "CrossAccount"}, "CrossAccount"),
    ],
)
def test_what_search_refuses(service: SageMakerService, params: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError, match=said) as caught:
        call(service, "Search", **{"Resource": "TrainingJob", **params})
    assert caught.value.code == "ValidationException"


def package(service: SageMakerService, approval: str, auc: str) -> str:
    made = call(
        service,
        "CreateModelPackage",
        ModelPackageGroupName="churn",
        ModelApprovalStatus=approval,
        InferenceSpecification={"Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/m.tar.gz"}]},
        ModelMetrics={"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/r.json"}}},
        CustomerMetadataProperties={"auc": auc},
    )
    return str(made["ModelPackageArn"])


def test_packages_by_approval_with_metrics_and_events(service: SageMakerService) -> None:
    call(service, "CreateModelPackageGroup", ModelPackageGroupName="churn")
    first, second = package(service, "PendingManualApproval", "0.8"), package(service, "Approved", "0.9")
    listed = call(service, "ListModelPackages", ModelPackageGroupName="churn", ModelApprovalStatus="Approved")
    assert [line["ModelPackageArn"] for line in listed["ModelPackageSummaryList"]] == [second]
    described = call(service, "DescribeModelPackage", ModelPackageName=first)
    assert described["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"] == "s3://b/r.json"
    call(
        service, "UpdateModelPackage", ModelPackageArn=first, ModelApprovalStatus="Rejected", ApprovalDescription="no",
        CustomerMetadataProperties={"why": "old"}, CustomerMetadataPropertiesToRemove=["auc"],
    )  # fmt: skip
    described = call(service, "DescribeModelPackage", ModelPackageName=first)
    assert described["CustomerMetadataProperties"] == {"why": "old"}
    _, kind, detail, _ = published(service)[-1]
    assert kind == "SageMaker Model Package State Change"
    assert set(detail["UpdatedModelPackageFields"]) == {
        "ModelApprovalStatus", "ApprovalDescription", "CustomerMetadataProperties",
    }  # fmt: skip
    several = call(service, "BatchDescribeModelPackage", ModelPackageArnList=[first, second, first[:-1] + "9"])
    assert set(several["ModelPackageSummaries"]) == {first, second}
    assert "does not exist" in several["BatchDescribeModelPackageErrorMap"][first[:-1] + "9"]["ErrorResponse"]
    expression = {"Filters": [{"Name": "ModelApprovalStatus", "Value": "Rejected"}]}
    results = call(service, "Search", Resource="ModelPackage", SearchExpression=expression)["Results"]
    assert [line["ModelPackage"]["ModelPackageArn"] for line in results] == [first]


def test_tags_and_their_limits(service: SageMakerService) -> None:
    made = call(service, "CreateModelPackageGroup", ModelPackageGroupName="g", Tags=[{"Key": "a", "Value": "1"}])
    arn = made["ModelPackageGroupArn"]
    call(service, "AddTags", ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": ""} for n in range(49)])
    with pytest.raises(AwsError, match="at most 50"):
        call(service, "AddTags", ResourceArn=arn, Tags=[{"Key": "one more", "Value": ""}])
    assert len(call(service, "ListTags", ResourceArn=arn)["Tags"]) == 50
    call(service, "DeleteTags", ResourceArn=arn, TagKeys=["a", "absent"])
    assert "a" not in {tag["Key"] for tag in call(service, "ListTags", ResourceArn=arn)["Tags"]}
    with pytest.raises(AwsError, match="aws:"):
        call(service, "AddTags", ResourceArn=arn, Tags=[{"Key": "aws:x", "Value": ""}])
    with pytest.raises(AwsError, match="Duplicate"):
        call(service, "AddTags", ResourceArn=arn, Tags=[{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}])
    with pytest.raises(AwsError, match="no resource"):
        call(service, "ListTags", ResourceArn=arn + "x")


def notebook_is(service: SageMakerService, status: str) -> Callable[[], bool]:
    return lambda: (
        call(service, "DescribeNotebookInstance", NotebookInstanceName="n")["NotebookInstanceStatus"] == status
    )


def test_the_life_of_a_notebook_instance(service: SageMakerService) -> None:
    on_start = [{"Content": SCRIPT}]
    call(service, "CreateNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="l", OnStart=on_start)
    params = {"NotebookInstanceName": "n", "InstanceType": "ml.t3.medium", "RoleArn": ROLE, "LifecycleConfigName": "l"}
    call(service, "CreateNotebookInstance", **params, Tags=[{"Key": "a", "Value": "1"}])
    with pytest.raises(AwsError, match="duplicate"):
        call(service, "CreateNotebookInstance", **params)
    wait_for(notebook_is(service, "InService"))
    described = call(service, "DescribeNotebookInstance", NotebookInstanceName="n")
    assert described["NotebookInstanceLifecycleConfigName"] == "l"
    assert described["VolumeSizeInGB"] == 5
    assert "Url" not in described
    for operation in ("DeleteNotebookInstance", "StartNotebookInstance", "UpdateNotebookInstance"):
        with pytest.raises(AwsError, match=r"Status \(InService\) not in \(\[Stopped, Failed\]\)"):
            call(service, operation, NotebookInstanceName="n")
    call(service, "StopNotebookInstance", NotebookInstanceName="n")
    wait_for(notebook_is(service, "Stopped"))
    call(
        service, "UpdateNotebookInstance", NotebookInstanceName="n", InstanceType="ml.m5.xlarge",
        DisassociateLifecycleConfig=True,
    )  # fmt: skip
    wait_for(notebook_is(service, "Stopped"))
    described = call(service, "DescribeNotebookInstance", NotebookInstanceName="n")
    assert described["InstanceType"] == "ml.m5.xlarge"
    assert "NotebookInstanceLifecycleConfigName" not in described
    call(service, "StartNotebookInstance", NotebookInstanceName="n")
    wait_for(notebook_is(service, "InService"))
    call(service, "StopNotebookInstance", NotebookInstanceName="n")
    wait_for(notebook_is(service, "Stopped"))
    call(service, "DeleteNotebookInstance", NotebookInstanceName="n")
    wait_for(lambda: not call(service, "ListNotebookInstances")["NotebookInstances"])
    with pytest.raises(AwsError, match="RecordNotFound"):
        call(service, "DescribeNotebookInstance", NotebookInstanceName="n")
    kinds = [event for event in published(service) if event[1] == "SageMaker Notebook Instance State Change"]
    assert [event[2]["NotebookInstanceStatus"] for event in kinds] == [
        *("Pending", "InService", "Stopping", "Stopped", "Updating", "Stopped"),
        *("Pending", "InService", "Stopping", "Stopped", "Deleting"),
    ]
    assert kinds[0][2]["Tags"] == {"a": "1"}


def test_notebook_instances_are_listed_by_what_they_use(service: SageMakerService) -> None:
    call(service, "CreateNotebookInstanceLifecycleConfig", NotebookInstanceLifecycleConfigName="stops")
    params = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE}
    call(service, "CreateNotebookInstance", NotebookInstanceName="b", **params, LifecycleConfigName="stops")
    call(service, "CreateNotebookInstance", NotebookInstanceName="a", **params, DefaultCodeRepository="repository-1")

    def listed(**given: Any) -> list[str]:
        found = call(service, "ListNotebookInstances", **given)["NotebookInstances"]
        return [line["NotebookInstanceName"] for line in found]

    assert listed() == ["a", "b"]
    assert listed(SortBy="CreationTime", SortOrder="Descending") == ["a", "b"]
    assert listed(NotebookInstanceLifecycleConfigNameContains="sto") == ["b"]
    assert listed(DefaultCodeRepositoryContains="itory") == ["a"]
    assert listed(NameContains="z") == []


def test_what_notebook_instances_refuse(service: SageMakerService) -> None:
    params = {"NotebookInstanceName": "n", "InstanceType": "ml.t3.medium", "RoleArn": ROLE}
    with pytest.raises(AwsError, match="does not exist"):
        call(service, "CreateNotebookInstance", **params, LifecycleConfigName="absent")
    call(service, "CreateNotebookInstance", **params)
    with pytest.raises(AwsError, match="no Jupyter runs"):
        call(service, "CreatePresignedNotebookInstanceUrl", NotebookInstanceName="n")
    name = {"NotebookInstanceLifecycleConfigName": "l"}
    with pytest.raises(AwsError, match="must be base64"):
        call(service, "CreateNotebookInstanceLifecycleConfig", **name, OnStart=[{"Content": "echo ä"}])
    call(service, "CreateNotebookInstanceLifecycleConfig", **name)
    with pytest.raises(AwsError, match="already exists"):
        call(service, "CreateNotebookInstanceLifecycleConfig", **name)
    call(service, "UpdateNotebookInstanceLifecycleConfig", **name, OnCreate=[{"Content": SCRIPT}])
    assert call(service, "DescribeNotebookInstanceLifecycleConfig", **name)["OnCreate"] == [{"Content": SCRIPT}]
    assert len(call(service, "ListNotebookInstanceLifecycleConfigs")["NotebookInstanceLifecycleConfigs"]) == 1
    call(service, "DeleteNotebookInstanceLifecycleConfig", **name)
    with pytest.raises(AwsError, match="does not exist"):
        call(service, "DeleteNotebookInstanceLifecycleConfig", **name)

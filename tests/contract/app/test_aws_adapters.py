"""The adapters against moto's DynamoDB, S3 and SQS, and against botocore's own model of SageMaker's requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from sluicegate.adapters.alarms import CloudWatchAlarms
from sluicegate.adapters.aws import client, translate
from sluicegate.adapters.endpoints import SageMakerEndpoints
from sluicegate.adapters.jobs import SageMakerJobs
from sluicegate.adapters.metrics import CloudWatchMetrics
from sluicegate.adapters.packages import SageMakerPackages
from sluicegate.adapters.queue import SqsTrainingQueue
from sluicegate.adapters.registry import DynamoRegistry
from sluicegate.adapters.storage import S3Storage
from sluicegate.domain.errors import AlreadyExists, Conflict, Forbidden, NotFound, Refused, Transient, UserError
from sluicegate.ports import Awaited, Change, PackageSpec, TransformSpec
from sluicegate.ports_serving import AlarmSpec, Instances, Serverless, VariantSpec
from tests.support.jobs import TRAINING
from tests.support.tables import make_table

ROLE = "arn:aws:iam::123456789012:role/sagemaker"
PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/sluicegate-churn/3"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield


@pytest.fixture
def fresh_clients() -> Any:
    client.cache_clear()
    yield
    client.cache_clear()


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-east-1"])
def test_a_signed_address_has_the_host_of_the_buckets_region(
    account: None, fresh_clients: None, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    link = urlsplit(S3Storage(client("s3"), "data").link("evaluations/churn/1/report.html", 300))
    assert link.hostname == ("data.s3.amazonaws.com" if region == "us-east-1" else f"data.s3.{region}.amazonaws.com")
    assert f"/{region}/s3/" in unquote(link.query)


def test_a_signed_address_of_a_local_region_names_the_bucket_in_its_path(
    account: None, fresh_clients: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:4566")
    assert S3Storage(client("s3"), "data").link("k", 300).startswith("http://localhost:4566/data/k?")


@pytest.fixture
def registry(account: None) -> DynamoRegistry:
    dynamodb = boto3.client("dynamodb")
    make_table(dynamodb)
    return DynamoRegistry(dynamodb, "registry")


def model_change(**fields: Any) -> Change:
    shown = {"model": "churn", "state": "waiting", "message": "", "updated_at": "2026-01-01T00:00:00.000Z"}
    return Change("model", "churn", "", set={**shown, **fields}, expect={"revision": fields["revision"] - 1 or None})


def test_the_list_says_which_models_wait_for_a_decision(registry: DynamoRegistry) -> None:
    registry.commit([model_change(revision=1, awaited=[3, 4])])
    assert [(line["model"], line.get("awaited")) for line in registry.models()] == [("churn", [3, 4])]
    registry.commit([model_change(revision=2, awaited=None)])
    assert [(line["model"], line.get("awaited")) for line in registry.models()] == [("churn", None)]


def test_a_model_is_kept_with_its_line_in_the_list(registry: DynamoRegistry) -> None:
    schema = {"columns": [{"name": "height", "type": "number", "minimum": 0.5, "maximum": 3}]}
    registry.commit([model_change(revision=1, schema=schema, live_version=None)])
    registry.commit([model_change(revision=2, state="live", live_version=4, message="Version 4 is live.")])
    assert registry.model("churn")["schema"] == schema
    (line,) = registry.models()
    assert (line["model"], line["state"], line["live_version"], line["message"]) == (
        *("churn", "live", 4),
        "Version 4 is live.",
    )


def test_a_write_made_from_an_older_revision_changes_nothing(registry: DynamoRegistry) -> None:
    registry.commit([model_change(revision=1)])
    moved = Change("run", "churn", "1f2e3d4c", set={"run": "1f2e3d4c"}, status="preparing", at="t", status_in=(None,))
    with pytest.raises(Conflict):
        registry.commit([model_change(revision=1), moved])
    with pytest.raises(NotFound):
        registry.run("churn", "1f2e3d4c")


def test_a_move_appends_to_the_history_and_holds_its_condition(registry: DynamoRegistry) -> None:
    first = Change("run", "churn", "a", set={"run": "a", "rows": {"train": 7}}, status="preparing", at="1")
    registry.commit([first])
    second = Change("run", "churn", "a", status="evaluating", passing=("training",), at="2", status_in=("preparing",))
    registry.commit([second])
    with pytest.raises(Conflict):
        registry.commit([second])
    run = registry.run("churn", "a")
    assert [line["status"] for line in run["history"]] == ["preparing", "training", "evaluating"]
    assert run["rows"] == {"train": 7}


def test_batches_are_listed_newest_first_beside_what_else_the_model_has(registry: DynamoRegistry) -> None:
    for number, name in enumerate(("0123456ab", "fedcba987")):
        at = f"2026-01-01T00:00:0{number}.000Z"
        item = {"batch": name, "model": "churn", "key": f"batch/churn/{number}.csv", "received_at": at, "rows": None}
        received = Change("batch", "churn", name, set=item, status="received", at=at, status_in=(None,))
        registry.commit([received])
        with pytest.raises(Conflict):
            registry.commit([received])
    registry.commit([model_change(revision=1)])
    assert [item["batch"] for item in registry.batches("churn")] == ["fedcba987", "0123456ab"]
    assert registry.batch("churn", "0123456ab")["status"] == "received"
    with pytest.raises(NotFound):
        registry.batch("churn", "000000000")


def test_what_is_predicted_is_one_list_over_all_models(registry: DynamoRegistry) -> None:
    def move(model: str, status: str, before: str | None) -> None:
        item = {"batch": "0123456ab", "model": model, "received_at": "1"}
        registry.commit(
            [Change("batch", model, "0123456ab", set=item, status=status, at="1", status_in=(before,))],
        )

    for model in ("churn", "houses"):
        move(model, "received", None)
        move(model, "preparing", "received")
    assert registry.predicting() == []
    for model in ("churn", "houses"):
        move(model, "predicting", "preparing")
    assert registry.predicting() == [Awaited("churn", "0123456ab"), Awaited("houses", "0123456ab")]
    with pytest.raises(Conflict):
        move("churn", "failed", "preparing")
    move("churn", "finishing", "predicting")
    move("houses", "failed", "predicting")
    assert registry.predicting() == []


def test_a_list_of_models_tells_which_run_is_active(registry: DynamoRegistry) -> None:
    registry.commit([model_change(revision=1, active_run="1f2e3d4c")])
    assert [line["active_run"] for line in registry.models()] == ["1f2e3d4c"]


def test_numbers_and_missing_values_come_back_as_they_went(registry: DynamoRegistry) -> None:
    metrics = {"auc": {"value": 0.1 + 0.2, "low": 1e-12, "high": float("nan")}, "n": 3, "flag": True, "none": None}
    registry.commit([Change("version", "churn", 12, set={"version": 12, "metrics": metrics})])
    found: Any = registry.version("churn", 12)["metrics"]
    assert found["auc"]["value"] == 0.1 + 0.2
    assert found["auc"]["low"] == 1e-12
    assert (found["auc"]["high"], found["n"], found["flag"], found["none"]) == (None, 3, True, None)


def test_numbers_that_dynamodb_has_not_are_the_nearest_that_can_be_told(registry: DynamoRegistry) -> None:
    """It takes 1e-130 to 1e126; a probability of a look at an experiment may well be 1e-200."""
    given = {"tiny": 1e-200, "least": -5e-324, "small": 1e-90, "huge": 1e200, "large": 1.5e120}
    registry.commit([Change("version", "churn", 12, set={"version": 12, "metrics": given})])
    found: Any = registry.version("churn", 12)["metrics"]
    assert float(found.pop("large")) == 1.5e120
    assert found == {"tiny": 0, "least": 0, "small": 1e-90, "huge": None}


def test_lists_are_whole_and_newest_first(registry: DynamoRegistry) -> None:
    note = "x" * 20_000  # sixty of them are more than a page of one megabyte
    for number in range(60):
        item = {"upload": f"u{number}", "received_at": f"2026-01-01T00:{number:02d}:00.000Z", "notes": [note]}
        registry.commit([Change("upload", "churn", f"u{number}", set=item)])
        registry.commit([Change("version", "churn", number + 1, set={"version": number + 1})])
    assert [item["upload"] for item in registry.uploads("churn")] == [f"u{n}" for n in reversed(range(60))]
    assert [item["version"] for item in registry.versions("churn")] == list(range(60, 0, -1))
    registry.commit([Change("upload", None, "u", set={"upload": "u", "received_at": "1"})])
    assert [item["upload"] for item in registry.unplaced()] == ["u"]


@pytest.mark.parametrize(
    ("reasons", "meaning", "said"),
    [
        (["None", "ConditionalCheckFailed"], Conflict, "ConditionalCheckFailed"),
        (["TransactionConflict"], Conflict, "TransactionConflict"),
        (["ThrottlingError", "None"], Transient, "ThrottlingError"),
        (["None", "ValidationError"], Refused, "ValidationError: of None, of ValidationError"),
        (["ThrottlingError", "ValidationError"], Refused, "of ValidationError"),
    ],
)
def test_why_a_transaction_was_cancelled_decides_what_comes_of_it(
    reasons: list[str], meaning: type[Exception], said: str
) -> None:
    class Cancelling:
        def transact_write_items(self, **_: Any) -> None:
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"},
                "CancellationReasons": [{"Code": reason, "Message": f"of {reason}"} for reason in reasons],
            }
            raise ClientError(answer, "TransactWriteItems")

    with pytest.raises(meaning, match=said) as caught:
        DynamoRegistry(Cancelling(), "registry").commit([model_change(revision=1)])
    assert type(caught.value) is meaning


def test_a_schema_that_dynamodb_cannot_hold_is_refused_in_words(registry: DynamoRegistry) -> None:
    import random

    random.seed(1)
    columns = [{"name": f"{random.getrandbits(256):x}", "type": "number"} for _ in range(8000)]
    with pytest.raises(UserError, match="Too many columns"):
        registry.commit([model_change(revision=1, schema={"columns": columns})])


def test_objects_stream_to_and_from_disk(account: None, tmp_path: Path) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="data")
    storage = S3Storage(s3, "data")
    source, target = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_bytes(b"x" * 3_000_000)
    storage.upload(source, "data/m/ä b.csv")
    found = storage.head("data/m/ä b.csv")
    storage.download(found.key, target, found.etag)
    assert target.read_bytes() == source.read_bytes()
    assert storage.read(found.key, 10) == b"x" * 11
    assert [item.key for item in storage.list("data/")] == [found.key]
    with pytest.raises(NotFound):
        storage.head("nothing")
    with pytest.raises(NotFound):
        storage.download(found.key, target, "0" * 32)


def test_an_upload_that_s3_refuses_leaves_as_what_it_means(account: None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x")
    with pytest.raises(NotFound, match="NoSuchBucket"):
        S3Storage(boto3.client("s3"), "nowhere").upload(tmp_path / "a.csv", "data/m/a.csv")


def test_a_message_waits_no_longer_than_sqs_can(account: None) -> None:
    sqs = boto3.client("sqs")
    queue = SqsTrainingQueue(sqs, sqs.create_queue(QueueName="q")["QueueUrl"])
    queue.send({"model": "churn"}, 100_000)
    queue.send({"model": "churn"}, -5)
    attributes = sqs.get_queue_attributes(QueueUrl=queue._url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesDelayed"] == "1"
    assert attributes["ApproximateNumberOfMessages"] == "1"


@pytest.fixture
def sagemaker() -> Any:
    return boto3.client("sagemaker", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")


@pytest.mark.parametrize("spot", [False, True])
def test_a_training_job_as_sagemaker_takes_it(sagemaker: Any, spot: bool) -> None:
    spec = replace(TRAINING, spot=spot)
    with Stubber(sagemaker) as stub:  # it checks every parameter against SageMaker's model
        stub.add_response("create_training_job", {"TrainingJobArn": "arn:aws:sagemaker:us-east-1:1:training-job/a"})
        SageMakerJobs(sagemaker, ROLE).create_training_job(spec)
        stub.add_client_error("create_training_job", "ResourceInUse", "Training job names must be unique")
        with pytest.raises(AlreadyExists):
            SageMakerJobs(sagemaker, ROLE).create_training_job(spec)
        stub.assert_no_pending_responses()


def test_a_model_and_a_transform_job_as_sagemaker_takes_them(sagemaker: Any) -> None:
    jobs = SageMakerJobs(sagemaker, ROLE)
    with Stubber(sagemaker) as stub:
        stub.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/a"})
        jobs.create_model("a", "image", "s3://b/model.tar.gz", {})
        arn = "arn:aws:sagemaker:us-east-1:123456789012:transform-job/a"
        stub.add_response("create_transform_job", {"TransformJobArn": arn})
        jobs.create_transform_job(TransformSpec("a", "a", "s3://b/holdout/", "s3://b/out", "ml.m5.large", {"k": "v"}))
        stub.assert_no_pending_responses()


@pytest.mark.parametrize("size", [Serverless(2048, 5), Instances("ml.m5.large", 2)])
def test_an_endpoint_config_as_sagemaker_takes_it(sagemaker: Any, size: Any) -> None:
    with Stubber(sagemaker) as stub:
        arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint-config/a"
        stub.add_response("create_endpoint_config", {"EndpointConfigArn": arn})
        SageMakerEndpoints(sagemaker).create_config("sluicegate-churn-v1", [VariantSpec("v1", "model", size)], {})
        stub.assert_no_pending_responses()


def test_a_model_without_its_artifact_is_refused_for_good(sagemaker: Any) -> None:
    with Stubber(sagemaker) as stub:
        stub.add_client_error("create_model", "ValidationException", "Could not find model data at s3://data/m.tar.gz.")
        with pytest.raises(Refused, match="model data"):
            SageMakerJobs(sagemaker, ROLE).create_model("sluicegate-churn-1", "image", "s3://data/m.tar.gz", {})


def test_an_endpoint_that_is_busy_or_missing(sagemaker: Any) -> None:
    endpoints = SageMakerEndpoints(sagemaker)
    with Stubber(sagemaker) as stub:
        busy = "Cannot update in-progress endpoint"
        stub.add_client_error("update_endpoint", "ValidationException", busy)
        with pytest.raises(Conflict):
            endpoints.update("e", "c")
        # what never passes is not "busy": nobody would ever say that it is free
        never = "Cannot update endpoint from instance-based to serverless."
        stub.add_client_error("update_endpoint", "ValidationException", never)
        with pytest.raises(Refused):
            endpoints.update("e", "c")
        stub.add_client_error("describe_endpoint", "ValidationException", 'Could not find endpoint "e".')
        with pytest.raises(NotFound):
            endpoints.endpoint("e")


@pytest.mark.parametrize(
    ("stages", "since"),
    [
        (["Creating"], None),
        (["ActivatingTraffic", "Baking"], 1),
        (["Baking", "ActivatingTraffic"], None),  # the bake of a share that is over
        ([], None),
    ],
)
def test_since_when_a_new_fleet_has_its_traffic(sagemaker: Any, stages: list[str], since: int | None) -> None:
    began = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    told = [
        {"Status": stage, "StatusMessage": f"{stage} now.", "StartTime": began.replace(second=place)}
        for place, stage in enumerate(stages)
    ]
    pending = {"EndpointConfigName": "c", "ProductionVariants": [{"VariantName": "v1", "VariantStatus": told}]}
    answer = {
        "EndpointName": "e",
        "EndpointArn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
        "EndpointStatus": "Updating",
        "CreationTime": began,
        "LastModifiedTime": began,
        "PendingDeploymentSummary": pending,
    }
    with Stubber(sagemaker) as stub:
        stub.add_response("describe_endpoint", answer)
        state = SageMakerEndpoints(sagemaker).endpoint("e")
    assert state.stage == (f"{stages[-1]} now." if stages else "")
    assert state.baking_since == (None if since is None else began.replace(second=since))


def test_a_package_waits_until_it_is_decided(sagemaker: Any) -> None:
    packages = SageMakerPackages(sagemaker)
    spec = PackageSpec(
        *("sluicegate-churn", "1f2e3d4c", "Run 1f2e3d4c", "image", "s3://b/model.tar.gz", "ml.m5.large"),
        *({"run": "1f2e3d4c", "metric": "auc=0.91"}, "s3://b/report.json"),
    )
    made = datetime(2026, 1, 1, tzinfo=UTC)
    described = {
        "ModelPackageName": "sluicegate-churn",
        "ModelPackageGroupName": "sluicegate-churn",
        "ModelPackageVersion": 3,
        "ModelPackageArn": PACKAGE,
        "CreationTime": made,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelApprovalStatus": "PendingManualApproval",
        "CustomerMetadataProperties": {"run": "1f2e3d4c"},
    }
    with Stubber(sagemaker) as stub:
        stub.add_response("create_model_package", {"ModelPackageArn": PACKAGE})
        stub.add_response("describe_model_package", described)
        sent: dict[str, Any] = {}
        sagemaker.meta.events.register("provide-client-params.sagemaker.*", lambda params, **_: sent.update(params))
        package = packages.create(replace(spec, content_type="application/x-recordio-protobuf"))
        assert sent["InferenceSpecification"]["SupportedContentTypes"] == ["application/x-recordio-protobuf"]
        assert (package.version, package.approval, package.decided_at) == (3, "PendingManualApproval", made)
        expected = {"ModelPackageArn": PACKAGE, "ModelApprovalStatus": "Approved", "ApprovalDescription": ANY}
        stub.add_response("update_model_package", {"ModelPackageArn": PACKAGE}, expected)
        packages.decide(PACKAGE, "Approved", "better " * 500)
        stub.add_response("describe_model_package", described | {"ApprovalDescription": "label leaks"})
        assert (package.reason, packages.package(PACKAGE).reason) == ("", "label leaks")
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("code", "message", "status", "meaning"),
    [
        ("ThrottlingException", "Rate exceeded", 400, Transient),
        ("InternalFailure", "", 500, Transient),
        ("SomethingNew", "", 503, Transient),
        ("ResourceLimitExceeded", "The account-level service limit ... is 0", 400, Refused),
        ("AccessDeniedException", "not authorized", 400, Forbidden),
        ("403", "Forbidden", 403, Forbidden),
        ("ValidationException", "1 validation error detected", 400, Refused),
        ("ValidationException", 'Could not find model "m".', 400, NotFound),
        ("ResourceNotFound", "", 400, NotFound),
        ("ResourceInUse", "Job names must be unique", 400, AlreadyExists),
        ("ConditionalCheckFailedException", "", 400, Conflict),
        # UpdateItem meets a transaction that is about to write the same item
        ("TransactionConflictException", "Transaction is ongoing for the item", 400, Conflict),
        # Application Auto Scaling: of a target that went with its endpoint; of one that is changed just now
        ("ObjectNotFoundException", "No scalable target found for service namespace: sagemaker", 400, NotFound),
        ("ConcurrentUpdateException", "You already have a pending update to an Auto Scaling resource", 400, Transient),
        ("RequestThrottled", "The request was denied due to request throttling", 400, Transient),
    ],
)
def test_what_an_aws_error_means(code: str, message: str, status: int, meaning: type[Exception]) -> None:
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    assert type(translate(ClientError(answer, "Operation"))) is meaning


def test_drift_is_told_by_model_and_as_a_number_of_models(account: None) -> None:
    cloudwatch = boto3.client("cloudwatch")
    state = {f"m{number}": number < 3 for number in range(1_200)}
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    for _ in range(2):
        CloudWatchMetrics(cloudwatch, "sluicegate").drifted(state, at)

    def highest(name: str, **dimensions: str) -> list[float]:
        found = cloudwatch.get_metric_statistics(
            Namespace="Sluicegate",
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            Statistics=["Maximum"],
            Period=3600,
            StartTime=at.replace(minute=0),
            EndTime=at.replace(hour=4),
        )
        return [point["Maximum"] for point in found["Datapoints"]]

    assert highest("DriftedModels", NamePrefix="sluicegate") == [3.0]
    assert highest("Drifted", NamePrefix="sluicegate", Model="m2") == [1.0]
    assert highest("Drifted", NamePrefix="sluicegate", Model="m1199") == [0.0]


def test_how_far_predictions_are_is_a_metric_and_its_alarm_looks_at_exactly_that(account: None) -> None:
    cloudwatch = boto3.client("cloudwatch")
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    measured = {"NamePrefix": "sluicegate", "Model": "churn", "Version": "2", "Attempt": "0011aabb"}
    for _ in range(2):
        CloudWatchMetrics(cloudwatch, "sluicegate").shifted(measured, 0.31, at)
    spec = AlarmSpec("churn-v2-predictions", "", "Sluicegate", "PredictionShift", measured, "Maximum", 0.25, 3)
    CloudWatchAlarms(cloudwatch).put(spec, {})
    [alarm] = cloudwatch.describe_alarms(AlarmNames=["churn-v2-predictions"])["MetricAlarms"]
    found = cloudwatch.get_metric_statistics(
        Namespace=alarm["Namespace"],
        MetricName=alarm["MetricName"],
        Dimensions=alarm["Dimensions"],
        Statistics=[alarm["Statistic"]],
        Period=60,
        StartTime=at,
        EndTime=at.replace(minute=5),
    )
    assert [point["Maximum"] for point in found["Datapoints"]] == [0.31]
    assert "Unit" not in alarm, "the metric has none, an alarm of another unit would never see it"
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (3, 1)
    assert (alarm["TreatMissingData"], alarm["ActionsEnabled"]) == ("notBreaching", False)

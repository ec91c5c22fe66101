"""Each handler takes its sample event as AWS sends it, and refuses a malformed one by naming what lacks."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sluicegate.adapters import aws
from sluicegate.bootstrap import answers, arrivals, base, batches, judging, labels, looks, serving, training
from sluicegate.events import MalformedEvent, bus_event, queue_records
from sluicegate.ports import Change
from tests.support.tables import make_table

ROOT = Path(__file__).resolve().parents[3]
FUNCTIONS = (
    *("ingest_data", "evaluate_model", "register_model", "deploy_model", "track_endpoint"),
    *("start_batch", "finish_batch", "follow_tuning", "finish_preparation"),
    "judge_experiment",
)


def handler(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"app_{name}", ROOT / "functions" / name / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def sample(name: str) -> Any:
    return json.loads((ROOT / "events" / f"{name}.json").read_text())


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty account with the stack's bucket, table and queue; the process knows nothing yet."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_SERVICE_NAME": "sluicegate",
        "NAME_PREFIX": "sluicegate",
        "DATA_BUCKET": "sluicegate-data",
        "REGISTRY_TABLE": "registry",
        "DEFAULT_QUIET_PERIOD_SECONDS": "0",
        "SAGEMAKER_ROLE_ARN": "arn:aws:iam::123456789012:role/sagemaker",
        "PREPARATION_ROLE_ARN": "arn:aws:iam::123456789012:role/preparation",
        "PREPARATION_LIMIT_MB": "0",
    }.items():
        monkeypatch.setenv(name, value)
    forget()
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="sluicegate-data")
        make_table(boto3.client("dynamodb"))
        url = boto3.client("sqs").create_queue(QueueName="training")["QueueUrl"]
        monkeypatch.setenv("TRAINING_QUEUE_URL", url)
        yield url
    forget()


def forget() -> None:
    for function in (aws.client, base.registry, base.storage, base.ledger):
        function.cache_clear()
    for function in (arrivals.ingest, arrivals.withdraw, looks.wake, looks.watch_drift):
        function.cache_clear()
    for function in (training.start, judging.evaluate, judging.register, serving.deploy, serving.track):
        function.cache_clear()
    for function in (
        batches.start_batch,
        batches.finish_batch,
        answers.record,
        base.tallies,
        labels.collect,
    ):
        function.cache_clear()


def test_a_file_goes_from_s3_into_the_registry_and_the_queue(account: str) -> None:
    event = sample("ingest_data")
    key = event["detail"]["object"]["key"]
    body = b"height,won\n" + b"".join(b"%d,%s\n" % (n, b"yes" if n > 20 else b"no") for n in range(40))
    event["detail"]["object"]["etag"] = (
        boto3.client("s3").put_object(Bucket="sluicegate-data", Key=key, Body=body)["ETag"].strip('"')
    )
    assert handler("ingest_data")(event, None) == {"outcome": "accepted"}
    assert handler("ingest_data")(event, None) == {"outcome": "known"}
    uploads = base.registry().uploads("churn")
    assert [(item["status"], item["accepted_rows"], item["key"]) for item in uploads] == [("accepted", 40, key)]
    found = boto3.client("sqs").receive_message(QueueUrl=account, MaxNumberOfMessages=10)["Messages"]
    assert {json.loads(message["Body"])["cause"] for message in found} == {uploads[0]["upload"]}


def test_a_file_that_is_deleted_leaves_the_data(account: str) -> None:
    event, gone = sample("ingest_data"), sample("ingest_data.deleted")
    key = event["detail"]["object"]["key"]
    assert gone["detail"]["object"]["key"] == key
    body = b"height,won\n" + b"".join(b"%d,%s\n" % (n, b"yes" if n > 20 else b"no") for n in range(40))
    put = boto3.client("s3").put_object(Bucket="sluicegate-data", Key=key, Body=body)
    event["detail"]["object"]["etag"] = put["ETag"].strip('"')
    assert handler("ingest_data")(event, None) == {"outcome": "accepted"}
    boto3.client("s3").delete_object(Bucket="sluicegate-data", Key=key)
    assert handler("ingest_data")(gone, None) == {"outcome": "withdrawn"}
    assert handler("ingest_data")(gone, None) == {"outcome": "known"}
    assert [item["status"] for item in base.registry().uploads("churn")] == ["withdrawn"]


def test_a_schedule_that_has_come_asks_for_a_run(account: str) -> None:
    kept = {"settings": "retrain: {schedule: rate(1 day)}", "scheduled_for": "2026-01-02T03:04:05.000Z", "revision": 1}
    line = {"model": "churn", "state": "live", "message": "", "updated_at": "2026-01-01T00:00:00.000Z"}
    base.registry().commit([Change("model", "churn", "", set=kept | line)])
    assert handler("wake_models")(sample("wake_models"), None) == {"woken": ["churn"], "told": []}
    assert base.registry().model("churn")["scheduled_for"] == "2026-01-03T03:04:05.000Z"
    (found,) = boto3.client("sqs").receive_message(QueueUrl=account, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(found["Body"])["cause"] == "schedule:2026-01-02T03:04:05.000Z"
    with pytest.raises(MalformedEvent, match="yesterday"):
        handler("wake_models")(sample("wake_models.malformed"), None)


def test_what_was_logged_goes_into_the_bucket_and_the_sums_once(account: str) -> None:
    for _ in range(2):
        assert handler("record_predictions")(sample("record_predictions"), None) == {"prediction": 1, "feedback": 0}
    s3 = boto3.client("s3")
    [found] = s3.list_objects_v2(Bucket="sluicegate-data", Prefix="prediction-log/")["Contents"]
    assert found["Key"].startswith("prediction-log/churn/dt=2026-01-02/hour=03/")
    assert found["Key"].endswith(".jsonl.gz")
    body = s3.get_object(Bucket="sluicegate-data", Key=found["Key"])["Body"].read()
    [row] = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    assert (row["record"], row["prediction"], row["slot"]) == ({"tenure": 3, "plan": "pro"}, "yes", "champion")
    experiment = json.loads(gzip.decompress(base64.b64decode(sample("record_predictions")["awslogs"]["data"])))
    (event,) = experiment["logEvents"]
    event["message"] = event["message"].replace('"cause":null', '"cause":"0123abcd"')
    for _ in range(2):
        assert handler("record_predictions")(awslogs(experiment), None) == {"prediction": 1, "feedback": 0}
    tally = base.tallies().read("churn", "0123abcd")["champion"]["2026-01-02T03"]
    assert (tally.exposures, tally.errors, tally.latency.count) == (1, 0, 1)


def test_a_batch_of_a_log_that_is_none_is_refused(account: str) -> None:
    with pytest.raises(MalformedEvent, match="not gzipped JSON"):
        handler("record_predictions")(sample("record_predictions.malformed"), None)
    malformed: list[Any] = [None, {}, {"awslogs": {}}, awslogs([]), awslogs({"logEvents": [{"id": "1"}]})]
    for event in malformed:
        with pytest.raises(MalformedEvent, match="awslogs"):
            handler("record_predictions")(event, None)
    control = awslogs({"messageType": "CONTROL_MESSAGE", "logEvents": []})
    assert handler("record_predictions")(control, None) == {}
    strange = [{"id": "1", "timestamp": 1, "message": text} for text in ("hello", "{", '{"log":"x","model":"a"}')]
    assert handler("record_predictions")(awslogs({"logEvents": strange}), None) == {"prediction": 0, "feedback": 0}


def awslogs(document: Any) -> Any:
    return {"awslogs": {"data": base64.b64encode(gzip.compress(json.dumps(document).encode())).decode()}}


class Context:
    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 900_000


def test_a_look_at_drift_is_told_as_a_metric(account: str) -> None:
    """A model whose period was looked at already; its state is told again."""
    noted = {"version": 1, "until": "2026-01-02T00:00:00.000Z", "drifted": True, "reasons": ["age: PSI 1"]}
    line = {"model": "churn", "state": "live", "message": "", "updated_at": "2026-01-01T00:00:00.000Z"}
    base.registry().commit([Change("model", "churn", "", set={**line, "live_version": 1, "drift": noted})])
    for _ in range(2):
        assert handler("watch_drift")(sample("watch_drift"), Context()) == {"drifted": ["churn"]}
    told = boto3.client("cloudwatch").list_metrics(Namespace="Sluicegate")["Metrics"]
    names = {(found["MetricName"], *sorted(one["Value"] for one in found["Dimensions"])) for found in told}
    assert names == {("Drifted", "churn", "sluicegate"), ("DriftedModels", "sluicegate")}
    with pytest.raises(MalformedEvent, match="yesterday"):
        handler("watch_drift")(sample("watch_drift.malformed"), Context())


def test_an_experiment_is_stopped_and_its_end_written(account: str) -> None:
    """Its lane never came up; a minute later nothing is left of it."""
    at = "2026-01-02T03:00:00.000Z"
    decision = {"kind": "stop", "slot": None, "version": None, "reason": "The wrong one.", "by": "ada", "at": at}
    lanes = [{"slot": "champion", "version": 2}, {"slot": "challenger", "version": 1}]
    line = {"model": "churn", "state": "live", "message": "", "updated_at": at, "live_version": 2, "revision": 1}
    items = [
        Change("model", "churn", "", set={**line, "experiment": "c0ffee12"}),
        Change(
            *("experiment", "churn", "c0ffee12"),
            set={"experiment": "c0ffee12", "model": "churn", "mode": "ab", "lanes": lanes, "design": {}}
            | {"decision": decision, "settled_at": at, "created_at": at, "updated_at": at},
            status="deciding",
        ),
    ]
    for number in (1, 2):
        version = {"model": "churn", "version": number, "run": f"run{number}", "dataset_version": "d"}
        run = {"model": "churn", "run": f"run{number}", "created_at": at, "updated_at": at}
        items += [
            Change("version", "churn", number, set=version, status="approved" if number == 1 else "live"),
            Change("run", "churn", f"run{number}", set=run, status="in_experiment" if number == 1 else "live"),
        ]
    for item in items:
        base.registry().commit([item])
    document = {"encoder": {}, "schema": {}, "problem": {"kind": "binary", "classes": ["no", "yes"]}}
    body = json.dumps(document).encode()
    boto3.client("s3").put_object(Bucket="sluicegate-data", Key="datasets/churn/d/dataset.json", Body=body)
    for _ in range(2):
        assert handler("judge_experiment")(sample("judge_experiment"), None) == {"churn": "none"}
        assert handler("judge_experiment")(sample("judge_experiment.tick"), None) == {}
    assert base.registry().experiment("churn", "c0ffee12")["status"] == "stopped"
    assert base.registry().version("churn", 1)["status"] == "retired"
    assert base.registry().run("churn", "run1")["status"] == "rejected"


def test_an_object_that_is_gone_is_remembered_as_ignored(account: str) -> None:
    assert handler("ingest_data")(sample("ingest_data"), None) == {"outcome": "ignored"}
    assert [item["status"] for item in base.registry().uploads("churn")] == ["ignored"]


@pytest.mark.parametrize(
    "name",
    [
        "evaluate_model",
        "register_model",
        "track_endpoint",
        "deploy_model",
        "start_batch",
        "finish_batch",
        "collect_feedback",
    ],
)
def test_news_of_what_nobody_here_started_is_ignored(account: str, name: str) -> None:
    assert handler(name)(sample(name), None) == {"outcome": "ignored"}


def test_a_message_for_an_unknown_model_leaves_the_queue(account: str) -> None:
    assert handler("start_training")(sample("start_training"), None) == {"batchItemFailures": []}


def test_a_message_that_is_no_json_comes_again_and_ends_in_the_dead_letter_queue(account: str) -> None:
    event = sample("start_training.malformed")
    identity = event["Records"][0]["messageId"]
    assert handler("start_training")(event, None) == {"batchItemFailures": [{"itemIdentifier": identity}]}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_malformed_event_is_refused(account: str, name: str) -> None:
    with pytest.raises(MalformedEvent, match="the event has no detail"):
        handler(name)(sample(f"{name}.malformed"), None)


@pytest.mark.parametrize("event", [None, [], {}, {"id": "a"}, {"id": "a", "detail": {}}])
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(MalformedEvent):
        bus_event(event)
    with pytest.raises(MalformedEvent):
        queue_records(event)


def test_a_setting_that_lacks_is_named(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATA_BUCKET")
    with pytest.raises(base.Misconfigured, match="DATA_BUCKET"):
        handler("ingest_data")(sample("ingest_data"), None)


def test_a_file_put_again_after_its_run_failed_asks_for_another_attempt_once(account: str) -> None:
    event = sample("ingest_data")
    body = b"height,won\n" + b"".join(b"%d,%s\n" % (n, b"yes" if n > 20 else b"no") for n in range(40))
    put = boto3.client("s3").put_object(Bucket="sluicegate-data", Key=event["detail"]["object"]["key"], Body=body)
    event["detail"]["object"]["etag"] = put["ETag"].strip('"')
    handler("ingest_data")(event, None)
    registry = base.registry()
    failed = {"run": "1f2e3d4c", "model": "churn", "created_at": "2026-01-02T03:05:00.000Z"}
    item = registry.model("churn")
    last = Change("model", "churn", "", set={**item, "last_run": "1f2e3d4c", "revision": item["revision"] + 1})
    registry.commit([last, Change("run", "churn", "1f2e3d4c", set=failed, status="failed", at="t")])
    handler("ingest_data")(event, None)  # the same event once more
    assert "retry" not in registry.model("churn")
    event["detail"]["object"]["sequencer"] = "00617F08299329D18A"
    for _ in range(2):
        assert handler("ingest_data")(event, None) == {"outcome": "known"}
        assert registry.model("churn")["retry"] == "1f2e3d4c"
    found = boto3.client("sqs").receive_message(QueueUrl=account, MaxNumberOfMessages=10)["Messages"]
    causes = [json.loads(message["Body"])["cause"] for message in found]
    assert len({cause for cause in causes if cause.startswith("again:")}) == 1

"""Functions, queues and rules on a real region: what a template's wiring does when things go wrong."""

from __future__ import annotations

import base64
import io
import json
import time
import uuid
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.region import RunningRegion, wait_for

pytestmark = pytest.mark.e2e

HANDLER = """
import json, os, sys, time

def handler(event, context):
    if "Records" in event:
        bodies = [json.loads(record["body"]) for record in event["Records"]]
        print("batch", len(bodies), json.dumps(bodies))
        if any(body.get("break") for body in bodies):
            raise RuntimeError("broken batch")
        bad = [r["messageId"] for r, b in zip(event["Records"], bodies) if b.get("bad")]
        return {"batchItemFailures": [{"itemIdentifier": i} for i in bad]}
    print("got", json.dumps(event))
    time.sleep(event.get("sleep", 0))
    while "until" in event and not os.path.exists(event["until"]):
        time.sleep(0.01)
    if "exit" in event:
        os._exit(event["exit"])
    if event.get("fail"):
        raise ValueError(event["fail"])
    return {"request": context.aws_request_id, "tmp": os.environ["TMPDIR"], "key": os.environ["AWS_ACCESS_KEY_ID"]}
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}


def archive(code: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("app.py", code)
    return buffer.getvalue()


class Bench:
    """Makes functions and queues with names of their own."""

    def __init__(self, region: RunningRegion) -> None:
        self.region = region
        self.functions = region.client("lambda")
        self.sqs = region.client("sqs")
        self.events = region.client("events")

    def function(self, code: str = HANDLER, **settings: Any) -> str:
        iam = self.region.client("iam")
        name = f"f-{uuid.uuid4().hex[:8]}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        settings = {"Runtime": "python3.13", "Handler": "app.handler", "Role": role, **settings}
        self.functions.create_function(FunctionName=name, Code={"ZipFile": archive(code)}, **settings)
        self.functions.get_waiter("function_active").wait(FunctionName=name)
        return name

    def arn(self, function: str) -> str:
        return str(self.functions.get_function(FunctionName=function)["Configuration"]["FunctionArn"])

    def queue(self, **attributes: str) -> tuple[str, str]:
        """URL and ARN."""
        url = self.sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, found["Attributes"]["QueueArn"]

    def invoke(self, function: str, event: dict[str, Any], **settings: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        answer = self.functions.invoke(FunctionName=function, Payload=json.dumps(event), **settings)
        payload = answer["Payload"].read()
        return answer, json.loads(payload) if payload else {}

    def log(self, function: str) -> list[str]:
        logs = self.region.client("logs")
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [event["message"] for event in found["events"]]

    def logged(self, function: str, test: Callable[[list[str]], Any], what: str, seconds: float = 15.0) -> list[str]:
        def look() -> list[str] | None:
            lines = self.log(function)
            return lines if test(lines) else None

        return wait_for(look, seconds, what)

    def received(self, url: str, seconds: int = 15) -> dict[str, Any]:
        found = self.sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=seconds, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        assert found.get("Messages"), "no message came"
        return dict(found["Messages"][0])

    def empty(self, url: str) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return all(found[name] == "0" for name in names)


@pytest.fixture(scope="module")
def bench(region: RunningRegion) -> Bench:
    return Bench(region)


def batches(lines: list[str]) -> list[int]:
    return [int(line.split()[1]) for line in lines if line.startswith("batch ")]


def test_a_call_answers_and_its_log_is_whole_and_in_order(bench: Bench) -> None:
    name = bench.function()
    answer, payload = bench.invoke(name, {"n": 1}, LogType="Tail")
    request = payload["request"]
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer
    tail = base64.b64decode(answer["LogResult"]).decode().splitlines()
    assert tail[0] == f"START RequestId: {request} Version: $LATEST"
    assert tail[1:3] == ['got {"n": 1}', f"END RequestId: {request}"]
    assert tail[3].startswith(f"REPORT RequestId: {request}\tDuration: ") and "Init Duration" in tail[3]
    _, second = bench.invoke(name, {"n": 2})
    assert second["tmp"] == payload["tmp"], "a warm worker takes the next call"
    assert second["key"] != bench.region.access_key_id, "it runs with its role's credentials"
    lines = bench.logged(name, lambda found: len(found) >= 8, "the log of two calls")
    assert [line.split()[0] for line in lines] == ["START", "got", "END", "REPORT"] * 2


def test_calls_show_in_cloudwatch(bench: Bench) -> None:
    name = bench.function()
    bench.invoke(name, {})
    bench.invoke(name, {"fail": "no"})
    now = datetime.now(UTC)

    def statistic(metric: str, kind: str) -> float:
        answer = bench.region.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=600,
            Statistics=[kind],
        )
        values = [float(point[kind]) for point in answer["Datapoints"]]  # two when a period ended meanwhile
        return sum(values) if kind == "Sum" else max(values)

    assert statistic("Invocations", "Sum") == 2
    assert statistic("Errors", "Sum") == 1
    assert 0 < statistic("Duration", "Maximum") < 5000


def test_a_function_learns_who_it_is(bench: Bench) -> None:
    code = """
import boto3

def handler(event, context):
    found = boto3.client("sts").get_caller_identity()
    return {name: found[name] for name in ("UserId", "Account", "Arn")}
"""
    name = bench.function(code, Timeout=30)
    _, answer = bench.invoke(name, {})
    role = bench.region.client("iam").get_role(RoleName=name)["Role"]
    account = bench.region.account_id
    assert answer["Account"] == account
    assert answer["Arn"] == f"arn:aws:sts::{account}:assumed-role/{name}/region"
    assert answer["UserId"] == f"{role['RoleId']}:region"
    owner = bench.region.client("sts").get_caller_identity()
    assert (owner["UserId"], owner["Arn"]) == (account, f"arn:aws:iam::{account}:root")


def test_a_timeout_ends_the_worker_with_lambdas_words(bench: Bench) -> None:
    name = bench.function(Timeout=1)
    answer, payload = bench.invoke(name, {"sleep": 5})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Sandbox.Timedout"
    assert payload["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    bench.logged(name, lambda found: any("Task timed out after 1.00 seconds" in line for line in found), "the line")
    # one of them: a machine that stands still for a second makes the next one late, too
    wait_for(lambda: "FunctionError" not in bench.invoke(name, {})[0], 20, "the next call gets a new worker")


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"exit": 3}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ({"exit": 0}, "Runtime.ExitError", "Runtime exited without providing a reason"),
        ({"fail": "no such luck"}, "ValueError", "no such luck"),
    ],
)
def test_crashes_and_exceptions(bench: Bench, event: dict[str, Any], kind: str, message: str) -> None:
    name = bench.function()
    answer, payload = bench.invoke(name, event)
    assert answer["FunctionError"] == "Unhandled"
    assert (payload["errorType"], message in payload["errorMessage"]) == (kind, True)


def test_a_module_that_is_not_there_is_an_init_error(bench: Bench) -> None:
    answer, payload = bench.invoke(bench.function("import nowhere_at_all"), {})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.ImportModuleError"
    assert "nowhere_at_all" in payload["errorMessage"]


def test_what_is_not_attached_is_not_there(bench: Bench) -> None:
    """The region's environment has all of these, and some are loaded before the function starts."""
    for module in ("duckdb", "numpy", "pydantic", "moto", "local_region", "sluicegate"):
        answer, payload = bench.invoke(bench.function(f"import {module}"), {})
        assert answer["FunctionError"] == "Unhandled"
        assert payload["errorType"] == "Runtime.ImportModuleError"
        assert (
            f"No module named '{module}': {module} is not in the function nor in its layers"
            in (payload["errorMessage"])
        )


def test_what_the_runtime_brings_is_there_without_a_layer(bench: Bench) -> None:
    code = """
import importlib.util, os, sys, sqlite3, xml.etree.ElementTree, zoneinfo
import boto3, botocore, dateutil, jmespath, s3transfer, six, urllib3

def handler(event, context):
    made = os.path.join(os.environ["TMPDIR"], "made")
    os.makedirs(made)
    with open(os.path.join(made, "made_here.py"), "w") as file:
        file.write("VALUE = 7")
    sys.path.insert(0, made)
    import made_here
    try:
        import pandas
    except ImportError as error:
        kind = type(error).__name__
    loaded = sorted({"numpy", "duckdb", "local_region"} & set(sys.modules))
    found = [importlib.util.find_spec(name) is not None for name in ("pandas", "boto3")]
    return [made_here.VALUE, kind, found, loaded]
"""
    answer = bench.functions.invoke(FunctionName=bench.function(code, Timeout=20))
    assert json.loads(answer["Payload"].read()) == [7, "ModuleNotFoundError", [False, True], []]


def test_an_empty_layers_marker_stands_for_what_it_names(bench: Bench) -> None:
    """As ``sluice deploy`` makes them: the environment supplies what the lock names, and nothing beside it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("python/.sluice-local", "L: the environment has these.\nsource 0\npackages numpy pyyaml\n")
    published = bench.functions.publish_layer_version(LayerName="marked", Content={"ZipFile": buffer.getvalue()})
    code = "import numpy, yaml\n\ndef handler(event, context):\n    import duckdb"
    answer, payload = bench.invoke(bench.function(code, Layers=[published["LayerVersionArn"]], Timeout=20), {})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "ModuleNotFoundError"
    assert "duckdb is not in the function nor in its layers" in payload["errorMessage"]


def test_reserved_concurrency_throttles_at_once(bench: Bench, tmp_path: Path) -> None:
    name = bench.function(Timeout=60)
    bench.functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    bench.invoke(name, {})
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(bench.invoke, name, {"until": str(tmp_path / "over")})
        try:
            bench.logged(name, lambda found: any('"until"' in line for line in found), "the slow call's start")
            with pytest.raises(ClientError) as caught:
                bench.invoke(name, {})
        finally:
            (tmp_path / "over").touch()
        assert caught.value.response["Error"]["Code"] == "TooManyRequestsException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert "FunctionError" not in slow.result()[0]


def test_an_asynchronous_call_is_retried_and_then_dead_lettered(bench: Bench) -> None:
    url, arn = bench.queue()
    failure_url, failure_arn = bench.queue()
    name = bench.function(DeadLetterConfig={"TargetArn": arn})
    bench.functions.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": failure_arn}}
    )
    answer, _ = bench.invoke(name, {"fail": "always"}, InvocationType="Event")
    assert answer["StatusCode"] == 202
    letter = bench.received(url)
    assert json.loads(letter["Body"]) == {"fail": "always"}
    attributes = letter["MessageAttributes"]
    assert attributes["ErrorMessage"]["StringValue"] == "always"
    assert attributes["ErrorCode"] == {"StringValue": "200", "DataType": "Number"}
    record = json.loads(bench.received(failure_url)["Body"])
    assert record["requestContext"]["requestId"] == attributes["RequestID"]["StringValue"]
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"]["errorType"] == "ValueError"
    lines = bench.logged(name, lambda found: sum("END" in line for line in found) == 2, "two attempts")
    assert len({line.split()[2] for line in lines if line.startswith("START")}) == 1, "one request id for all attempts"


def test_a_burst_of_asynchronous_calls_stays_within_the_limit(bench: Bench, region: RunningRegion) -> None:
    name = bench.function()
    for number in range(100):
        bench.invoke(name, {"n": number}, InvocationType="Event")

    def all_done() -> bool:
        pages = (
            region.client("logs")
            .get_paginator("filter_log_events")
            .paginate(logGroupName=f"/aws/lambda/{name}", filterPattern="got")
        )
        return len({event["message"] for page in pages for event in page["events"]}) == 100

    bench.logged(name, bool, "the first line")
    wait_for(all_done, 20, "100 calls")
    streams = region.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert len(streams) <= 5, "each worker has a stream"


def test_a_queue_wakes_its_function_and_delays_are_honoured(bench: Bench) -> None:
    url, arn = bench.queue()
    name = bench.function()
    bench.functions.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)
    bench.sqs.send_message(QueueUrl=url, MessageBody='{"n": 1}')
    bench.logged(name, lambda found: batches(found) == [1], "the first message")
    sent = time.monotonic()
    bench.sqs.send_message(QueueUrl=url, MessageBody='{"n": 2}', DelaySeconds=2)
    bench.logged(name, lambda found: batches(found) == [1, 1], "the delayed message")
    assert time.monotonic() - sent >= 1.9
    wait_for(lambda: bench.empty(url), 5, "the queue's emptiness")


def test_a_batch_window_collects(bench: Bench) -> None:
    """More messages than one receive gives wait for a batch that is full, or for the window's end."""
    for count, size, window, wanted in ((15, 12, 300, [12]), (3, 100, 1, [3])):
        url, arn = bench.queue()
        name = bench.function()
        for number in range(count):
            bench.sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": number}))
        bench.functions.create_event_source_mapping(
            FunctionName=name, EventSourceArn=arn, BatchSize=size, MaximumBatchingWindowInSeconds=window
        )
        assert batches(bench.logged(name, batches, "a batch")) == wanted


def test_only_failed_messages_come_again_and_end_in_the_dead_letter_queue(bench: Bench) -> None:
    dead_url, dead_arn = bench.queue()
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 2})
    url, arn = bench.queue(VisibilityTimeout="3", RedrivePolicy=redrive)
    name = bench.function()
    bench.functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    entries = [{"Id": str(n), "MessageBody": json.dumps({"n": n, "bad": n == 1})} for n in range(3)]
    bench.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    letter = bench.received(dead_url)
    assert json.loads(letter["Body"]) == {"n": 1, "bad": True}
    seen = "".join(bench.log(name))
    assert seen.count('"n": 1,') == 2 and seen.count('"n": 0,') == 1
    assert bench.empty(url)


def test_a_mapping_filters_and_stops(bench: Bench) -> None:
    url, arn = bench.queue()
    name = bench.function()
    pattern = json.dumps({"body": {"kind": ["wanted"]}})
    mapping = bench.functions.create_event_source_mapping(
        FunctionName=name, EventSourceArn=arn, FilterCriteria={"Filters": [{"Pattern": pattern}]}
    )
    bench.sqs.send_message(QueueUrl=url, MessageBody='{"kind": "other"}')
    bench.sqs.send_message(QueueUrl=url, MessageBody='{"kind": "wanted"}')
    lines = bench.logged(name, batches, "the wanted message")
    assert "other" not in "".join(lines)
    bench.functions.delete_event_source_mapping(UUID=mapping["UUID"])
    bench.sqs.send_message(QueueUrl=url, MessageBody='{"kind": "late"}')
    assert bench.received(url)["Body"] == '{"kind": "late"}', "nobody polls any more"


def test_a_queue_that_forgets_too_early_is_refused(bench: Bench) -> None:
    _, arn = bench.queue(VisibilityTimeout="5")
    name = bench.function(Timeout=30)
    with pytest.raises(ClientError, match="visibility timeout: 5 seconds is less than Function timeout: 30 seconds"):
        bench.functions.create_event_source_mapping(FunctionName=name, EventSourceArn=arn)


def test_rules_deliver_transform_and_dead_letter(bench: Bench) -> None:
    allowed, refused = bench.function(), bench.function()
    url, arn = bench.queue()
    dead_url, dead_arn = bench.queue()
    rule = f"r-{uuid.uuid4().hex[:8]}"
    pattern = json.dumps({"source": ["test"], "detail": {"id": [rule]}})
    rule_arn = bench.events.put_rule(Name=rule, EventPattern=pattern)["RuleArn"]
    bench.functions.add_permission(
        FunctionName=allowed,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=rule_arn,
    )
    transformer = {"InputPathsMap": {"id": "$.detail.id"}, "InputTemplate": '{"seen": <id>}'}
    bench.events.put_targets(
        Rule=rule,
        Targets=[
            {"Id": "allowed", "Arn": bench.arn(allowed)},
            {"Id": "refused", "Arn": bench.arn(refused), "DeadLetterConfig": {"Arn": dead_arn}},
            {"Id": "queue", "Arn": arn, "InputTransformer": transformer},
        ],
    )
    entry = {"Source": "test", "DetailType": "Test", "Detail": json.dumps({"id": rule})}
    answer = bench.events.put_events(Entries=[entry, {**entry, "Detail": "{"}])
    assert answer["FailedEntryCount"] == 1 and answer["Entries"][1]["ErrorCode"] == "MalformedDetail"
    lines = bench.logged(allowed, lambda found: any(line.startswith("got ") for line in found), "the call")
    event = json.loads(next(line for line in lines if line.startswith("got "))[4:])
    assert event["id"] == answer["Entries"][0]["EventId"] and event["detail"] == {"id": rule}
    assert json.loads(bench.received(url)["Body"]) == {"seen": rule}
    letter = bench.received(dead_url)
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert letter["MessageAttributes"]["RULE_ARN"]["StringValue"] == rule_arn
    assert bench.log(refused) == []


def test_an_unsupported_target_is_refused_by_name(bench: Bench) -> None:
    rule = f"r-{uuid.uuid4().hex[:8]}"
    bench.events.put_rule(Name=rule, EventPattern='{"source": ["x"]}')
    with pytest.raises(ClientError, match="can't deliver to arn:aws:states"):
        target = {"Id": "1", "Arn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"}
        bench.events.put_targets(Rule=rule, Targets=[target])


def test_layers_lie_on_the_path_and_unfitting_modules_give_way(bench: Bench) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("python/pure_thing.py", "VALUE = 'from the layer'")
        opened.writestr("python/numpy/__init__.py", "raise ImportError('built for another Python')")
        opened.writestr("python/numpy/core.cpython-399-x86_64-linux-gnu.so", b"")
        opened.writestr("python/only_here/__init__.py", "")
        opened.writestr("python/only_here/fast.cpython-399-x86_64-linux-gnu.so", b"")
    published = bench.functions.publish_layer_version(LayerName="things", Content={"ZipFile": buffer.getvalue()})
    code = """
def handler(event, context):
    import pure_thing, numpy
    if event: import only_here
    return [pure_thing.VALUE, int(numpy.arange(3).sum())]
"""
    name = bench.function(code, Layers=[published["LayerVersionArn"]])
    assert json.loads(bench.functions.invoke(FunctionName=name)["Payload"].read()) == ["from the layer", 3]
    answer, payload = bench.invoke(name, {"x": 1})
    assert answer["FunctionError"] == "Unhandled"
    assert "only_here" in payload["errorMessage"] and published["LayerVersionArn"] in payload["errorMessage"]

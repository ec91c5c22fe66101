"""The fleet and asynchronous calls with workers that are no processes."""

from __future__ import annotations

import dataclasses
import io
import json
import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.clock import RegionClock, SystemClock
from local_region.events.targets import Deliverer, Undeliverable
from local_region.functions.asynchronous import AsyncCalls, Event, Settings, dead_letter_attributes, destination_record
from local_region.functions.fitting import Fit
from local_region.functions.fleet import Fleet
from local_region.functions.model import (
    Function,
    check_spec,
    environment,
    exit_reason,
    parse_name,
    report,
)
from local_region.functions.packages import Package
from local_region.functions.permissions import permits, statement
from local_region.functions.worker import Invocation, LogWriter, Worker
from local_region.ports import AwsError, Clock, FunctionSpec, InvocationResult, Region, RegionConfig
from tests.support.region import wait_for

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


class FakeRegion:
    def __init__(self, folder: Path) -> None:
        self.config = RegionConfig("127.0.0.1", 1, folder, retry_delays=(0.01, 0.02), function_idle_seconds=0.05)
        self.clock: Clock = SystemClock()


def make_function(folder: Path, **settings: Any) -> Function:
    spec = FunctionSpec("f", "app.handler", "arn:aws:iam::123456789012:role/r", lambda: io.BytesIO(), **settings)
    package = Package("d", "sha", 1, 1, folder)
    return Function(spec, ARN, package, Fit(folder, (), (), ()), (), datetime.now(UTC))


class FakeWorker:
    """Holds its call until ``gate`` is set."""

    def __init__(self, function: Function, gate: threading.Event) -> None:
        self.function, self.gate = function, gate
        self.dead, self.closed, self.idle_since = False, threading.Event(), 0.0
        self.began = threading.Event()

    def run(self, call: Invocation) -> None:
        self.began.set()
        assert self.gate.wait(5)
        call.finish(b"1")

    def close(self) -> None:
        self.dead = True
        self.closed.set()


class FakeFleet:
    def __init__(self, folder: Path, limit: int = 2) -> None:
        self.gate = threading.Event()
        self.workers: list[FakeWorker] = []
        region = cast("Region", FakeRegion(folder))
        self.fleet = Fleet(region, cast("LogWriter", None), self.spawn, limit)

    def spawn(self, function: Function) -> Worker:
        self.workers.append(FakeWorker(function, self.gate))
        return cast("Worker", self.workers[-1])


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeFleet]:
    made = FakeFleet(tmp_path)
    yield made
    made.gate.set()
    made.fleet.stop()


class Process:
    """Says what a test puts into ``said``; killed, it says ``last`` words and ends."""

    def __init__(self, *last: str) -> None:
        self.said: queue.Queue[str | None] = queue.Queue()
        self.last, self.ended = last, threading.Event()

    def lines(self) -> Iterator[str]:
        while (line := self.said.get(timeout=5)) is not None:
            yield line
        self.ended.set()

    def kill(self) -> None:
        for line in (*self.last, None):
            self.said.put(line)

    def wait(self, _seconds: float) -> int:
        return -9


def test_a_worker_that_is_ended_leaves_no_error_in_its_log(tmp_path: Path) -> None:
    farewell = "[ERROR] [1795611964383] LAMBDA_RUNTIME Failed to get next invocation. No Response from endpoint"
    process, written = Process(farewell, "flushed"), []
    region: Any = FakeRegion(tmp_path)
    keys = SimpleNamespace(access_key_id="a", secret_access_key="b", session_token="c")
    region.identities = SimpleNamespace(credentials_for=lambda _role: keys)
    region.processes = SimpleNamespace(spawn=lambda _spec: process)
    writer: Any = SimpleNamespace(put=lambda _group, _stream, line: written.append(line))
    worker = Worker(region, make_function(tmp_path), tmp_path / "worker", writer)
    process.said.put(farewell)  # nobody ended it: that is told
    wait_for(lambda: written == [farewell], 5)
    worker.close()
    assert process.ended.wait(5)
    assert written == [farewell, "flushed"]


def call() -> Invocation:
    return Invocation("r", b"{}")


def test_a_worker_is_used_again(fake: FakeFleet, tmp_path: Path) -> None:
    fake.gate.set()
    function = make_function(tmp_path)
    for _ in range(3):
        fake.fleet.run(function, call())
    assert len(fake.workers) == 1


def test_a_changed_function_gets_a_new_worker(fake: FakeFleet, tmp_path: Path) -> None:
    fake.gate.set()
    fake.fleet.run(make_function(tmp_path), call())
    changed = make_function(tmp_path)
    fake.fleet.retire("f", changed.revision)
    assert fake.workers[0].closed.is_set()
    fake.fleet.run(changed, call())
    assert len(fake.workers) == 2


def test_the_reservation_throttles_at_once(fake: FakeFleet, tmp_path: Path) -> None:
    function = make_function(tmp_path, reserved_concurrency=1)
    busy = threading.Thread(target=fake.fleet.run, args=(function, call()))
    busy.start()
    while not fake.workers:
        threading.Event().wait(0.001)
    assert fake.workers[0].began.wait(5)
    with pytest.raises(AwsError) as caught:
        fake.fleet.run(function, call())
    assert (caught.value.code, caught.value.status) == ("TooManyRequestsException", 429)
    fake.gate.set()
    busy.join(5)
    fake.fleet.run(function, call())
    assert len(fake.workers) == 1


def test_a_patient_call_waits_for_a_place(fake: FakeFleet, tmp_path: Path) -> None:
    function = make_function(tmp_path, reserved_concurrency=1)
    done = [call(), call()]
    threads = [threading.Thread(target=fake.fleet.run, args=(function, c, 5.0)) for c in done]
    for thread in threads:
        thread.start()
    fake.gate.set()
    for thread in threads:
        thread.join(5)
    assert all(c.done.is_set() for c in done) and len(fake.workers) == 1


def test_idle_workers_are_ended(fake: FakeFleet, tmp_path: Path) -> None:
    fake.gate.set()
    fake.fleet.run(make_function(tmp_path), call())
    fake.fleet.start()
    assert fake.workers[0].closed.wait(5)
    assert fake.fleet.workers() == {}


class Sink:
    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.came = threading.Event()

    def send(self, arn: str, payload: str, group: str | None = None, attributes: Any = None) -> None:
        if arn.endswith("gone"):
            raise Undeliverable("NO_RESOURCE", "no such queue")
        self.sent.append((arn, payload, attributes))
        self.came.set()


class Calls:
    """Asynchronous calls of one function whose outcomes the test gives."""

    def __init__(self, folder: Path, outcomes: list[InvocationResult | AwsError], **config: Any) -> None:
        self.sink, self.outcomes, self.requests, self.dropped = Sink(), outcomes, list[str](), list[str]()
        dead_letter = config.pop("dead_letter", "arn:aws:sqs:us-east-1:123456789012:dead")
        self.function = make_function(folder, dead_letter_arn=dead_letter, **config.pop("spec", {}))
        self.config = config
        self.region, sink = FakeRegion(folder), cast("Deliverer", self.sink)
        self.calls = AsyncCalls(
            cast("Region", self.region),
            lambda name: Settings(self.function, config),
            self.invoke,
            sink,
            dropped=self.dropped.append,
        )
        self.calls.start()

    def invoke(self, function: Function, payload: bytes, request_id: str) -> InvocationResult:
        self.requests.append(request_id)
        outcome = self.outcomes[min(len(self.requests), len(self.outcomes)) - 1]
        if isinstance(outcome, AwsError):
            raise outcome
        return outcome


BROKEN = InvocationResult(b'{"errorMessage": "no", "errorType": "E"}', "Unhandled")
GOOD = InvocationResult(b'"fine"', None)


def test_a_failing_call_is_retried_twice_and_dead_lettered(tmp_path: Path) -> None:
    made = Calls(tmp_path, [BROKEN])
    made.calls.put("f", b'{"a": 1}', "r-1")
    assert made.sink.came.wait(5)
    made.calls.stop()
    assert made.requests == ["r-1"] * 3
    assert made.dropped == ["f"]
    arn, payload, attributes = made.sink.sent[0]
    assert (arn.rsplit(":", 1)[1], payload) == ("dead", '{"a": 1}')
    assert attributes == {
        "RequestID": ("String", "r-1"),
        "ErrorCode": ("Number", "200"),
        "ErrorMessage": ("String", "no"),
    }


def test_success_goes_to_its_destination(tmp_path: Path) -> None:
    config = {"DestinationConfig": {"OnSuccess": {"Destination": "arn:aws:sqs:us-east-1:123456789012:good"}}}
    made = Calls(tmp_path, [BROKEN, GOOD], **config)
    made.calls.put("f", b"{}", "r-1")
    assert made.sink.came.wait(5)
    made.calls.stop()
    record = json.loads(made.sink.sent[0][1])
    assert record["requestContext"]["condition"] == "Success"
    assert record["requestContext"]["approximateInvokeCount"] == 2
    assert record["responsePayload"] == "fine"
    assert len(made.sink.sent) == 1


def test_no_reserved_concurrency_dead_letters_without_a_call(tmp_path: Path) -> None:
    made = Calls(tmp_path, [GOOD], spec={"reserved_concurrency": 0})
    made.calls.put("f", b"{}", "r-1")
    assert made.sink.came.wait(5)
    made.calls.stop()
    assert made.requests == []


def test_throttling_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local_region.functions.asynchronous._THROTTLE_DELAY", 0.01)
    throttled = AwsError("TooManyRequestsException", "Rate Exceeded.", 429)
    made = Calls(tmp_path, [throttled, throttled, throttled, BROKEN], MaximumRetryAttempts=0)
    made.calls.put("f", b"{}", "r-1")
    assert made.sink.came.wait(5)
    made.calls.stop()
    assert len(made.requests) == 4


def test_the_destination_record_has_awss_fields() -> None:
    event = Event("f", b'{"x": 1}', "r-1", 0.0, invokes=3, last=BROKEN)
    record = destination_record(event, ARN, "RetriesExhausted", "2026-11-22T10:00:00.000Z")
    assert record == {
        "version": "1.0",
        "timestamp": "2026-11-22T10:00:00.000Z",
        "requestContext": {
            "requestId": "r-1",
            "functionArn": f"{ARN}:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": {"x": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "no", "errorType": "E"},
    }
    long = dataclasses.replace(event, last=InvocationResult(json.dumps({"errorMessage": "x" * 2000}).encode(), "U"))
    assert len(dead_letter_attributes(long)["ErrorMessage"][1]) == 1024


def test_names_and_arns() -> None:
    config = RegionConfig("h", 1, Path())
    for given in ("f", ARN, f"{ARN}:$LATEST", "123456789012:function:f", "function:f", "f:$LATEST"):
        assert parse_name(given, config) == "f"
    for given in (f"{ARN}:7", "arn:aws:lambda:eu-west-1:123456789012:function:f", f"{ARN}:live"):
        with pytest.raises(AwsError, match="Function not found"):
            parse_name(given, config)
    with pytest.raises(AwsError, match="neither"):
        parse_name("a b", config)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"runtime": "nodejs22.x"}, "nodejs22.x is not supported"),
        ({"timeout": 901}, "timeout"),
        ({"memory_mb": 64}, "memorySize"),
        ({"environment": {"AWS_REGION": "x"}}, "AWS_REGION"),
        ({"environment": {"BIG": "x" * 5000}}, "4 KB"),
        ({"layers": ["l"] * 6}, "5 layers"),
        ({"properties": {"PackageType": "Image"}}, "Image is not supported"),
        ({"properties": {"FileSystemConfigs": [{}]}}, "FileSystemConfigs"),
        ({"properties": {"SnapStart": {"ApplyOn": "PublishedVersions"}}}, "SnapStart"),
    ],
)
def test_what_is_refused(tmp_path: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(AwsError, match=problem):
        check_spec(make_function(tmp_path, **settings).spec)


def test_a_workers_environment(tmp_path: Path) -> None:
    function = make_function(tmp_path, environment={"TABLE": "t", "TZ": "Asia/Tokyo"}, memory_mb=256)
    made = environment(function, RegionConfig("127.0.0.1", 4566, tmp_path), "stream", "127.0.0.1:9", "/t")
    assert made["TABLE"] == "t" and made["TZ"] == "Asia/Tokyo" and made["TMPDIR"] == "/t"
    assert made["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert made["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/f"
    assert made["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert "HOME" not in made


def test_report_and_exit_lines() -> None:
    assert report("r", 0.0015, 128, 52.1, 0.1) == (
        "REPORT RequestId: r\tDuration: 1.50 ms\tBilled Duration: 102 ms\tMemory Size: 128 MB\t"
        "Max Memory Used: 53 MB\tInit Duration: 100.00 ms"
    )
    assert exit_reason(1, {}) == "Runtime exited with error: exit status 1"
    assert exit_reason(-9, {9: "killed"}) == "Runtime exited with error: signal: killed"


def test_the_resource_policy() -> None:
    rule = "arn:aws:events:us-east-1:123456789012:rule/r"
    entry = statement("s", ARN, {"Principal": "events.amazonaws.com", "SourceArn": rule})
    assert entry["Principal"] == {"Service": "events.amazonaws.com"}
    assert permits([entry], "events.amazonaws.com", rule, "123456789012")
    assert not permits([entry], "events.amazonaws.com", f"{rule}2", "123456789012")
    assert not permits([entry], "s3.amazonaws.com", rule, "123456789012")
    assert not permits([], "events.amazonaws.com", rule, "123456789012")


def test_a_retry_comes_when_the_regions_clock_says_so(tmp_path: Path) -> None:
    calls = Calls(tmp_path, [InvocationResult(b'{"errorMessage": "no"}', "Unhandled"), InvocationResult(b"1", None)])
    calls.region.config = RegionConfig("127.0.0.1", 1, tmp_path, retry_delays=(3600.0,))
    clock = calls.region.clock = RegionClock()
    calls.calls.put("f", b"{}", "r")
    due = wait_for(calls.calls.next_due)
    assert abs(due - clock.now() - timedelta(hours=1)) < timedelta(minutes=1)
    wait_for(lambda: not calls.calls.busy())  # waiting for an instant is doing nothing
    clock.move_to(due)
    assert calls.calls.busy() == ["function f"]
    calls.calls.catch_up()
    wait_for(lambda: len(calls.requests) == 2 and not calls.calls.busy())
    assert calls.calls.next_due() is None
    calls.calls.stop()

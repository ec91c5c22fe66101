"""Jobs, servers and layers that end otherwise than they should: nothing runs on, nothing is taken away from others."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_region.ports import AwsError, ProcessSpec, Region, RegionConfig
from local_region.processes.service import ProcessError, ZygoteProcesses
from local_region.sagemaker import environments, programs
from local_region.sagemaker.environments import UNUSED_SECONDS, Environments
from local_region.sagemaker.jobs import Jobs, Run
from local_region.sagemaker.records import Record, invalid
from local_region.sagemaker.serving import Server, StartFailure
from local_region.sagemaker.training_hosts import Hosts
from local_region.sagemaker.training_run import Siblings, Watcher
from local_region.sagemaker.transform_instance import proposed_limits
from local_region.sagemaker.tuning_run import TuningRun
from tests.support.region import wait_for

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


class FakeProcess:
    """Runs until it is ended."""

    def __init__(self, code: int | None = None) -> None:
        self.pid, self.exit_code = 1, code
        self._ended = threading.Event()

    def lines(self) -> Iterator[str]:
        self._ended.wait(10)
        return iter(())

    def wait(self, timeout: float | None = None) -> int | None:
        self._ended.wait(timeout)
        return self.exit_code

    def end(self, code: int) -> None:
        self.exit_code = code
        self._ended.set()

    def terminate(self, grace_seconds: float = 5.0) -> None:
        del grace_seconds
        self.end(-15)

    def kill(self) -> None:
        self.end(-9)


class FakeRegion:
    def __init__(self, folder: Path) -> None:
        self.config = RegionConfig("127.0.0.1", 1, folder)
        self.clock = SimpleNamespace(now=lambda: NOW)
        self.events = SimpleNamespace(publish=lambda *_: None)
        self.logged: list[str] = []
        self.logs = SimpleNamespace(write=lambda group, stream, lines: self.logged.extend(lines))
        self.processes = self
        self.spawned: list[FakeProcess] = []

    def spawn(self, spec: ProcessSpec) -> FakeProcess:
        del spec
        self.spawned.append(FakeProcess())
        return self.spawned[-1]


@pytest.fixture
def region(tmp_path: Path) -> FakeRegion:
    return FakeRegion(tmp_path)


# jobs


class FakeRun:
    def __init__(self) -> None:
        self.stopped, self.alive = 0, True

    def start(self) -> None: ...

    def stop(self) -> None:
        self.stopped += 1

    def abandon(self) -> None:
        self.alive = False


def job(name: str = "j", status: str = "InProgress") -> Record:
    return Record(name, f"arn:{name}", {}, NOW, NOW, state={"Status": status})


def test_a_record_that_is_found_has_its_run_and_a_second_of_the_name_changes_nothing() -> None:
    jobs: Jobs[FakeRun] = Jobs("job", "Status")
    first, run = job(), FakeRun()
    seen: list[Run] = []
    table_add = jobs.table.add

    def add(record: Record, taken: Any) -> None:
        seen.append(jobs.run_of(record))  # there before anybody can find the record
        table_add(record, taken)

    jobs.table.add = add  # type: ignore[method-assign]
    jobs.enter(first, run, lambda: invalid("taken"))
    with pytest.raises(AwsError, match="taken"):
        jobs.enter(job(), FakeRun(), lambda: invalid("taken"))
    assert seen[0] is run
    assert jobs.run_of(first) is run
    assert list(jobs.busy()) == ["job j"]
    jobs.stop_record(first)
    assert run.stopped == 1
    jobs.stop()
    assert list(jobs.busy()) == []


def test_what_has_ended_is_not_stopped() -> None:
    jobs: Jobs[FakeRun] = Jobs("transform job", "Status")
    ended, run = job(status="Completed"), FakeRun()
    jobs.enter(ended, run, lambda: invalid("taken"))
    with pytest.raises(AwsError, match="the transform job is in status Completed"):
        jobs.stop_record(ended)
    assert run.stopped == 0


# a tuning job whose search fails


class Trials:
    """The training jobs of a tuning job; making the third fails."""

    def __init__(self) -> None:
        self.made: list[tuple[Record, FakeTrial]] = []

    def prepare(self, request: Any, siblings: Siblings) -> tuple[Record, FakeTrial]:
        assert siblings.beside == 5, "each has its share of the cores"
        if len(self.made) == 2:
            raise RuntimeError("no third one")
        record = Record(request["TrainingJobName"], "arn", request, NOW, NOW)
        record.state = {"TrainingJobStatus": "InProgress", "TrainingJobArn": "arn", "CreationTime": NOW}
        self.made.append((record, FakeTrial(record, siblings.watcher)))
        return self.made[-1]


class FakeTrial(FakeRun):
    def __init__(self, record: Record, watcher: Watcher) -> None:
        super().__init__()
        self.record, self.watcher = record, watcher

    def stop(self) -> None:
        super().stop()

        def end() -> None:
            self.record.state["TrainingJobStatus"] = "Stopped"
            self.watcher.ended(self.record.name)

        threading.Thread(target=end).start()


def test_a_tuning_job_that_fails_stops_its_trials_before_it_ends(region: FakeRegion) -> None:
    definition = {
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": "arn:aws:iam::123456789012:role/r",
        "InputDataConfig": [],
        "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    config = {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "m"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 5},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "eta", "MinValue": "0.1", "MaxValue": "0.3"}]},
        "RandomSeed": 1,
    }
    request = {"HyperParameterTuningJobConfig": config, "TrainingJobDefinition": definition}
    record = Record("t", "arn:t", request, NOW, NOW)
    record.state = {"HyperParameterTuningJobStatus": "InProgress"}
    trials = Trials()
    run = TuningRun(cast("Region", region), record, cast("Any", trials), [])
    run.start()
    wait_for(lambda: not run.alive)
    assert record.state["HyperParameterTuningJobStatus"] == "Failed"
    assert "no third one" in record.state["FailureReason"]
    assert [(each.stopped, rec.state["TrainingJobStatus"]) for rec, each in trials.made] == [(1, "Stopped")] * 2


# hosts of a training job


def test_a_host_that_does_not_start_ends_those_before_it(region: FakeRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "training", lambda *_: cast("ProcessSpec", None))
    request = {"ResourceConfig": {"InstanceCount": 3}, "HyperParameters": {}}
    hosts = Hosts(cast("Region", region), Record("j", "arn", request, NOW, NOW), region.config.state_dir)
    spawn = region.spawn

    def third_fails(spec: ProcessSpec) -> FakeProcess:
        if len(region.spawned) == 2:
            raise ProcessError("no more")
        return spawn(spec)

    region.spawn = third_fails  # type: ignore[method-assign]
    with pytest.raises(ProcessError):
        hosts.start(lambda line: None, lambda: None)
    assert [process.exit_code for process in region.spawned] == [-9, -9]


@pytest.mark.parametrize(
    ("hosts", "beside", "threads"), [(1, 1, None), (1, 2, "4"), (1, 3, "2"), (2, 2, "2"), (1, 20, "1")]
)
def test_what_runs_side_by_side_shares_the_cores(
    region: FakeRegion, monkeypatch: pytest.MonkeyPatch, hosts: int, beside: int, threads: str | None
) -> None:
    said: list[Any] = []
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(programs, "training", lambda *given: said.append(given[3]))
    request = {"ResourceConfig": {"InstanceCount": hosts}, "HyperParameters": {}}
    record = Record("j", "arn", request, NOW, NOW)
    made = Hosts(cast("Region", region), record, region.config.state_dir, beside)
    made.start(lambda line: None, lambda: None)
    made.kill()
    made.join_logs()
    assert {environ.get(name) for environ in said for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")} == {threads}


# serving


class Sick(BaseHTTPRequestHandler):
    """A container that answers /ping as its server says."""

    def do_GET(self) -> None:
        self.send_response(cast("Any", self.server).status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def container() -> Iterator[ThreadingHTTPServer]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Sick)
    cast("Any", made).status = 200
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def served(region: FakeRegion, monkeypatch: pytest.MonkeyPatch, port: int | None) -> Server:
    environ = {} if port is None else {"SAGEMAKER_BIND_TO_PORT": str(port)}
    spec = ProcessSpec("x", [], environ, region.config.state_dir, "xgboost")
    monkeypatch.setattr(programs, "serving", lambda *_: spec)
    return Server(cast("Region", region), IMAGE, None, {}, "group", "stream")


def test_a_process_that_came_back_sick_is_replaced(
    region: FakeRegion, container: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_region.sagemaker.serving.RETRY_SECONDS", 0.0)
    server = served(region, monkeypatch, container.server_address[1])
    server.start()
    region.spawned[0].end(-9)
    cast("Any", container).status = 500
    assert not server.restart_if_dead()
    assert region.spawned[1].exit_code == -15, "the one that is not well is ended, not left"
    assert server.client is None
    cast("Any", container).status = 200
    assert server.restart_if_dead()
    assert (len(region.spawned), server.client is not None) == (3, True)
    server.stop()


def test_a_process_that_can_not_be_forked_is_a_failed_start(
    region: FakeRegion, container: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = served(region, monkeypatch, container.server_address[1])

    def fails(spec: ProcessSpec) -> FakeProcess:
        raise ProcessError("no worker could be forked")

    region.spawn = fails  # type: ignore[method-assign]
    with pytest.raises(StartFailure, match="could not be started: no worker"):
        server.start()


def test_a_start_that_takes_its_time_can_be_given_up(region: FakeRegion, monkeypatch: pytest.MonkeyPatch) -> None:
    server = served(region, monkeypatch, None)  # it never listens
    failed: list[StartFailure] = []

    def start() -> None:
        try:
            server.start(60.0)
        except StartFailure as error:
            failed.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    wait_for(lambda: region.spawned)
    server.cancel_start()
    thread.join(10)
    assert failed
    assert region.spawned[0].exit_code is not None


def test_nothing_is_forked_once_all_is_stopped() -> None:
    processes = ZygoteProcesses()
    processes.stop()
    with pytest.raises(ProcessError, match="the region ends"):
        processes.warm("function")


# what a container proposes


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", {"BatchStrategy": "MultiRecord"}),
        (
            b'{"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 0, "BatchStrategy": "SINGLE_RECORD", "more": 1}',
            {"MaxConcurrentTransforms": 2, "MaxPayloadInMB": 0, "BatchStrategy": "SingleRecord"},
        ),
    ],
)
def test_execution_parameters(body: bytes, expected: dict[str, Any]) -> None:
    assert proposed_limits(body) == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[1]", "no JSON object"),
        (b'{"MaxConcurrentTransforms": "two"}', "MaxConcurrentTransforms is a whole number from 0, not 'two'"),
        (b'{"MaxPayloadInMB": -1}', "MaxPayloadInMB"),
        (b'{"MaxPayloadInMB": 1.5}', "MaxPayloadInMB"),
        (b'{"MaxPayloadInMB": true}', "MaxPayloadInMB"),
        (b'{"BatchStrategy": "TRIPLE"}', "BatchStrategy"),
    ],
)
def test_odd_execution_parameters_are_named(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        proposed_limits(body)


# layers


def old(layer: Path) -> Path:
    complete = layer / "complete"
    complete.parent.mkdir(parents=True)
    complete.touch()
    os.utime(complete, (0, 0))
    return complete


def test_only_layers_that_nobody_uses_are_removed(tmp_path: Path) -> None:
    assert UNUSED_SECONDS > 0
    root = tmp_path / "script-environments"
    unused, used, base = old(root / "script-a"), old(root / "script-b"), old(root / "pytorch-c")
    made = Environments(tmp_path, lambda *_: 0, lambda line: None, lambda: None)
    with (root / "script-b.used").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as another region, or this one, holds it
        made._forget_unused()
        assert not unused.parent.exists()
        assert used.exists()
        assert base.exists()
    made._forget_unused()
    assert not used.parent.exists()


def test_a_layer_is_in_use_from_before_it_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "script-environments"
    root.mkdir()
    folder = root / "script-d"
    environments._use(folder)
    old(folder)
    Environments(tmp_path, lambda *_: 0, lambda line: None, lambda: None)._forget_unused()
    assert folder.exists()
    environments._in_use.pop(folder).close()

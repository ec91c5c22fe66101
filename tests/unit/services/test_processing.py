"""Data that are too much for a function: a processing job prepares them, as the function would have."""

from __future__ import annotations

import errno
import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore import loaders

from sluicegate import job
from sluicegate.data.engine import connect
from sluicegate.domain import instances, names
from sluicegate.domain.errors import OutOfRoom, Refused, UserError
from sluicegate.services import preparation
from sluicegate.services.prepare import read_order
from sluicegate.services.processing import _disk_gb
from tests.support.fakes import Crash, FakeWorkspace, World
from tests.support.flow import PREFIX, Flow, table
from tests.support.processing import data_sets


def flow(world: World | None = None, text: bytes = b"") -> Flow:
    """One whose functions prepare no more than a byte."""
    found = Flow(world or World(), limit=1)
    if text:
        found.put("models/churn/model.yaml", text)
        found.play()
    return found


def until(found: Flow, status: str) -> dict[str, Any]:
    """Deliveries until the newest run has ``status``; SageMaker ends nothing meanwhile."""
    for _ in range(20):
        found.collect()
        runs = found.registry.runs("churn")
        if runs and runs[0]["status"] == status:
            return dict(runs[0])
        kind, identity, about = found.pending.pop(0)
        found.attempt(kind, identity, about)
    raise AssertionError(f"no run is {status}")


def test_the_job_makes_the_same_files_as_the_function() -> None:
    made = {}
    for limit in (0, 1):
        one = flow()
        one.limit = limit
        for number in (1, 2):
            one.put(f"data/churn/{number}.csv", table(200, number))
            one.play()
        assert [run["status"] for run in one.registry.runs("churn")] == ["live", "live"]
        made[limit] = data_sets(one.storage)
        assert bool(one.jobs.processing) is (limit == 1)
    here, there = made.values()
    assert any("champion-holdout" in key for key in here), "the second data set was prepared for the champion, too"
    assert here == there


def test_the_window_is_cut_in_the_job_as_well() -> None:
    made = []
    for limit in (0, 1):
        one = flow(text=b"retrain: {window: {rows: 250}}\n")
        one.limit = limit
        for number in (1, 2):
            one.put(f"data/churn/{number}.csv", table(200, number))
        one.play()
        run = one.registry.runs("churn")[0]
        assert run["skipped"] and run["status"] == "live"
        made.append(
            {key: value for key, value in data_sets(one.storage).items() if f"/{run['dataset_version']}/" in key}
        )
    assert made[0] == made[1]


def test_the_job_gets_what_was_accepted_and_nothing_else() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    run = until(one, "processing")
    name = names.preparation_job(PREFIX, "churn", run["run"])
    spec = one.jobs.processing[name]
    (uri, _), folder = spec.manifests["rows"], f"preparation/churn/{run['run']}"
    head, *rows = json.loads(one.storage.objects[uri.removeprefix("s3://data/")])
    assert head == {"prefix": "s3://data/uploads/churn/"}
    assert rows == [f"{run['uploads'][0]}/rows.parquet"]
    order = read_order(one.storage.objects[f"{folder}/order.json"].decode())
    assert order.size == one.storage.head(f"uploads/churn/{run['uploads'][0]}/rows.parquet").size
    assert spec.image.endswith("/pytorch-training:2.6.0-cpu-py312")
    assert spec.outputs["dataset"][1] == f"s3://data/datasets/churn/{run['dataset_version']}"
    assert f"datasets/churn/{run['dataset_version']}/dataset.json" not in one.storage.objects
    assert run["preparation"] == {"job": name, "instance": "ml.m5.xlarge", "bytes": order.size}
    assert "claim" not in run
    assert name in run["history"][-1]["message"]


def test_the_program_is_kept_once_for_each_content() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    one.play()
    one.put("data/churn/b.csv", table(240, 2))
    one.play()
    assert len(one.jobs.processing) == 2
    kept = [what for what in one.world.effects if what.startswith("upload code/_preparation/")]
    assert kept == ["upload code/_preparation/0123456789abcdef/prepare.pyz"]


def test_what_a_person_can_mend_comes_back_word_for_word() -> None:
    one = flow(text=b"target: churned\n")
    one.put("data/churn/a.csv", table(240, 1))
    one.play()
    run = one.registry.runs("churn")[0]
    assert run["status"] == "failed"
    assert "churned" in run["error"]["detail"] and run["error"]["title"] != "Preparation failed"
    assert one.registry.model("churn")["state"] == "failed"
    assert not one.jobs.training


@pytest.mark.parametrize(
    ("status", "reason", "said"),
    [
        (
            "Failed",
            "AlgorithmError: See job logs for more information, exit code: 1 Incomplete: gone",
            "Incomplete: gone",
        ),
        ("Stopped", "", "It ended as Stopped"),
    ],
)
def test_a_job_that_broke_off_fails_the_run_and_what_it_cost_is_told(status: str, reason: str, said: str) -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    run = until(one, "processing")
    one.jobs.end("processing", run["preparation"]["job"], status, reason)
    one.play()
    run = one.registry.run("churn", run["run"])
    assert (run["status"], run["error"]["title"]) == ("failed", "Preparation failed")
    assert said in run["error"]["detail"]
    (line,) = run["cost"]["actual"]["lines"]
    assert (line["what"], line["seconds"]) == ("preparation", 120)


def test_another_attempt_is_another_job() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    run = until(one, "processing")
    one.jobs.end("processing", run["preparation"]["job"], "Failed", "no capacity")
    one.play()
    one.put("data/churn/a.csv", table(240, 1))
    one.play()
    newest = one.registry.runs("churn")[0]
    assert newest["status"] == "live" and newest["attempt"] == 2
    assert len(one.jobs.processing) == 2


def test_rows_that_SageMaker_did_not_bring_are_no_data_set() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    run = until(one, "processing")
    del one.storage.objects[f"uploads/churn/{run['uploads'][0]}/rows.parquet"]
    spec = one.jobs.processing[run["preparation"]["job"]]
    uri = spec.manifests["rows"][0].removeprefix("s3://data/")
    one.storage.objects[uri] = json.dumps([{"prefix": "s3://data/uploads/churn/"}]).encode()
    one.play()
    error = one.registry.run("churn", run["run"])["error"]
    assert f"Incomplete: {run['uploads'][0]}/rows.parquet is not there" in error["detail"]


def test_new_data_meanwhile_start_exactly_one_more_run() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    first = until(one, "processing")
    for number in (2, 3):
        one.put(f"data/churn/{number}.csv", table(200, number))
    while one.pending or one.world.messages[one._seen_messages :]:
        one.collect()
        one.attempt(*one.pending.pop(0))
        one.collect()
    assert [run["run"] for run in one.registry.runs("churn")] == [first["run"]]
    assert one.registry.run("churn", first["run"])["status"] == "processing"
    one.play()
    runs = one.registry.runs("churn")
    assert [(run["status"], len(run["uploads"])) for run in runs] == [("live", 3), ("live", 1)]


def test_a_deleted_upload_is_still_what_the_job_was_given() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    one.put("data/churn/b.csv", table(240, 2))
    first = until(one, "processing")
    one.delete("data/churn/b.csv")
    one.play()
    runs = one.registry.runs("churn")
    assert [(run["status"], len(run["uploads"])) for run in runs] == [("live", 1), ("live", len(first["uploads"]))]


def test_hours_in_a_job_are_no_interruption() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    first = until(one, "processing")
    one.world.now += timedelta(hours=5)
    one.put("data/churn/b.csv", table(200, 2))
    while one.pending or one.world.messages[one._seen_messages :]:
        one.collect()
        one.attempt(*one.pending.pop(0))
        one.collect()
    assert one.registry.run("churn", first["run"])["status"] == "processing"


def test_a_starter_that_broke_off_after_the_job_began_is_no_interruption_either() -> None:
    """The run still says "preparing", its message comes again only later, and newer data come first."""
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    one.collect()
    one.attempt(*one.pending.pop(0))
    one.collect()
    (message,) = one.pending
    started: list[str] = []
    effect = one.world.effect

    def crash(what: str) -> None:
        effect(what)
        if what.startswith("processing job") and not started:
            started.append(what)
            raise Crash(what)

    one.world.effect = crash  # type: ignore[method-assign]
    with pytest.raises(Crash):
        one.deliver(*message)
    one.pending.clear()
    (run,) = one.registry.runs("churn")
    assert run["status"] == "preparing"
    one.world.now += timedelta(minutes=16)
    one.put("data/churn/b.csv", table(200, 2))
    one.collect()
    while one.pending:
        one.attempt(*one.pending.pop(0))
        one.collect()
    assert one.registry.run("churn", run["run"])["status"] == "preparing", "its job is under way"
    one.pending.append(message)
    one.play()
    assert [found["status"] for found in one.registry.runs("churn")] == ["live", "live"]
    assert len(one.jobs.processing) == 2


def test_the_budget_holds_for_the_preparation_too() -> None:
    poor = flow(text=b"budget: {per_run_usd: 0.001}\n")
    poor.put("data/churn/a.csv", table(240, 1))
    poor.play()
    run = poor.registry.runs("churn")[0]
    assert run["status"] == "failed" and "preparation 1 x 1 ml.m5.xlarge" in run["error"]["detail"]
    assert not poor.jobs.processing
    able = flow(text=b"budget: {per_run_usd: 0.1}\n")
    able.put("data/churn/a.csv", table(240, 1))
    able.play()
    run = able.registry.runs("churn")[0]
    (spec,) = able.jobs.processing.values()
    assert spec.max_runtime_seconds == int(0.1 / 0.115 * 3600)
    assert [line["what"] for line in run["cost"]["estimate"]["lines"]] == ["preparation", "training", "evaluation"]
    assert [line["what"] for line in run["cost"]["actual"]["lines"]] == ["preparation", "training", "evaluation"]
    (trained,) = able.jobs.training.values()
    prepared = run["cost"]["actual"]["lines"][0]["usd"]
    assert trained.max_runtime_seconds == pytest.approx((0.1 - prepared) / 0.115 * 3600, abs=2)


def test_without_a_price_a_budget_names_the_instance_that_has_none() -> None:
    one = flow(text=b"budget: {per_run_usd: 5}\ntraining: {preparation_instance: ml.m5.24xlarge}\n")
    one.prices.usd = None
    one.put("data/churn/a.csv", table(240, 1))
    one.play()
    error = one.registry.runs("churn")[0]["error"]
    assert "ml.m5.24xlarge" in error["detail"] and "training.preparation_instance" in error["remedy"]


def test_a_refusal_of_sagemaker_fails_the_run_in_its_words() -> None:
    one = flow()
    one.put("data/churn/a.csv", table(240, 1))
    one.jobs.refuse = Refused("CreateProcessingJob: ResourceLimitExceeded: ml.m5.xlarge for processing job usage")
    one.play()
    error = one.registry.runs("churn")[0]["error"]
    assert error["title"] == "AWS refused" and "processing job usage" in error["detail"]


def test_too_much_for_any_job_is_refused_with_the_sum() -> None:
    assert _disk_gb(1 << 30) == 30
    assert _disk_gb(100 << 30) == 1000
    with pytest.raises(UserError, match="5,000 GB; a processing job takes up to 1,638 GB"):
        _disk_gb(5000 << 30)


def test_a_function_that_runs_out_of_room_hands_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many categories, each a column of its own, are more than the rows' size lets expect."""
    one = flow()
    one.limit = 0

    def too_much(*_: object) -> None:
        raise OutOfRoom("Too large for the function", "full", "")

    monkeypatch.setattr(preparation, "prepare", too_much)
    one.put("data/churn/a.csv", table(240, 1))
    one.play()
    assert one.registry.runs("churn")[0]["status"] == "live"
    assert len(one.jobs.processing) == 1


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), duckdb.IOException("write: No space left on device")]
)
def test_a_full_disk_is_out_of_room(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(OutOfRoom), connect(tmp_path, 128):
        raise error


def test_another_trouble_with_a_file_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(duckdb.IOException, match="permission"), connect(tmp_path, 128):
        raise duckdb.IOException("no permission")


def test_what_is_chosen_by_size_prepares_in_sagemaker() -> None:
    model = loaders.Loader().load_service_model("sagemaker", "service-2")
    known = set(model["shapes"]["ProcessingInstanceType"]["enum"])
    assert {instances.for_preparing(size << 30) for size in (1, 20, 100)} <= known


def test_a_job_of_somebody_else_is_left_alone() -> None:
    one = flow()
    for name in ("sluicegate-churn-1f2e3d4c-p", "sluicegate-churn-p", "other-churn-1f2e3d4c-p"):
        assert one.deliver("processing", "event-1", name) == "ignored"


def test_memory_is_taken_by_the_machines_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 4 << 20, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert job._memory_limit_mb() == pytest.approx(16384 * 0.7, abs=1)


def test_the_disk_counts_whatever_the_limit_is() -> None:
    one = flow()
    one.limit = 1 << 40
    one.put("data/churn/a.csv", table(240, 1))
    one.collect()
    one.attempt(*one.pending.pop(0))
    one.workspace = FakeWorkspace(free=1000)
    until(one, "processing")

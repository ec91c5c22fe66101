"""SageMaker's events of jobs' ends that never come: every five minutes somebody looks, and the work goes on, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.errors import Transient
from sluicegate.services.lost_ends import GRACE, UNSTARTED, LostEnds
from tests.support.fakes import FakeBell
from tests.support.flow import Flow, table

TUNED = b"algorithm: {tuning: {max_jobs: 2, parallel: 1}}\n"


def started(written: bytes = b"", limit: int = 0) -> Flow:
    flow = Flow(limit=limit)
    if written:
        flow.put("models/churn/model.yaml", written)
    flow.put("data/churn/a.csv", table(240))
    return flow


def look(flow: Flow, minutes: float = 5) -> list[str]:
    """The rule's time comes."""
    flow.world.now += timedelta(minutes=minutes)
    lost = LostEnds(flow.ledger(), flow.jobs, flow.jobs, FakeBell(flow.world))
    return lost.look(flow.registry.models(), flow.world.now)


JOBS = ("processing", "training", "trial", "tuning", "transform")


def play(flow: Flow, lose: Callable[[], bool] = lambda: True, looks: int = 8) -> list[str]:
    """All that happens, with a look whenever it comes to rest. ``lose``: whether the next event of SageMaker's is
    lost; what a look tells always arrives. Returns the jobs that were told of."""
    told: list[str] = []
    arrives: dict[str, bool] = {}
    for _ in range(looks):
        while True:
            flow.collect()
            for kind, identity, _about in flow.pending:
                arrives.setdefault(identity, kind not in JOBS or not lose())
            flow.pending[:] = [each for each in flow.pending if arrives[each[1]]]
            if flow.pending:
                flow.attempt(*flow.pending.pop(0))
            elif not flow.sagemaker():
                break
        before = len(flow.world.events)
        told += look(flow)
        arrives |= {identity: True for _kind, identity, _about in flow.world.events[before:]}
    return told


@pytest.mark.parametrize(
    ("written", "limit", "jobs"),
    [
        (b"", 0, ["training", "transform"]),
        (TUNED, 0, ["tuning", "transform"]),
        (b"", 1, ["processing", "training", "transform"]),
    ],
)
def test_a_run_goes_on_though_no_end_of_its_jobs_is_told(written: bytes, limit: int, jobs: list[str]) -> None:
    flow = started(written, limit)
    told = play(flow)
    model = flow.registry.model("churn")
    (run,) = flow.registry.runs("churn")
    assert (run["status"], model["live_version"], model.get("active_run")) == ("live", 1, None)
    assert len(told) == len(jobs)
    assert [line.split()[1] for line in flow.world.effects if line.startswith("tell ")] == jobs
    assert look(flow) == []


@settings(max_examples=15)
@given(st.integers(0, 2**32))
def test_whichever_ends_are_lost_one_version_goes_live(seed: int) -> None:
    random = Random(seed)
    flow = started()
    play(flow, lambda: random.random() < 0.5)
    assert flow.registry.model("churn")["live_version"] == 1
    assert [run["status"] for run in flow.registry.runs("churn")] == ["live"]
    assert len(flow.jobs.training) == len(flow.packages.packages) == 1


def waiting(status: str) -> Flow:
    """A run in ``status``; its job has not ended."""
    flow = started()
    for _ in range(40):
        flow.collect()
        runs = flow.registry.runs("churn") if "churn" in [line["model"] for line in flow.registry.models()] else []
        if runs and runs[0]["status"] == status:
            flow.pending.clear()
            return flow
        if flow.pending:
            flow.attempt(*flow.pending.pop(0))
        else:
            flow.sagemaker()
    raise AssertionError(f"no run came to {status}")


def test_what_still_runs_or_has_just_ended_is_left_alone() -> None:
    flow = waiting("training")
    assert look(flow, 60 * 24) == []
    (name,) = flow.jobs.training
    young = waiting("training")
    young.jobs.end("training", name)
    assert look(young, GRACE.total_seconds() / 60 / 2) == []
    assert look(young) == [name]


@pytest.mark.parametrize("status", ["training", "evaluating"])
def test_a_run_whose_job_somebody_deleted_fails_and_the_next_can_start(status: str) -> None:
    flow = waiting(status)
    kind = {"training": "training", "evaluating": "transform"}[status]
    ((_, name),) = [key for key in flow.jobs.states if key[0] == kind]
    del flow.jobs.states[kind, name]
    assert look(flow) == []  # who starts a job notes its name first
    assert look(flow, UNSTARTED.total_seconds() / 60) == [name]
    run = flow.registry.runs("churn")[0]
    assert run["status"] == "failed"
    assert name in run["error"]["detail"]
    assert flow.registry.model("churn").get("active_run") is None
    flow.put("data/churn/b.csv", table(100, 2))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1


def test_where_nothing_is_waited_for_a_look_reads_two_lists_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    flow = started()
    flow.play()
    flow.put("batch/churn/a.csv", table(30))
    flow.play()
    models = flow.registry.models()
    lost = LostEnds(flow.ledger(), flow.jobs, flow.jobs, FakeBell(flow.world))
    read: list[str] = []

    def reading(name: str, given: Callable[..., object]) -> Callable[..., object]:
        def call(*at: object) -> object:
            read.append(name)
            return given(*at)

        return call

    for name in ("models", "model", "uploads", "runs", "run", "versions", "batches", "batch", "predicting"):
        monkeypatch.setattr(flow.registry, name, reading(name, getattr(flow.registry, name)))
    assert lost.look(models, flow.world.now + timedelta(days=1)) == []
    assert read == ["predicting"]


def test_a_batch_whose_end_was_lost_is_written_and_one_whose_job_is_gone_fails() -> None:
    flow = started()
    flow.play()
    flow.put("batch/churn/a.csv", table(30))
    for _ in range(6):
        flow.collect()
        flow.pending[:] = [each for each in flow.pending if each[0] != "transform"]
        if flow.pending:
            flow.attempt(*flow.pending.pop(0))
        else:
            flow.sagemaker()
    (batch,) = flow.registry.batches("churn")
    assert batch["status"] == "predicting"
    assert look(flow) == [batch["transform_job"]]
    flow.play()
    assert flow.registry.batches("churn")[0]["status"] == "done"
    flow.put("batch/churn/b.csv", table(31))
    for _ in range(4):
        flow.collect()
        if flow.pending:
            flow.attempt(*flow.pending.pop(0))
    (gone,) = [each for each in flow.registry.batches("churn") if each["key"].endswith("b.csv")]
    name = str(gone["transform_job"])
    del flow.jobs.states["transform", name]
    assert look(flow, 61) == [name]
    (failed,) = [each for each in flow.registry.batches("churn") if each["key"].endswith("b.csv")]
    assert (failed["status"], name in failed["error"]["detail"]) == ("failed", True)


def test_one_model_that_cannot_be_looked_at_does_not_keep_the_others_waiting() -> None:
    flow = waiting("training")
    flow.put("data/apples/a.csv", table(240, 3))
    for _ in range(12):
        flow.collect()
        if flow.pending:
            flow.attempt(*flow.pending.pop(0))
    names = {spec.name: name for name, spec in flow.jobs.training.items()}
    for name in names:
        flow.jobs.end("training", name)
    (apples,) = [name for name in names if "apples" in name]
    ask = flow.jobs.training_job

    def throttled(name: str) -> object:
        if name == apples:
            raise Transient("slowly")
        return ask(name)

    flow.jobs.training_job = throttled  # type: ignore[method-assign,assignment]
    with pytest.raises(Transient, match="slowly"):
        look(flow)
    assert [each for each in flow.world.effects if each.startswith("tell ")] == [
        f"tell training {name} Completed" for name in names if name != apples
    ]

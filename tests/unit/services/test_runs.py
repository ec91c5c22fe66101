from __future__ import annotations

from datetime import timedelta

import pytest

from sluicegate.domain.errors import Refused
from sluicegate.services.catalog import Catalog
from sluicegate.services.train import parse_message
from tests.support.fakes import Crash, World
from tests.support.flow import Flow, table


def test_a_burst_of_uploads_is_one_run() -> None:
    flow = Flow(quiet=30)
    for number in range(8):
        flow.put(f"data/churn/{number}.csv", table(40, number))
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert len(run["uploads"]) == 8
    assert {delay for _, _, delay in flow.world.messages} == {30}


def test_data_that_come_during_a_run_are_not_lost() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    while not flow.jobs.training:
        flow.collect()
        flow.attempt(*flow.pending.pop(0))
    flow.put("data/churn/b.csv", table(260, 2))
    while flow.pending:
        flow.attempt(*flow.pending.pop(0))
        flow.collect()
    assert len(flow.jobs.training) == 1, "one run at a time"
    flow.play()
    assert len(flow.jobs.training) == 2
    assert flow.registry.model("churn")["live_version"] == 2


def test_data_that_cannot_train_end_the_run_with_a_reason_and_more_data_start_another() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", b"height,color,won\n" + b"5,red,yes\n" * 60)
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert run["status"] == "failed"
    assert run["error"]["title"]
    assert flow.registry.model("churn")["state"] == "failed"
    flow.put("data/churn/b.csv", table(240))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1


def test_a_failed_training_job_ends_the_run_with_sagemakers_reason() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    while not flow.jobs.training:
        flow.collect()
        flow.attempt(*flow.pending.pop(0))
    flow.jobs.end("training", next(iter(flow.jobs.training)), "Failed", "AlgorithmError: out of memory")
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert (run["status"], run["error"]["detail"]) == ("failed", "AlgorithmError: out of memory")
    assert "active_run" not in flow.registry.model("churn")


def test_what_aws_refuses_ends_the_run_and_is_shown() -> None:
    flow = Flow()
    flow.jobs.refuse = Refused("CreateTrainingJob: ResourceLimitExceeded: the limit for ml.m5.large is 0")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert run["status"] == "failed"
    assert "ml.m5.large is 0" in run["error"]["detail"]


def test_a_preparation_that_broke_off_is_taken_up_though_newer_data_came() -> None:
    world = World()
    flow = Flow(world)
    flow.put("data/churn/a.csv", table(240))
    flow.collect()
    flow.attempt(*flow.pending.pop(0))
    flow.collect()
    message = flow.pending.pop(0)
    world.crash_after = len(world.effects) + 2  # after the claim and one part of the data set
    with pytest.raises(Crash):
        flow.deliver(*message)
    flow.put("data/churn/b.csv", table(260, 2))
    flow.collect()
    while flow.pending:
        flow.attempt(*flow.pending.pop(0))
        flow.collect()
    assert flow.jobs.training == {}
    flow.pending.append(message)  # its visibility timeout is over
    flow.play()
    assert len(flow.registry.runs("churn")) == 2
    assert flow.registry.model("churn")["live_version"] == 2


def test_a_preparation_that_nobody_takes_up_gives_way_to_the_next_data() -> None:
    world = World()
    flow = Flow(world)
    flow.put("data/churn/a.csv", table(240))
    flow.collect()
    flow.attempt(*flow.pending.pop(0))
    flow.collect()
    world.crash_after = len(world.effects) + 2
    with pytest.raises(Crash):
        flow.deliver(*flow.pending.pop(0))  # and the message is lost to the dead-letter queue
    world.now += timedelta(minutes=20)
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert sorted(run["status"] for run in flow.registry.runs("churn")) == ["failed", "live"]
    (interrupted,) = [run for run in flow.registry.runs("churn") if run["status"] == "failed"]
    assert interrupted["error"]["detail"] == "The preparation was interrupted, and newer data have come since."


def test_settings_that_are_no_longer_taken_are_told_of_the_model() -> None:
    """Those of a stack that was updated since: no run begins that could say it."""
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {on: [schedule], schedule: rate(7 days)}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.registry.items["model", "churn", ""]["settings"] = "training: {spott: true}\n"
    (*_, (identity, body, _)) = flow.world.messages
    assert flow.deliver("message", identity, body) == "failed"
    model = flow.registry.model("churn")
    assert model["state"] == "failed"
    assert "spott" in model["message"] and "spott" in model["settings_problem"]["detail"]
    assert flow.registry.runs("churn") == []
    flow.put("models/churn/model.yaml", b"training: {spot: false}\n")
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 1


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("when", ["preparing", "evaluating"])
def test_a_champion_whose_data_set_is_gone_fails_the_run_and_says_so(limit: int, when: str) -> None:
    flow = Flow(limit=limit)
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    (first,) = flow.registry.runs("churn")
    flow.put("data/churn/b.csv", table(240, 2))
    if when == "evaluating":
        while len(flow.jobs.training) < 2:
            flow.collect()
            if flow.pending:
                flow.attempt(*flow.pending.pop(0))
            else:
                flow.sagemaker()
    del flow.storage.objects[f"datasets/churn/{first['dataset_version']}/dataset.json"]
    flow.play()
    run = flow.registry.runs("churn")[0]
    assert (run["status"], run["error"]["title"]) == ("failed", "Version without its encoder")
    assert first["dataset_version"] in run["error"]["detail"]
    assert flow.registry.model("churn")["live_version"] == 1


def test_few_new_rows_wait_for_more() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {min_new_rows: 100}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert flow.registry.model("churn")["message"] == "Version 1 is live."
    flow.put("data/churn/b.csv", table(60, 2))
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    shown = Catalog(flow.registry).model("churn", flow.world.now)
    assert shown["state"] == "live"
    assert shown["message"].endswith("; waits for more rows: 60 new ones are there, 100 start a run")
    flow.put("data/churn/c.csv", table(60, 3))
    flow.play()
    assert len(flow.registry.runs("churn")) == 2
    assert "more rows" not in Catalog(flow.registry).model("churn", flow.world.now)["message"]


def test_rows_that_were_taken_away_wait_for_no_new_ones() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"retrain: {min_new_rows: 100}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.put("data/churn/b.csv", table(60, 2))
    flow.play()
    flow.put("data/churn/c.csv", table(60, 3))
    flow.play()
    flow.delete("data/churn/c.csv")  # no version learned from it
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    flow.delete("data/churn/b.csv")
    flow.play()
    newest, first = flow.registry.runs("churn")
    assert (len(first["uploads"]), len(newest["uploads"])) == (2, 1)
    flow.put("data/churn/d.csv", table(60, 4))
    flow.play()
    assert len(flow.registry.runs("churn")) == 2


@pytest.mark.parametrize("body", ["no json", "[]", "{}", '{"model": "A B", "cause": "x"}', '{"model": "a"}'])
def test_a_message_that_says_nothing_is_refused(body: str) -> None:
    with pytest.raises(ValueError):
        parse_message(body)


def test_an_earlier_runs_settings_that_are_no_longer_taken_don_t_hinder_the_next() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    while not flow.jobs.training:
        flow.collect()
        flow.attempt(*flow.pending.pop(0))
    (job,) = flow.jobs.training
    flow.jobs.end("training", job, "Failed", "no capacity")
    flow.play()
    (first,) = flow.registry.runs("churn")
    flow.registry.items["run", "churn", first["run"]]["settings"] = "training: {spott: true}\n"
    flow.put("data/churn/b.csv", table(240, 2))
    flow.play()
    assert [run["status"] for run in flow.registry.runs("churn")] == ["live", "failed"]

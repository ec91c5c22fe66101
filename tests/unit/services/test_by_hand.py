"""What people do in SageMaker past the application, while a version comes in or serves."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from tests.support.flow import Flow, table
from tests.support.life import wrong
from tests.support.lives import told
from tests.support.slumber import IDLE, Slumbering
from tests.support.stage import ANN, ENDPOINT, MODEL, Stage

CANARY = "deployment: {strategy: canary, percent: 10, bake: 10m}\n"


def refused(stage: Stage, number: int) -> None:
    arn = stage.version(number)["model_package_arn"]
    stage.packages.decide(arn, "Rejected", "by hand")
    stage.play()


@pytest.mark.parametrize("settings", ["", CANARY])
def test_a_version_rejected_while_it_comes_in_does_not_serve(settings: str) -> None:
    stage = Stage(settings)
    stage.add("approved")
    stage.play()
    stage.add("approved")
    stage.until(lambda: stage.status(2) == "deploying")
    refused(stage, 2)
    assert (stage.live, stage.serves(), stage.status(2)) == (1, 1, "rejected")
    assert [(lane["version"], lane["weight"]) for lane in stage.lanes] == [(1, 1.0)]
    assert set(stage.endpoints.states) == {ENDPOINT}
    assert stage.registry.run(MODEL, stage.version(2)["run"])["status"] == "failed"
    item = stage.model()
    assert item.get("deploying_version") is None and item.get("active_run") is None
    assert "Rejected" in item["message"]


def test_the_first_version_rejected_while_its_endpoint_is_created_leaves_none() -> None:
    stage = Stage()
    stage.add("approved")
    stage.until(lambda: stage.status(1) == "deploying")
    refused(stage, 1)
    assert (stage.live, stage.status(1), stage.endpoints.states) == (None, "rejected", {})


def test_a_version_rejected_while_it_waits_for_a_busy_endpoint_is_not_deployed() -> None:
    stage = Stage()
    stage.add("approved")
    stage.play()
    stage.add("approved")
    stage.until(lambda: stage.status(2) == "deploying")
    stage.add("approved")
    stage.until(lambda: stage.model().get("desired_version") == 3)
    assert stage.status(3) == "approved"
    arn = stage.version(3)["model_package_arn"]
    stage.packages.decide(arn, "Rejected", "by hand")
    stage.play()
    assert stage.status(3) == "rejected"
    assert stage.serves() == stage.live != 3


@pytest.mark.parametrize("settings", ["", IDLE])
def test_an_endpoint_that_was_deleted_sleeps_and_a_prediction_wakes_it(settings: str) -> None:
    """Whether model.yaml has it shut down by itself or not; SageMaker tells nobody."""
    stage = Slumbering(settings).live_version()
    stage.endpoints.states.clear()
    stage.reap()
    stage.play()
    assert stage.sleep is not None and stage.sleep["gone"]
    assert "deleted" in str(stage.sleep["why"])
    assert stage.routing["state"] == "asleep"
    stage.ask()
    stage.play()
    assert stage.there and stage.sleep is None and stage.routing["state"] == "serving"


def test_an_experiment_whose_endpoint_was_deleted_ends() -> None:
    for life in ("serverless", "instances"):
        world = next(one for one in told(life).moments if one.act.name in ("promote", "keep")).world
        flow = copy.deepcopy(world)
        flow.pending.clear()
        flow.remove_endpoint()
        flow.go_on(lambda one: one.rests)
        assert flow.experiment()["error"]["detail"] == "The model's endpoint was deleted."
        assert wrong(flow) == []
        assert flow.item()["sleep"]["state"] == "asleep"


def test_a_version_that_is_overtaken_holds_up_no_run() -> None:
    """A person chooses another one before it was told to the endpoint; data that came meanwhile are trained."""
    flow = Flow()
    flow.put("data/churn/a.csv", table(160, 1))
    flow.play()
    states = flow.endpoints.states
    states[ENDPOINT] = replace(states[ENDPOINT], status="SystemUpdating")
    flow.put("data/churn/b.csv", table(170, 2))
    flow.play()
    assert flow.registry.version("churn", 2)["status"] == "approved"
    flow.put("data/churn/c.csv", table(180, 3))
    flow.play()
    flow.steer().deploy("churn", 1, ANN, flow.world.tick())
    assert flow.registry.model("churn").get("active_run") is None
    states[ENDPOINT] = replace(states[ENDPOINT], status="InService")
    flow.world.say("endpoint", ENDPOINT)
    flow.play()
    last = flow.registry.run("churn", flow.registry.model("churn")["last_run"])
    assert len(last["uploads"]) == 3
    assert flow.registry.model("churn")["live_version"] == 3

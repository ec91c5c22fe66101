"""What once left a run under way for ever, so that its model never trained again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sluicegate.domain.errors import Refused
from sluicegate.events import queue_records
from tests.support.flow import Flow, table


def three_classes(rows: int, seed: int) -> bytes:
    lines = table(rows, seed).decode().splitlines()
    found = [lines[0], *(line.rsplit(",", 1)[0] + f",{'abc'[n % 3]}" for n, line in enumerate(lines[1:]))]
    return "\n".join(found).encode() + b"\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (b"evaluation: {metric: rmse}\n", "evaluation.metric"),
        (b"algorithm: {hyperparameters: {objective: 'reg:squarederror'}}\n", "objective"),
    ],
)
def test_settings_that_do_not_fit_the_inferred_problem_end_the_run_before_it_costs(settings: bytes, said: str) -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", settings)
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert run["status"] == "failed"
    assert said in run["error"]["detail"]
    assert "binary" in run["error"]["detail"]
    assert flow.jobs.training == {}


def test_a_deployment_refused_when_the_endpoint_is_free_again_ends_the_run() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    name = "sluicegate-churn"
    flow.endpoints.states[name] = replace(flow.endpoints.states[name], status="SystemUpdating")
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()

    def refuse(name: str, config: str, guard: object = None, keep: bool = False) -> None:
        raise Refused("UpdateEndpoint: ResourceLimitExceeded: 5 serverless endpoints are the limit")

    update, flow.endpoints.update = flow.endpoints.update, refuse  # type: ignore[method-assign]
    flow.endpoints.states[name] = replace(flow.endpoints.states[name], status="InService")
    flow.world.say("endpoint", name)
    flow.play()
    run = next(run for run in flow.registry.runs("churn") if run["version"] == 2)
    assert run["status"] == "failed"
    assert "are the limit" in run["error"]["detail"]
    assert flow.registry.version("churn", 2)["status"] == "failed"
    flow.endpoints.update = update  # type: ignore[method-assign]
    flow.put("data/churn/c.csv", table(280, 3))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 3


def test_a_champion_whose_model_is_gone_is_made_again_to_be_compared() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.jobs.models.clear()  # somebody tidied up
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    assert flow.registry.model("churn")["live_version"] == 2
    assert flow.registry.version("churn", 2)["verdict"]["checks"][0]["name"] == "champion"


def test_a_message_that_comes_again_counts_from_now() -> None:
    """Else a preparation taken up again would at once look like one that nobody works on."""
    record = {"messageId": "m", "body": "{}", "attributes": {"ApproximateFirstReceiveTimestamp": "1767323045000"}}
    assert queue_records({"Records": [record]})[0].at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    record["attributes"]["ApproximateReceiveCount"] = "2"  # type: ignore[index]
    before = datetime.now(UTC)
    assert queue_records({"Records": [record]})[0].at >= before


def test_an_instance_that_only_trains_does_not_waste_the_training() -> None:
    flow = Flow()
    flow.put("models/churn/model.yaml", b"training: {instance: ml.r5.xlarge}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert {spec.instance_type for spec in flow.jobs.training.values()} == {"ml.r5.xlarge"}
    assert {spec.instance_type for spec in flow.jobs.transforms.values()} == {"ml.m5.large"}
    assert flow.registry.model("churn")["live_version"] == 1

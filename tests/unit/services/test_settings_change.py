"""What a changed or mistaken model.yaml does to the model's state, and what it says of it."""

from __future__ import annotations

from typing import Any

import pytest

from sluicegate.services.catalog import Catalog
from sluicegate.services.ingest import ENDPOINT_NOTE
from tests.support.flow import Flow, table

MISTAKE = b"algorithm: {hyperparameters: {etta: 0.1}}\n"
CORRECT = b"algorithm: {hyperparameters: {eta: 0.1}}\n"


def shown(flow: Flow) -> list[dict[str, Any]]:
    """The model in the list and in detail."""
    catalog: Any = Catalog(flow.registry)
    (line,) = catalog.models()["models"]
    return [line, catalog.model("churn", flow.world.now)]


@pytest.mark.parametrize("first", ["settings", "data"])
def test_a_mistake_is_told_until_it_is_corrected_and_then_the_data_train(first: str) -> None:
    flow = Flow()
    puts = [("models/churn/model.yaml", MISTAKE), ("data/churn/a.csv", table(120))]
    for key, content in puts if first == "settings" else puts[::-1]:
        flow.put(key, content)
    flow.pending.sort(key=lambda delivery: first not in delivery[2][0])
    while flow.pending:
        flow.attempt(*flow.pending.pop(0))
    flow.put("data/churn/b.csv", table(130, 2))
    flow.play()
    for model in shown(flow):
        assert model["state"] == "failed"
        assert "algorithm.hyperparameters.etta" in model["message"]
    assert flow.registry.runs("churn") == []
    flow.put("models/churn/model.yaml", CORRECT)
    flow.play()
    (run,) = flow.registry.runs("churn")
    assert len(run["uploads"]) == 2
    for model in shown(flow):
        assert model["state"] == "live"
        assert "etta" not in model["message"]


def test_a_mistake_while_a_version_serves_is_told_beside_it() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.put("models/churn/model.yaml", MISTAKE)
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    for model in shown(flow):
        assert model["state"] == "live"
        assert "algorithm.hyperparameters.etta" in model["message"]
    assert len(flow.registry.runs("churn")) == 1


def test_settings_that_change_nothing_leave_no_model_working() -> None:
    flow = Flow(skill=lambda _: 0.5)
    flow.put("models/churn/model.yaml", b"evaluation: {metric: auc, minimum: 0.9}\n")
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert flow.registry.runs("churn")[0]["status"] == "rejected"
    flow.put("models/churn/model.yaml", b"evaluation: {metric: auc, minimum: 0.9}  # still\n")
    flow.play()
    assert len(flow.registry.runs("churn")) == 1
    for model in shown(flow):
        assert model["state"] == "failed"
        assert "rejected" in model["message"]


def test_another_endpoint_is_said_to_wait_for_the_next_version() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.put("models/churn/model.yaml", b"endpoint: {serverless: {memory_mb: 4096}}\n")
    flow.play()
    line, detail = shown(flow)
    assert ENDPOINT_NOTE in line["message"]
    assert "endpoint settings apply to the next version" in detail["message"]
    assert flow.endpoints.orders == ["sluicegate-churn-v1"]
    flow.put("data/churn/b.csv", table(260, 2))
    flow.play()
    line, detail = shown(flow)
    assert line["live_version"] == 2
    assert "next version" not in line["message"] + detail["message"]
    assert "settings_note" not in flow.registry.model("churn")


def test_other_settings_say_nothing_of_the_endpoint() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    flow.put("models/churn/model.yaml", b"retrain: {min_new_rows: 5}\nendpoint: {serverless: {memory_mb: 2048}}\n")
    flow.play()
    assert all("next version" not in model["message"] for model in shown(flow))


def test_what_is_said_of_requests_counts_at_once_and_trains_nothing() -> None:
    flow = Flow()
    flow.put("data/churn/a.csv", table(240))
    flow.play()
    assert flow.storage.json("routing/churn.json")["subject"] is None
    flow.put("models/churn/model.yaml", b"traffic: {subject: visitor}\nprediction_log: {records: false}\n")
    flow.play()
    routing = flow.storage.json("routing/churn.json")
    assert (routing["subject"], routing["log"]) == ("visitor", {"sample": 1.0, "records": False})
    assert [lane["version"] for lane in routing["lanes"]] == [1]
    flow.put("models/churn/model.yaml", b"traffic: {subject: 5}\n")
    flow.play()
    assert flow.storage.json("routing/churn.json") == routing  # a mistake changes nothing
    assert len(flow.registry.runs("churn")) == 1

"""A data set that is too much for a function, at a lowered limit: a real processing job prepares it, file for file."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e
#: no version is good enough to serve: deploying it would show nothing new
SETTINGS = "algorithm: {hyperparameters: {num_round: 3}}\nevaluation: {metric: logloss, minimum: 1.0e-9}\n"


def table(rows: int, seed: int) -> str:
    chosen = random.Random(seed)
    lines = ["size,weight,kind,won"]
    for _ in range(rows):
        size = chosen.random()
        lines.append(f"{size},{chosen.random()},{chosen.choice('xyz')},{'yes' if size > 0.5 else 'no'}")
    return "\n".join(lines) + "\n"


@contextmanager
def lowered_limit(app: Application) -> Iterator[None]:
    """To a megabyte, as the parameter PreparationLimitMb does."""
    functions = app.client("lambda")
    (name,) = [
        found["FunctionName"]
        for page in functions.get_paginator("list_functions").paginate()
        for found in page["Functions"]
        if "StartTraining" in found["FunctionName"]
    ]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    changed = {**before, "PREPARATION_LIMIT_MB": "1"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def ended(app: Application, model: str) -> dict[str, Any] | None:
    runs = app.runs(model)
    return runs[0] if runs and runs[0]["status"] in ("rejected", "failed") else None


def prepared(app: Application, run: dict[str, Any], model: str) -> dict[str, bytes]:
    prefix = f"datasets/{model}/{run['dataset_version']}/"
    return {key.removeprefix(prefix): app.read(key) for key in app.keys(prefix) if not key.endswith("dataset.json")}


def test_a_processing_job_prepares_what_a_function_would_have(application: Application) -> None:
    app, body = application, table(100_000, 1)
    made = {}
    for model in ("small", "large"):
        app.settings(model, SETTINGS)
    app.put("data/small/rows.csv", body)
    here = eventually(lambda: ended(app, "small"), 120, "the function prepares")
    with lowered_limit(app):
        app.put("data/large/rows.csv", body)
        watched = app.watch("large")
        there = eventually(lambda: ended(app, "large"), 120, "the job prepares")
    made = {model: prepared(app, run, model) for model, run in (("small", here), ("large", there))}
    profiles = [
        json.loads(app.read(f"datasets/{model}/{run['dataset_version']}/dataset.json"))["profile"]
        for model, run in (("small", here), ("large", there))
    ]
    assert profiles[0] == profiles[1] and profiles[0]["findings"][0]["columns"] == ["size"]
    assert here["notes"] == there["notes"] and here["notes"][0].startswith("size (AUC 1) predicts won by itself")
    assert "size (AUC 1) predicts won by itself" in watched.stdout
    assert "the label may leak through size" in here["verdict"]["checks"][-1]["detail"]
    assert here["status"] == there["status"] == "rejected", (here["error"], there["error"])
    assert here["preparation"] is None
    assert made["small"] == made["large"]
    assert {key.split("/")[0] for key in made["large"]} == {"train", "validation", "holdout", "holdout-labels"}
    name = there["preparation"]["job"]
    job = app.client("sagemaker").describe_processing_job(ProcessingJobName=name)
    assert job["ProcessingJobStatus"] == "Completed"
    assert job["NetworkConfig"]["EnableNetworkIsolation"] is True
    assert [line["status"] for line in there["history"]][:3] == ["preparing", "processing", "training"]
    assert name in watched.stdout
    assert "prepared:" in app.sluice("logs", "job", "--since", "5m").stdout
    assert {line["what"] for line in there["cost"]["actual"]["lines"]} == {"preparation", "training", "evaluation"}

"""An endpoint on instances that nobody calls sleeps, on a real region whose clock is moved ahead, and wakes by a
prediction; what was asked for it (autoscaling, data capture) comes and goes with it."""

from __future__ import annotations

import json
from functools import partial
from random import Random
from typing import Any

import pytest

from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

SETTINGS = "idle_shutdown: 15m\nendpoint: {instance: ml.m5.large}\n"
SCALED = SETTINGS.replace("}", ", max: 2, requests_per_instance: 500, data_capture: {percent: 100}}")
RECORD = {"height": 70, "color": "red"}


def table() -> str:
    random = Random(3)
    rows = [(random.randint(0, 100), random.choice(["red", "green"])) for _ in range(200)]
    return "height,color,won\n" + "".join(f"{h},{c},{'yes' if h > 50 else 'no'}\n" for h, c in rows)


def advance(application: Application, span: str) -> None:
    application.sluice("clock", span)


def in_state(application: Application, model: str, wanted: str) -> bool:
    return bool(application.api.get(f"models/{model}")["endpoint_state"] == wanted)


def scaling(application: Application) -> list[tuple[int, int, float]]:
    """Of the variant of dozing's version 1: the bounds of its scalable target, and what its policy tracks."""
    client = application.client("application-autoscaling")
    variant = {"ServiceNamespace": "sagemaker", "ScalableDimension": "sagemaker:variant:DesiredInstanceCount"}
    resource = "endpoint/sluicegate-dozing/variant/v1"
    targets = client.describe_scalable_targets(**variant, ResourceIds=[resource])["ScalableTargets"]
    policies = client.describe_scaling_policies(**variant, ResourceId=resource)["ScalingPolicies"]
    assert len(targets) == len(policies)
    tracked = [one["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for one in policies]
    return [(one["MinCapacity"], one["MaxCapacity"], *tracked) for one in targets]


def captured(application: Application) -> dict[str, dict[str, Any]]:
    """What data capture kept of dozing, by inference id."""
    keys = application.keys("data-capture/dozing/sluicegate-dozing/v1/")
    lines = [json.loads(line) for key in keys for line in application.read(key).decode().splitlines()]
    return {line["eventMetadata"]["inferenceId"]: line["captureData"] for line in lines}


def test_idle_endpoints_sleep_and_predictions_wake_them(application: Application) -> None:
    application.settings("dozing", SCALED + "algorithm: {hyperparameters: {num_round: 10}}\n")
    application.settings(
        "dormant", SETTINGS + "algorithm: {name: kmeans, hyperparameters: {k: 2}}\nfeatures: {exclude: [won]}\n"
    )
    for model in ("dozing", "dormant"):
        application.put(f"data/{model}/a.csv", table())
    for model in ("dozing", "dormant"):
        watched = application.watch(model)
        assert watched.returncode == 0, watched.stdout + watched.stderr
    before = application.predict("dozing", RECORD)
    assert before["served_by"] == "endpoint"
    assert "predictions" in application.predict("dormant", RECORD)
    identity = before["predictions"][0]["inference_id"]
    kept = eventually(lambda: captured(application).get(identity), 20, "the request and its answer are captured")
    assert kept["endpointInput"]["data"].startswith("70"), "as the model reads it"
    assert float(kept["endpointOutput"]["data"]) == pytest.approx(before["predictions"][0]["probabilities"]["yes"])
    eventually(lambda: scaling(application) == [(1, 2, 500.0)], 20, "the variant scales")

    advance(application, "+26m")
    for model in ("dozing", "dormant"):
        eventually(partial(in_state, application, model, "asleep"), 20, f"{model} sleeps")
    sagemaker = application.client("sagemaker")
    names = {found["EndpointName"] for found in sagemaker.list_endpoints()["Endpoints"]}
    assert not names & {"sluicegate-dozing", "sluicegate-dormant"}
    assert sagemaker.describe_endpoint_config(EndpointConfigName="sluicegate-dozing-v1")
    assert scaling(application) == []
    seen = captured(application)

    # a tree model is answered at once, and the same
    found = application.predict("dozing", RECORD)
    assert found["served_by"] == "function"
    assert found["predictions"][0]["probabilities"] == pytest.approx(
        before["predictions"][0]["probabilities"], abs=1e-6
    )
    # the other one says where to look
    waking: dict[str, Any] = application.predict("dormant", RECORD)
    assert (waking["state"], waking["status_url"].rsplit("/", 1)[1]) == ("waking", "dormant")

    for model in ("dozing", "dormant"):
        eventually(partial(in_state, application, model, "serving"), 30, f"{model} is awake")
    assert "predictions" in json.loads(
        application.sluice("predict", "dormant", "height=70", "color=red", "--json").stdout
    )
    eventually(lambda: application.predict("dozing", RECORD)["served_by"] == "endpoint", 15, "the endpoint answers")
    eventually(lambda: scaling(application) == [(1, 2, 500.0)], 20, "it scales again")
    eventually(lambda: len(captured(application)) > len(seen), 20, "and is captured again, by the config that was kept")
    detail = application.api.get("models/dozing")
    assert detail["saved"]["usd"] > 0
    assert detail["sleep"] is None

"""``deployment`` of model.yaml: what it means, and what is refused."""

from __future__ import annotations

import pytest

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings_deployment import Guard, Sign
from sluicegate.domain.settings_reader import parse_settings

SIGNS: tuple[Sign, ...] = ("errors", "latency")


@pytest.mark.parametrize(
    ("text", "guard"),
    [
        ("", None),
        ("{strategy: experiment}", None),
        ("{strategy: shadow}", None),
        ("{bake: 10m}", Guard("all_at_once", (100,), 600, SIGNS, None)),
        ("{strategy: canary}", Guard("canary", (10, 100), 300, SIGNS, None)),
        ("{strategy: canary, percent: 50, bake: 1h}", Guard("canary", (50, 100), 3600, SIGNS, None)),
        ("{strategy: linear}", Guard("linear", (33, 66, 100), 300, SIGNS, None)),
        ("{strategy: linear, percent: 50}", Guard("linear", (50, 100), 300, SIGNS, None)),
        (
            "{strategy: canary, rollback_on: [predictions], latency_ms: 80}",
            Guard("canary", (10, 100), 300, ("predictions",), 80),
        ),
        ("{strategy: canary, rollback_on: []}", Guard("canary", (10, 100), 300, (), None)),
    ],
)
def test_what_it_means(text: str, guard: Guard | None) -> None:
    assert parse_settings(f"deployment: {text}\n" if text else "").deployment.guard() == guard


def test_instances_scale_and_are_captured() -> None:
    endpoint = parse_settings(
        "endpoint: {instance: ml.m5.large, min: 2, max: 4, data_capture: {percent: 20}}\n"
    ).endpoint
    assert (endpoint.max, endpoint.requests_per_instance) == (4, 1000)
    assert endpoint.data_capture is not None and endpoint.data_capture.percent == 20


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{max: 4}", "max needs instance: a serverless endpoint scales by itself"),
        ("{instance: ml.m5.large, min: 3, max: 2}", "max is 2 and min 3"),
        ("{instance: ml.m5.large, requests_per_instance: 5}", "requests_per_instance needs max"),
        ("{data_capture: {percent: 20}}", "SageMaker has none for serverless endpoints; prediction_log keeps"),
        ("{instance: ml.m5.large, data_capture: {percent: 0}}", "at least 1"),
    ],
)
def test_what_an_endpoint_cannot_be(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(f"endpoint: {text}\n")
    assert words in refused.value.detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{percent: 10}", "percent: needs strategy canary or linear"),
        ("{strategy: linear, percent: 5}", "of linear, accepted is 10 to 50"),
        ("{strategy: experiment, bake: 5m}", "bake: needs strategy all_at_once, canary or linear"),
        ("{strategy: canary, bake: 30s}", "accepted is 1m to 1h"),
        ("{strategy: canary, rollback_on: [errors, errors]}", "each sign once"),
        ("{strategy: canary, rollback_on: [weather]}", "accepted is errors, latency or predictions"),
        ("{strategy: bluegreen}", "all_at_once, canary, linear, experiment or shadow"),
        ("{keep: 0}", "at least 1"),
    ],
)
def test_what_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(f"deployment: {text}\n")
    assert words in refused.value.detail


@pytest.mark.parametrize(
    ("log", "off"),
    [
        ("{sample: 0}", "prediction_log.sample: 0 no predictions are kept to compare"),
        ("{records: false}", "prediction_log.records: false no predictions are kept to compare"),
    ],
)
def test_predictions_that_nobody_keeps_cannot_take_a_version_back(log: str, off: str) -> None:
    guarded = "deployment: {{strategy: canary, rollback_on: [{}]}}\nprediction_log: {}\n"
    with pytest.raises(SettingsError) as refused:
        parse_settings(guarded.format("errors, predictions", log))
    assert refused.value.detail.startswith('deployment.rollback_on: given ["errors", "predictions"]')
    assert off in refused.value.detail
    assert "remove predictions, or keep them" in refused.value.detail
    assert parse_settings(guarded.format("errors", log)).deployment.rollback_on == ["errors"]
    assert parse_settings(guarded.format("predictions", "{sample: 0.01}")).prediction_log.kept

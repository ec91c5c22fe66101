from __future__ import annotations

import pytest

from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings_reader import parse_settings
from sluicegate.services.routing import requests_of


def test_silence_keeps_and_counts_everything_and_takes_labels_for_a_week() -> None:
    assert requests_of(parse_settings("")) == {
        "subject": None,
        "testers": True,
        "log": {"sample": 1.0, "records": True},
        "feedback": {"window_seconds": 7 * 86400, "kind": "label"},
    }


def test_what_is_said_is_routed() -> None:
    text = """
traffic: {subject: customer_id, testers: false}
prediction_log: {sample: 0.25, records: false}
feedback: {window: 12h, reward: {min: -1, max: 5.5}}
"""
    assert requests_of(parse_settings(text)) == {
        "subject": "customer_id",
        "testers": False,
        "log": {"sample": 0.25, "records": False},
        "feedback": {"window_seconds": 43200, "kind": "reward", "minimum": -1.0, "maximum": 5.5},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prediction_log: {sample: 1.5}", "prediction_log.sample: given 1.5; accepted is at most 1"),
        ("prediction_log: off", 'prediction_log: given "off"; accepted is keys with values'),
        ("feedback: {window: 1y}", 'feedback.window: given "1y"'),
        ("feedback: {window: 91d}", "between 60s and 90d"),
        ("feedback: {reward: {min: 1}}", "min is 1 and max 1: accepted is a max above min"),
        ("feedback: {reward: {max: .inf}}", "feedback.reward.max: given Infinity; accepted is a finite number"),
        ("traffic: {subjekt: x}", "did you mean subject?"),
        ("retrain: {on: []}", "at least one of new_data, schedule, feedback and drift"),
        (
            "retrain: {on: [feedback]}\nprediction_log: {records: false}",
            "prediction_log.records: retrain.on has feedback",
        ),
        ("retrain: {on: [feedback]}\nprediction_log: {sample: 0}", "prediction_log.sample: retrain.on has feedback"),
        ("retrain: {on: [feedback]}\nalgorithm: {name: kmeans}", "kmeans learns from no target"),
    ],
)
def test_a_mistake_is_named(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    assert said in caught.value.detail


def test_they_change_neither_data_sets_nor_training() -> None:
    plain, said = parse_settings(""), parse_settings("prediction_log: {sample: 0}\nfeedback: {window: 1d}")
    assert plain.preparation_fingerprint() == said.preparation_fingerprint()
    assert plain.training_fingerprint() == said.training_fingerprint()

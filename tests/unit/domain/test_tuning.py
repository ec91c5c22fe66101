"""What can be tuned, and what model.yaml may say of it."""

from __future__ import annotations

from typing import Any

import pytest

from local_region.containers.metric_definitions import BUILT_IN
from sluicegate.domain import algorithms, settings_tuning, tuning
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings import METRICS, ModelSettings, parse_settings

TUNABLE = [name for name in algorithms.NAMES if tuning.of(name) is not None]


def mistakes(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    return caught.value.detail.splitlines()


@pytest.mark.parametrize("name", TUNABLE)
def test_max_jobs_alone_is_enough(name: str) -> None:
    settings = parse_settings(f"algorithm: {{name: {name}, tuning: {{max_jobs: 12}}}}")
    tunable = tuning.of(name)
    assert tunable is not None
    assert settings_tuning.ranges_of(settings) == tunable.ranges
    assert settings_tuning.jobs_of(settings) == 12
    for kind in tunable.objectives:
        for metric in METRICS[kind]:
            assert tuning.objective(tunable, kind, metric, None) is not None, (kind, metric)


@pytest.mark.parametrize("name", TUNABLE)
def test_defaults_keep_to_the_algorithms_own_rules(name: str) -> None:
    algorithm, tunable = algorithms.named(name), tuning.of(name)
    assert tunable is not None
    assert set(tunable.objectives) <= set(algorithm.problems)
    assert dict(tuning.range_mistakes(tunable, tunable.ranges)) == {}
    for hyperparameter, range_ in tunable.ranges.items():
        assert tuning.read_range(dict(range_)) == range_
        for end in tuning.ends(range_):
            assert hyperparameter not in algorithm.mistakes({hyperparameter: end})


@pytest.mark.parametrize("name", TUNABLE)
def test_objectives_are_metrics_that_the_algorithm_prints(name: str) -> None:
    tunable = tuning.of(name)
    assert tunable is not None
    printed = {each["Name"] for each in BUILT_IN[name]}
    wanted = {each.metric for known in tunable.objectives.values() for each in known.values()}
    assert wanted <= printed


def test_xgboosts_directions_are_the_containers() -> None:
    from local_region.containers.xgboost.metrics import MAXIMIZED

    tunable = tuning.TUNABLE["xgboost"]
    for known in tunable.objectives.values():
        for each in known.values():
            assert (each.metric.partition(":")[2] in MAXIMIZED) is (each.direction == "Maximize")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_jobs: 0", "algorithm.tuning.max_jobs: given 0; accepted is at least 1"),
        ("max_jobs: 101", "algorithm.tuning.max_jobs: given 101; accepted is at most 100"),
        ("max_jobs: 3, parallel: 4", "algorithm.tuning.parallel: given 4; accepted is at most max_jobs (3)"),
        ("strategy: Genetic", 'algorithm.tuning.strategy: given "Genetic"; accepted is Bayesian, Random, Grid or'),
        ("objective: fun", "algorithm.tuning.objective: given 'fun'; accepted is accuracy, auc"),
        ("ranges: {eta: 3}", "algorithm.tuning.ranges.eta: given 3: accepted is [low, high]"),
        ("ranges: {eta: [0.3, 0.1]}", "algorithm.tuning.ranges.eta: given [0.3, 0.1]: accepted are two numbers"),
        ("ranges: {eta: [0.1, 3]}", "algorithm.tuning.ranges.eta: 3 is not possible: accepted is a number at least 0"),
        ("ranges: {eta: {min: 0, max: 1, scaling: Logarithmic}}", "eta: given {"),
        ("ranges: {eta: {min: 0, max: 1, scaling: Wide}}", "scaling accepts Auto, Linear"),
        ("ranges: {max_depth: [1, 2.5]}", "algorithm.tuning.ranges.max_depth: accepted are whole numbers"),
        ("ranges: {seed: [1, 2]}", "algorithm.tuning.ranges.seed: can't be tuned; accepted are alpha"),
        ("ranges: {eta: [0.1, 0.2], learning_rate: [0.1, 0.2]}", "learning_rate: the same as eta"),
        ("ranges: {gamma: [0, 1]}}, hyperparameters: {gamma: 1", "gamma: it has a value in algorithm.hyperparameters"),
        ("ranges: {gamma: {values: [1, 1]}}", "gamma: given {"),
        ("ranges: {gamma: {values: []}}", "values accepts a list of 1 to 30"),
        ("strategy: Grid", "algorithm.tuning.ranges: strategy Grid accepts only {values: [...]}"),
        ("strategy: Grid, max_jobs: 1, ranges: {gamma: {values: [0, 1]}}", "accepted is max_jobs: 2"),
        ("strategy: Hyperband, ranges: {num_round: [1, 9]}", "algorithm.tuning.ranges.num_round: strategy Hyperband"),
        ("strategy: Hyperband, early_stopping: true", "algorithm.tuning.early_stopping: strategy Hyperband stops"),
        ("strategy: Hyperband, warm_start: true", "algorithm.tuning.warm_start: accepted with strategy Bayesian"),
    ],
)
def test_mistakes_name_the_key_and_what_is_accepted(text: str, said: str) -> None:
    assert said in "\n".join(mistakes(f"algorithm: {{tuning: {{{text}}}}}"))


def test_what_cannot_be_tuned_is_refused_by_name() -> None:
    (line,) = mistakes("algorithm: {name: pca, tuning: {}}")
    assert line == f"algorithm.tuning: pca can't be tuned; accepted is algorithm.name {', '.join(TUNABLE)}"


def test_what_has_a_value_is_not_searched() -> None:
    settings = parse_settings("algorithm: {hyperparameters: {learning_rate: 0.1}, tuning: {}}")
    assert "eta" not in settings_tuning.ranges_of(settings)
    assert "max_depth" in settings_tuning.ranges_of(settings)


def test_a_model_without_tuning_keeps_its_runs() -> None:
    """The id of a run has the settings in it: a new key must not make all of them again."""
    assert "tuning" not in ModelSettings().model_dump(exclude_none=True)["algorithm"]
    plain = ModelSettings().training_fingerprint()
    assert parse_settings("budget: {per_run_usd: 5}").training_fingerprint() == plain
    assert parse_settings("algorithm: {tuning: {}}").training_fingerprint() != plain


@pytest.mark.parametrize("given", [0, -1, ".inf", "many"])
def test_a_budget_is_a_sum(given: object) -> None:
    assert mistakes(f"budget: {{per_run_usd: {given}}}")[0].startswith("budget.per_run_usd: given")


def test_the_best_is_the_first_of_equals_among_those_that_completed() -> None:
    trials: list[dict[str, Any]] = [
        {"job": "a", "status": "Stopped", "value": 0.99},
        {"job": "b", "status": "Completed", "value": 0.9},
        {"job": "c", "status": "Completed", "value": 0.9},
        {"job": "d", "status": "Failed", "value": None},
    ]
    found = tuning.best(tuning.Objective("validation:auc", "Maximize"), trials)
    assert found is not None and found["job"] == "b"
    assert tuning.best(tuning.Objective("validation:auc", "Maximize"), trials[3:]) is None

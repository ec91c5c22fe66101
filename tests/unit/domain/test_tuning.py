"""What can be tuned, and what model.yaml may say of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from local_region.containers.metric_definitions import BUILT_IN
from sluicegate.domain import algorithms, printed_metrics, settings_tuning, tunables, tuning
from sluicegate.domain.errors import SettingsError
from sluicegate.domain.settings import METRICS, ModelSettings, parse_settings

TUNABLE = [name for name in algorithms.NAMES if tunables.of(name) is not None]


def mistakes(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    return caught.value.detail.splitlines()


@pytest.mark.parametrize("name", TUNABLE)
def test_max_jobs_alone_is_enough(name: str) -> None:
    settings = parse_settings(f"algorithm: {{name: {name}, tuning: {{max_jobs: 12}}}}")
    tunable = tunables.of(name)
    assert tunable is not None
    assert settings_tuning.ranges_of(settings) == tunable.ranges
    assert settings_tuning.jobs_of(settings) == 12
    for kind in tunable.objectives:
        for metric in METRICS[kind]:
            assert tuning.objective(tunable, kind, metric, None) is not None, (kind, metric)


@pytest.mark.parametrize("name", TUNABLE)
def test_defaults_keep_to_the_algorithms_own_rules(name: str) -> None:
    algorithm, tunable = algorithms.named(name), tunables.of(name)
    assert tunable is not None
    assert set(tunable.objectives) <= set(algorithm.problems)
    assert dict(tuning.range_mistakes(tunable, tunable.ranges)) == {}
    for hyperparameter, range_ in tunable.ranges.items():
        assert tuning.read_range(dict(range_)) == range_
        for end in tuning.ends(range_):
            assert hyperparameter not in algorithm.mistakes({hyperparameter: end})


@pytest.mark.parametrize("name", TUNABLE)
def test_objectives_are_metrics_that_the_algorithm_prints(name: str) -> None:
    tunable = tunables.of(name)
    assert tunable is not None
    wanted = {each.metric for known in tunable.objectives.values() for each in known.values()}
    if name in BUILT_IN:
        assert wanted <= {each["Name"] for each in BUILT_IN[name]}
        return
    # a script of ours: under a name that its library takes, found by an expression of its own
    assert tunable.printed_by not in algorithms.named(name).rules(), "it is no hyperparameter of the user's"
    accepted = algorithms.named(name).rules()["metric" if name == "lightgbm" else "eval_metric"]
    for known in tunable.objectives.values():
        for each in known.values():
            metric = each.metric.removeprefix("validation:")
            assert accepted.problem(metric.partition(":")[0]) is None
            line = f"[3]#011train-{metric}:0.9#011validation-{metric}:1.5e-07"
            assert each.regex is not None and printed_metrics.expression(each.regex)
            assert re.findall(each.regex, line) == ["1.5e-07"]


def test_xgboosts_directions_are_the_containers() -> None:
    from local_region.containers.xgboost.metrics import MAXIMIZED

    tunable = tunables.TUNABLE["xgboost"]
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
        (f"ranges: {{gamma: {{values: [{'1' * 257}, 2]}}}}", "values accepts texts of at most 256 characters"),
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
    accepted = f"accepted is algorithm.name {', '.join([*TUNABLE, 'script', 'image'])}"
    (line,) = mistakes("algorithm: {name: pca, tuning: {}}")
    assert line == f"algorithm.tuning: pca can't be tuned: AWS documents no metric to tune it by; {accepted}"
    (line,) = mistakes("algorithm: {name: randomcutforest, tuning: {}}")
    assert "test:f1, needs labels in a channel test, and its training sees no labels here" in line
    assert {name for name in algorithms.NAMES if name not in TUNABLE} == {*tunables.REASONS, "script", "image"}


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
    found = tuning.best(tunables.Objective("validation:auc", "Maximize"), trials)
    assert found is not None and found["job"] == "b"
    assert tuning.best(tunables.Objective("validation:auc", "Maximize"), trials[3:]) is None


OWN = "metric: {name: 'validation:auc', regex: 'auc=([0-9.]+)', goal: maximize}"


@pytest.mark.parametrize(
    ("algorithm", "said"),
    [
        (f"tuning: {{{OWN}}}", "algorithm.tuning.metric: only with algorithm.name script or image; say what is tuned"),
        ("name: script, tuning: {ranges: {a: [1, 2]}}", "algorithm.tuning.metric: missing; say what the script pri"),
        (f"name: script, tuning: {{{OWN}}}", "algorithm.tuning.ranges: missing; name the hyperparameters of the scr"),
        ("name: script, tuning: {metric: {name: a, regex: '(.)'}}", "algorithm.tuning.metric.goal: "),
        (
            f"name: script, tuning: {{objective: auc, {OWN}, ranges: {{a: [1, 2]}}}}",
            "algorithm.tuning.objective: script is tuned for what metric says; remove it",
        ),
        (
            f"name: script, hyperparameters: {{a: 1}}, tuning: {{{OWN}, ranges: {{a: [1, 2]}}}}",
            "algorithm.tuning.ranges.a: it has a value in algorithm.hyperparameters, too: keep one",
        ),
        (
            f"name: script, tuning: {{{OWN}, ranges: {{sagemaker_program: {{values: [a]}}}}}}",
            "sagemaker_program: a is not possible: a name has 1 to 256 characters and does not begin with sagemaker_",
        ),
        (
            f"name: script, tuning: {{{OWN}, ranges: {{a: {{min: 0, max: 0, scaling: ReverseLogarithmic}}}}}}",
            "algorithm.tuning.ranges.a: ReverseLogarithmic scaling accepts no whole numbers",
        ),
        (
            f"name: script, tuning: {{{OWN}, ranges: {{{', '.join(f'a{n}: [1, 2]' for n in range(31))}}}}}",
            "algorithm.tuning.ranges: given 31; accepted are at most 30",
        ),
        (
            f"name: script, tuning: {{strategy: Hyperband, {OWN}, ranges: {{a: [1, 2]}}}}",
            "algorithm.tuning.strategy: Hyperband needs the number of rounds: say it with algorithm.hyperparameters.",
        ),
        (
            f"name: script, framework: xgboost, tuning: {{{OWN}, ranges: {{a: [1, 2]}}}}",
            "algorithm.framework: given 'xgboost', for whose container SageMaker tunes only the built-in's",
        ),
        ("name: catboost, tuning: {objective: average_precision}", "objective: given 'average_precision'; accepted is"),
        ("name: lightgbm, tuning: {ranges: {seed: [1, 2]}}", "algorithm.tuning.ranges.seed: can't be tuned; accepted"),
        ("name: lightgbm, tuning: {ranges: {num_leaves: [1, 9]}}", "num_leaves: 1 is not possible: accepted is a"),
    ],
)
def test_mistakes_with_scripts_images_and_ready_made_scripts(algorithm: str, said: str) -> None:
    assert said in "\n".join(mistakes(f"algorithm: {{{algorithm}}}"))


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        ("auc=([0-9.]+", "no regular expression: missing ), unterminated subpattern"),
        ("auc=[0-9.]+", "it has 0 groups; accepted is one"),
        ("(auc)=([0-9.]+)", "it has 2 groups; accepted is one"),
        ("auc=(.*?)", "it ends with a group that takes as little as it can"),
        ("([0-9]+)+;", "could take for ever"),
        ("(?:a|ab)*([0-9])", "could take for ever"),
        (r"(?:\\(x*)){2,}", "could take for ever"),
        ("a" * 501, "accepted are 1 to 500 characters"),
    ],
)
def test_an_expression_that_cannot_be_searched_for_is_refused(regex: str, said: str) -> None:
    (line,) = mistakes(
        "algorithm: {name: image, image: 'x:1', tuning: {ranges: {a: [1, 2]}, metric: {name: m, goal: minimize, regex: "
        f"'{regex}'}}}}}}"
    )
    assert line.startswith("algorithm.tuning.metric.regex: given ")
    assert said in line


@pytest.mark.parametrize(
    "regex",
    [
        "auc=([0-9.]+)",
        r".*\[[0-9]+\].*#011validation-auc:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*",
        r"loss \((\d+)\)*",
        r"[)(+*|]{3}x=(\d+)",
        r"(?:val|test) loss: (\S+)",
    ],
)
def test_expressions_as_people_write_them_are_accepted(regex: str) -> None:
    assert printed_metrics.expression(regex) == regex


def test_a_range_of_ones_own_says_what_its_values_are() -> None:
    settings = parse_settings(
        f"algorithm: {{name: script, hyperparameters: {{epochs: 27}}, tuning: {{strategy: Hyperband, {OWN}, "
        "ranges: {depth: [1, 9], rate: [0.1, 1], kind: {values: [a, b]}, wide: {min: 1.0, max: 2.0}}}}"
    )
    tunable = settings_tuning.tunable_of(settings)
    assert tunable is not None
    found = tuning.parameter_ranges(tunable, settings_tuning.ranges_of(settings))
    assert {group: [each["Name"] for each in each_] for group, each_ in found.items()} == {
        "IntegerParameterRanges": ["depth"],
        "ContinuousParameterRanges": ["rate", "wide"],
        "CategoricalParameterRanges": ["kind"],
    }
    assert tunable.epochs == "epochs"
    objective = tuning.objective(tunable, "binary", "auc", None)
    assert objective == tunables.Objective("validation:auc", "Maximize", "auc=([0-9.]+)")

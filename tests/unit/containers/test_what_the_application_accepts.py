"""The application checks hyperparameters before it asks for training; what it lets through, the container takes.

The two tables are apart on purpose: on AWS the container is Amazon's, and the region's serves any client.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from local_region.containers.builtin import factorization_machines, kmeans, knn, linear_learner, pca, random_cut_forest
from local_region.containers.builtin.algorithm import Algorithm
from local_region.containers.xgboost import hyperparameters as container
from local_region.containers.xgboost.metrics import MAXIMIZED, MINIMIZED
from sluicegate.domain import algorithms
from sluicegate.domain import hyperparameters as application
from sluicegate.domain.algorithms.rules import ListOf, Number, OneOf, Rule, on_the_wire
from sluicegate.domain.schema import Problem

BUILT_IN: tuple[Algorithm, ...] = (
    linear_learner.ALGORITHM,
    knn.ALGORITHM,
    kmeans.ALGORITHM,
    pca.ALGORITHM,
    random_cut_forest.ALGORITHM,
    factorization_machines.ALGORITHM,
)


def test_names_objectives_and_metrics_agree() -> None:
    assert set(application.RULES) <= set(container.PARAMETERS)
    assert {name for group in application.OBJECTIVES.values() for name in group} <= set(container.OBJECTIVES)
    assert set(application.EVAL_METRICS) <= MAXIMIZED | MINIMIZED
    assert application.ALIASES == container.ALIASES


def edges(rule: Rule) -> Iterator[object]:
    """Values that ``rule`` lets through, at its ends."""
    if isinstance(rule, OneOf):
        yield from rule.values
    elif isinstance(rule, ListOf):
        yield list(rule.values)
        yield rule.values[0]
    elif isinstance(rule, Number):
        yield from rule.words
        step = 1 if rule.whole else 1e-6
        low = rule.low if rule.low is not None else -1000
        high = rule.high if rule.high is not None else 1000
        yield low + step if rule.low_open else low
        yield high - step if rule.high_open else high


@pytest.mark.parametrize("stand_in", BUILT_IN, ids=lambda each: each.name)
def test_every_value_that_the_application_lets_through_is_one_of_the_container(stand_in: Algorithm) -> None:
    rules = algorithms.named(stand_in.name).rules()
    assert set(rules) == set(stand_in.hyperparameters)
    for name, rule in rules.items():
        for value in edges(rule):
            assert rule.problem(value) is None
            parameter = stand_in.hyperparameters[name]
            parameter.check(name, parameter.parse(on_the_wire(rule, value)))


@pytest.mark.parametrize("stand_in", BUILT_IN, ids=lambda each: each.name)
def test_what_the_application_asks_for_by_itself_is_accepted(stand_in: Algorithm) -> None:
    algorithm = algorithms.named(stand_in.name)
    settings: Any = SimpleNamespace(algorithm=SimpleNamespace(name=stand_in.name, hyperparameters={}))
    for kind in algorithm.problems:
        classes = {"binary": ["a", "b"], "multiclass": ["a", "b", "c"]}.get(kind, [])
        problem = Problem(kind, classes)  # type: ignore[arg-type]
        for rows, width in ((20, 1), (100_000, 12_000 if stand_in.name != "randomcutforest" else 900)):
            counts = {"train": rows, "validation": rows // 5, "holdout": rows // 5}
            asked = algorithm.hyperparameters(settings, problem, counts, width)
            assert stand_in.validate(asked)["feature_dim"] == width
        channels = dict(zip(algorithm.channels, algorithm.channel_types("recordio"), strict=True))
        assert set(channels) <= {"train", *stand_in.channels}

"""What each algorithm says of itself, and how its answers are read."""

from __future__ import annotations

import pytest

from sluicegate.domain import algorithms
from sluicegate.domain.algorithms import Algorithm
from sluicegate.domain.schema import PROBLEM_KINDS, Problem
from sluicegate.domain.settings import METRICS, ModelSettings

XGBOOST = algorithms.named("xgboost")
BINARY = Problem("binary", ("no", "yes"), "yes")
THREE = Problem("multiclass", ("a", "b", "c"))


@pytest.mark.parametrize(
    "text",
    [
        "0.25\n0.75",
        "0.25\n0.75\n",
        "0.25,0.75",
        '{"predictions": [{"score": 0.25}, {"score": 0.75}]}',
    ],
)
def test_binary_answers(text: str) -> None:
    decoded = XGBOOST.decode(text.encode(), BINARY)
    assert [item.prediction for item in decoded] == ["no", "yes"]
    assert decoded[0].probabilities == {"no": 0.75, "yes": 0.25}


@pytest.mark.parametrize(
    "text",
    [
        "0.1,0.7,0.2\n0.5,0.3,0.2",
        "[0.1, 0.7, 0.2]\n[0.5, 0.3, 0.2]\n",
        '{"predictions": [{"score": [0.1, 0.7, 0.2]}, {"score": [0.5, 0.3, 0.2]}]}',
    ],
)
def test_multiclass_answers(text: str) -> None:
    decoded = XGBOOST.decode(text.encode(), THREE)
    assert [item.prediction for item in decoded] == ["b", "a"]
    assert decoded[1].probabilities == {"a": 0.5, "b": 0.3, "c": 0.2}


def test_regression_answers() -> None:
    assert [item.prediction for item in XGBOOST.decode(b"1.5\n-2e-3\n", Problem("regression"))] == [
        1.5,
        -0.002,
    ]


def test_an_answer_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="2 numbers a record, expected 3"):
        XGBOOST.decode(b"0.5,0.5", THREE)


@pytest.mark.parametrize("name", algorithms.NAMES)
def test_each_algorithm_says_what_it_is(name: str) -> None:
    algorithm = algorithms.named(name)
    assert algorithm.name == name
    assert set(algorithm.problems) <= set(PROBLEM_KINDS)
    assert algorithms.of_lane(algorithm.lane()).name == name
    assert algorithm.image("eu-central-1").startswith(tuple("0123456789"))
    assert algorithm.content_type(algorithm.train_format)
    assert algorithm.mistakes({"nonsense": 1}).keys() == {"nonsense"}


def test_a_lane_from_before_algorithms_is_xgboosts() -> None:
    assert algorithms.of_lane({"version": 1}).name == algorithms.of(ModelSettings()).name == "xgboost"


def test_every_kind_of_problem_has_metrics_and_an_unknown_algorithm_is_none() -> None:
    assert set(METRICS) == set(PROBLEM_KINDS)
    with pytest.raises(KeyError):
        algorithms.named("sluicegate.domain.settings")
    assert isinstance(XGBOOST, Algorithm)

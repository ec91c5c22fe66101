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


#: SageMaker's own, but for XGBoost: scripts and own images have tests of their own
BUILT_IN = [name for name in algorithms.NAMES if name not in ("xgboost", "lightgbm", "catboost", "script", "image")]


@pytest.mark.parametrize("name", algorithms.NAMES)
def test_each_algorithm_says_what_it_is(name: str) -> None:
    algorithm = algorithms.named(name)
    assert algorithm.name == name
    assert set(algorithm.problems) <= set(PROBLEM_KINDS)
    assert algorithms.of_lane(algorithm.lane()).name == name
    if name == "image":
        return  # whose image and whose hyperparameters are the user's
    assert algorithm.image("eu-central-1").startswith(tuple("0123456789"))
    if name == "script":
        return
    assert algorithm.content_type(algorithm.train_format)
    assert algorithm.mistakes({"nonsense": 1}).keys() == {"nonsense"}


def test_a_lane_from_before_algorithms_is_xgboosts() -> None:
    assert algorithms.of_lane({"version": 1}).name == algorithms.of(ModelSettings()).name == "xgboost"


def test_every_kind_of_problem_has_metrics_and_an_unknown_algorithm_is_none() -> None:
    assert set(METRICS) == set(PROBLEM_KINDS)
    with pytest.raises(KeyError):
        algorithms.named("sluicegate.domain.settings")
    assert isinstance(XGBOOST, Algorithm)


@pytest.mark.parametrize(
    ("name", "problem", "body", "expected"),
    [
        ("linear-learner", BINARY, '{"predictions": [{"score": 0.75, "predicted_label": 1}]}', {"prediction": "yes"}),
        ("linear-learner", BINARY, '{"score": 0.25, "predicted_label": 0}', {"prediction": "no"}),
        ("linear-learner", THREE, '{"score": [0.1, 0.7, 0.2], "predicted_label": 1}', {"prediction": "b"}),
        ("linear-learner", Problem("regression"), '{"score": 3.5}', {"prediction": 3.5}),
        (
            "knn",
            BINARY,
            '{"predicted_label": 1.0, "labels": [1.0, 0.0, 1.0, 1.0], "distances": [1, 2, 3, 4]}',
            {"prediction": "yes", "probabilities": {"no": 0.25, "yes": 0.75}},
        ),
        ("knn", THREE, '{"predicted_label": 2.0, "labels": [2.0, 2.0], "distances": [1, 2]}', {"prediction": "c"}),
        ("knn", Problem("regression"), '{"predictions": [{"predicted_label": 2.5}]}', {"prediction": 2.5}),
        (
            "kmeans",
            Problem("clustering"),
            '{"predictions": [{"closest_cluster": 1.0, "distance_to_cluster": 3.5}]}',
            {"prediction": 1, "distance": 3.5},
        ),
        ("pca", Problem("decomposition"), '{"projections": [{"projection": [1, -2.5]}]}', {"prediction": [1.0, -2.5]}),
        ("randomcutforest", Problem("anomaly"), '{"scores": [{"score": 0.02}]}', {"prediction": 0.02}),
        (
            "randomcutforest",
            Problem("anomaly", threshold=1.5),
            '{"score": 2.0}',
            {"prediction": 2.0, "anomaly": True},
        ),
        ("factorization-machines", BINARY, '{"score": 0.9, "predicted_label": 1.0}', {"prediction": "yes"}),
    ],
)
def test_answers_of_the_built_ins(name: str, problem: Problem, body: str, expected: dict[str, object]) -> None:
    (found,) = algorithms.named(name).decode(body.encode(), problem)
    assert expected.items() <= found.to_json().items()


@pytest.mark.parametrize("body", ["[1]", '{"predictions": [{"label": 1}]}', '{"score": [0.5, 0.5]}', "0.5", "{"])
def test_an_answer_that_is_none_is_refused(body: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        algorithms.named("linear-learner").decode(body.encode(), THREE)


def test_a_threshold_travels_with_the_problem() -> None:
    problem = Problem("anomaly", threshold=1.25)
    assert Problem.from_json(problem.to_json()) == problem
    assert "threshold" not in BINARY.to_json()


@pytest.mark.parametrize("rows", [1, 20, 400, 1_000_000])
@pytest.mark.parametrize("name", BUILT_IN)
def test_defaults_fit_any_number_of_rows(name: str, rows: int) -> None:
    algorithm = algorithms.named(name)
    settings = ModelSettings.model_validate({"algorithm": {"name": name}})
    for kind in algorithm.problems:
        problem = Problem(kind, ("a", "b", "c")[: {"binary": 2, "multiclass": 3}.get(kind, 0)])
        for width in (2, 500):
            chosen = algorithm.hyperparameters(settings, problem, {"train": rows}, width)
            rules = algorithm.rules()
            assert {key: rules[key].problem(value) for key, value in chosen.items() if rules[key].problem(value)} == {}
            assert algorithm.fit_mistakes(chosen, {"train": rows}, width) == {} or rows == 1
            assert chosen["feature_dim"] == str(width)


@pytest.mark.parametrize(
    ("name", "given", "counts", "wrong"),
    [
        ("kmeans", {"k": 300}, 200, "k"),
        ("knn", {"k": 50, "sample_size": 40}, 200, "k"),
        ("knn", {"sample_size": 400}, 200, "sample_size"),
        (
            "knn",
            {"dimension_reduction_type": "sign", "dimension_reduction_target": 8},
            200,
            "dimension_reduction_target",
        ),
        ("pca", {"num_components": 9}, 200, "num_components"),
        ("linear-learner", {"mini_batch_size": 1000}, 200, "mini_batch_size"),
    ],
)
def test_what_is_too_much_for_the_data_is_told(name: str, given: dict[str, object], counts: int, wrong: str) -> None:
    found = algorithms.named(name).fit_mistakes(given, {"train": counts}, 8)
    assert set(found) == {wrong} and "accepted is" in found[wrong]

"""Metrics against scikit-learn; intervals and comparisons against what they must mean."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as theirs

from sluicegate.domain.metrics import (
    align_predictions,
    compare,
    evaluate,
    measure,
    read_labels,
    read_predictions,
    resamples,
)
from sluicegate.domain.schema import Problem

BINARY = Problem("binary", ("no", "yes"), "yes")
THREE = Problem("multiclass", ("a", "b", "c"))
NUMBER = Problem("regression")
RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("decimals", [1, 8])  # with and without ties
def test_binary_metrics(decimals: int) -> None:
    labels = (RANDOM.random(500) < 0.3).astype(float)
    scores = np.clip(np.round(0.4 * labels + 0.6 * RANDOM.random(500), decimals), 0.01, 0.99)
    said = (scores > 0.5).astype(float)
    assert measure(BINARY, labels, scores) == pytest.approx(
        {
            "auc": theirs.roc_auc_score(labels, scores),
            "logloss": theirs.log_loss(labels, scores),
            "accuracy": theirs.accuracy_score(labels, said),
            "f1": theirs.f1_score(labels, said),
            "precision": theirs.precision_score(labels, said),
            "recall": theirs.recall_score(labels, said),
        }
    )


def test_multiclass_metrics() -> None:
    labels = RANDOM.integers(0, 3, 400).astype(float)
    scores = RANDOM.random((400, 3)) + np.eye(3)[labels.astype(int)] * 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    assert measure(THREE, labels, scores) == pytest.approx(
        {
            "accuracy": theirs.accuracy_score(labels, scores.argmax(axis=1)),
            "macro_f1": theirs.f1_score(labels, scores.argmax(axis=1), average="macro"),
            "logloss": theirs.log_loss(labels, scores),
        }
    )


def test_regression_metrics() -> None:
    labels = RANDOM.normal(size=300)
    said = labels + RANDOM.normal(size=300) / 3
    assert measure(NUMBER, labels, said) == pytest.approx(
        {
            "rmse": theirs.root_mean_squared_error(labels, said),
            "mae": theirs.mean_absolute_error(labels, said),
            "r2": theirs.r2_score(labels, said),
        }
    )


def test_what_can_not_be_measured_is_left_out() -> None:
    found = evaluate(BINARY, np.ones(30), np.full(30, 0.7), seed="s")
    assert "auc" not in found and found["accuracy"].value == 1.0
    assert "r2" not in measure(NUMBER, np.ones(5), np.ones(5))
    assert compare(BINARY, "auc", np.ones(9), np.full(9, 0.5), np.full(9, 0.5), seed="s") is None


def test_intervals_hold_the_value_and_depend_on_the_seed_alone() -> None:
    labels = (RANDOM.random(400) < 0.5).astype(float)
    scores = np.clip(0.2 * labels + 0.8 * RANDOM.random(400), 0, 1)
    once, again, other = (evaluate(BINARY, labels, scores, seed=seed) for seed in ("run", "run", "other"))
    assert once == again and once != other
    for estimate in once.values():
        assert estimate.low < estimate.value < estimate.high


@pytest.mark.parametrize("problem", [BINARY, THREE, NUMBER], ids=["binary", "multiclass", "regression"])
def test_an_interval_is_the_metrics_own_over_each_resample(problem: Problem) -> None:
    labels = RANDOM.integers(0, 3 if problem is THREE else 2, 300).astype(float)
    scores = RANDOM.random((300, 3) if problem is THREE else 300)
    drawn = [measure(problem, labels[rows], scores[rows]) for rows in resamples(300, "run")]
    for name, estimate in evaluate(problem, labels, scores, seed="run").items():
        low, high = np.percentile([found[name] for found in drawn], [2.5, 97.5])
        assert (estimate.low, estimate.high) == pytest.approx((low, high)), name


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """100 samples of a known accuracy: a 95 % interval misses about 5 times, by binomial chance hardly ever 15."""
    missed = 0
    for trial in range(100):
        labels = np.ones(150)
        scores = (np.random.default_rng(trial).random(150) < 0.8).astype(float)
        estimate = evaluate(Problem("binary", ("0", "1"), "1"), labels, scores, seed=str(trial))["accuracy"]
        missed += not estimate.low <= 0.8 <= estimate.high
    assert missed < 15


@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_positive_means_the_challenger_is_better(metric: str) -> None:
    labels = RANDOM.normal(size=400)
    good, bad = labels + RANDOM.normal(size=400) / 10, labels + RANDOM.normal(size=400)
    better = compare(NUMBER, metric, labels, good, bad, seed="s")
    worse = compare(NUMBER, metric, labels, bad, good, seed="s")
    assert better is not None and worse is not None
    assert better.difference > 0 and better.low > 0
    assert worse.difference == pytest.approx(-better.difference) and worse.high < 0


def test_pairing_sees_what_is_hard_for_both() -> None:
    labels = RANDOM.normal(size=500)
    noise = RANDOM.normal(size=500)
    one, other = labels + noise, labels + 1.02 * noise
    found = compare(NUMBER, "rmse", labels, one, other, seed="s")
    assert found is not None and found.low > 0  # 2 % better, far inside either one's own interval


def test_a_million_rows_take_bounded_work() -> None:
    labels = np.zeros(1_000_000)
    found = evaluate(NUMBER, labels, labels + 0.5, seed="s")
    assert found["mae"].value == found["mae"].low == 0.5


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="labels and predictions"):
        evaluate(THREE, np.zeros(3), np.zeros(3), seed="s")
    with pytest.raises(ValueError, match="finite"):
        evaluate(NUMBER, np.zeros(2), np.array([1.0, np.nan]), seed="s")


def test_predictions_of_other_classes_are_brought_in_order() -> None:
    scores = np.array([[0.2, 0.3, 0.5]])
    swapped = align_predictions(scores, THREE, Problem("multiclass", ("c", "a", "b", "d")))
    assert swapped is not None and swapped.tolist() == [[0.5, 0.2, 0.3, 0.0]]
    flipped = align_predictions(np.array([0.3]), BINARY, Problem("binary", ("yes", "no"), "no"))
    assert flipped is not None and flipped.tolist() == [0.7]
    assert align_predictions(np.array([1.0]), NUMBER, BINARY) is None
    assert align_predictions(scores, THREE, Problem("multiclass", ("x", "y", "z"))) is None


@pytest.mark.parametrize(
    ("problem", "text", "expected"),
    [
        (BINARY, "0.25\n0.75\n", [0.25, 0.75]),
        (NUMBER, "1e3\n\n-2\n", [1000.0, -2.0]),
        (THREE, "[0.1, 0.2, 0.7]\n[1.0, 0.0, 0.0]\n", [[0.1, 0.2, 0.7], [1, 0, 0]]),
        (THREE, "0.1,0.2,0.7\n1.0,0.0,0.0", [[0.1, 0.2, 0.7], [1, 0, 0]]),
    ],
)
def test_reading_predictions(problem: Problem, text: str, expected: list[object]) -> None:
    assert read_predictions(problem, text.splitlines()).tolist() == expected


def test_reading_json_predictions_and_mistakes() -> None:
    line = '{"predictions": [{"score": [0.1, 0.2, 0.7]}]}'
    assert read_predictions(THREE, [line, line], "application/json").shape == (2, 3)
    with pytest.raises(ValueError, match="line 2"):
        read_predictions(THREE, ["1,2,3", "1,2"])
    with pytest.raises(ValueError, match="could not convert"):
        read_labels(["1", "x"])
    assert read_labels(["0\n", "2\n"]).tolist() == [0.0, 2.0]

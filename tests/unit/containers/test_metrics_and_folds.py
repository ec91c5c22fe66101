"""Metrics and folds against scikit-learn's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as reference

from local_region.containers.xgboost.folds import HeldOut, folds
from local_region.containers.xgboost.metrics import custom_metric


class Matrix:
    def __init__(self, labels: np.ndarray) -> None:
        self._labels = labels

    def get_label(self) -> np.ndarray:
        return self._labels


def test_binary_metrics_equal_scikit_learns() -> None:
    random = np.random.default_rng(0)
    truth, score = random.integers(0, 2, 200).astype("f4"), random.random(200).astype("f4")
    guess = score > 0.5
    expected = {
        "accuracy": reference.accuracy_score(truth, guess),
        "balanced_accuracy": reference.balanced_accuracy_score(truth, guess),
        "f1": reference.f1_score(truth, guess, average="macro"),
        "f1_binary": reference.f1_score(truth, guess),
        "precision": reference.precision_score(truth, guess),
        "recall": reference.recall_score(truth, guess),
    }
    got = dict(custom_metric(list(expected), "binary:logistic")(score, Matrix(truth)))
    assert got == pytest.approx(expected)


def test_multiclass_and_regression_metrics_equal_scikit_learns() -> None:
    random = np.random.default_rng(1)
    truth, scores = random.integers(0, 4, 300).astype("f4"), random.random((300, 4)).astype("f4")
    guess = scores.argmax(axis=1)
    expected = {
        "f1_macro": reference.f1_score(truth, guess, average="macro"),
        "precision_macro": reference.precision_score(truth, guess, average="macro"),
        "precision_micro": reference.precision_score(truth, guess, average="micro"),
        "recall_macro": reference.recall_score(truth, guess, average="macro"),
    }
    assert dict(custom_metric(list(expected), "multi:softprob")(scores, Matrix(truth))) == pytest.approx(expected)
    with pytest.raises(ValueError, match="Target is multiclass"):
        custom_metric(["precision"], "multi:softprob")(scores, Matrix(truth))
    value = random.random(300)
    got = dict(custom_metric(["mse", "r2"], "reg:squarederror")(value, Matrix(truth)))
    assert got == pytest.approx(
        {"mse": reference.mean_squared_error(truth, value), "r2": reference.r2_score(truth, value)}
    )


def test_folds_hold_out_every_row_once_a_round_and_keep_the_classes() -> None:
    labels = np.array([0] * 70 + [1] * 30)
    dealt = list(folds(labels, 5, 2, stratified=True, seed=3))
    assert len(dealt) == 10
    for start in (0, 5):
        held = np.concatenate([rest for _, rest in dealt[start : start + 5]])
        assert sorted(held.tolist()) == list(range(100))
    assert {int(labels[rest].sum()) for _, rest in dealt} == {6}
    assert all(not set(kept) & set(rest) for kept, rest in dealt)


def test_held_out_predictions(tmp_path: Path) -> None:
    held = HeldOut(np.array([0.0, 1.0]), 2, classes=True)
    for predictions in (np.array([0.2, 0.9]), np.array([0.4, 0.7])):
        held.record(np.array([0, 1]), predictions)
    held.save(tmp_path / "predictions.csv")
    assert np.loadtxt(tmp_path / "predictions.csv", delimiter=",").tolist() == [[0, 0.3, 0], [1, 0.8, 1]]

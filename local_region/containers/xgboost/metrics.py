"""Metric names of the built-in, and those of them that XGBoost itself does not compute.

Names and directions: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html. Formulas are scikit-learn's
(macro = unweighted mean over the classes that occur; 0 where a class is never predicted).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

MAXIMIZED = frozenset(
    [
        "accuracy",
        "auc",
        "aucpr",
        "balanced_accuracy",
        "f1",
        "f1_binary",
        "f1_macro",
        "map",
        "ndcg",
        "precision",
        "r2",
        "recall",
        "precision_macro",
        "precision_micro",
        "recall_macro",
        "recall_micro",
    ]
)
MINIMIZED = frozenset(
    [
        "aft-nloglik",
        "cox-nloglik",
        "error",
        "gamma-deviance",
        "gamma-nloglik",
        "interval-regression-accuracy",
        "logloss",
        "mae",
        "mape",
        "merror",
        "mlogloss",
        "mphe",
        "mse",
        "poisson-nloglik",
        "rmse",
        "rmsle",
        "tweedie-nloglik",
    ]
)
METRICS = MAXIMIZED | MINIMIZED

Array = npt.NDArray[Any]
Metric = Callable[[Array, Array], float]


def labels_of(predictions: Array, objective: str) -> Array:
    """The class that a prediction means, for each objective's own output."""
    if predictions.ndim > 1:
        return np.asarray(np.argmax(predictions, axis=1))
    if objective == "multi:softmax":
        return predictions
    return (predictions > (0.0 if objective == "binary:logitraw" else 0.5)).astype(np.int64)


def _per_class(truth: Array, guess: Array) -> tuple[Array, Array, Array, Array]:
    """Classes, and for each the true positives, the predicted and the actual rows."""
    classes = np.union1d(truth, guess)
    hits = np.array([np.sum((truth == c) & (guess == c)) for c in classes], dtype=float)
    predicted = np.array([np.sum(guess == c) for c in classes], dtype=float)
    actual = np.array([np.sum(truth == c) for c in classes], dtype=float)
    return classes, hits, predicted, actual


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _positive(values: Array, classes: Array) -> float:
    if len(classes) > 2 or not set(classes.tolist()) <= {0.0, 1.0}:
        raise ValueError("Target is multiclass but average='binary'. Use the macro or micro metric instead.")
    at = np.flatnonzero(classes == 1)
    return float(values[at[0]]) if len(at) else 0.0


def _precision(truth: Array, guess: Array) -> tuple[Array, Array]:
    classes, hits, predicted, _ = _per_class(truth, guess)
    return classes, _ratio(hits, predicted)


def _recall(truth: Array, guess: Array) -> tuple[Array, Array]:
    classes, hits, _, actual = _per_class(truth, guess)
    return classes, _ratio(hits, actual)


def _f1(truth: Array, guess: Array) -> tuple[Array, Array]:
    classes, hits, predicted, actual = _per_class(truth, guess)
    return classes, _ratio(2 * hits, predicted + actual)


def _accuracy(truth: Array, guess: Array) -> float:
    return float(np.mean(truth == guess))


def _balanced_accuracy(truth: Array, guess: Array) -> float:
    _, hits, _, actual = _per_class(truth, guess)
    seen = actual > 0
    return float(np.mean(hits[seen] / actual[seen]))


def _r2(truth: Array, guess: Array) -> float:
    spread = float(np.sum((truth - truth.mean()) ** 2))
    missed = float(np.sum((truth - guess) ** 2))
    return 1.0 - missed / spread if spread else (1.0 if missed == 0 else 0.0)


_CLASS_METRICS: dict[str, Metric] = {
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "f1": lambda t, g: float(np.mean(_f1(t, g)[1])),
    "f1_macro": lambda t, g: float(np.mean(_f1(t, g)[1])),
    "f1_binary": lambda t, g: _positive(*reversed(_f1(t, g))),
    "precision": lambda t, g: _positive(*reversed(_precision(t, g))),
    "precision_macro": lambda t, g: float(np.mean(_precision(t, g)[1])),
    "precision_micro": _accuracy,  # with one label a row, micro averages equal accuracy
    "recall": lambda t, g: _positive(*reversed(_recall(t, g))),
    "recall_macro": lambda t, g: float(np.mean(_recall(t, g)[1])),
    "recall_micro": _accuracy,
}
_VALUE_METRICS: dict[str, Metric] = {
    "mse": lambda t, g: float(np.mean((t - g) ** 2)),
    "r2": _r2,
}
CUSTOM_METRICS = frozenset(_CLASS_METRICS) | frozenset(_VALUE_METRICS)


def custom_metric(names: list[str], objective: str) -> Callable[[Array, Any], list[tuple[str, float]]]:
    """What ``xgboost.train(custom_metric=…)`` takes: it gets transformed predictions and the DMatrix."""

    def evaluate(predictions: Array, matrix: Any) -> list[tuple[str, float]]:
        truth = np.asarray(matrix.get_label(), dtype=float)
        guess = labels_of(predictions, objective)
        return [
            (
                name,
                _CLASS_METRICS[name](truth, guess)
                if name in _CLASS_METRICS
                else _VALUE_METRICS[name](truth, predictions),
            )
            for name in names
        ]

    return evaluate

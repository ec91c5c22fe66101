"""All that a report says about the predictions over a holdout, as JSON values (numpy).

``supervised`` is for binary, multiclass and regression. ``clusters``, ``components`` and ``scores`` are for problems
without a target. The page draws whatever of this it finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain import curves
from sluicegate.domain.distribution import Distribution
from sluicegate.domain.metrics import compare, measure
from sluicegate.domain.schema import Problem

Floats = NDArray[np.float64]
Json = dict[str, Any]

#: classes that get a curve of their own
_MOST_CURVES = 6


def supervised(problem: Problem, labels: Floats, predictions: Floats, older: Floats | None = None) -> Json:
    """The figures of a problem with a target. ``older`` are the champion's predictions over the same rows."""
    if problem.kind == "binary":
        return _binary(problem, labels, predictions, older)
    if problem.kind == "multiclass":
        return _multiclass(problem, labels, predictions)
    return {"residuals": curves.residuals(labels, predictions)}


def _binary(problem: Problem, labels: Floats, scores: Floats, older: Floats | None) -> Json:
    said = (scores > 0.5).astype(np.intp)
    found: Json = {
        "roc": _some([("this version", curves.roc(labels, scores))]),
        "precision_recall": _some([("this version", curves.precision_recall(labels, scores))]),
        "calibration": curves.calibration(labels, scores),
        "scores": curves.score_histogram(labels, scores, problem.classes),
        "thresholds": curves.thresholds(labels, scores),
        "confusion": curves.confusion(labels, said, problem.classes),
        "classes": curves.by_class(labels, said, problem.classes),
    }
    if older is not None:
        found["roc"] += _some([("champion", curves.roc(labels, older))])
        found["precision_recall"] += _some([("champion", curves.precision_recall(labels, older))])
    return found


def _multiclass(problem: Problem, labels: Floats, predictions: Floats) -> Json:
    said = predictions.argmax(axis=1)
    shares = predictions / predictions.sum(axis=1, keepdims=True)
    frequent = np.argsort(-np.bincount(labels.astype(np.intp), minlength=len(problem.classes)), kind="stable")
    shown = [int(index) for index in frequent[:_MOST_CURVES]]
    each = {index: (labels == index).astype(np.float64) for index in shown}
    names = problem.classes
    # of several classes: was the class it named the true one, as often as its probability said
    right = (said == labels).astype(np.float64)
    return {
        "roc": _some([(names[index], curves.roc(each[index], shares[:, index])) for index in shown]),
        "precision_recall": _some(
            [(names[index], curves.precision_recall(each[index], shares[:, index])) for index in shown]
        ),
        "calibration": curves.calibration(right, shares.max(axis=1)),
        "confusion": curves.confusion(labels, said, names),
        "classes": curves.by_class(labels, said, names),
    }


def _some(named: Sequence[tuple[str, Json | None]]) -> list[Json]:
    return [{"name": name, **curve} for name, curve in named if curve is not None]


def predicted(problem: Problem, predictions: Floats) -> Distribution | None:
    """What drift of the predictions is measured against: the classes or clusters named, or probabilities, numbers and
    scores in bins. None of projections, which are several numbers."""
    if problem.kind == "decomposition":
        return None
    if problem.kind == "clustering":
        names, found = np.unique(predictions[:, 0].astype(np.intp), return_counts=True)
        return Distribution.of_categories(dict(zip(map(str, names.tolist()), found.tolist(), strict=True)))
    if problem.kind == "multiclass":
        counts = np.bincount(predictions.argmax(axis=1), minlength=len(problem.classes))
        return Distribution.of_categories(dict(zip(problem.classes, counts.tolist(), strict=True)))
    return Distribution.of_numbers(predictions.tolist())


def baseline(
    problem: Problem, metric: str, labels: Floats, predictions: Floats, profile: Mapping[str, Any], seed: str
) -> Json | None:
    """What predicting the same for every row reaches, and how much better the model is (positive is better).

    That one answer is learned from the training rows, as the data set's profile counts them: each class's share, the
    mean of the target, or for ``mae`` its median. Without them (a data set of an older kind) it is the holdout's own,
    which is the best that any single answer can be. None when the metric can't be computed for it.
    """
    said, how = _constant(problem, metric, labels, profile)
    whole = np.broadcast_to(said, predictions.shape).astype(np.float64)
    value = measure(problem, labels, whole, (metric,)).get(metric)
    if value is None:
        return None
    better = compare(problem, metric, labels, predictions, whole, seed=seed)
    return {"how": how, "value": value, "comparison": better.to_json() if better else None}


def _constant(problem: Problem, metric: str, labels: Floats, profile: Mapping[str, Any]) -> tuple[Any, str]:
    if problem.kind == "regression":
        name = "median" if metric == "mae" else "mean"
        known = (profile.get("target") or {}).get(name)
        if known is not None:
            return float(known), f"always the training rows' {name}"
        value = float(np.median(labels)) if name == "median" else float(labels.mean())
        return value, f"always the holdout's own {name}"
    counts = profile.get("classes") or {}
    trained = np.array([float((counts.get(name) or {}).get("train", 0)) for name in problem.classes])
    source = "training rows"
    if not trained.sum():
        trained = np.bincount(labels.astype(np.intp), minlength=len(problem.classes)).astype(np.float64)
        source = "holdout"
    shares = trained / trained.sum()
    how = f"always {problem.classes[int(shares.argmax())]!r}, with each class's share of the {source} as probability"
    return (float(shares[1]) if problem.kind == "binary" else shares), how


def clusters(assigned: NDArray[np.intp] | Floats, silhouette: float | None = None) -> Json:
    """How many rows fell into each cluster, and how well apart they lie (-1 to 1) where it was measured."""
    names, counts = np.unique(np.asarray(assigned, dtype=np.int64), return_counts=True)
    sizes = [{"cluster": int(name), "rows": int(count)} for name, count in zip(names, counts, strict=True)]
    return {"clusters": {"sizes": sizes, "silhouette": silhouette}}


def components(explained: Sequence[float]) -> Json:
    """The share of the variance that each component explains."""
    shares = [float(share) for share in explained]
    return {"components": {"explained": shares, "cumulative": np.cumsum(shares).tolist()}}


def scores(values: Floats, threshold: float | None = None) -> Json:
    """The distribution of anomaly scores, and how many lie above what counts as an anomaly."""
    above = None if threshold is None else int((values > threshold).sum())
    histogram = curves.histogram(values, 40)
    return {"anomalies": {"histogram": histogram, "threshold": threshold, "above": above, "rows": len(values)}}

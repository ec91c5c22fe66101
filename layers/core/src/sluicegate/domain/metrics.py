"""Metrics over a holdout with 95 % bootstrap intervals, and the paired comparison of two models (numpy).

Shapes: ``labels`` (n,) of label indexes or numbers; ``predictions`` (n,) for binary (probability of the positive class)
and regression, (n, k) for multiclass (a probability for each class).

Percentile bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16. AUC by ranks with
ties counted half: Hanley & McNeil (1982), Radiology 143(1).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain.measures import LOWER_IS_BETTER, Comparison, Estimate
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import METRICS

__all__ = [
    "Comparison",
    "Estimate",
    "align_predictions",
    "compare",
    "evaluate",
    "measure",
    "read_labels",
    "read_predictions",
]

Floats = NDArray[np.float64]

RESAMPLES = 1_000
#: row look-ups that a bootstrap may cost; beyond it there are fewer resamples, and with so many rows fewer are enough
_WORK = 20_000_000
_FEWEST = 100
_CLIP = 1e-15
_BATCH = 65_536


def evaluate(problem: Problem, labels: Floats, predictions: Floats, *, seed: str) -> dict[str, Estimate]:
    """Every metric of the problem with its interval. One that can't be computed (AUC with one class) is left out."""
    _check(problem, labels, predictions)
    draws = {name: [] for name in METRICS[problem.kind]}  # type: dict[str, list[float]]
    values = measure(problem, labels, predictions)
    for rows in resamples(len(labels), seed):
        for name, value in measure(problem, labels[rows], predictions[rows]).items():
            draws[name].append(value)
    found = {}
    for name, value in values.items():
        low, high = interval(draws[name], value)
        found[name] = Estimate(value, low, high)
    return found


def compare(
    problem: Problem, metric: str, labels: Floats, challenger: Floats, champion: Floats, *, seed: str
) -> Comparison | None:
    """Challenger minus champion in ``metric`` over the same rows, positive when the challenger is better.

    Both see the same resamples, so what is hard for both cancels out. None when the metric can't be computed.
    """
    _check(problem, labels, challenger)
    _check(problem, labels, champion)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0

    def difference(rows: NDArray[np.intp] | slice) -> float | None:
        one = measure(problem, labels[rows], challenger[rows], (metric,)).get(metric)
        other = measure(problem, labels[rows], champion[rows], (metric,)).get(metric)
        return None if one is None or other is None else sign * (one - other)

    whole = difference(slice(None))
    if whole is None:
        return None
    drawn = [value for rows in resamples(len(labels), seed) if (value := difference(rows)) is not None]
    low, high = interval(drawn, whole)
    return Comparison(whole, low, high)


def measure(
    problem: Problem, labels: Floats, predictions: Floats, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Point values of ``names`` (by default all metrics of the problem) that can be computed on these rows."""
    functions = _FUNCTIONS[problem.kind]
    found = {}
    for name in names if names is not None else METRICS[problem.kind]:
        value = functions[name](labels, predictions)
        if np.isfinite(value):
            found[name] = float(value)
    return found


def _check(problem: Problem, labels: Floats, predictions: Floats) -> None:
    shape = (len(labels), len(problem.classes)) if problem.kind == "multiclass" else (len(labels),)
    if len(labels) == 0 or predictions.shape != shape:
        raise ValueError(f"{len(labels)} labels and predictions of shape {predictions.shape}, expected {shape}")
    if not np.isfinite(predictions).all():
        raise ValueError("predictions that are not finite numbers")


def resamples(count: int, seed: str) -> Iterator[NDArray[np.intp]]:
    """Rows drawn with replacement, the same for the same seed."""
    random = generator(seed)
    for _ in range(max(_FEWEST, min(RESAMPLES, _WORK // count))):
        yield random.integers(0, count, count)


def generator(seed: str) -> np.random.Generator:
    """Random numbers, the same for the same seed."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def interval(draws: list[float], value: float) -> tuple[float, float]:
    if not draws:
        return value, value
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def _auc(labels: Floats, scores: Floats) -> float:
    positive = labels > 0.5
    positives = int(positive.sum())
    negatives = len(labels) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    _, place, size = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    ranks = (last - (size - 1) / 2)[place]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _binary_logloss(labels: Floats, scores: Floats) -> float:
    right = np.where(labels > 0.5, scores, 1.0 - scores)
    return float(-np.log(np.clip(right, _CLIP, 1.0)).mean())


def _counts(labels: Floats, scores: Floats) -> tuple[int, int, int]:
    """True positives, false positives, false negatives at a threshold of one half."""
    actual, said = labels > 0.5, scores > 0.5
    return int((actual & said).sum()), int((~actual & said).sum()), int((actual & ~said).sum())


def _accuracy(labels: Floats, scores: Floats) -> float:
    return float(((labels > 0.5) == (scores > 0.5)).mean())


def _precision(labels: Floats, scores: Floats) -> float:
    hit, false, _ = _counts(labels, scores)
    return hit / (hit + false) if hit + false else 0.0


def _recall(labels: Floats, scores: Floats) -> float:
    hit, _, missed = _counts(labels, scores)
    return hit / (hit + missed) if hit + missed else 0.0


def _f1(labels: Floats, scores: Floats) -> float:
    hit, false, missed = _counts(labels, scores)
    total = 2 * hit + false + missed
    return 2 * hit / total if total else 0.0


def _class_accuracy(labels: Floats, predictions: Floats) -> float:
    return float((predictions.argmax(axis=1) == labels).mean())


def _class_logloss(labels: Floats, predictions: Floats) -> float:
    sums = predictions.sum(axis=1)
    right = predictions[np.arange(len(labels)), labels.astype(np.intp)] / sums
    return float(-np.log(np.clip(right, _CLIP, 1.0)).mean())


def _macro_f1(labels: Floats, predictions: Floats) -> float:
    """The mean of the classes' F1, over the classes that occur among labels or predictions."""
    width = predictions.shape[1]
    said = predictions.argmax(axis=1)
    actual = labels.astype(np.intp)
    hits = np.bincount(actual[actual == said], minlength=width)
    total = np.bincount(actual, minlength=width) + np.bincount(said, minlength=width)
    present = total > 0
    return float((2 * hits[present] / total[present]).mean())


def _rmse(labels: Floats, predictions: Floats) -> float:
    return float(np.sqrt(np.square(predictions - labels).mean()))


def _mae(labels: Floats, predictions: Floats) -> float:
    return float(np.abs(predictions - labels).mean())


def _r2(labels: Floats, predictions: Floats) -> float:
    spread = float(np.square(labels - labels.mean()).sum())
    return 1.0 - float(np.square(predictions - labels).sum()) / spread if spread else float("nan")


_FUNCTIONS: Mapping[str, Mapping[str, Callable[[Floats, Floats], float]]] = {
    "binary": {
        "auc": _auc,
        "logloss": _binary_logloss,
        "accuracy": _accuracy,
        "f1": _f1,
        "precision": _precision,
        "recall": _recall,
    },
    "multiclass": {"accuracy": _class_accuracy, "macro_f1": _macro_f1, "logloss": _class_logloss},
    "regression": {"rmse": _rmse, "mae": _mae, "r2": _r2},
}


def align_predictions(predictions: Floats, given: Problem, wanted: Problem) -> Floats | None:
    """Predictions of a model that learned ``given``, as ``wanted`` orders its classes. None when they don't compare.

    A class that the model never knew has probability 0; classes that are gone are left out.
    """
    if given == wanted:
        return predictions
    if given.kind == "regression" or wanted.kind == "regression":
        return predictions if given.kind == wanted.kind else None
    if not set(given.classes) & set(wanted.classes):
        return None
    table = np.stack([1.0 - predictions, predictions], axis=1) if given.kind == "binary" else predictions
    columns = [
        table[:, given.classes.index(known)] if known in given.classes else np.zeros(len(table))
        for known in wanted.classes
    ]
    aligned: Floats = np.stack(columns, axis=1)
    sums = aligned.sum(axis=1, keepdims=True)
    aligned = np.where(sums > 0, aligned / np.where(sums > 0, sums, 1.0), 1.0 / len(wanted.classes))
    return aligned[:, 1] if wanted.kind == "binary" else aligned


def read_labels(lines: Iterable[str]) -> Floats:
    """Labels from a file's lines, one a line. ``ValueError`` names the first that is no number."""
    return _numbers(lines, 1)[:, 0]


def read_predictions(problem: Problem, lines: Iterable[str], content_type: str = "text/csv") -> Floats:
    """Predictions from a transform's output: a number a line, or k numbers (bare or in brackets) for multiclass;
    with ``application/json`` lines of ``{"predictions": [{"score": …}]}``. Memory: the array and one batch of lines.
    """
    width = len(problem.classes) if problem.kind == "multiclass" else 1
    if content_type.split(";", 1)[0].strip().lower() == "application/json":
        lines = _scores(lines)
    found = _numbers(lines, width)
    return found if problem.kind == "multiclass" else found[:, 0]


def _scores(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.strip():
            document: Any = json.loads(line)
            for item in document["predictions"]:
                score = item["score"]
                yield ",".join(map(str, score)) if isinstance(score, list) else str(score)


def _numbers(lines: Iterable[str], width: int) -> Floats:
    batches: list[Floats] = []
    source = (stripped for line in lines if (stripped := line.strip().strip("[]")))
    done = 0
    while batch := list(islice(source, _BATCH)):
        cells = [cell for line in batch for cell in line.split(",")]
        if len(cells) != width * len(batch):
            wrong = next(index for index, line in enumerate(batch) if line.count(",") != width - 1)
            raise ValueError(f"line {done + wrong + 1}: {batch[wrong][:60]!r} has not {width} numbers")
        try:
            batches.append(np.array(cells, dtype=np.float64).reshape(-1, width))
        except ValueError as error:
            raise ValueError(f"after line {done}: {error}") from error
        done += len(batch)
    return np.concatenate(batches) if batches else np.empty((0, width))

"""Metrics over a holdout with 95 % bootstrap intervals, and the paired comparison of two models (numpy).

Shapes: ``labels`` (n,) of label indexes or numbers; ``predictions`` (n,) for binary (probability of the positive class)
and regression, (n, k) for multiclass (a probability for each class).

Percentile bootstrap: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16. AUC with ties
counted half: Hanley & McNeil (1982), Radiology 143(1).
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
#: (b, n): b times n row numbers
Rows = NDArray[np.intp]

RESAMPLES = 1_000
#: row look-ups that a bootstrap may cost; beyond it there are fewer resamples, and with so many rows fewer are enough
_WORK = 20_000_000
_FEWEST = 100
#: row numbers that are drawn at once
_TOGETHER = 1 << 17
_CLIP = 1e-15
_BATCH = 65_536


def evaluate(problem: Problem, labels: Floats, predictions: Floats, *, seed: str) -> dict[str, Estimate]:
    """Every metric of the problem with its interval. One that can't be computed (AUC with one class) is left out."""
    _check(problem, labels, predictions)
    statistics = _statistics(problem, labels, predictions, METRICS[problem.kind])
    draws: dict[str, list[Floats]] = {name: [] for name in statistics}
    for rows in _batches(len(labels), seed):
        for name, statistic in statistics.items():
            draws[name].append(statistic(rows))
    values = _values(statistics, len(labels))
    return {name: Estimate(value, *interval(_finite(draws[name]), value)) for name, value in values.items()}


def compare(
    problem: Problem, metric: str, labels: Floats, challenger: Floats, champion: Floats, *, seed: str
) -> Comparison | None:
    """Challenger minus champion in ``metric`` over the same rows, positive when the challenger is better.

    Both see the same resamples, so what is hard for both cancels out. None when the metric can't be computed.
    """
    _check(problem, labels, challenger)
    _check(problem, labels, champion)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    one, other = (_statistics(problem, labels, given, (metric,))[metric] for given in (challenger, champion))

    def difference(rows: Rows) -> Floats:
        found: Floats = sign * (one(rows) - other(rows))
        return found

    whole = float(difference(_whole(len(labels)))[0])
    if not np.isfinite(whole):
        return None
    low, high = interval(_finite([difference(rows) for rows in _batches(len(labels), seed)]), whole)
    return Comparison(whole, low, high)


def measure(
    problem: Problem, labels: Floats, predictions: Floats, names: Iterable[str] | None = None
) -> dict[str, float]:
    """Point values of ``names`` (by default all metrics of the problem) that can be computed on these rows."""
    wanted = METRICS[problem.kind] if names is None else names
    return _values(_statistics(problem, labels, predictions, wanted), len(labels))


def _statistics(
    problem: Problem, labels: Floats, predictions: Floats, names: Iterable[str]
) -> dict[str, Callable[[Rows], Floats]]:
    makers = _MAKERS[problem.kind]
    return {name: makers[name](labels, predictions) for name in names}


def _values(statistics: Mapping[str, Callable[[Rows], Floats]], count: int) -> dict[str, float]:
    found = {name: float(statistic(_whole(count))[0]) for name, statistic in statistics.items()}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _whole(count: int) -> Rows:
    """Every row once."""
    return np.arange(count)[np.newaxis]


def _finite(draws: list[Floats]) -> Floats:
    found = np.concatenate(draws)
    return found[np.isfinite(found)]


def _check(problem: Problem, labels: Floats, predictions: Floats) -> None:
    shape = (len(labels), len(problem.classes)) if problem.kind == "multiclass" else (len(labels),)
    if len(labels) == 0 or predictions.shape != shape:
        raise ValueError(f"{len(labels)} labels and predictions of shape {predictions.shape}, expected {shape}")
    if not np.isfinite(predictions).all():
        raise ValueError("predictions that are not finite numbers")


def resamples(count: int, seed: str) -> Iterator[NDArray[np.intp]]:
    """Rows drawn with replacement, the same for the same seed."""
    for rows in _batches(count, seed):
        yield from rows


def _batches(count: int, seed: str) -> Iterator[Rows]:
    """Resamples, so many at a time that they stay in the processor's cache."""
    random = generator(seed)
    left = max(_FEWEST, min(RESAMPLES, _WORK // count))
    while left:
        taken = min(left, max(1, _TOGETHER // count))
        yield random.integers(0, count, (taken, count))
        left -= taken


def generator(seed: str) -> np.random.Generator:
    """Random numbers, the same for the same seed."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))


def interval(draws: list[float] | Floats, value: float) -> tuple[float, float]:
    if len(draws) == 0:
        return value, value
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


# The metrics. Each works out once what a row adds, and returns what that comes to over rows (b, n): b values.


def _mean(each: NDArray[Any]) -> Callable[[Rows], Floats]:
    return lambda rows: each[rows].mean(axis=1)


def _auc(labels: Floats, scores: Floats) -> Callable[[Rows], Floats]:
    """Of all pairs of a positive and a negative row, the share in which the positive one has the higher score."""
    positive = labels > 0.5
    known, place = np.unique(scores, return_inverse=True)
    width = len(known)

    def of(rows: Rows) -> Floats:
        cells = place[rows] + width * np.arange(len(rows))[:, np.newaxis]
        shape = (len(rows), width)
        total = np.bincount(cells.ravel(), minlength=len(rows) * width).reshape(shape)
        ours = np.bincount(cells[positive[rows]], minlength=len(rows) * width).reshape(shape)
        others = total - ours
        below = np.cumsum(others, axis=1) - others
        return _shares((ours * (below + others / 2)).sum(axis=1), ours.sum(axis=1) * others.sum(axis=1))

    return of


def _shares(of: NDArray[Any], whole: NDArray[Any], otherwise: float = np.nan) -> Floats:
    """``of / whole``, and ``otherwise`` where the whole is nothing."""
    found: Floats = np.divide(of, whole, out=np.full(len(whole), otherwise), where=whole != 0)
    return found


def _binary_logloss(labels: Floats, scores: Floats) -> Callable[[Rows], Floats]:
    right = np.where(labels > 0.5, scores, 1.0 - scores)
    return _mean(-np.log(np.clip(right, _CLIP, 1.0)))


def _accuracy(labels: Floats, scores: Floats) -> Callable[[Rows], Floats]:
    return _mean((labels > 0.5) == (scores > 0.5))


def _of_counts(
    share: Callable[[Floats, Floats, Floats], tuple[Floats, Floats]],
) -> Callable[[Floats, Floats], Callable[[Rows], Floats]]:
    """A metric that is ``share``, of and whole, of true positives, false positives and false negatives at a threshold
    of one half; 0 of nothing."""

    def metric(labels: Floats, scores: Floats) -> Callable[[Rows], Floats]:
        actual, said = labels > 0.5, scores > 0.5
        each = actual & said, ~actual & said, actual & ~said

        def of(rows: Rows) -> Floats:
            hit, false, missed = (one[rows].sum(axis=1) for one in each)
            return _shares(*share(hit, false, missed), 0.0)

        return of

    return metric


_precision = _of_counts(lambda hit, false, _: (hit, hit + false))
_recall = _of_counts(lambda hit, _, missed: (hit, hit + missed))
_f1 = _of_counts(lambda hit, false, missed: (2 * hit, 2 * hit + false + missed))


def _class_accuracy(labels: Floats, predictions: Floats) -> Callable[[Rows], Floats]:
    return _mean(predictions.argmax(axis=1) == labels)


def _class_logloss(labels: Floats, predictions: Floats) -> Callable[[Rows], Floats]:
    sums = predictions.sum(axis=1)
    right = predictions[np.arange(len(labels)), labels.astype(np.intp)] / sums
    return _mean(-np.log(np.clip(right, _CLIP, 1.0)))


def _macro_f1(labels: Floats, predictions: Floats) -> Callable[[Rows], Floats]:
    """The mean of the classes' F1, over the classes that occur among labels or predictions."""
    width = predictions.shape[1]
    said = predictions.argmax(axis=1)
    actual = labels.astype(np.intp)
    right = actual == said

    def of(rows: Rows) -> Floats:
        offset = width * np.arange(len(rows))[:, np.newaxis]

        def counted(cells: NDArray[np.intp]) -> NDArray[np.intp]:
            return np.bincount(cells.ravel(), minlength=len(rows) * width).reshape(len(rows), width)

        named = actual[rows] + offset
        hits, total = counted(named[right[rows]]), counted(named) + counted(said[rows] + offset)
        scores = np.divide(2 * hits, total, out=np.zeros(total.shape), where=total > 0)
        return _shares(scores.sum(axis=1), (total > 0).sum(axis=1))

    return of


def _rmse(labels: Floats, predictions: Floats) -> Callable[[Rows], Floats]:
    squares = _mean(np.square(predictions - labels))
    return lambda rows: np.sqrt(squares(rows))


def _mae(labels: Floats, predictions: Floats) -> Callable[[Rows], Floats]:
    return _mean(np.abs(predictions - labels))


def _r2(labels: Floats, predictions: Floats) -> Callable[[Rows], Floats]:
    squares = np.square(predictions - labels)

    def of(rows: Rows) -> Floats:
        found = labels[rows]
        spread = np.square(found - found.mean(axis=1, keepdims=True)).sum(axis=1)
        return 1.0 - _shares(squares[rows].sum(axis=1), spread)

    return of


_MAKERS: Mapping[str, Mapping[str, Callable[[Floats, Floats], Callable[[Rows], Floats]]]] = {
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

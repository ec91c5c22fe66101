"""What a holdout says beyond its metrics: curves, calibration, confusion, residuals (numpy).

Shapes as in ``domain/metrics.py``: ``labels`` (n,), scores (n,) or (n, k). Whatever the number of rows, a curve has at
most ``MOST_POINTS`` points and a scatter at most ``MOST_ROWS``; summary numbers are of all rows. Results are plain JSON
values. Memory: a few arrays of the length of the holdout.

ROC and precision-recall: Fawcett (2006), An introduction to ROC analysis, Pattern Recognition Letters 27(8).
Average precision: the step-wise sum of (R_n - R_(n-1)) P_n, without interpolation. Calibration error: Naeini, Cooper &
Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning. Interval of a share: Wilson (1927).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Json = dict[str, Any]

MOST_POINTS = 200
MOST_ROWS = 1_200
#: more classes than these are put together as "(others)" in the matrix, and left out of the table of classes
MOST_CLASSES = 25
_Z = 1.959963984540054  # 95 %
_BINS = 10


def roc(labels: Floats, scores: Floats) -> Json | None:
    """``fpr`` and ``tpr``, both rising from 0 to 1, with the threshold of each point. None when a class is absent."""
    thresholds, hits, alarms = _counted(labels, scores)
    if hits[-1] == 0 or alarms[-1] == 0:
        return None
    tpr, fpr = np.append(0.0, hits / hits[-1]), np.append(0.0, alarms / alarms[-1])
    kept = _corners(fpr, tpr)
    return {
        "fpr": _list(fpr[kept]),
        "tpr": _list(tpr[kept]),
        "thresholds": [None, *_list(thresholds[kept[1:] - 1])],
        "auc": float(np.trapezoid(tpr, fpr)),
    }


def precision_recall(labels: Floats, scores: Floats) -> Json | None:
    """``recall`` rising, the ``precision`` there, and the share of positives, which is what guessing reaches. None
    without a positive."""
    thresholds, hits, alarms = _counted(labels, scores)
    if hits[-1] == 0:
        return None
    precision, recall = hits / (hits + alarms), hits / hits[-1]
    kept = _corners(recall, precision)
    return {
        "recall": _list(recall[kept]),
        "precision": _list(precision[kept]),
        "thresholds": _list(thresholds[kept]),
        "average_precision": float(np.sum(np.diff(np.append(0.0, recall)) * precision)),
        "positives": float(hits[-1] / len(labels)),
    }


def calibration(labels: Floats, scores: Floats) -> Json:
    """Of ten equal ranges of probability those that occur: what was said, what came true with its 95 % interval, and in
    how many rows. ``brier`` is the mean squared error, ``ece`` the mean distance of said and true over all rows."""
    actual = labels > 0.5
    place = np.clip((scores * _BINS).astype(np.intp), 0, _BINS - 1)
    rows = np.bincount(place, minlength=_BINS)
    used = rows > 0
    count = rows[used]
    said = np.bincount(place, weights=scores, minlength=_BINS)[used] / count
    true = np.bincount(place, weights=actual.astype(np.float64), minlength=_BINS)[used] / count
    low, high = _wilson(true, count)
    return {
        "said": _list(said),
        "true": _list(true),
        "low": _list(low),
        "high": _list(high),
        "rows": [int(number) for number in count],
        "brier": float(np.square(scores - actual).mean()),
        "ece": float((count * np.abs(said - true)).sum() / len(labels)),
    }


def thresholds(labels: Floats, scores: Floats) -> list[Json]:
    """What each threshold would mean: 0.1, 0.2 … 0.9 and the one with the best F1 (``best``)."""
    found = [_at(labels, scores, step / 10) for step in range(1, 10)]
    cuts, hits, alarms = _counted(labels, scores)
    f1 = 2 * hits / (hits + alarms + hits[-1]) if hits[-1] else np.zeros(1)
    # "above" is how the metrics count, so the cut lies between this score and the next lower one
    best = int(f1.argmax())
    below = cuts[best + 1] if best + 1 < len(cuts) else 0.0
    return sorted([*found, {**_at(labels, scores, float(cuts[best] + below) / 2), "best": True}], key=_threshold)


def _threshold(row: Json) -> float:
    return float(row["threshold"])


def _at(labels: Floats, scores: Floats, threshold: float) -> Json:
    actual, said = labels > 0.5, scores > threshold
    hit, alarm = int((actual & said).sum()), int((~actual & said).sum())
    missed, quiet = int((actual & ~said).sum()), int((~actual & ~said).sum())
    precision = hit / (hit + alarm) if hit + alarm else 0.0
    recall = hit / (hit + missed) if hit + missed else 0.0
    f1 = 2 * hit / (2 * hit + alarm + missed) if hit else 0.0
    return {
        "threshold": threshold,
        "true_positives": hit,
        "false_positives": alarm,
        "false_negatives": missed,
        "true_negatives": quiet,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def confusion(labels: Floats, said: NDArray[np.intp], classes: Sequence[str]) -> Json:
    """``counts[actual][said]``. Of very many classes the most frequent; the rest are one row and column."""
    width = len(classes)
    actual = labels.astype(np.intp)
    if width <= MOST_CLASSES:
        counts = np.bincount(actual * width + said, minlength=width * width).reshape(width, width)
        return {"classes": list(classes), "counts": counts.tolist()}
    frequent = np.sort(np.argsort(-np.bincount(actual, minlength=width), kind="stable")[: MOST_CLASSES - 1])
    place = np.full(width, MOST_CLASSES - 1)
    place[frequent] = np.arange(MOST_CLASSES - 1)
    counts = np.bincount(place[actual] * MOST_CLASSES + place[said], minlength=MOST_CLASSES**2)
    names = [*(classes[index] for index in frequent), "(others)"]
    return {"classes": names, "counts": counts.reshape(MOST_CLASSES, MOST_CLASSES).tolist(), "all": width}


def by_class(labels: Floats, said: NDArray[np.intp], classes: Sequence[str]) -> list[Json]:
    """Rows, precision, recall and F1 of each class (the most frequent, when there are very many)."""
    width = len(classes)
    actual = labels.astype(np.intp)
    rows, called = np.bincount(actual, minlength=width), np.bincount(said, minlength=width)
    hits = np.bincount(actual[actual == said], minlength=width)
    shown = np.sort(np.argsort(-rows, kind="stable")[: 4 * MOST_CLASSES])
    return [
        {
            "class": classes[index],
            "rows": int(rows[index]),
            "predicted": int(called[index]),
            "precision": float(hits[index] / called[index]) if called[index] else None,
            "recall": float(hits[index] / rows[index]) if rows[index] else None,
            "f1": float(2 * hits[index] / (rows[index] + called[index])) if rows[index] + called[index] else None,
        }
        for index in shown
    ]


def score_histogram(labels: Floats, scores: Floats, classes: Sequence[str]) -> Json:
    """How many rows of each class got which probability, in 20 equal ranges."""
    edges = np.linspace(0.0, 1.0, 21)
    return {
        "edges": _list(edges),
        "counts": {
            name: np.histogram(scores[labels == index], edges)[0].tolist() for index, name in enumerate(classes)
        },
    }


def residuals(labels: Floats, predictions: Floats) -> Json:
    """Actual minus predicted: summary, histogram, quantiles against the normal distribution's, and a sample of rows."""
    errors = labels - predictions
    rows = sample(len(labels), MOST_ROWS)
    shares = (np.arange(1, 100)) / 100
    size = np.abs(errors)
    spread = float(errors.std())
    return {
        "mean": float(errors.mean()),
        "deviation": spread,
        "absolute": {f"p{share}": float(np.quantile(size, share / 100)) for share in (50, 75, 90, 95, 99)},
        "histogram": histogram(errors, 31),
        "quantiles": {
            "normal": [NormalDist().inv_cdf(float(share)) for share in shares],
            "residual": _list((np.quantile(errors, shares) - errors.mean()) / spread) if spread else [0.0] * 99,
        },
        "rows": {"predicted": _list(predictions[rows]), "actual": _list(labels[rows]), "of": len(labels)},
    }


def histogram(values: Floats, bins: int) -> Json:
    """Equal ranges between the 0.5 % and 99.5 % quantiles; what lies beyond is counted apart (``below``, ``above``)."""
    low, high = np.quantile(values, [0.005, 0.995])
    if not high > low:
        low, high = float(low) - 0.5, float(high) + 0.5
    edges = np.linspace(low, high, bins + 1)
    return {
        "edges": _list(edges),
        "counts": np.histogram(values, edges)[0].tolist(),
        "below": int((values < edges[0]).sum()),
        "above": int((values > edges[-1]).sum()),
    }


def sample(count: int, most: int) -> NDArray[np.intp]:
    """At most ``most`` row numbers in order, evenly spread: the same for the same count."""
    if count <= most:
        return np.arange(count, dtype=np.intp)
    return np.linspace(0, count - 1, most).round().astype(np.intp)


def _counted(labels: Floats, scores: Floats) -> tuple[Floats, Floats, Floats]:
    """Each different score, falling, with the positives and negatives that have it or a higher one."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores, positive = scores[order], (labels[order] > 0.5)
    last = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    hits = np.cumsum(positive)[last].astype(np.float64)
    return sorted_scores[last], hits, last + 1.0 - hits


def _corners(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Points to keep of a curve in the unit square: evenly spread along its length, with its first and last."""
    if len(x) <= MOST_POINTS:
        return np.arange(len(x), dtype=np.intp)
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    wanted = np.linspace(0.0, length[-1], MOST_POINTS)
    kept = np.unique(np.searchsorted(length, wanted).clip(0, len(x) - 1))
    return np.union1d(kept, [0, len(x) - 1]).astype(np.intp)


def _wilson(share: Floats, count: NDArray[np.intp]) -> tuple[Floats, Floats]:
    square = _Z * _Z / count
    middle = (share + square / 2) / (1 + square)
    half = _Z * np.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


def _list(values: Floats) -> list[float]:
    """Six digits are more than any plot shows, and a third of the bytes."""
    return [float(f"{value:.6g}") for value in values.tolist()]

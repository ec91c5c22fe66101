"""How good a model without a target is, over a holdout (numpy), and the comparison of two.

Shapes: ``features`` (n, d) as the model saw them; ``answers`` (n, 2) of clustering (cluster, distance to its centre),
(n, k) projections of decomposition, (n,) anomaly scores; ``labels`` (n,) of anomaly detection with a column that says
what is anomalous: 1 or 0, NaN where it is missing.

* Silhouette: Rousseeuw (1987), Journal of Computational and Applied Mathematics 20. Of ``SILHOUETTE_ROWS`` rows,
  because every row is compared with every other.
* Explained variance: components are orthonormal, so the variance of the projections is what they explain of the
  features' own; the rest, a feature and row, is the reconstruction error.
* A score more than three standard deviations above the mean is an anomaly ("Random Cut Forest", developer guide).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sluicegate.domain import evaluation
from sluicegate.domain.measures import LOWER_IS_BETTER, Comparison, Estimate
from sluicegate.domain.metrics import generator, interval, measure, resamples
from sluicegate.domain.schema import Problem

Floats = NDArray[np.float64]
Rows = NDArray[np.intp] | slice
Json = dict[str, Any]

SILHOUETTE_ROWS = 2_000
#: beyond so many rows of features a sample is measured
MOST_ROWS = 5_000
_DEVIATIONS = 3
_DETECTED = Problem("binary", ("no", "yes"), "yes")


@dataclass(frozen=True)
class Measured:
    """``threshold`` only of anomaly detection; ``figures`` are for the report."""

    metrics: dict[str, Estimate]
    figures: Json
    threshold: float | None = None


def evaluate(
    problem: Problem, features: Floats | None, answers: Floats, labels: Floats | None = None, *, seed: str
) -> Measured:
    """Every metric that can be computed, with its 95 % bootstrap interval. ``ValueError`` for answers that can't be."""
    _check(features, answers)
    if problem.kind == "anomaly":
        return _anomaly(answers, labels, seed)
    if features is None:
        raise ValueError("no features to measure by")
    found = {name: _estimate(statistic, seed) for name, statistic in _statistics(problem, features, answers, seed)}
    metrics = {name: estimate for name, estimate in found.items() if estimate is not None}
    if problem.kind == "clustering":
        apart = metrics.get("silhouette")
        return Measured(metrics, evaluation.clusters(answers[:, 0], apart.value if apart else None))
    return Measured(metrics, evaluation.components((answers.var(axis=0) / _total(features)).tolist()))


def compare(
    problem: Problem,
    metric: str,
    features: Floats | None,
    challenger: Floats,
    champion: Floats,
    labels: Floats | None = None,
    *,
    same_encoding: bool,
    seed: str,
) -> tuple[Comparison | None, str]:
    """Challenger minus champion, positive when the challenger is better; or None and why they don't compare."""
    if metric == "flagged_share":
        return None, "flagged_share says how many rows are flagged, not which version flags the right ones"
    if metric in ("mean_distance", "explained_variance", "reconstruction_error") and not same_encoding:
        return None, f"{metric} is measured in the features' own units, and they are encoded differently"
    _check(features, champion)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    if problem.kind == "anomaly":
        known = _known(labels)
        if known is None or labels is None:
            return None, f"{metric} needs labels"
        scores = (challenger[known], champion[known])
        pair = [
            _detection(metric, labels[known], one, one > threshold_of(all_))
            for one, all_ in zip(scores, (challenger, champion), strict=True)
        ]
    else:
        if features is None:
            raise ValueError("no features to measure by")
        pair = [dict(_statistics(problem, features, answers, seed))[metric] for answers in (challenger, champion)]
    one, other = pair
    whole = sign * (one.value(slice(None)) - other.value(slice(None)))
    if not np.isfinite(whole):
        return None, f"{metric} could not be measured for both"
    drawn = [sign * (one.value(rows) - other.value(rows)) for rows in resamples(one.count, seed)]
    low, high = interval([value for value in drawn if np.isfinite(value)], whole)
    return Comparison(whole, low, high), ""


@dataclass(frozen=True)
class _Statistic:
    """``value`` of some of ``count`` rows; NaN where it is not defined."""

    count: int
    value: Callable[[Rows], float]


def _estimate(statistic: _Statistic, seed: str) -> Estimate | None:
    value = statistic.value(slice(None))
    if not np.isfinite(value):
        return None
    drawn = [found for rows in resamples(statistic.count, seed) if np.isfinite(found := statistic.value(rows))]
    return Estimate(value, *interval(drawn, value))


def _statistics(problem: Problem, features: Floats, answers: Floats, seed: str) -> list[tuple[str, _Statistic]]:
    if problem.kind == "clustering":
        chosen = _sample(len(features), SILHOUETTE_ROWS, seed)
        widths, distances = silhouettes(features[chosen], answers[chosen, 0]), answers[:, 1]
        return [
            ("silhouette", _Statistic(len(widths), lambda rows: float(widths[rows].mean()))),
            ("mean_distance", _Statistic(len(distances), lambda rows: float(distances[rows].mean()))),
        ]

    def explained(rows: Rows) -> float:
        total = _total(features[rows])
        return float(answers[rows].var(axis=0).sum() / total) if total else float("nan")

    def error(rows: Rows) -> float:
        left = _total(features[rows]) - float(answers[rows].var(axis=0).sum())
        return float(max(0.0, left) / features.shape[1])

    count = len(features)
    return [("explained_variance", _Statistic(count, explained)), ("reconstruction_error", _Statistic(count, error))]


def silhouettes(features: Floats, clusters: Floats) -> Floats:
    """Of each row (b - a) / max(a, b): a the mean distance to its own cluster's others, b to the nearest other cluster.
    0 for a row alone in its cluster. NaN where all rows are in one cluster.
    """
    names, place, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    if len(names) < 2:
        return np.full(len(features), np.nan)
    squares = np.square(features).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2.0 * features @ features.T, 0.0))
    np.fill_diagonal(apart, 0.0)
    member = np.zeros((len(features), len(names)))
    member[np.arange(len(features)), place] = 1.0
    sums = apart @ member  # (n, clusters)
    own = sizes[place]
    inside = sums[np.arange(len(features)), place] / np.maximum(own - 1, 1)
    means = sums / sizes
    means[np.arange(len(features)), place] = np.inf
    outside = means.min(axis=1)
    largest = np.maximum(inside, outside)
    found: Floats = np.where((own > 1) & (largest > 0), (outside - inside) / np.where(largest > 0, largest, 1.0), 0.0)
    return found


def threshold_of(scores: Floats) -> float:
    """The score above which a row is an anomaly."""
    return float(scores.mean() + _DEVIATIONS * scores.std())


def _anomaly(scores: Floats, labels: Floats | None, seed: str) -> Measured:
    threshold = threshold_of(scores)
    flagged = scores > threshold
    found = {"flagged_share": _Statistic(len(scores), lambda rows: float(flagged[rows].mean()))}
    known = _known(labels)
    if known is not None and labels is not None:
        for name in ("auc", "f1"):
            found[name] = _detection(name, labels[known], scores[known], flagged[known])
    metrics = {name: value for name, part in found.items() if (value := _estimate(part, seed)) is not None}
    return Measured(metrics, evaluation.scores(scores, threshold), threshold)


def _known(labels: Floats | None) -> NDArray[np.bool_] | None:
    """Which rows have a label; None when none has."""
    if labels is None:
        return None
    known: NDArray[np.bool_] = np.isfinite(labels)
    return known if known.any() else None


def _detection(metric: str, labels: Floats, scores: Floats, flagged: NDArray[np.bool_]) -> _Statistic:
    """``auc`` of the scores, any other metric of what was flagged."""
    said = scores if metric == "auc" else flagged.astype(np.float64)
    return _Statistic(
        len(labels), lambda rows: measure(_DETECTED, labels[rows], said[rows], (metric,)).get(metric, float("nan"))
    )


def _total(features: Floats) -> float:
    return float(features.var(axis=0).sum())


def _sample(count: int, most: int, seed: str) -> NDArray[np.intp]:
    """At most ``most`` rows, the same for the same seed."""
    if count <= most:
        return np.arange(count)
    return np.sort(generator(seed).choice(count, most, replace=False))


def _check(features: Floats | None, answers: Floats) -> None:
    if len(answers) == 0 or (features is not None and len(features) != len(answers)):
        raise ValueError(f"{0 if features is None else len(features)} rows and {len(answers)} answers")
    if not np.isfinite(answers).all():
        raise ValueError("answers that are not finite numbers")

"""Clusters, components and anomaly scores measured, against scikit-learn where it measures the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score, silhouette_samples

from sluicegate.domain.gate import judge
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import Evaluation
from sluicegate.domain.unsupervised import SILHOUETTE_ROWS, compare, evaluate, silhouettes, threshold_of

Floats = NDArray[np.float64]
CLUSTERING, DECOMPOSITION = Problem("clustering"), Problem("decomposition")
ANOMALY = Problem("anomaly", ("fine", "odd"), "odd")


@pytest.fixture(scope="module")
def iris() -> Floats:
    found: Floats = load_iris().data
    return found


def clustered(features: Floats, k: int) -> Floats:
    model = KMeans(k, n_init=3, random_state=0).fit(features)
    return np.stack([model.labels_.astype(float), model.transform(features).min(axis=1)], axis=1)


def test_silhouettes_are_scikit_learns(iris: Floats) -> None:
    labels = clustered(iris, 4)[:, 0]
    labels[0] = 9  # alone in its cluster
    assert silhouettes(iris, labels) == pytest.approx(silhouette_samples(iris, labels), abs=1e-6)
    assert np.isnan(silhouettes(iris, np.zeros(len(iris)))).all()


def test_clustering(iris: Floats) -> None:
    three, answers = clustered(iris, 3), clustered(iris, 8)
    measured = evaluate(CLUSTERING, iris, three, seed="a")
    apart = measured.metrics["silhouette"]
    assert apart.value == pytest.approx(silhouette_samples(iris, three[:, 0]).mean(), abs=1e-6)
    assert apart.low < apart.value < apart.high
    assert measured.metrics["mean_distance"].value == pytest.approx(three[:, 1].mean())
    sizes: list[dict[str, Any]] = measured.figures["clusters"]["sizes"]
    assert sum(size["rows"] for size in sizes) == 150 and len(sizes) == 3
    comparison, why = compare(CLUSTERING, "silhouette", iris, answers, three, same_encoding=False, seed="a")
    assert comparison is not None and comparison.high < 0 and why == ""
    comparison, _ = compare(CLUSTERING, "mean_distance", iris, answers, three, same_encoding=True, seed="a")
    assert comparison is not None and comparison.low > 0  # more clusters lie closer
    comparison, why = compare(CLUSTERING, "mean_distance", iris, answers, three, same_encoding=False, seed="a")
    assert comparison is None and "encoded differently" in why


def test_one_cluster_has_no_silhouette_and_many_rows_are_sampled() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(3 * SILHOUETTE_ROWS, 2))
    alone = np.stack([np.zeros(len(features)), np.ones(len(features))], axis=1)
    assert evaluate(CLUSTERING, features, alone, seed="a").metrics.keys() == {"mean_distance"}
    halves = np.stack([(features[:, 0] > 0).astype(float), np.ones(len(features))], axis=1)
    exact = silhouette_samples(features, halves[:, 0]).mean()
    assert evaluate(CLUSTERING, features, halves, seed="a").metrics["silhouette"].value == pytest.approx(
        exact, abs=0.02
    )


def test_decomposition() -> None:
    wine: Floats = load_wine().data
    features = (wine - wine.mean(axis=0)) / wine.std(axis=0)
    train, held = features[::2], features[1::2]
    model = PCA(4).fit(train)
    projected = model.transform(held)
    measured = evaluate(DECOMPOSITION, held, projected, seed="a")
    rebuilt = model.inverse_transform(projected)
    left = np.square((held - rebuilt) - (held - rebuilt).mean(axis=0)).sum()
    whole = np.square(held - held.mean(axis=0)).sum()
    assert measured.metrics["explained_variance"].value == pytest.approx(1 - left / whole, abs=1e-6)
    assert measured.metrics["reconstruction_error"].value == pytest.approx(left / held.size, abs=1e-6)
    shares = measured.figures["components"]["explained"]
    assert sum(shares) == pytest.approx(measured.metrics["explained_variance"].value)
    two = PCA(2).fit(train).transform(held)
    comparison, _ = compare(DECOMPOSITION, "explained_variance", held, two, projected, same_encoding=True, seed="a")
    assert comparison is not None and comparison.high < 0


def test_anomalies_with_and_without_labels() -> None:
    random = np.random.default_rng(1)
    scores = np.concatenate([random.normal(1, 0.1, 980), random.normal(3, 0.3, 20)])
    labels = np.concatenate([np.zeros(980), np.ones(20)])
    plain = evaluate(Problem("anomaly"), None, scores, seed="a")
    assert plain.threshold == threshold_of(scores) == pytest.approx(scores.mean() + 3 * scores.std())
    assert plain.metrics.keys() == {"flagged_share"}
    assert plain.metrics["flagged_share"].value == pytest.approx((scores > plain.threshold).mean())
    assert plain.figures["anomalies"]["rows"] == 1000
    labels[5] = np.nan  # nobody said what this one is
    known = np.isfinite(labels)
    judged = evaluate(ANOMALY, None, scores, labels, seed="a")
    assert judged.metrics["auc"].value == pytest.approx(roc_auc_score(labels[known], scores[known]))
    assert judged.metrics["f1"].value > 0.9
    assert compare(ANOMALY, "flagged_share", None, scores, scores, same_encoding=True, seed="a")[0] is None
    comparison, _ = compare(ANOMALY, "auc", None, scores, -scores, labels, same_encoding=False, seed="a")
    assert comparison is not None and comparison.low > 0.5
    assert compare(ANOMALY, "auc", None, scores, scores, None, same_encoding=True, seed="a") == (
        None,
        "auc needs labels",
    )


@pytest.mark.parametrize("answers", [np.empty((0, 2)), np.full((150, 2), np.nan), np.zeros((3, 2))])
def test_answers_that_measure_nothing_are_refused(iris: Floats, answers: Floats) -> None:
    with pytest.raises(ValueError, match=r"answers"):
        evaluate(CLUSTERING, iris, answers, seed="a")


def test_the_verdict_says_why_a_champion_does_not_compare() -> None:
    scores = np.random.default_rng(2).normal(size=500)
    measured = evaluate(Problem("anomaly"), None, scores, seed="a")
    comparison, why = compare(Problem("anomaly"), "flagged_share", None, scores, scores, same_encoding=True, seed="a")
    verdict = judge("flagged_share", measured.metrics, comparison, Evaluation(), 3, why)
    assert verdict.accepted and "version 3 could not be compared" in verdict.reason
    assert "not which version flags the right ones" in verdict.reason
    strict = judge("flagged_share", measured.metrics, None, Evaluation(minimum=0.0001, metric="flagged_share"), None)
    assert strict.accepted is (measured.metrics["flagged_share"].value <= 0.0001)

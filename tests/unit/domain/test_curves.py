"""Curves, calibration, confusion and residuals against scikit-learn and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import calibration as their_calibration
from sklearn import metrics as theirs

from sluicegate.domain import curves, evaluation
from sluicegate.domain.schema import Problem

BINARY = Problem("binary", ("no", "yes"), "yes")
THREE = Problem("multiclass", ("a", "b", "c"))
NUMBER = Problem("regression")


def scored(rows: int, decimals: int = 8, seed: int = 7) -> tuple[curves.Floats, curves.Floats]:
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < 0.3).astype(float)
    return labels, np.round(0.35 * labels + 0.6 * random.random(rows), decimals)


@pytest.mark.parametrize("decimals", [1, 8])  # with and without ties
def test_roc(decimals: int) -> None:
    labels, scores = scored(150, decimals)
    found = curves.roc(labels, scores)
    fpr, tpr, thresholds = theirs.roc_curve(labels, scores, drop_intermediate=False)
    assert found is not None
    assert found["auc"] == pytest.approx(theirs.roc_auc_score(labels, scores))
    assert found["fpr"] == pytest.approx(fpr, rel=1e-5)
    assert found["tpr"] == pytest.approx(tpr, rel=1e-5)
    assert found["thresholds"][1:] == pytest.approx(thresholds[1:], rel=1e-5)


@pytest.mark.parametrize("decimals", [1, 8])
def test_precision_recall(decimals: int) -> None:
    labels, scores = scored(150, decimals)
    found = curves.precision_recall(labels, scores)
    precision, recall, thresholds = theirs.precision_recall_curve(labels, scores)
    assert found is not None
    assert found["average_precision"] == pytest.approx(theirs.average_precision_score(labels, scores))
    assert found["precision"] == pytest.approx(precision[:-1][::-1], rel=1e-5)
    assert found["recall"] == pytest.approx(recall[:-1][::-1], rel=1e-5)
    assert found["thresholds"] == pytest.approx(thresholds[::-1], rel=1e-5)


def test_a_curve_of_many_rows_is_drawn_from_few_of_its_points() -> None:
    labels, scores = scored(20_000)
    found = curves.roc(labels, scores)
    fpr, tpr, _ = theirs.roc_curve(labels, scores, drop_intermediate=False)
    assert found is not None
    assert len(found["fpr"]) <= curves.MOST_POINTS + 2
    assert (found["fpr"][0], found["tpr"][0], found["fpr"][-1], found["tpr"][-1]) == (0, 0, 1, 1)
    # along the curve both rise, so their sum tells where on it a point is
    drawn = np.interp(fpr + tpr, np.add(found["fpr"], found["tpr"]), found["tpr"])
    assert np.abs(drawn - tpr).max() < 0.006
    assert found["auc"] == pytest.approx(theirs.roc_auc_score(labels, scores))


def test_no_curve_without_both_classes() -> None:
    ones = np.ones(5)
    assert curves.roc(ones, ones / 2) is None
    assert curves.precision_recall(np.zeros(5), ones / 2) is None


def test_calibration() -> None:
    labels, scores = scored(900)
    found = curves.calibration(labels, scores)
    true, said = their_calibration.calibration_curve(labels, scores, n_bins=10)
    assert found["true"] == pytest.approx(true, rel=1e-5)
    assert found["said"] == pytest.approx(said, rel=1e-5)
    assert found["brier"] == pytest.approx(theirs.brier_score_loss(labels, scores))
    assert sum(found["rows"]) == 900
    first = stats.binomtest(round(true[0] * found["rows"][0]), found["rows"][0]).proportion_ci(method="wilson")
    assert (found["low"][0], found["high"][0]) == pytest.approx((first.low, first.high), rel=1e-4)


def test_thresholds_and_the_best_of_them() -> None:
    labels, scores = scored(400)
    rows = curves.thresholds(labels, scores)
    precision, recall, _ = theirs.precision_recall_curve(labels, scores)
    best = next(row for row in rows if row.get("best"))
    assert best["f1"] == pytest.approx(np.nanmax(2 * precision * recall / (precision + recall + 1e-300)))
    half = next(row for row in rows if row["threshold"] == 0.5)
    said = scores > 0.5
    quiet, alarms, missed, hits = theirs.confusion_matrix(labels, said).ravel().tolist()
    assert (half["true_positives"], half["false_positives"]) == (hits, alarms)
    assert (half["false_negatives"], half["true_negatives"]) == (missed, quiet)
    assert half["precision"] == pytest.approx(theirs.precision_score(labels, said))
    assert [row["threshold"] for row in rows] == sorted(row["threshold"] for row in rows)


def test_confusion_and_classes() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 300).astype(float)
    said = random.integers(0, 3, 300)
    found = curves.confusion(labels, said, THREE.classes)
    assert found["counts"] == theirs.confusion_matrix(labels, said).tolist()
    precision, recall, f1, rows = theirs.precision_recall_fscore_support(labels, said)
    table = curves.by_class(labels, said, THREE.classes)
    assert [row["precision"] for row in table] == pytest.approx(precision)
    assert [row["recall"] for row in table] == pytest.approx(recall)
    assert [row["f1"] for row in table] == pytest.approx(f1)
    assert [row["rows"] for row in table] == rows.tolist()


def test_a_class_that_nobody_names_has_no_precision() -> None:
    (first, second) = curves.by_class(np.array([0.0, 1.0]), np.array([0, 0]), ("a", "b"))
    assert (first["precision"], second["precision"], second["recall"]) == (0.5, None, 0.0)


def test_of_hundreds_of_classes_the_frequent_are_shown_and_nothing_is_lost() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 300, 5_000).astype(float)
    labels[:900] = 217
    said = random.integers(0, 300, 5_000)
    found = curves.confusion(labels, said, [f"c{number}" for number in range(300)])
    assert found["classes"][-1] == "(others)" and "c217" in found["classes"]
    assert len(found["classes"]) == curves.MOST_CLASSES
    assert sum(map(sum, found["counts"])) == 5_000
    assert len(curves.by_class(labels, said, [f"c{number}" for number in range(300)])) == 4 * curves.MOST_CLASSES


def test_residuals() -> None:
    random = np.random.default_rng(3)
    labels = random.normal(size=5_000)
    predictions = labels + random.normal(loc=0.2, size=5_000)
    found = curves.residuals(labels, predictions)
    errors = labels - predictions
    assert (found["mean"], found["deviation"]) == pytest.approx((errors.mean(), errors.std()))
    assert found["absolute"]["p90"] == pytest.approx(np.quantile(np.abs(errors), 0.9))
    counted = found["histogram"]
    assert sum(counted["counts"]) + counted["below"] + counted["above"] == 5_000
    assert found["quantiles"]["normal"] == pytest.approx(stats.norm.ppf(np.arange(1, 100) / 100))
    assert np.abs(np.array(found["quantiles"]["residual"]) - found["quantiles"]["normal"]).max() < 0.2
    assert len(found["rows"]["actual"]) == curves.MOST_ROWS and found["rows"]["of"] == 5_000


def test_residuals_that_are_all_the_same() -> None:
    found = curves.residuals(np.ones(9), np.zeros(9))
    assert found["deviation"] == 0 and sum(found["histogram"]["counts"]) == 9


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60))
def test_figures_of_any_binary_holdout_are_json_numbers(rows: list[tuple[bool, float]]) -> None:
    labels = np.array([float(label) for label, _ in rows])
    scores = np.array([score for _, score in rows])
    found = evaluation.supervised(BINARY, labels, scores)
    assert sum(map(sum, found["confusion"]["counts"])) == len(rows)
    for curve in found["roc"]:
        assert curve["fpr"] == sorted(curve["fpr"]) and curve["tpr"] == sorted(curve["tpr"])
    for row in found["thresholds"]:
        parts = ("true_positives", "false_positives", "false_negatives", "true_negatives")
        assert sum(row[part] for part in parts) == len(rows)
    assert all(
        0 <= low <= high <= 1
        for low, high in zip(found["calibration"]["low"], found["calibration"]["high"], strict=True)
    )


def test_curves_of_several_classes_are_one_against_the_rest() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 3, 300).astype(float)
    scores = random.random((300, 3)) + np.eye(3)[labels.astype(int)] * 0.5
    scores /= scores.sum(axis=1, keepdims=True)
    found = evaluation.supervised(THREE, labels, scores)
    for curve in found["roc"]:
        index = THREE.classes.index(curve["name"])
        assert curve["auc"] == pytest.approx(theirs.roc_auc_score(labels == index, scores[:, index]))


def test_the_baseline_learns_from_the_training_rows() -> None:
    labels, scores = scored(400)
    profile = {"classes": {"no": {"train": 300}, "yes": {"train": 100}}}
    found = evaluation.baseline(BINARY, "logloss", labels, np.clip(scores, 0.01, 0.99), profile, "x")
    assert found is not None
    assert found["value"] == pytest.approx(theirs.log_loss(labels, np.full(400, 0.25)))
    assert found["comparison"]["low"] <= found["comparison"]["difference"] <= found["comparison"]["high"]
    auc = evaluation.baseline(BINARY, "auc", labels, scores, profile, "x")
    assert auc is not None and auc["value"] == 0.5


@pytest.mark.parametrize(("metric", "name"), [("rmse", "mean"), ("mae", "median")])
def test_the_baseline_of_a_number(metric: str, name: str) -> None:
    labels = np.array([1.0, 2.0, 9.0])
    known = {"target": {"mean": 3.0, "median": 2.5}}
    found = evaluation.baseline(NUMBER, metric, labels, labels + 0.1, known, "x")
    error = {"rmse": theirs.root_mean_squared_error, "mae": theirs.mean_absolute_error}[metric]
    assert found is not None and found["value"] == pytest.approx(error(labels, np.full(3, known["target"][name])))
    unknown = evaluation.baseline(NUMBER, metric, labels, labels + 0.1, {}, "x")
    assert unknown is not None and "holdout" in unknown["how"]


def test_what_has_no_target() -> None:
    sizes = evaluation.clusters(np.array([0.0, 2.0, 2.0]), 0.4)["clusters"]
    assert sizes == {"sizes": [{"cluster": 0, "rows": 1}, {"cluster": 2, "rows": 2}], "silhouette": 0.4}
    assert evaluation.components([0.5, 0.25])["components"]["cumulative"] == [0.5, 0.75]
    scores = evaluation.scores(np.linspace(0, 3, 301), 2.5)["anomalies"]
    assert scores["above"] == 50 and scores["rows"] == 301

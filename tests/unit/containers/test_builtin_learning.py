"""Each built-in on scikit-learn's own data: its metric is near that of the method run directly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import datasets
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import HuberRegressor, LinearRegression, LogisticRegression, QuantileRegressor
from sklearn.metrics import mean_pinball_loss, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from local_region.containers.builtin import factorization_machines, kmeans, knn, linear_learner, pca, random_cut_forest
from local_region.containers.metric_definitions import BUILT_IN
from tests.support.containers import CSV, RECORDIO, csv, records, train

PLAIN = f"{CSV};label_size=0"


def split(load: Any, rows: int) -> tuple[Any, Any, Any, Any]:
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    x, y = x[order].astype("f4"), y[order]
    return x[:rows], y[:rows], x[rows:], y[rows:]


def metrics(name: str, log: str) -> Mapping[str, float]:
    """What SageMaker would read of a log by the algorithm's own definitions: the last value of each."""
    found = {}
    for definition in BUILT_IN[name]:
        for line in log.splitlines():
            if match := re.search(definition["Regex"], line):
                found[definition["Name"]] = float(match[1])
    return found


def test_linear_learner_tells_two_classes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x, y, rest, truth = split(datasets.load_breast_cancer, 400)
    served = train(
        linear_learner.ALGORITHM,
        tmp_path,
        {"predictor_type": "binary_classifier", "feature_dim": "30"},
        {"train": (CSV, csv(y, x)), "validation": (RECORDIO, records(truth, rest)), "test": (CSV, csv(truth, rest))},
    )
    direct = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    log = metrics("linear-learner", capfd.readouterr().out)
    expected = roc_auc_score(truth, direct.predict_proba(rest)[:, 1])
    assert log["validation:roc_auc_score"] == pytest.approx(expected, abs=0.01)
    assert log["test:binary_classification_accuracy"] >= direct.score(rest, truth) - 0.02
    assert log["validation:objective_loss"] == log["validation:objective_loss:final"] == log["test:objective_loss"]
    assert {"train:precision", "test:recall", "validation:binary_f_beta", "train:progress", "train:throughput"} <= set(
        log
    )
    answers = served.json(csv(None, rest))["predictions"]
    assert set(answers[0]) == {"score", "predicted_label"} and all(type(a["predicted_label"]) is int for a in answers)
    assert np.mean([a["predicted_label"] for a in answers] == truth) == log["test:binary_classification_accuracy"]
    assert roc_auc_score(truth, [a["score"] for a in answers]) == pytest.approx(log["test:roc_auc_score"])


@pytest.mark.parametrize("load", [datasets.load_iris, datasets.load_wine])
@pytest.mark.parametrize("loss", ["auto", "hinge_loss"])
def test_linear_learner_tells_many_classes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], load: Any, loss: str
) -> None:
    x, y, rest, truth = split(load, 110)
    served = train(
        linear_learner.ALGORITHM,
        tmp_path,
        {"predictor_type": "multiclass_classifier", "num_classes": "4", "loss": loss, "accuracy_top_k": "2"},
        {"train": (CSV, csv(y, x)), "test": (CSV, csv(truth, rest))},
    )
    direct = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    log = metrics("linear-learner", capfd.readouterr().out)
    assert log["test:multiclass_accuracy"] >= direct.score(rest, truth) - 0.06
    assert log["test:multiclass_top_k_accuracy"] >= log["test:multiclass_accuracy"]
    assert {"test:dcg", "test:macro_f_beta", "test:macro_precision", "train:macro_recall"} <= set(log)
    answer = served.json(csv(None, rest[:1]))["predictions"][0]
    assert len(answer["score"]) == 4 and answer["predicted_label"] == int(np.argmax(answer["score"]))
    if loss == "auto":
        assert sum(answer["score"]) == pytest.approx(1.0)


def test_linear_learner_fits_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x, y, rest, truth = split(datasets.load_diabetes, 300)
    train(
        linear_learner.ALGORITHM,
        tmp_path,
        {"predictor_type": "regressor"},
        {"train": (CSV, csv(y, x)), "test": (CSV, csv(truth, rest))},
    )
    direct = LinearRegression().fit(x, y)
    log = metrics("linear-learner", capfd.readouterr().out)
    assert log["test:mse"] == pytest.approx(float(np.mean((direct.predict(rest) - truth) ** 2)), rel=0.01)
    assert log["test:r2"] == pytest.approx(direct.score(rest, truth), abs=0.01)
    assert log["test:rmse"] == pytest.approx(log["test:mse"] ** 0.5)
    assert log["test:objective_loss"] == log["test:mse"]


@pytest.mark.parametrize("quantile", [0.2, 0.5, 0.9])
def test_linear_learner_fits_a_quantile(tmp_path: Path, quantile: float) -> None:
    x, y, rest, truth = split(datasets.load_diabetes, 300)
    settings = {"predictor_type": "regressor", "loss": "quantile_loss", "quantile": str(quantile), "wd": "0"}
    served = train(linear_learner.ALGORITHM, tmp_path, settings, {"train": (CSV, csv(y, x))})
    guess = [answer["score"] for answer in served.json(csv(None, rest))["predictions"]]
    direct = QuantileRegressor(quantile=quantile, alpha=0).fit(x, y).predict(rest)
    ours, theirs = (mean_pinball_loss(truth, each, alpha=quantile) for each in (guess, direct))
    assert ours == pytest.approx(theirs, rel=0.03)


@pytest.mark.parametrize("loss", ["huber_loss", "absolute_loss", "eps_insensitive_absolute_loss"])
def test_linear_learner_bears_outliers(tmp_path: Path, loss: str) -> None:
    x, y, rest, truth = split(datasets.load_diabetes, 300)
    torn = y.copy()
    torn[:15] += 5000
    served = train(
        linear_learner.ALGORITHM,
        tmp_path,
        {"predictor_type": "regressor", "loss": loss, "huber_delta": "0.05"},
        {"train": (CSV, csv(torn, x))},
    )
    guess = np.array([answer["score"] for answer in served.json(csv(None, rest))["predictions"]])
    direct = HuberRegressor(max_iter=1000).fit(x, torn).predict(rest)
    plain = LinearRegression().fit(x, torn).predict(rest)
    gaps = [float(np.mean(np.abs(each - truth))) for each in (guess, direct, plain)]
    assert gaps[0] <= 1.15 * gaps[1] < gaps[2]


def test_linear_learner_weighs_and_cuts_as_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2000, 3))
    y = (x[:, 0] + random.normal(size=2000) > 1.6).astype(int)  # 13 % are 1

    def recall(name: str, **settings: str) -> tuple[float, float]:
        train(
            linear_learner.ALGORITHM,
            tmp_path / name,
            {"predictor_type": "binary_classifier", **settings},
            {"train": (CSV, csv(y, x))},
        )
        log = metrics("linear-learner", capfd.readouterr().out)
        return log["train:recall"], log["train:precision"]

    usual = recall("usual")[0]
    at_half = "loss_function"
    assert (
        recall(
            "balanced",
            positive_example_weight_mult="balanced",
            binary_classifier_model_selection_criteria=at_half,
        )[0]
        > usual + 0.2
    )
    wanted = recall(
        "wanted", binary_classifier_model_selection_criteria="precision_at_target_recall", target_recall="0.9"
    )
    assert 0.9 <= wanted[0] <= 0.92
    precise = recall(
        "precise", binary_classifier_model_selection_criteria="recall_at_target_precision", target_precision="0.75"
    )
    assert precise[1] >= 0.75


def test_linear_learner_of_sparse_rows_is_that_of_dense_ones(tmp_path: Path) -> None:
    x, y = datasets.load_digits(return_X_y=True)
    x, y = x[:600].astype("f4"), y[:600]
    settings = {"predictor_type": "multiclass_classifier", "num_classes": "10", "feature_dim": "64"}
    bodies = {"dense": records(y, x), "sparse": records(y, csr_matrix(x))}
    labels = {}
    for name, body in bodies.items():
        served = train(linear_learner.ALGORITHM, tmp_path / name, settings, {"train": (RECORDIO, body)})
        labels[name] = [a["predicted_label"] for a in served.json(records(None, x), RECORDIO)["predictions"]]
    assert np.mean(np.array(labels["sparse"]) == y) > 0.97
    assert np.mean(np.array(labels["dense"]) == y) > 0.97


def test_kmeans(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x, _, rest, _ = split(datasets.load_iris, 120)
    served = train(
        kmeans.ALGORITHM,
        tmp_path,
        {"k": "3", "feature_dim": "4", "eval_metrics": '["msd", "ssd"]', "mini_batch_size": "100"},
        {"train": (PLAIN, csv(None, x)), "test": (PLAIN, csv(None, rest))},
    )
    direct = KMeans(3, n_init=10, random_state=0).fit(x)
    log = metrics("kmeans", capfd.readouterr().out)
    assert log["train:ssd"] == pytest.approx(direct.inertia_, rel=1e-3)
    assert log["train:msd"] == pytest.approx(direct.inertia_ / 120, rel=1e-3)
    assert log["test:ssd"] == pytest.approx(-direct.score(rest), rel=1e-2)
    answers = served.json(csv(None, rest))["predictions"]
    assert set(answers[0]) == {"closest_cluster", "distance_to_cluster"}
    distances = direct.transform(rest).min(axis=1)
    np.testing.assert_allclose([a["distance_to_cluster"] for a in answers], distances, rtol=1e-3)
    ours, theirs = [a["closest_cluster"] for a in answers], direct.predict(rest)
    assert len(set(zip(ours, theirs.tolist(), strict=True))) == 3  # the same clusters, whatever their numbers


@pytest.mark.parametrize("mode", ["regular", "randomized"])
def test_pca(tmp_path: Path, mode: str) -> None:
    x, _, rest, _ = split(datasets.load_digits, 1500)
    served = train(
        pca.ALGORITHM,
        tmp_path,
        {"num_components": "5", "feature_dim": "64", "mini_batch_size": "100", "algorithm_mode": mode},
        {"train": (PLAIN, csv(None, x)), "test": (PLAIN, csv(None, rest))},
    )
    direct = PCA(5, svd_solver="full").fit(x).transform(rest)
    ours = np.array([a["projection"] for a in served.json(csv(None, rest))["projections"]])[:, ::-1]
    for column in range(5):  # the sign of a component is arbitrary
        assert abs(np.corrcoef(ours[:, column], direct[:, column])[0, 1]) > (0.9999 if mode == "regular" else 0.99)
    np.testing.assert_allclose(ours.std(axis=0), direct.std(axis=0), rtol=0.01)


def test_pca_without_a_mean_to_subtract(tmp_path: Path) -> None:
    x = split(datasets.load_iris, 150)[0]
    settings = {"num_components": "2", "feature_dim": "4", "mini_batch_size": "10", "subtract_mean": "false"}
    served = train(pca.ALGORITHM, tmp_path, settings, {"train": (PLAIN, csv(None, x))})
    ours = np.array([a["projection"] for a in served.json(csv(None, x))["projections"]])[:, ::-1]
    left, singular, _ = np.linalg.svd(x, full_matrices=False)
    np.testing.assert_allclose(np.abs(ours), np.abs(left[:, :2] * singular[:2]), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("load", [datasets.load_breast_cancer, datasets.load_wine])
def test_knn_classifies(tmp_path: Path, capfd: pytest.CaptureFixture[str], load: Any) -> None:
    x, y, rest, truth = split(load, 120)
    served = train(
        knn.ALGORITHM,
        tmp_path,
        {"k": "5", "feature_dim": str(x.shape[1]), "predictor_type": "classifier", "sample_size": "120"},
        {"train": (CSV, csv(y, x)), "test": (CSV, csv(truth, rest))},
    )
    direct = KNeighborsClassifier(5).fit(x, y)
    assert metrics("knn", capfd.readouterr().out)["test:accuracy"] == pytest.approx(direct.score(rest, truth), abs=0.02)
    distances, places = direct.kneighbors(rest)
    answers = served.json(csv(None, rest), accept="application/json; verbose=true")["predictions"]
    assert set(answers[0]) == {"predicted_label", "distances", "labels"}
    np.testing.assert_allclose([a["distances"] for a in answers], distances, rtol=1e-3)
    assert [a["labels"] for a in answers[:20]] == y[places][:20].astype(float).tolist()
    assert set(served.json(csv(None, rest))["predictions"][0]) == {"predicted_label"}


def test_knn_averages(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x, y, rest, truth = split(datasets.load_diabetes, 300)
    train(
        knn.ALGORITHM,
        tmp_path,
        {"k": "10", "feature_dim": "10", "predictor_type": "regressor", "sample_size": "1000"},
        {"train": (CSV, csv(y, x)), "test": (CSV, csv(truth, rest))},
    )
    direct = KNeighborsRegressor(10).fit(x, y).predict(rest)
    expected = float(np.mean((direct - truth) ** 2))
    assert metrics("knn", capfd.readouterr().out)["test:mse"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("reduction", ["sign", "fjlt"])
@pytest.mark.parametrize("metric", ["L2", "COSINE"])
def test_knn_in_fewer_dimensions(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], reduction: str, metric: str
) -> None:
    x, y, rest, truth = split(datasets.load_digits, 1400)
    settings = {"k": "5", "feature_dim": "64", "predictor_type": "classifier", "sample_size": "1400"}
    settings |= {"dimension_reduction_type": reduction, "dimension_reduction_target": "40", "index_metric": metric}
    train(knn.ALGORITHM, tmp_path, settings, {"train": (CSV, csv(y, x)), "test": (CSV, csv(truth, rest))})
    assert metrics("knn", capfd.readouterr().out)["test:accuracy"] > 0.93


@pytest.mark.parametrize("metric", ["COSINE", "INNER_PRODUCT"])
def test_knn_by_products(tmp_path: Path, metric: str) -> None:
    x, y, rest, _ = split(datasets.load_digits, 1400)
    settings = {"k": "1", "feature_dim": "64", "predictor_type": "classifier", "sample_size": "1400"}
    served = train(knn.ALGORITHM, tmp_path, settings | {"index_metric": metric}, {"train": (CSV, csv(y, x))})
    likeness = rest @ (x / np.linalg.norm(x, axis=1, keepdims=True) if metric == "COSINE" else x).T
    found = [a["predicted_label"] for a in served.json(csv(None, rest))["predictions"]]
    assert np.mean(np.array(found) == y[likeness.argmax(axis=1)]) > 0.99


def test_random_cut_forest(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x = split(datasets.load_breast_cancer, 569)[0]
    usual = ((x - x.mean(axis=0)) / x.std(axis=0))[:, :5]
    strange = np.random.default_rng(1).uniform(-12, 12, (12, 5)).astype("f4")
    rows, truth = np.concatenate([usual, strange]), np.r_[np.zeros(569), np.ones(12)]
    served = train(
        random_cut_forest.ALGORITHM,
        tmp_path,
        {"feature_dim": "5", "num_trees": "100", "num_samples_per_tree": "256"},
        {"train": (PLAIN, csv(None, usual)), "test": (f"{CSV};label_size=1", csv(truth, rows))},
        "ShardedByS3Key",
    )
    scores = [answer["score"] for answer in served.json(csv(None, rows))["scores"]]
    direct = -IsolationForest(random_state=0).fit(usual).score_samples(rows)
    ours, theirs = roc_auc_score(truth, scores), roc_auc_score(truth, direct)
    assert ours == pytest.approx(theirs, abs=0.01)
    assert np.mean(scores[:569]) < 1 < np.mean(scores[569:])
    log = metrics("randomcutforest", capfd.readouterr().out)
    assert log["test:f1"] > 0.7
    assert {"test:accuracy", "test:precision", "test:recall"} <= set(log)


def test_factorization_machines_learn_what_a_line_cannot(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Likes depend on pairs: of 20 people and 20 things, alike in parity."""
    pairs = np.array([(a, b) for a in range(20) for b in range(20)])
    order = np.random.default_rng(0).permutation(len(pairs))
    pairs = pairs[order]
    y = ((pairs[:, 0] + pairs[:, 1]) % 2 == 0).astype(int)
    places = np.stack([pairs[:, 0], 20 + pairs[:, 1]], axis=1).ravel()
    x = csr_matrix((np.ones(800, "f4"), places, np.arange(0, 801, 2)), shape=(400, 40))
    settings = {"feature_dim": "40", "num_factors": "4", "predictor_type": "binary_classifier", "epochs": "60"}
    settings |= {"mini_batch_size": "50", "factors_lr": "0.05", "factors_init_sigma": "0.1"}
    served = train(
        factorization_machines.ALGORITHM,
        tmp_path,
        settings,
        {"train": (RECORDIO, records(y[:300], x[:300])), "test": (RECORDIO, records(y[300:], x[300:]))},
    )
    log = metrics("factorization-machines", capfd.readouterr().out)
    line = LogisticRegression().fit(x[:300], y[:300]).score(x[300:], y[300:])
    assert log["test:binary_classification_accuracy"] > 0.95 > line + 0.3
    assert log["test:binary_classification_cross_entropy"] < 0.2
    assert log["test:binary_f_beta"] > 0.95
    assert {"train:binary_classification_accuracy:epoch", "train:binary_classification_cross_entropy"} <= set(log)
    answers = served.json(records(None, x[300:]), RECORDIO)["predictions"]
    assert all(a["predicted_label"] == int(a["score"] >= 0.5) for a in answers)


def test_factorization_machines_regress(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    x, y, rest, truth = split(datasets.load_diabetes, 300)
    x, rest, y, truth = x * 20, rest * 20, (y - 152) / 77, (truth - 152) / 77
    settings = {"feature_dim": "10", "num_factors": "2", "predictor_type": "regressor", "epochs": "60"}
    settings |= {"mini_batch_size": "30", "linear_lr": "0.01", "factors_lr": "0.001"}
    train(
        factorization_machines.ALGORITHM,
        tmp_path,
        settings,
        {"train": (RECORDIO, records(y, x)), "test": (RECORDIO, records(truth, rest))},
    )
    direct = LinearRegression().fit(x, y).predict(rest)
    log = metrics("factorization-machines", capfd.readouterr().out)
    assert log["test:rmse"] == pytest.approx(float(np.sqrt(np.mean((direct - truth) ** 2))), rel=0.06)
    assert log["test:mse"] == pytest.approx(log["test:rmse"] ** 2)

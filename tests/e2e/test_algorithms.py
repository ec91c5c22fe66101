"""Files of other people's data become models of SageMaker's other built-ins: from the file to the answer over HTTP.

Each is held to the same method called directly on the very rows that the run trained on and was judged by.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from local_region.containers.common import recordio
from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

Floats = NDArray[np.float64]
ENDED = ("live", "rejected", "failed")


def table(data: Any, label: str = "", chosen: Any = slice(None)) -> str:
    """A scikit-learn set as CSV, with every 50th number left out."""
    names = [str(name).split(" (")[0].replace(" ", "_") for name in data.feature_names]
    lines = [",".join([*names, label] if label else names)]
    for at, (row, target) in enumerate(zip(data.data[chosen], data.target[chosen], strict=True)):
        cells = ["" if (at + place) % 50 == 0 else f"{value:.6g}" for place, value in enumerate(row)]
        lines.append(",".join([*cells, str(data.target_names[target])] if label else cells))
    return "\n".join(lines) + "\n"


def files() -> dict[str, tuple[str, str]]:
    """model.yaml and CSV by model."""
    from sklearn.datasets import load_breast_cancer, load_iris, load_wine

    tumours, wines, flowers = load_breast_cancer(), load_wine(), load_iris()
    # benign tumours with some malignant ones among them: what a forest of normal rows should find odd
    few = np.concatenate([np.flatnonzero(tumours.target == 1), np.flatnonzero(tumours.target == 0)[:40]])
    malignant = "target: diagnosis\npositive_class: malignant\n"
    return {
        "linear": (f"{malignant}algorithm: {{name: linear-learner}}\n", table(tumours, "diagnosis")),
        "machines": (f"{malignant}algorithm: {{name: factorization-machines}}\n", table(tumours, "diagnosis")),
        "forest": (f"{malignant}algorithm: {{name: randomcutforest}}\n", table(tumours, "diagnosis", few)),
        "neighbours": ("target: kind\nalgorithm: {name: knn}\n", table(wines, "kind")),
        "clusters": ("algorithm: {name: kmeans, hyperparameters: {k: 3}}\n", table(flowers)),
        "components": ("algorithm: {name: pca, hyperparameters: {num_components: 5}}\n", table(wines)),
    }


@pytest.fixture(scope="module")
def application(application: Application) -> Application:
    """All the models are trained at once."""
    for model, (settings, content) in files().items():
        application.settings(model, settings)
        application.put(f"data/{model}/a.csv", content)
    return application


def ended(app: Application, model: str, version: int = 1) -> dict[str, Any]:
    def last() -> dict[str, Any] | None:
        runs = app.runs(model)
        over = runs and runs[0]["status"] in ENDED and (runs[0].get("version") == version or runs[0].get("error"))
        return runs[0] if over else None

    run = eventually(last, 180, f"{model} has version {version}")
    assert run["status"] == "live", run
    return run


class Rows:
    """What the run saw, decoded, and the values in the answers of its holdout."""

    def __init__(self, app: Application, model: str, run: dict[str, Any]) -> None:
        self._app, self._root = app, f"datasets/{model}/{run['dataset_version']}"

    def _read(self, part: str) -> bytes:
        return b"".join(self._app.read(key) for key in sorted(self._app.keys(f"{self._root}/{part}/")))

    def numbers(self, part: str) -> Floats:
        return np.loadtxt(io.BytesIO(self._read(part)), delimiter=",", ndmin=2)

    def records(self, part: str) -> tuple[Floats, Floats]:
        found = recordio.read(self._read(part), part)
        return np.asarray(found.features, float), np.asarray(found.labels if found.labels is not None else [], float)


def record(content: str, line: int = 1) -> dict[str, float | None]:
    """A row as a caller sends it, without a target."""
    lines = content.splitlines()
    cells = zip(lines[0].split(","), lines[line].split(","), strict=True)
    return {name: float(cell) if cell else None for name, cell in cells if name not in ("diagnosis", "kind")}


def test_linear_learner(application: Application) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    run = ended(application, "linear")
    rows = Rows(application, "linear", run)
    train, held, labels = rows.numbers("train"), rows.numbers("holdout"), rows.numbers("holdout-labels")[:, 0]
    assert np.isfinite(train).all() and train.shape[1] == held.shape[1] + 1
    directly = LogisticRegression(max_iter=1000).fit(train[:, 1:], train[:, 0]).predict_proba(held)[:, 1]
    assert run["metrics"]["auc"]["value"] == pytest.approx(roc_auc_score(labels, directly), abs=0.04)
    (answer,) = application.predict("linear", record(files()["linear"][1]))["predictions"]
    assert answer["prediction"] == "malignant" and sum(answer["probabilities"].values()) == pytest.approx(1)
    goes_by = application.api.get(f"models/linear/runs/{run['run']}/report")["importance"]
    assert goes_by["permutation"]["value"] == pytest.approx(run["metrics"]["auc"]["value"], abs=1e-4)
    assert len(goes_by["permutation"]["columns"]) == len(goes_by["reported"]["columns"]) == 30
    assert goes_by["reported"]["kind"] == "weights"


def test_k_nearest_neighbours(application: Application) -> None:
    from sklearn.metrics import accuracy_score
    from sklearn.neighbors import KNeighborsClassifier

    run = ended(application, "neighbours")
    rows = Rows(application, "neighbours", run)
    train, held, labels = rows.numbers("train"), rows.numbers("holdout"), rows.numbers("holdout-labels")[:, 0]
    directly = KNeighborsClassifier(10).fit(train[:, 1:], train[:, 0]).predict(held)
    assert run["metrics"]["accuracy"]["value"] == pytest.approx(accuracy_score(labels, directly), abs=0.05)
    (answer,) = application.predict("neighbours", record(files()["neighbours"][1]))["predictions"]
    assert answer["prediction"] == "class_0" and answer["probabilities"]["class_0"] > 0.5


def test_factorization_machines_are_trained_and_served_on_records(application: Application) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    run = ended(application, "machines")
    rows = Rows(application, "machines", run)
    (train, learned), (held, _) = rows.records("train"), rows.records("holdout")
    labels = rows.numbers("holdout-labels")[:, 0]
    directly = LogisticRegression(max_iter=1000).fit(train, learned).predict_proba(held)[:, 1]
    assert run["metrics"]["auc"]["value"] > roc_auc_score(labels, directly) - 0.04
    answers = application.predict("machines", *[record(files()["machines"][1])] * 3)["predictions"]
    assert [answer["prediction"] for answer in answers] == ["malignant"] * 3


def test_random_cut_forest(application: Application) -> None:
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score

    run = ended(application, "forest")
    assert run["problem"] == "anomaly" and run["metric"] == "auc"
    rows = Rows(application, "forest", run)
    train, held, labels = rows.numbers("train"), rows.numbers("holdout"), rows.numbers("holdout-labels")[:, 0]
    directly = -IsolationForest(random_state=0).fit(train).score_samples(held)
    assert run["metrics"]["auc"]["value"] > roc_auc_score(labels, directly) - 0.15
    usual = record(files()["forest"][1])
    unheard = {name: None if value is None else 50 * value for name, value in usual.items()}
    common, odd = application.predict("forest", usual, unheard)["predictions"]
    assert common["anomaly"] is False and odd["anomaly"] is True and odd["prediction"] > common["prediction"]


def test_pca(application: Application) -> None:
    from sklearn.decomposition import PCA

    run = ended(application, "components")
    rows = Rows(application, "components", run)
    held = rows.numbers("holdout")
    projected = PCA(5).fit(rows.numbers("train")).transform(held)
    explained = projected.var(axis=0).sum() / held.var(axis=0).sum()
    assert run["metrics"]["explained_variance"]["value"] == pytest.approx(explained, abs=0.01)
    (answer,) = application.predict("components", record(files()["components"][1]))["predictions"]
    assert len(answer["prediction"]) == 5 and "probabilities" not in answer


def test_k_means_and_a_second_version_that_is_compared(application: Application) -> None:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    run = ended(application, "clusters")
    rows = Rows(application, "clusters", run)
    held = rows.numbers("holdout")
    directly = silhouette_score(held, KMeans(3, n_init=5, random_state=0).fit(rows.numbers("train")).predict(held))
    assert run["metrics"]["silhouette"]["value"] == pytest.approx(directly, abs=0.05)
    (answer,) = application.predict("clusters", record(files()["clusters"][1]))["predictions"]
    assert answer["prediction"] in (0, 1, 2) and answer["distance"] >= 0
    shown = application.sluice("predict", "clusters", "sepal_length=5", "sepal_width=3.4", "petal_length=1.5",
                               "petal_width=0.2").stdout  # fmt: skip
    assert "distance" in shown
    application.settings("clusters", "algorithm: {name: kmeans, hyperparameters: {k: 2}}\n")
    second = ended(application, "clusters", version=2)
    assert "version 1" in second["verdict"]["reason"] and "silhouette" in second["verdict"]["reason"]

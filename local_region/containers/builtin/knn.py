"""k nearest neighbors. https://docs.aws.amazon.com/sagemaker/latest/dg/k-nearest-neighbors.html, hyperparameters:
…/kNN_hyperparameters.html.

Training draws ``sample_size`` rows and reduces their dimension if asked; the index is these rows. The search is exact,
as faiss.Flat's is; faiss.IVFFlat and faiss.IVFPQ, which trade exactness for speed, are taken and searched exactly too.
Distances: L2 is Euclidean, COSINE is one minus the cosine, INNER_PRODUCT is the product's negative, so that the
smallest is the nearest for each of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from local_region.containers.builtin import serving, training
from local_region.containers.builtin.algorithm import Algorithm, Array, Data, Job, Model, dense
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, choice, either, integer

#: distances of so many pairs at once: 32 MB
_PAIRS = 4_000_000
#: in more dimensions than that a tree visits nearly every point
_TREE_DIMENSIONS = 12


class Index(Model):
    """``points`` and their ``labels``; ``projection`` (feature_dim × target) if the dimension was reduced."""

    def __init__(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> None:
        super().__init__(arrays, about)
        self._tree: Any = None

    def answer(self, features: Any) -> dict[str, Array]:
        return {"predicted_label": self.details(features)["predicted_label"]}

    def details(self, features: Any) -> dict[str, Array]:
        distances, nearest = self._nearest(dense(features))
        labels = self.arrays["labels"][nearest]
        classes = self.about["predictor_type"] == "classifier"
        predicted = _commonest(labels) if classes else labels.mean(axis=1)
        fields = {"predicted_label": predicted, "distances": distances, "labels": labels}
        return {name: values.astype(np.float32) for name, values in fields.items()}

    def _nearest(self, rows: Array) -> tuple[Array, Array]:
        """Distances and places of the k nearest points, nearest first; rows × k."""
        metric, k = self.about["index_metric"], self.about["k"]
        rows = rows.astype(np.float64)
        if "projection" in self.arrays:
            rows = rows @ self.arrays["projection"]
        points = self.arrays["points"].astype(np.float64)
        if metric == "COSINE":
            rows, points = _unit(rows), _unit(points)
        if metric == "L2" and points.shape[1] <= _TREE_DIMENSIONS:
            return self._by_tree(rows, points, k)
        distances, places = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
        step = max(1, _PAIRS // len(points))
        for start in range(0, len(rows), step):
            part = slice(start, start + step)
            gaps = _distances(rows[part], points, metric)
            best = np.argpartition(gaps, k - 1, axis=1)[:, :k] if k < len(points) else np.argsort(gaps, axis=1)
            own = np.take_along_axis(gaps, best, axis=1)
            order = np.lexsort((best, own), axis=1)  # of equal distances the earlier point first
            places[part] = np.take_along_axis(best, order, axis=1)
            distances[part] = np.take_along_axis(own, order, axis=1)
        return distances, places

    def _by_tree(self, rows: Array, points: Array, k: int) -> tuple[Array, Array]:
        if self._tree is None:
            from scipy.spatial import cKDTree

            self._tree = cKDTree(points)
        distances, places = self._tree.query(rows, k=np.arange(1, k + 1))
        return distances, places


def _unit(rows: Array) -> Array:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _distances(rows: Array, points: Array, metric: str) -> Array:
    products = rows @ points.T
    if metric == "INNER_PRODUCT":
        return np.asarray(-products)
    if metric == "COSINE":
        return np.asarray(1.0 - products)
    squares = (rows**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2 * products
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def _commonest(labels: Array) -> Array:
    """The most frequent label of each row; of several the one that is nearest."""
    counts = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
    return np.asarray(np.take_along_axis(labels, counts.argmax(axis=1)[:, None], axis=1)[:, 0])


def _projection(kind: str, width: int, target: int) -> Array:
    """Random projection by signs, or the fast Johnson-Lindenstrauss transform: signs, Hadamard, a sample of rows."""
    random = np.random.default_rng(0)
    if kind == "sign":
        return np.asarray(random.choice([-1.0, 1.0], (width, target)) / np.sqrt(target))
    size = 1 << (width - 1).bit_length()
    rows = random.choice(size, target, replace=target > size)
    bits = rows[None, :] & np.arange(width)[:, None]
    parity = np.zeros_like(bits)
    while bits.any():
        parity ^= bits & 1
        bits >>= 1
    signs = random.choice([-1.0, 1.0], (width, 1))
    return np.asarray(signs * (1.0 - 2.0 * parity) / np.sqrt(target))


class KNN(Algorithm):
    name = "knn"
    required = ("feature_dim", "k", "predictor_type", "sample_size")
    hyperparameters: ClassVar[Mapping[str, Parameter]] = {
        "feature_dim": integer(1),
        "k": integer(1),
        "predictor_type": choice("classifier", "regressor"),
        "sample_size": integer(1),
        "mini_batch_size": integer(1),
        "dimension_reduction_type": choice("sign", "fjlt"),
        "dimension_reduction_target": integer(1),
        "index_type": choice("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"),
        "index_metric": choice("L2", "INNER_PRODUCT", "COSINE"),
        "faiss_index_ivf_nlists": either("auto", integer(1)),
        "faiss_index_pq_m": choice(*map(str, (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96))),
    }
    defaults: ClassVar[Mapping[str, Any]] = {"index_type": "faiss.Flat", "index_metric": "L2"}

    def check(self, values: Mapping[str, Any]) -> None:
        kind, target = values.get("dimension_reduction_type"), values.get("dimension_reduction_target")
        if (kind is None) != (target is None):
            raise UserError("dimension_reduction_type and dimension_reduction_target must be given together.")
        if target is not None and target >= values["feature_dim"]:
            raise UserError(
                f"dimension_reduction_target ({target}) must be less than feature_dim ({values['feature_dim']})."
            )
        if values["index_type"] == "faiss.IVFPQ":
            if values["index_metric"] != "L2":
                raise UserError(f"index_metric {values['index_metric']} is not supported with index_type faiss.IVFPQ.")
            if "faiss_index_pq_m" not in values:
                raise UserError("Missing required hyperparameter: faiss_index_pq_m (with index_type faiss.IVFPQ)")

    def fit(self, job: Job) -> Index:
        values, data = job.values, job.train
        labels = data.known("train")
        count = min(values["sample_size"], data.rows)
        if count < values["k"]:
            raise UserError(f"k={values['k']} takes at least {values['k']} rows; the sample has {count}.")
        chosen = np.sort(np.random.default_rng(0).choice(data.rows, count, replace=False))
        arrays = {"points": dense(data.features[chosen]), "labels": np.asarray(labels[chosen], np.float32)}
        if "dimension_reduction_type" in values:
            kind, target = values["dimension_reduction_type"], values["dimension_reduction_target"]
            arrays["projection"] = _projection(kind, data.width, target).astype(np.float32)
            arrays["points"] = (arrays["points"] @ arrays["projection"]).astype(np.float32)
        print(f"The index has {count} of {data.rows} rows", flush=True)
        about = {name: values[name] for name in ("k", "predictor_type", "index_metric")}
        return Index(arrays, about | {"feature_dim": data.width})

    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Index:
        if len(arrays["points"]) != len(arrays["labels"]) or not 1 <= about["k"] <= len(arrays["labels"]):
            raise ValueError("points, labels and k don't fit together")
        return Index(arrays, about)

    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:
        truth, guess = data.known(channel), model.answer(data.features)["predicted_label"]
        if job.values["predictor_type"] == "classifier":
            job.quality(channel, "accuracy", "score", float(np.mean(truth == guess)))
        else:
            job.quality(channel, "mse", "loss", float(np.mean((truth - guess) ** 2)))


ALGORITHM = KNN()
load, train, serve = training.loading(ALGORITHM), training.entry(ALGORITHM), serving.entry(ALGORITHM)

"""K-means. https://docs.aws.amazon.com/sagemaker/latest/dg/k-means.html, hyperparameters: …/k-means-api-config.html.

The built-in streams mini-batches into ``k × extra_center_factor`` centers and shrinks these with Lloyd's method; here
Lloyd's method of scikit-learn sees all rows, from ``local_lloyd_num_trials`` starts. What only steers the streaming
(mini_batch_size, extra_center_factor, half_life_time_size, epochs, init_method) is checked and has no effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from local_region.containers.builtin import serving, training
from local_region.containers.builtin.algorithm import Algorithm, Array, Data, Job, Model, dense
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, choice, either, integer, real, subset

_BLOCK = 65_536
#: what the built-in's ``auto`` means for local_lloyd_num_trials
_TRIALS = 10


class Centers(Model):
    """``centroids``: k × feature_dim."""

    def answer(self, features: Any) -> dict[str, Array]:
        closest = np.empty(features.shape[0], np.float32)
        distance = np.empty(features.shape[0], np.float32)
        for start in range(0, features.shape[0], _BLOCK):
            part = slice(start, start + _BLOCK)
            squares = self._squares(features[part])
            closest[part] = squares.argmin(axis=1)
            distance[part] = np.sqrt(squares.min(axis=1))
        return {"closest_cluster": closest, "distance_to_cluster": distance}

    def _squares(self, features: Any) -> Array:
        """Squared distances, rows × k. In double precision: the difference of two large squares is what counts."""
        rows, centers = dense(features).astype(np.float64), self.arrays["centroids"].astype(np.float64)
        shift = centers.mean(axis=0)
        rows, centers = rows - shift, centers - shift
        squares = (rows**2).sum(axis=1)[:, None] + (centers**2).sum(axis=1) - 2 * rows @ centers.T
        return np.asarray(np.maximum(squares, 0.0))


class KMeans(Algorithm):
    name = "kmeans"
    required = ("k", "feature_dim")
    hyperparameters: ClassVar[Mapping[str, Parameter]] = {
        "k": integer(1),
        "feature_dim": integer(1),
        "mini_batch_size": integer(1),
        "init_method": choice("random", "kmeans++"),
        "extra_center_factor": either("auto", integer(1)),
        "local_lloyd_max_iter": integer(1),
        "local_lloyd_tol": real(0, 1),
        "local_lloyd_init_method": choice("random", "kmeans++"),
        "local_lloyd_num_trials": either("auto", integer(1)),
        "half_life_time_size": integer(0),
        "epochs": integer(1),
        "eval_metrics": subset("msd", "ssd"),
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "local_lloyd_max_iter": 300,
        "local_lloyd_tol": 0.0001,
        "local_lloyd_init_method": "kmeans++",
        "local_lloyd_num_trials": "auto",
        "eval_metrics": ["msd"],
    }
    csv_answers = True

    def fit(self, job: Job) -> Centers:
        from sklearn.cluster import KMeans as Lloyd

        values, data = job.values, job.train
        if data.rows < values["k"]:
            raise UserError(f"k={values['k']} takes at least {values['k']} rows; the train channel has {data.rows}.")
        trials = values["local_lloyd_num_trials"]
        learned = Lloyd(
            n_clusters=values["k"],
            init="k-means++" if values["local_lloyd_init_method"] == "kmeans++" else "random",
            n_init=_TRIALS if trials == "auto" else trials,
            max_iter=values["local_lloyd_max_iter"],
            tol=values["local_lloyd_tol"],
            random_state=0,
        ).fit(data.features)
        centroids = learned.cluster_centers_.astype(np.float32)
        model = Centers({"centroids": centroids}, {"feature_dim": data.width, "k": values["k"]})
        self.evaluate(model, job, "train", data)
        return model

    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Centers:
        if arrays["centroids"].shape != (about["k"], about["feature_dim"]):
            raise ValueError("centroids are not k × feature_dim")
        return Centers(arrays, about)

    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:
        squares = model.answer(data.features)["distance_to_cluster"].astype(np.float64) ** 2
        for metric in job.values["eval_metrics"]:
            job.quality(channel, metric, "loss", float(squares.mean() if metric == "msd" else squares.sum()))


ALGORITHM = KMeans()
load, train, serve = training.loading(ALGORITHM), training.entry(ALGORITHM), serving.entry(ALGORITHM)

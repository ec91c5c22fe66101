"""Principal component analysis. https://docs.aws.amazon.com/sagemaker/latest/dg/pca.html, hyperparameters:
…/PCA-reference.html.

As in the built-in, components stand in ascending order of their singular values: the last column of a projection is the
one that explains most. The sign of a component is arbitrary there and scikit-learn's here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from local_region.containers.builtin import serving, training
from local_region.containers.builtin.algorithm import Algorithm, Array, Data, Job, Model, dense
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, choice, flag, integer


class Components(Model):
    """``v``: feature_dim × num_components; ``s``: singular values; ``mean``: of each feature, or zeros."""

    def answer(self, features: Any) -> dict[str, Array]:
        projection = features @ self.arrays["v"] - self.arrays["mean"] @ self.arrays["v"]
        return {"projection": np.asarray(projection, np.float32)}


class PCA(Algorithm):
    name = "pca"
    answers = "projections"
    required = ("feature_dim", "mini_batch_size", "num_components")
    hyperparameters: ClassVar[Mapping[str, Parameter]] = {
        "feature_dim": integer(1),
        "mini_batch_size": integer(1),
        "num_components": integer(1),
        "algorithm_mode": choice("regular", "randomized", "stable"),
        "subtract_mean": flag(),
        "extra_components": integer(-1),
    }
    defaults: ClassVar[Mapping[str, Any]] = {"algorithm_mode": "regular", "subtract_mean": True, "extra_components": -1}

    def check(self, values: Mapping[str, Any]) -> None:
        if values["num_components"] > values["feature_dim"]:
            raise UserError(
                f"num_components ({values['num_components']}) must not be greater than feature_dim "
                f"({values['feature_dim']})."
            )

    def fit(self, job: Job) -> Components:
        values, data, count = job.values, job.train, job.values["num_components"]
        if data.rows < count:
            raise UserError(f"num_components={count} takes as many rows at least; the train channel has {data.rows}.")
        rows = dense(data.features).astype(np.float64)
        mean = rows.mean(axis=0) if values["subtract_mean"] else np.zeros(data.width)
        rows -= mean
        if values["algorithm_mode"] == "randomized":
            from sklearn.utils.extmath import randomized_svd

            extra = values["extra_components"]
            over = max(10, count) if extra == -1 else extra
            _, singular, components = randomized_svd(rows, count, n_oversamples=over, random_state=0)
        else:
            from sklearn.decomposition import PCA as Decomposition

            if values["subtract_mean"]:
                # of tall data the covariance, as the built-in; it costs rows × features² once and needs no second copy
                solver = "covariance_eigh" if data.rows > 10 * data.width else "full"
                learned = Decomposition(count, svd_solver=solver).fit(rows)
                singular, components = learned.singular_values_, learned.components_
            else:  # scikit-learn's would subtract it
                _, singular, components = (part[:count] for part in np.linalg.svd(rows, full_matrices=False))
        total = float((rows**2).sum())
        explained = float((singular**2).sum() / total) if total else 1.0
        print(f"{count} components explain {explained:.6f} of the variance", flush=True)
        arrays = {"v": components[::-1].T.astype(np.float32), "s": singular[::-1].astype(np.float32)}
        return Components(arrays | {"mean": mean.astype(np.float32)}, {"feature_dim": data.width})

    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Components:
        if arrays["v"].shape[0] != about["feature_dim"] or arrays["mean"].shape != (about["feature_dim"],):
            raise ValueError("v and mean are not of feature_dim rows")
        return Components(arrays, about)

    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:  # noqa: ARG002
        """The built-in documents no metric of its test channel: the log has the share of variance that is kept."""
        rows = dense(data.features).astype(np.float64) - model.arrays["mean"]
        kept = model.answer(data.features)["projection"].astype(np.float64)
        total = float((rows**2).sum())
        share = float((kept**2).sum()) / total if total else 1.0
        print(f"Of the {channel} channel's variance the components explain {share:.6f}", flush=True)


ALGORITHM = PCA()
load, train, serve = training.loading(ALGORITHM), training.entry(ALGORITHM), serving.entry(ALGORITHM)

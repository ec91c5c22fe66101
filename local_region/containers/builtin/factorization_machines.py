"""Factorization machines. https://docs.aws.amazon.com/sagemaker/latest/dg/fact-machines.html, hyperparameters:
…/fact-machines-hyperparameters.html.

The model of second order (Rendle, Factorization Machines, ICDM 2010):
``score = b + Σ w_i x_i + Σ_{i<j} <v_i, v_j> x_i x_j``, the last sum as ``½ Σ_f ((Σ_i v_if x_i)² − Σ_i v_if² x_i²)``,
which costs rows' values × factors. Learned by Adam (Kingma, Ba 2015) over shuffled mini-batches, each of which touches
only the features that occur in it. A binary classifier's score is the logistic function of that sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from local_region.containers.builtin import serving, training
from local_region.containers.builtin.algorithm import Algorithm, Array, Data, Job, Model
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, choice, integer, real

_BETA1, _BETA2 = 0.9, 0.999
_TERMS = ("bias", "linear", "factors")


class Factors(Model):
    """``b`` (1), ``w`` (feature_dim), ``v`` (feature_dim × num_factors)."""

    def answer(self, features: Any) -> dict[str, Array]:
        score = raw_scores(features, self.arrays["b"], self.arrays["w"], self.arrays["v"])
        if self.about["predictor_type"] == "regressor":
            return {"score": score}
        probability = _logistic(score)
        return {"score": probability, "predicted_label": (probability >= 0.5).astype(np.int64)}


def raw_scores(features: Any, b: Array, w: Array, v: Array) -> Array:
    squared = features**2 if isinstance(features, np.ndarray) else features.multiply(features)
    pairs = 0.5 * ((features @ v) ** 2 - squared @ (v**2)).sum(axis=1)
    return np.asarray(b[0] + features @ w + pairs, np.float64)


def _logistic(score: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)))


class _Adam:
    """One parameter's first and second moments; ``rows`` are the entries that a step touches."""

    def __init__(self, values: Array, rate: float, decay: float, eps: float) -> None:
        self.values, self._rate, self._decay, self._eps = values, rate, decay, eps
        self._first, self._second = np.zeros_like(values), np.zeros_like(values)
        self._steps = np.zeros(len(values), np.int64)

    def step(self, rows: Any, gradient: Array) -> None:
        gradient = gradient + self._decay * self.values[rows]
        self._steps[rows] += 1
        self._first[rows] = _BETA1 * self._first[rows] + (1 - _BETA1) * gradient
        self._second[rows] = _BETA2 * self._second[rows] + (1 - _BETA2) * gradient**2
        steps = self._steps[rows].reshape(-1, *[1] * (gradient.ndim - 1))
        first = self._first[rows] / (1 - _BETA1**steps)
        second = self._second[rows] / (1 - _BETA2**steps)
        self.values[rows] -= self._rate * first / (np.sqrt(second) + self._eps)


def _started(random: np.random.Generator, values: Mapping[str, Any], term: str, shape: tuple[int, ...]) -> Array:
    method = values[f"{term}_init_method"]
    if method == "constant":
        return np.full(shape, values.get(f"{term}_init_value", 0.0))
    if method == "uniform":
        scale = values.get(f"{term}_init_scale", values[f"{term}_init_sigma"])
        return random.uniform(-scale, scale, shape)
    return random.normal(0.0, values[f"{term}_init_sigma"], shape)


def _table() -> dict[str, Parameter]:
    table = {
        "feature_dim": integer(1),
        "num_factors": integer(1),
        "predictor_type": choice("binary_classifier", "regressor"),
        "mini_batch_size": integer(1),
        "epochs": integer(1),
        "clip_gradient": real(),
        "eps": real(),
        "rescale_grad": real(),
    }
    for term in _TERMS:
        table |= {f"{term}_lr": real(0), f"{term}_wd": real(0), f"{term}_init_value": real()}
        table |= {f"{term}_init_method": choice("uniform", "normal", "constant")}
        table |= {f"{term}_init_scale": real(0), f"{term}_init_sigma": real(0)}
    return table


class FactorizationMachines(Algorithm):
    name = "factorization-machines"
    required = ("feature_dim", "num_factors", "predictor_type")
    hyperparameters: ClassVar[Mapping[str, Parameter]] = _table()
    defaults: ClassVar[Mapping[str, Any]] = {
        "mini_batch_size": 1000,
        "epochs": 1,
        "eps": 1e-8,
        "bias_lr": 0.1,
        "linear_lr": 0.001,
        "factors_lr": 0.0001,
        "bias_wd": 0.01,
        "linear_wd": 0.001,
        "factors_wd": 0.00001,
        "bias_init_method": "normal",
        "linear_init_method": "normal",
        "factors_init_method": "normal",
        "bias_init_sigma": 0.01,
        "linear_init_sigma": 0.01,
        "factors_init_sigma": 0.001,
    }
    csv_training = csv_requests = False
    only_float32 = True

    def fit(self, job: Job) -> Factors:
        from scipy.sparse import csr_matrix

        values, data = job.values, job.train
        labels = data.known("train").astype(np.float64)
        _check_labels(values, labels, "train")
        rows = csr_matrix(data.features, dtype=np.float64)
        random = np.random.default_rng(0)
        shapes = {"bias": (1,), "linear": (data.width,), "factors": (data.width, values["num_factors"])}
        terms = {
            term: _Adam(
                _started(random, values, term, shape), values[f"{term}_lr"], values[f"{term}_wd"], values["eps"]
            )
            for term, shape in shapes.items()
        }
        model = self._model(values, data.width, terms)
        for epoch in range(values["epochs"]):
            order = random.permutation(data.rows)
            for start in range(0, data.rows, values["mini_batch_size"]):
                chosen = order[start : start + values["mini_batch_size"]]
                _step(terms, rows[chosen], labels[chosen], values)
            model = self._model(values, data.width, terms)
            self._print(model, job, "train", data, epoch)
        if not all(np.isfinite(term.values).all() for term in terms.values()):
            raise UserError("The training diverged: a parameter is not finite. Choose smaller learning rates.")
        self.evaluate(model, job, "train", data)
        return model

    def _model(self, values: Mapping[str, Any], width: int, terms: Mapping[str, _Adam]) -> Factors:
        arrays = {name: terms[term].values.astype(np.float32) for name, term in zip("bwv", _TERMS, strict=True)}
        return Factors(arrays, {"feature_dim": width, "predictor_type": values["predictor_type"]})

    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Factors:
        if not len(arrays["w"]) == len(arrays["v"]) == about["feature_dim"] or arrays["b"].shape != (1,):
            raise ValueError("b, w and v are not of feature_dim")
        return Factors(arrays, about)

    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:
        _check_labels(job.values, data.known(channel), channel)
        self._print(model, job, channel, data, None)

    def _print(self, model: Model, job: Job, channel: str, data: Data, epoch: int | None) -> None:
        truth, answer = data.known(channel).astype(np.float64), model.answer(data.features)
        if job.values["predictor_type"] == "regressor":
            gaps = truth - answer["score"]
            job.quality(channel, "rmse", "loss", float(np.sqrt(np.mean(gaps**2))), epoch)
            job.quality(channel, "mse", "loss", float(np.mean(gaps**2)), epoch)
            job.quality(channel, "absolute_loss", "loss", float(np.mean(np.abs(gaps))), epoch)
            return
        chance = np.clip(answer["score"], 1e-15, 1 - 1e-15)
        entropy = -np.mean(truth * np.log(chance) + (1 - truth) * np.log(1 - chance))
        guess = answer["predicted_label"]
        hits, found = float(np.sum(guess * truth)), float(guess.sum() + truth.sum())
        job.quality(channel, "binary_classification_accuracy", "score", float(np.mean(guess == truth)), epoch)
        job.quality(channel, "binary_classification_cross_entropy", "loss", float(entropy), epoch)
        job.quality(channel, "binary_f_1.000", "score", 2 * hits / found if found else 0.0, epoch)


def _check_labels(values: Mapping[str, Any], labels: Array, channel: str) -> None:
    if values["predictor_type"] == "binary_classifier" and not np.isin(labels, (0, 1)).all():
        raise UserError(f"Labels of the {channel} channel must be 0 or 1 for predictor_type binary_classifier.")


def _step(terms: Mapping[str, _Adam], rows: Any, labels: Array, values: Mapping[str, Any]) -> None:
    """One mini-batch, of the features that occur in it."""
    seen, place = np.unique(rows.indices, return_inverse=True)
    rows = type(rows)((rows.data, place, rows.indptr), shape=(rows.shape[0], max(len(seen), 1)))
    if not len(seen):
        seen = np.array([0])
    w, v = terms["linear"].values[seen], terms["factors"].values[seen]
    score = raw_scores(rows, terms["bias"].values, w, v)
    gap = (score if values["predictor_type"] == "regressor" else _logistic(score)) - labels
    scale = values.get("rescale_grad", 1.0 / len(labels))
    squared = rows.multiply(rows).tocsr()
    gradients = {
        "bias": np.array([gap.sum()]),
        "linear": rows.T @ gap,
        "factors": rows.T @ (gap[:, None] * (rows @ v)) - (squared.T @ gap)[:, None] * v,
    }
    for term, gradient in gradients.items():
        gradient = gradient * scale
        if "clip_gradient" in values:
            limit = abs(values["clip_gradient"])
            gradient = np.clip(gradient, -limit, limit)
        terms[term].step(slice(None) if term == "bias" else seen, gradient)


ALGORITHM = FactorizationMachines()
load, train, serve = training.loading(ALGORITHM), training.entry(ALGORITHM), serving.entry(ALGORITHM)

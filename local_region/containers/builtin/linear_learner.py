"""Linear learner. https://docs.aws.amazon.com/sagemaker/latest/dg/linear-learner.html, hyperparameters:
…/ll_hyperparameters.html.

The built-in descends by stochastic gradients, several models at once, and keeps the best on the validation channel.
Here the optimum of the same objective is found directly (``linear_solvers.py``), for some strengths of regularization
if ``wd`` is ``auto`` and there is a validation channel. So what only steers the descent (optimizer, learning_rate,
momentum, beta_*, lr_scheduler_*, bias_*_mult, init_*, mini_batch_size, epochs, early_stopping_*) is checked and has no
effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from local_region.containers.builtin import linear_measures as measures
from local_region.containers.builtin import serving, training
from local_region.containers.builtin.algorithm import Algorithm, Array, Data, Job, Model
from local_region.containers.builtin.linear_solvers import solve
from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, choice, either, flag, integer, real

BINARY, CLASSES, REGRESSION = "binary_classifier", "multiclass_classifier", "regressor"
_LOSSES = {
    BINARY: ("logistic", "hinge_loss"),
    CLASSES: ("softmax_loss", "hinge_loss"),
    REGRESSION: (
        "squared_loss", "absolute_loss", "eps_insensitive_squared_loss", "eps_insensitive_absolute_loss",
        "quantile_loss", "huber_loss",
    ),
}  # fmt: skip
#: what ``auto`` tries for wd
_STRENGTHS = (1e-4, 1e-2, 1e-6)


class Linear(Model):
    """``weight`` (outputs × feature_dim) and ``bias`` (outputs), of the rows as they come."""

    def answer(self, features: Any) -> dict[str, Array]:
        score = np.asarray(features @ self.arrays["weight"].T + self.arrays["bias"], np.float64)
        kind, loss = self.about["predictor_type"], self.about["loss"]
        if kind == REGRESSION:
            return {"score": score[:, 0]}
        if kind == BINARY:
            strength = 0.5 * (1.0 + np.tanh(0.5 * score[:, 0])) if loss == "logistic" else score[:, 0]
            return {"score": strength, "predicted_label": (strength >= self.about["threshold"]).astype(np.int64)}
        if loss == "softmax_loss":
            score = np.exp(score - score.max(axis=1, keepdims=True))
            score /= score.sum(axis=1, keepdims=True)
        return {"score": score, "predicted_label": score.argmax(axis=1)}


def _auto(parameter: Any) -> Any:
    return either("auto", parameter)


class LinearLearner(Algorithm):
    name = "linear-learner"
    channels = ("validation", "test")
    only_float32 = True
    required = ("predictor_type",)
    hyperparameters: ClassVar[Mapping[str, Parameter]] = {
        "feature_dim": _auto(integer(1)),
        "num_classes": integer(3, 1_000_000),
        "predictor_type": choice(BINARY, CLASSES, REGRESSION),
        "accuracy_top_k": integer(1),
        "balance_multiclass_weights": flag(),
        "beta_1": _auto(real(0, 1)),
        "beta_2": _auto(real(0, 1)),
        "bias_lr_mult": _auto(real(0, low_open=True)),
        "bias_wd_mult": _auto(real(0)),
        "binary_classifier_model_selection_criteria": choice(
            "accuracy", "f_beta", "precision_at_target_recall", "recall_at_target_precision", "loss_function",
            "cross_entropy_loss",
        ),
        "early_stopping_patience": integer(1),
        "early_stopping_tolerance": real(0, low_open=True),
        "epochs": integer(1),
        "f_beta": real(0, low_open=True),
        "huber_delta": real(0, low_open=True),
        "init_bias": real(),
        "init_method": choice("uniform", "normal"),
        "init_scale": real(0, low_open=True),
        "init_sigma": real(0, low_open=True),
        "l1": _auto(real(0)),
        "learning_rate": _auto(real(0, low_open=True)),
        "loss": choice("auto", *dict.fromkeys(name for names in _LOSSES.values() for name in names)),
        "loss_insensitivity": real(0, low_open=True),
        "lr_scheduler_factor": _auto(real(0, 1)),
        "lr_scheduler_minimum_lr": _auto(real(0)),
        "lr_scheduler_step": _auto(integer(1)),
        "margin": real(0, low_open=True),
        "mini_batch_size": integer(1),
        "momentum": _auto(real(0, 1)),
        "normalize_data": _auto(flag()),
        "normalize_label": _auto(flag()),
        "num_calibration_samples": _auto(integer(1)),
        "num_models": _auto(integer(1)),
        "num_point_for_scaler": integer(1),
        "optimizer": choice("auto", "sgd", "adam", "rmsprop"),
        "positive_example_weight_mult": either("auto", either("balanced", real(0, low_open=True))),
        "quantile": real(0, 1),
        "target_precision": real(0, 1),
        "target_recall": real(0, 1),
        "unbias_data": _auto(flag()),
        "unbias_label": _auto(flag()),
        "use_bias": flag(),
        "use_lr_scheduler": flag(),
        "wd": _auto(real(0)),
    }  # fmt: skip
    defaults: ClassVar[Mapping[str, Any]] = {
        "feature_dim": "auto",
        "accuracy_top_k": 3,
        "balance_multiclass_weights": False,
        "binary_classifier_model_selection_criteria": "accuracy",
        "f_beta": 1.0,
        "huber_delta": 1.0,
        "l1": "auto",
        "loss": "auto",
        "loss_insensitivity": 0.01,
        "margin": 1.0,
        "normalize_data": "auto",
        "normalize_label": "auto",
        "num_calibration_samples": "auto",
        "num_models": "auto",
        "num_point_for_scaler": 10_000,
        "positive_example_weight_mult": 1.0,
        "quantile": 0.5,
        "target_precision": 0.8,
        "target_recall": 0.8,
        "unbias_data": "auto",
        "unbias_label": "auto",
        "use_bias": True,
        "wd": "auto",
    }

    def check(self, values: Mapping[str, Any]) -> None:
        kind, loss = values["predictor_type"], values["loss"]
        if kind == CLASSES and "num_classes" not in values:
            raise UserError("Missing required hyperparameter: num_classes (with predictor_type multiclass_classifier)")
        if loss != "auto" and loss not in _LOSSES[kind]:
            raise UserError(f"Hyperparameter loss: {loss} is not in {['auto', *_LOSSES[kind]]} for {kind}")

    def check_channel(self, name: str, channel: Mapping[str, Any]) -> None:
        if name == "validation" and channel.get("S3DistributionType", "FullyReplicated") != "FullyReplicated":
            raise UserError(
                "The validation channel of linear-learner takes S3DataDistributionType FullyReplicated only."
            )

    def fit(self, job: Job) -> Linear:
        values, data = job.values, job.train
        loss = _LOSSES[values["predictor_type"]][0] if values["loss"] == "auto" else values["loss"]
        labels = _labels(values, data, "train")
        judged = job.channels.get("validation", data)
        truth = _labels(values, judged, "validation" if judged is not data else "train")
        weights = _row_weights(values, labels)
        scaling = _Scaling(values, data, labels)
        best: Linear | None = None
        lowest = np.inf
        for wd in self._strengths(values, judged is not data):
            l1 = 0.0 if values["l1"] == "auto" else values["l1"]
            found = solve(loss, scaling.rows, scaling.labels, weights, wd, l1, values["use_bias"], values)
            weight, bias = scaling.undone(*_every_class(found, labels, values))
            about = {name: values[name] for name in ("predictor_type",)}
            about |= {
                "loss": loss,
                "feature_dim": data.width,
                "threshold": 0.5 if loss == "logistic" else 0.0,
                "wd": wd,
            }
            model = Linear({"weight": weight, "bias": bias}, about)
            result = measures.objective(loss, truth, model.answer(judged.features)["score"], values)
            print(f"Model with wd={wd:g}: {measures.objective_name(loss)} {result:.6g}", flush=True)
            if best is None or result < lowest:
                best, lowest = model, result
        assert best is not None
        if values["predictor_type"] == BINARY:
            count = values["num_calibration_samples"]
            part = slice(None) if count == "auto" else slice(count)
            score = best.answer(judged.features[part])["score"]
            best.about["threshold"] = measures.threshold(truth[part], score, best.about["threshold"], values)
        for channel in ("train", "validation"):
            if channel == "train" or channel in job.channels:
                self._objective(best, job, channel, data if channel == "train" else judged, epoch=0)
        self.evaluate(best, job, "train", data)
        return best

    def _strengths(self, values: Mapping[str, Any], validated: bool) -> tuple[float, ...]:
        """A tuning job searches itself: then, as in the built-in, there is one model."""
        if values["wd"] != "auto":
            return (values["wd"],)
        count = values["num_models"] if values["num_models"] != "auto" else len(_STRENGTHS)
        return _STRENGTHS[:count] if validated and not values["_tuned"] else _STRENGTHS[:1]

    def load(self, arrays: Mapping[str, Array], about: Mapping[str, Any]) -> Linear:
        if arrays["weight"].shape != (len(arrays["bias"]), about["feature_dim"]):
            raise ValueError("weight is not outputs × feature_dim")
        return Linear(arrays, about)

    def _objective(self, model: Model, job: Job, channel: str, data: Data, epoch: int | None) -> None:
        truth, loss = _labels(job.values, data, channel), model.about["loss"]
        value = measures.objective(loss, truth, model.answer(data.features)["score"], job.values)
        job.quality(channel, measures.objective_name(loss), "loss", value, epoch)

    def evaluate(self, model: Model, job: Job, channel: str, data: Data) -> None:
        values = job.values
        truth, answer = _labels(values, data, channel), model.answer(data.features)
        self._objective(model, job, channel, data, None)
        if values["predictor_type"] == REGRESSION:
            found = measures.of_regression(truth, answer["score"])
        elif values["predictor_type"] == BINARY:
            found = measures.of_binary(truth, answer["score"], answer["predicted_label"], values["f_beta"])
        else:
            top = values["accuracy_top_k"]
            found = measures.of_classes(truth, answer["score"], answer["predicted_label"], top, values["f_beta"])
        for metric, (kind, value) in found.items():
            job.quality(channel, metric, kind, value)


def _labels(values: Mapping[str, Any], data: Data, channel: str) -> Array:
    labels = data.known(channel).astype(np.float64)
    if values["predictor_type"] == BINARY and not np.isin(labels, (0, 1)).all():
        raise UserError(f"Labels of the {channel} channel must be 0 or 1 for predictor_type binary_classifier.")
    if values["predictor_type"] == CLASSES:
        count = values["num_classes"]
        if not ((labels >= 0) & (labels < count) & (labels == labels.round())).all():
            raise UserError(
                f"Labels of the {channel} channel must be whole numbers from 0 to num_classes - 1 ({count - 1}); "
                f"they go from {labels.min():g} to {labels.max():g}."
            )
    return labels


def _row_weights(values: Mapping[str, Any], labels: Array) -> Array:
    weights = np.ones(len(labels))
    if values["predictor_type"] == BINARY:
        factor = values["positive_example_weight_mult"]
        positive = labels == 1
        if factor in ("balanced", "auto"):
            factor = float((~positive).sum() / max(positive.sum(), 1)) if factor == "balanced" else 1.0
        weights[positive] = factor
    elif values["predictor_type"] == CLASSES and values["balance_multiclass_weights"]:
        classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
        weights = len(labels) / (len(classes) * counts[place])
    return weights


def _every_class(found: tuple[Array, Array], labels: Array, values: Mapping[str, Any]) -> tuple[Array, Array]:
    """A row of weights for each of num_classes: classes that the train channel has not are never the likeliest."""
    weight, bias = found
    if values["predictor_type"] != CLASSES:
        return weight, bias
    seen = np.unique(labels).astype(np.int64)
    if len(weight) == 1:  # two classes: one output that tells them apart
        weight, bias = np.vstack([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    whole, biases = np.zeros((values["num_classes"], weight.shape[1])), np.full(values["num_classes"], -1e3)
    whole[seen], biases[seen] = weight, bias
    return whole, biases


class _Scaling:
    """Rows and labels of mean 0 and deviation 1 as far as asked, and the way back for weights.

    Sparse rows are not shifted: they would not be sparse any more.
    """

    def __init__(self, values: Mapping[str, Any], data: Data, labels: Array) -> None:
        sample = data.features[: values["num_point_for_scaler"]]
        self._shift, self._scale = np.zeros(data.width), np.ones(data.width)
        sparse = not isinstance(data.features, np.ndarray)
        mean = np.asarray(sample.mean(axis=0), np.float64).ravel()
        if _chosen(values["unbias_data"], values["use_bias"]) and not sparse:
            self._shift = mean
        if _chosen(values["normalize_data"], True):
            squares = sample.multiply(sample).mean(axis=0) if sparse else (sample.astype(np.float64) ** 2).mean(axis=0)
            spread = np.sqrt(np.maximum(np.asarray(squares, np.float64).ravel() - mean**2, 0.0))
            self._scale = np.where(spread > 1e-12 * np.maximum(np.abs(mean), 1.0), spread, 1.0)
        self._middle, self._spread = 0.0, 1.0
        if values["predictor_type"] == REGRESSION:
            if _chosen(values["unbias_label"], values["use_bias"]):
                self._middle = float(labels.mean())
            if _chosen(values["normalize_label"], True):
                self._spread = float(labels.std()) or 1.0
        if sparse:
            from scipy.sparse import diags

            self.rows: Any = (data.features.astype(np.float64) @ diags(1.0 / self._scale)).tocsr()
        else:
            self.rows = (data.features.astype(np.float64) - self._shift) / self._scale
        self.labels = (labels - self._middle) / self._spread

    def undone(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        weight = weight / self._scale * self._spread
        return weight, (bias * self._spread + self._middle) - weight @ self._shift


def _chosen(value: Any, auto: bool) -> bool:
    return auto if value == "auto" else bool(value)


ALGORITHM = LinearLearner()
load, train, serve = training.loading(ALGORITHM), training.entry(ALGORITHM), serving.entry(ALGORITHM)

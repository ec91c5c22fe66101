"""What can be tuned of each algorithm, and what is searched when model.yaml doesn't say it.

Tunable hyperparameters, their kinds and the objective metrics are SageMaker's
(https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html, linear-learner-tuning.html, kNN-tuning.html,
fm-tuning.html, k-means-tuning.html, random-cut-forest-tuning.html). The default ranges are narrower than those that
SageMaker recommends: a dozen jobs can't search a range of eight powers of ten. LightGBM and CatBoost are scripts of
ours: their objectives are what ``shipped/<name>/train.py`` prints, under the library's own names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["integer", "continuous", "categorical"]
Direction = Literal["Maximize", "Minimize"]
_NUMBER = r"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?"
#: where a script's own number of rounds is looked for
_EPOCHS = ("epochs", "num_epochs", "n_epochs", "num_round", "num_boost_round", "iterations")
#: why some algorithms can't be tuned
REASONS = {
    "pca": "AWS documents no metric to tune it by",
    "randomcutforest": "its only metric, test:f1, needs labels in a channel test, and its training sees no labels here",
}


@dataclass(frozen=True)
class Objective:
    """A metric as the algorithm prints it, and which way is better."""

    metric: str
    direction: Direction
    #: finds the value in what a script prints; a built-in's own SageMaker knows
    regex: str | None = None

    def better(self, value: float, than: float) -> bool:
        return value > than if self.direction == "Maximize" else value < than


@dataclass(frozen=True)
class Tunable:
    """What can be tuned of one algorithm.

    ``objectives``: kind of problem → our metric → the algorithm's. ``kinds``: hyperparameter → what its values are.
    ``ranges``: the default, as model.yaml would say it. ``epochs``: the hyperparameter with the number of rounds, where
    the algorithm prints the objective after each of them. ``printed_by``: the hyperparameter that tells a script of
    ours what to print beside the loss that it stops by. ``along``: what has to be set, too, for a hyperparameter to
    have any effect. ``own``: a script or an image of the user's, which may tune for what it likes.
    """

    objectives: Mapping[str, Mapping[str, Objective]]
    kinds: Mapping[str, Kind]
    ranges: Mapping[str, Mapping[str, Any]]
    epochs: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    printed_by: str | None = None
    along: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    own: bool = False


def _most(metric: str) -> Objective:
    return Objective(metric, "Maximize")


def _least(metric: str) -> Objective:
    return Objective(metric, "Minimize")


def _printed(metric: str, direction: Direction) -> Objective:
    """Of a script of ours, whose lines are like XGBoost's: ``[3]<tab>train-auc:0.9<tab>validation-auc:0.8``."""
    return Objective(f"validation:{metric}", direction, rf"validation-{re.escape(metric)}:({_NUMBER})")


def _span(low: float, high: float, scaling: str = "Linear") -> dict[str, Any]:
    return {"min": low, "max": high, "scaling": scaling}


_XGBOOST = Tunable(
    objectives={
        "binary": {
            "auc": _most("validation:auc"),
            "logloss": _least("validation:logloss"),
            "accuracy": _most("validation:accuracy"),
            "f1": _most("validation:f1_binary"),
            "precision": _most("validation:precision"),
            "recall": _most("validation:recall"),
        },
        "multiclass": {
            "accuracy": _most("validation:accuracy"),
            "macro_f1": _most("validation:f1_macro"),
            "logloss": _least("validation:mlogloss"),
        },
        "regression": {
            "rmse": _least("validation:rmse"),
            "mae": _least("validation:mae"),
            "r2": _most("validation:r2"),
        },
    },
    kinds={
        "alpha": "continuous",
        "colsample_bylevel": "continuous",
        "colsample_bynode": "continuous",
        "colsample_bytree": "continuous",
        "eta": "continuous",
        "gamma": "continuous",
        "lambda": "continuous",
        "max_delta_step": "integer",
        "max_depth": "integer",
        "min_child_weight": "continuous",
        "num_round": "integer",
        "subsample": "continuous",
    },
    ranges={
        "eta": _span(0.02, 0.3, "Logarithmic"),
        "max_depth": _span(2, 10),
        "min_child_weight": _span(0.5, 20, "Logarithmic"),
        "subsample": _span(0.5, 1.0),
        "colsample_bytree": _span(0.3, 1.0),
        "lambda": _span(0.1, 20, "Logarithmic"),
    },
    epochs="num_round",
    aliases={"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"},
)
_LINEAR = Tunable(
    objectives={
        "binary": {
            "auc": _most("validation:roc_auc_score"),
            "logloss": _least("validation:objective_loss"),
            "accuracy": _most("validation:binary_classification_accuracy"),
            "f1": _most("validation:binary_f_beta"),
            "precision": _most("validation:precision"),
            "recall": _most("validation:recall"),
        },
        "multiclass": {
            "accuracy": _most("validation:multiclass_accuracy"),
            "macro_f1": _most("validation:macro_f_beta"),
            "logloss": _least("validation:objective_loss"),
        },
        "regression": {
            "rmse": _least("validation:rmse"),
            "mae": _least("validation:mae"),
            "r2": _most("validation:r2"),
        },
    },
    kinds={
        "wd": "continuous",
        "l1": "continuous",
        "learning_rate": "continuous",
        "mini_batch_size": "integer",
        "use_bias": "categorical",
        "positive_example_weight_mult": "continuous",
    },
    ranges={
        "learning_rate": _span(0.0001, 0.5, "Logarithmic"),
        "wd": _span(1e-7, 0.1, "Logarithmic"),
        "l1": _span(1e-7, 0.1, "Logarithmic"),
    },
)
_KNN = Tunable(
    objectives={
        "binary": {"accuracy": _most("test:accuracy")},
        "multiclass": {"accuracy": _most("test:accuracy")},
        "regression": {"rmse": _least("test:mse")},
    },
    kinds={"k": "integer", "sample_size": "integer"},
    ranges={"k": _span(1, 50, "Logarithmic")},
)
_FACTORIZATION = Tunable(
    objectives={
        "binary": {
            "accuracy": _most("test:binary_classification_accuracy"),
            "logloss": _least("test:binary_classification_cross_entropy"),
            "f1": _most("test:binary_f_beta"),
        },
        "regression": {"rmse": _least("test:rmse")},
    },
    kinds={
        "bias_lr": "continuous",
        "bias_wd": "continuous",
        "epochs": "integer",
        "factors_lr": "continuous",
        "factors_wd": "continuous",
        "linear_lr": "continuous",
        "linear_wd": "continuous",
        "mini_batch_size": "integer",
    },
    ranges={
        "bias_lr": _span(0.0001, 0.5, "Logarithmic"),
        "linear_lr": _span(0.0001, 0.5, "Logarithmic"),
        "factors_lr": _span(0.00001, 0.1, "Logarithmic"),
    },
)
_KMEANS = Tunable(
    objectives={"clustering": {"mean_distance": _least("test:msd")}},
    kinds={
        "epochs": "integer",
        "extra_center_factor": "integer",
        "init_method": "categorical",
        "mini_batch_size": "integer",
    },
    ranges={"extra_center_factor": _span(4, 10), "init_method": {"values": ["kmeans++", "random"]}},
)
_LIGHTGBM = Tunable(
    objectives={
        "binary": {
            "auc": _printed("auc", "Maximize"),
            "logloss": _printed("binary_logloss", "Minimize"),
            "accuracy": _printed("binary_error", "Minimize"),
            "average_precision": _printed("average_precision", "Maximize"),
        },
        "multiclass": {
            "logloss": _printed("multi_logloss", "Minimize"),
            "accuracy": _printed("multi_error", "Minimize"),
            "auc_mu": _printed("auc_mu", "Maximize"),
        },
        "regression": {"rmse": _printed("rmse", "Minimize"), "mae": _printed("l1", "Minimize")},
    },
    kinds={
        "bagging_fraction": "continuous",
        "bagging_freq": "integer",
        "boosting": "categorical",
        "feature_fraction": "continuous",
        "feature_fraction_bynode": "continuous",
        "lambda_l1": "continuous",
        "lambda_l2": "continuous",
        "learning_rate": "continuous",
        "max_bin": "integer",
        "max_delta_step": "continuous",
        "max_depth": "integer",
        "min_data_in_leaf": "integer",
        "min_gain_to_split": "continuous",
        "num_boost_round": "integer",
        "num_leaves": "integer",
        "scale_pos_weight": "continuous",
    },
    ranges={
        "learning_rate": _span(0.02, 0.3, "Logarithmic"),
        "num_leaves": _span(4, 128, "Logarithmic"),
        "min_data_in_leaf": _span(3, 100, "Logarithmic"),
        "feature_fraction": _span(0.3, 1.0),
        "bagging_fraction": _span(0.5, 1.0),
        "lambda_l2": _span(0.01, 20, "Logarithmic"),
    },
    epochs="num_boost_round",
    printed_by="custom_metric",
    along={"bagging_fraction": {"bagging_freq": "1"}},
)
_CATBOOST = Tunable(
    objectives={
        "binary": {
            "auc": _printed("AUC", "Maximize"),
            "logloss": _printed("Logloss", "Minimize"),
            "accuracy": _printed("Accuracy", "Maximize"),
            "f1": _printed("F1", "Maximize"),
            "precision": _printed("Precision", "Maximize"),
            "recall": _printed("Recall", "Maximize"),
        },
        "multiclass": {
            "accuracy": _printed("Accuracy", "Maximize"),
            "macro_f1": _printed("TotalF1:average=Macro", "Maximize"),
            "logloss": _printed("MultiClass", "Minimize"),
        },
        "regression": {
            "rmse": _printed("RMSE", "Minimize"),
            "mae": _printed("MAE", "Minimize"),
            "r2": _printed("R2", "Maximize"),
        },
    },
    kinds={
        "bagging_temperature": "continuous",
        "boosting_type": "categorical",
        "depth": "integer",
        "grow_policy": "categorical",
        "iterations": "integer",
        "l2_leaf_reg": "continuous",
        "learning_rate": "continuous",
        "max_bin": "integer",
        "max_leaves": "integer",
        "min_data_in_leaf": "integer",
        "random_strength": "continuous",
        "rsm": "continuous",
        "sampling_frequency": "categorical",
        "scale_pos_weight": "continuous",
    },
    ranges={
        "learning_rate": _span(0.02, 0.3, "Logarithmic"),
        "depth": _span(3, 9),
        "l2_leaf_reg": _span(0.5, 20, "Logarithmic"),
        "random_strength": _span(0.1, 10, "Logarithmic"),
        "rsm": _span(0.3, 1.0),
    },
    epochs="iterations",
    printed_by="custom_metric",
)
TUNABLE: dict[str, Tunable] = {
    "xgboost": _XGBOOST,
    "linear-learner": _LINEAR,
    "knn": _KNN,
    "factorization-machines": _FACTORIZATION,
    "kmeans": _KMEANS,
    "lightgbm": _LIGHTGBM,
    "catboost": _CATBOOST,
}


def of(algorithm: str) -> Tunable | None:
    """What can be tuned of ``algorithm``, or None. For scripts and images of the user's own see ``own``."""
    return TUNABLE.get(algorithm)


def own(objective: Objective, ranges: Mapping[str, Mapping[str, Any]], hyperparameters: Mapping[str, Any]) -> Tunable:
    """A script or an image of the user's, tuned for ``objective``: each range says itself what its values are."""
    rounds = (name for name in _EPOCHS if _whole(hyperparameters.get(name)) and int(hyperparameters[name]) > 0)
    return Tunable(
        objectives={kind: {objective.metric: objective} for kind in ("binary", "multiclass", "regression")},
        kinds={name: _kind(range_) for name, range_ in ranges.items()},
        ranges={},
        epochs=next(rounds, None),
        own=True,
    )


def _kind(range_: Mapping[str, Any]) -> Kind:
    """
    >>> _kind({"min": 1, "max": 9}), _kind({"min": 1, "max": 9.0}), _kind({"values": [1, 2]})
    ('integer', 'continuous', 'categorical')
    """
    if "values" in range_:
        return "categorical"
    return "integer" if _whole(range_["min"]) and _whole(range_["max"]) else "continuous"


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

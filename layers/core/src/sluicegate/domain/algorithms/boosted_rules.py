"""Hyperparameters of the ready-made script models LightGBM and CatBoost.

Most names are those that SageMaker's own LightGBM and CatBoost take (developer guide, "LightGBM hyperparameters" and
"CatBoost hyperparameters"); ``objective``, ``alpha``, seeds and ``deterministic`` are the libraries' own. The
ranges are the libraries', where SageMaker's are narrower: LightGBM 4.6.0 and CatBoost 1.2.10 take the ends of each.
"""

from __future__ import annotations

from sluicegate.domain.algorithms.rules import Number, OneOf, Rule

_SHARE = Number(0, 1, low_open=True)
_WHOLE = Number(0, whole=True)
_POSITIVE = Number(1, whole=True)

LIGHTGBM: dict[str, Rule] = {
    "num_boost_round": _POSITIVE,
    "early_stopping_rounds": _WHOLE,
    "metric": OneOf(
        ("auto", "rmse", "l1", "l2", "huber", "fair", "binary_logloss", "binary_error", "auc", "average_precision",
         "multi_logloss", "multi_error", "auc_mu", "cross_entropy")
    ),
    "objective": OneOf(
        ("binary", "cross_entropy", "multiclass", "multiclassova", "regression", "regression_l1", "huber", "fair",
         "poisson", "quantile", "mape", "gamma", "tweedie")
    ),
    "learning_rate": Number(0, low_open=True),
    "num_leaves": Number(2, 131_072, whole=True),
    "feature_fraction": _SHARE,
    "bagging_fraction": _SHARE,
    "bagging_freq": _WHOLE,
    "max_depth": Number(-1, whole=True),
    "min_data_in_leaf": _WHOLE,
    "max_delta_step": Number(),
    "lambda_l1": Number(0),
    "lambda_l2": Number(0),
    "boosting": OneOf(("gbdt", "rf", "dart")),
    "min_gain_to_split": Number(0),
    "scale_pos_weight": Number(0, low_open=True),
    "feature_fraction_bynode": _SHARE,
    "is_unbalance": OneOf(("true", "false")),
    "max_bin": Number(2, whole=True),
    "tweedie_variance_power": Number(1, 2, high_open=True),
    "alpha": Number(0, low_open=True),
    "num_threads": _WHOLE,
    "seed": Number(whole=True),
    "deterministic": OneOf(("true", "false")),
}  # fmt: skip

CATBOOST: dict[str, Rule] = {
    "iterations": _POSITIVE,
    "early_stopping_rounds": _WHOLE,
    "eval_metric": OneOf(
        ("auto", "Logloss", "CrossEntropy", "AUC", "Accuracy", "F1", "Precision", "Recall", "MultiClass",
         "MultiClassOneVsAll", "TotalF1", "RMSE", "MAE", "MAPE", "R2")
    ),
    "learning_rate": Number(0, 1, low_open=True),
    "depth": Number(1, 16, whole=True),
    "l2_leaf_reg": Number(0),
    "random_strength": Number(0),
    "max_leaves": Number(2, 64, whole=True),
    "rsm": _SHARE,
    "sampling_frequency": OneOf(("PerTreeLevel", "PerTree")),
    "min_data_in_leaf": _POSITIVE,
    "bagging_temperature": Number(0),
    "boosting_type": OneOf(("Auto", "Ordered", "Plain")),
    "scale_pos_weight": Number(0, low_open=True),
    "max_bin": Number(1, 65_535, whole=True),
    "grow_policy": OneOf(("SymmetricTree", "Depthwise", "Lossguide")),
    "random_seed": _WHOLE,
    "thread_count": Number(-1, whole=True),
}  # fmt: skip

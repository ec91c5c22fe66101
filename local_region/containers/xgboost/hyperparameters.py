"""The hyperparameters of the built-in XGBoost 3.0-5: names, types, ranges and how they depend on one another.

The table follows aws/sagemaker-xgboost-container's ``hyperparameter_validation.py`` and
https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost_hyperparameters.html. Values arrive as strings, as SageMaker
writes them to ``hyperparameters.json``. Messages have the built-in's form, so what matches them there matches here.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from local_region.containers.common.errors import UserError
from local_region.containers.common.parameters import Parameter, Value, choice, integer, parsed, real
from local_region.containers.xgboost.metrics import CUSTOM_METRICS, METRICS, MINIMIZED

DEFAULT_OBJECTIVE = "reg:squarederror"
ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _literal(kind: type) -> Callable[[str], Value]:
    def parse(text: str) -> Value:
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise ValueError(text) from error
        if kind is tuple and isinstance(value, int):
            value = (value,)  # "(1)" is how one constraint alone is often written
        if not isinstance(value, kind):
            raise ValueError(text)
        return value

    return parse


def _check_updater(name: str, value: list[str]) -> None:
    if any(part not in _UPDATERS for part in value):
        raise UserError(f"Hyperparameter {name}: value {value} not in range {sorted(_UPDATERS)}")


def _check_monotone(name: str, value: tuple[Any, ...]) -> None:
    if any(part not in (-1, 0, 1) for part in value):
        raise UserError(f"Hyperparameter {name}: value {value} not in range [-1, 0, 1]")


def _check_groups(name: str, value: list[Any]) -> None:
    if any(not isinstance(group, list) for group in value) or any(
        not isinstance(index, int) or index < 0 for group in value for index in group
    ):
        raise UserError(
            f"Hyperparameter {name}: value {value} not in range [[0, 1], [2, 3, 4]] (lists of column indexes)"
        )


def _check_metrics(name: str, value: list[str]) -> None:
    for metric in value:
        base, at, threshold = metric.partition("@")
        if at:
            if base not in ("error", "ndcg", "map"):
                raise UserError(
                    f"Metric '{metric}' is not supported. Parameter 'eval_metric' takes a threshold only for one of "
                    "these options: 'error', 'ndcg', 'map'."
                )
            try:
                float(threshold.rstrip("-"))
            except ValueError:
                raise UserError(f"Threshold value 't' in '{base}@t' expects float input.") from None
        elif metric not in METRICS:
            raise UserError(f"Hyperparameter {name}: value {value} not in range {sorted(METRICS)}")


_TREE_BUILDERS = {"grow_colmaker", "distcol", "grow_histmaker", "grow_quantile_histmaker"}
_TREE_UPDATERS = _TREE_BUILDERS | {"grow_skmaker", "sync", "refresh", "prune"}
_LINEAR_UPDATERS = {"shotgun", "coord_descent"}
_UPDATERS = _TREE_UPDATERS | _LINEAR_UPDATERS

OBJECTIVES = (
    "aft_loss_distribution", "binary:logistic", "binary:logitraw", "binary:hinge", "count:poisson", "multi:softmax",
    "multi:softprob", "rank:pairwise", "rank:ndcg", "rank:map", "reg:linear", "reg:squarederror", "reg:logistic",
    "reg:gamma", "reg:pseudohubererror", "reg:squaredlogerror", "reg:absoluteerror", "reg:tweedie", "survival:aft",
    "survival:cox",
)  # fmt: skip

PARAMETERS: Mapping[str, Parameter] = {
    "num_round": integer(1),
    "csv_weights": integer(0, 1),
    "early_stopping_rounds": integer(1),
    "booster": choice("gbtree", "gblinear", "dart"),
    "verbosity": integer(0, 3),
    "nthread": integer(1),
    "eta": real(0, 1),
    "gamma": real(0),
    "max_depth": integer(0),
    "min_child_weight": real(0),
    "max_delta_step": real(0),
    "subsample": real(0, 1, low_open=True),
    "colsample_bytree": real(0, 1, low_open=True),
    "colsample_bylevel": real(0, 1, low_open=True),
    "colsample_bynode": real(0, 1, low_open=True),
    "lambda": real(0),
    "alpha": real(0),
    "tree_method": choice("auto", "exact", "approx", "hist", "gpu_hist"),
    "sketch_eps": real(0, 1, low_open=True, high_open=True),
    "scale_pos_weight": real(0, low_open=True),
    "updater": Parameter(_split, _check_updater),
    "dsplit": choice("row", "col"),
    "refresh_leaf": integer(0, 1),
    "process_type": choice("default", "update"),
    "grow_policy": choice("depthwise", "lossguide"),
    "max_leaves": integer(0),
    "max_bin": integer(0),
    "predictor": choice("auto", "cpu_predictor", "gpu_predictor"),
    "monotone_constraints": Parameter(_literal(tuple), _check_monotone),
    "interaction_constraints": Parameter(_literal(list), _check_groups),
    "sample_type": choice("uniform", "weighted"),
    "normalize_type": choice("tree", "forest"),
    "rate_drop": real(0, 1),
    "one_drop": integer(0, 1),
    "skip_drop": real(0, 1),
    "lambda_bias": real(0, 1),
    "tweedie_variance_power": real(1, 2, low_open=True, high_open=True),
    "objective": choice(*OBJECTIVES),
    "num_class": integer(2),
    "base_score": real(0),
    "_kfold": integer(2),
    "_num_cv_round": integer(1),
    "_tuning_objective_metric": choice(*(f"validation:{metric}" for metric in sorted(METRICS))),
    "eval_metric": Parameter(_split, _check_metrics),
    "seed": integer(-(2**31), 2**31 - 1, low_open=True, high_open=True),
    "num_parallel_tree": integer(1),
    "save_model_on_termination": choice("true", "false"),
    "aft_loss_distribution": choice("normal", "logistic", "extreme"),
    "aft_loss_distribution_scale": real(0),
    "deterministic_histogram": choice("true", "false"),
    "sampling_method": choice("uniform", "gradient_based"),
    "prob_buffer_row": integer(1, low_open=True),
    "use_dask_gpu_training": choice("true", "false"),
}


def validate(given: Mapping[str, str]) -> dict[str, Value]:
    """The hyperparameters parsed and checked, aliases resolved. ``UserError`` names the first mistake."""
    texts = {ALIASES.get(name, name): text for name, text in given.items()}
    if "num_round" not in texts:
        raise UserError("Missing required hyperparameter: num_round")
    values = parsed(PARAMETERS, texts)
    _check_together(values)
    return values


def _check_together(values: Mapping[str, Value]) -> None:
    objective = values.get("objective", DEFAULT_OBJECTIVE)
    if objective.startswith("multi:") and "num_class" not in values:
        raise UserError("Require input for parameter 'num_class' for multi-classification")
    if "num_class" in values and "objective" not in values:
        raise UserError("Do not need to setup parameter 'num_class' for learning task other than multi-classification.")
    metrics = values.get("eval_metric", [])
    if "auc" in metrics and not objective.startswith(("binary:", "rank:")):
        raise UserError("Metric 'auc' can only be applied for classification and ranking problems.")
    if "aft-nloglik" in metrics and objective != "survival:aft":
        raise UserError("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.")
    method = values.get("tree_method")
    if "monotone_constraints" in values and method not in ("exact", "hist"):
        raise UserError("monotone_constraints can be used only when the tree_method parameter is 'exact' or 'hist'.")
    if "interaction_constraints" in values and method not in ("exact", "hist", "approx"):
        raise UserError(
            "interaction_constraints can be used only when the tree_method parameter is 'exact', 'hist' or 'approx'."
        )
    if "updater" in values:
        _check_updaters(values["updater"], values)
    if (
        method == "gpu_hist"
        or values.get("predictor") == "gpu_predictor"
        or values.get("use_dask_gpu_training") == "true"
    ):
        raise UserError("This instance has no GPU: use tree_method 'hist' and leave use_dask_gpu_training unset.")


def _check_updaters(updaters: list[str], values: Mapping[str, Value]) -> None:
    if values.get("booster") == "gblinear":
        if len(updaters) != 1 or updaters[0] not in _LINEAR_UPDATERS:
            raise UserError("Linear updater should be one of these options: 'shotgun', 'coord_descent'.")
    elif values.get("process_type") == "update":
        if not set(updaters) <= {"refresh", "prune"}:
            raise UserError("process_type 'update' can only be used with updater 'refresh' and 'prune'")
    elif not set(updaters) <= _TREE_UPDATERS:
        raise UserError(f"Tree updater should be selected from these options: {sorted(_TREE_UPDATERS)}.")
    elif sum(updater in _TREE_BUILDERS for updater in updaters) > 1:
        raise UserError(f"Only one tree grow plugin can be selected. Choose one of {sorted(_TREE_BUILDERS)}.")


def split_metrics(values: Mapping[str, Value]) -> tuple[list[str], list[str], str | None]:
    """Metrics that XGBoost knows, metrics that are computed here, and the one that early stopping watches."""
    tuned = values.get("_tuning_objective_metric")
    objective = [tuned.partition(":")[2]] if tuned else []
    listed = list(values.get("eval_metric", []))
    wanted = sorted({*listed, *objective}) if tuned and listed else listed or objective
    watched = objective[-1] if objective else listed[-1] if listed else None
    return [m for m in wanted if m not in CUSTOM_METRICS], [m for m in wanted if m in CUSTOM_METRICS], watched


def is_maximized(metric: str) -> bool:
    base = metric.partition("@")[0]
    return base not in MINIMIZED

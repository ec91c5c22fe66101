"""Hyperparameters of SageMaker's built-in XGBoost 3.0-5: which there are, what each accepts, and our defaults.

Names, ranges and dependencies: sagemaker-xgboost-container, algorithm_mode/hyperparameter_validation.py.
What a job of this application can't use is left out: data-set specific layouts (``csv_weights``), cross-validation
(``_kfold``, which makes several models), survival and ranking objectives, GPU training.
"""

from __future__ import annotations

from collections.abc import Mapping

from sluicegate.domain.algorithms.rules import ListOf, Number, OneOf, Rule, Structure, as_text
from sluicegate.domain.schema import Problem

ALIASES = {"learning_rate": "eta", "min_split_loss": "gamma", "reg_lambda": "lambda", "reg_alpha": "alpha"}

OBJECTIVES: dict[str, tuple[str, ...]] = {
    "binary": ("binary:logistic",),
    "multiclass": ("multi:softprob",),
    "regression": (
        "reg:squarederror",
        "reg:linear",
        "reg:pseudohubererror",
        "reg:squaredlogerror",
        "reg:absoluteerror",
        "reg:gamma",
        "reg:tweedie",
        "count:poisson",
    ),
}
_ALL_OBJECTIVES = tuple(objective for group in OBJECTIVES.values() for objective in group)

EVAL_METRICS = [
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "r2",
    "recall",
    "precision_macro",
    "precision_micro",
    "recall_macro",
    "recall_micro",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
]


_UNIT = Number(0, 1)
_SHARE = Number(0, 1, low_open=True)
_POSITIVE = Number(0)
_FLAG = Number(0, 1, whole=True)

RULES: dict[str, Rule] = {
    "num_round": Number(1, 10_000, whole=True),
    "early_stopping_rounds": Number(1, whole=True),
    "booster": OneOf(("gbtree", "gblinear", "dart")),
    "verbosity": Number(0, 3, whole=True),
    "nthread": Number(1, whole=True),
    "eta": _UNIT,
    "gamma": _POSITIVE,
    "max_depth": Number(0, whole=True),
    "min_child_weight": _POSITIVE,
    "max_delta_step": _POSITIVE,
    "subsample": _SHARE,
    "colsample_bytree": _SHARE,
    "colsample_bylevel": _SHARE,
    "colsample_bynode": _SHARE,
    "lambda": _POSITIVE,
    "alpha": _POSITIVE,
    "tree_method": OneOf(("auto", "exact", "approx", "hist")),
    "sketch_eps": Number(0, 1, low_open=True, high_open=True),
    "scale_pos_weight": Number(0, low_open=True),
    "updater": ListOf(
        (
            "grow_colmaker",
            "distcol",
            "grow_histmaker",
            "grow_skmaker",
            "sync",
            "refresh",
            "prune",
            "shotgun",
            "coord_descent",
        )
    ),
    "refresh_leaf": _FLAG,
    "process_type": OneOf(("default", "update")),
    "grow_policy": OneOf(("depthwise", "lossguide")),
    "max_leaves": Number(0, whole=True),
    "max_bin": Number(0, whole=True),
    "monotone_constraints": Structure(nested=False),
    "interaction_constraints": Structure(nested=True),
    "sample_type": OneOf(("uniform", "weighted")),
    "normalize_type": OneOf(("tree", "forest")),
    "rate_drop": _UNIT,
    "one_drop": _FLAG,
    "skip_drop": _UNIT,
    "lambda_bias": _UNIT,
    "tweedie_variance_power": Number(1, 2, low_open=True, high_open=True),
    "objective": OneOf(_ALL_OBJECTIVES),
    "base_score": _POSITIVE,
    "eval_metric": ListOf(tuple(EVAL_METRICS), thresholds=True),
    "seed": Number(-(2**31), 2**31 - 1, whole=True, low_open=True, high_open=True),
    "num_parallel_tree": Number(1, whole=True),
    "deterministic_histogram": OneOf(("true", "false")),
    "sampling_method": OneOf(("uniform", "gradient_based")),
}


def mistakes(given: Mapping[str, object]) -> dict[str, str]:
    """What is wrong, by hyperparameter: the text says what is accepted. Empty when all is well."""
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for name, value in given.items():
        known = ALIASES.get(name, name)
        if known in seen:
            found[name] = f"the same as {seen[known]}, which is given too: keep one"
            continue
        seen[known] = name
        if name == "num_class":
            found[name] = "not to be set: it is the number of classes in the data"
        elif known not in RULES:
            found[name] = "no hyperparameter of XGBoost that can be used here; accepted are " + ", ".join(sorted(RULES))
        elif (problem := RULES[known].problem(value)) is not None:
            found[name] = f"accepted is {problem}"
    found.update(_dependencies({ALIASES.get(name, name): value for name, value in given.items()}, found))
    return found


def _dependencies(given: Mapping[str, object], found: Mapping[str, str]) -> dict[str, str]:
    more: dict[str, str] = {}
    method = given.get("tree_method")
    if "monotone_constraints" in given and method not in ("exact", "hist"):
        more["monotone_constraints"] = "needs tree_method exact or hist"
    if "interaction_constraints" in given and method not in ("exact", "hist", "approx"):
        more["interaction_constraints"] = "needs tree_method exact, hist or approx"
    if "updater" in given and "updater" not in found:
        updaters = as_text(given["updater"]).split(",")
        linear = {"shotgun", "coord_descent"}
        if given.get("booster") == "gblinear":
            if len(updaters) != 1 or updaters[0] not in linear:
                more["updater"] = "with booster gblinear accepted is shotgun or coord_descent"
        elif given.get("process_type") == "update":
            if not set(updaters) <= {"refresh", "prune"}:
                more["updater"] = "with process_type update accepted are refresh and prune"
        elif set(updaters) & linear:
            more["updater"] = "shotgun and coord_descent need booster gblinear"
        elif sum(updater in ("grow_colmaker", "distcol", "grow_histmaker") for updater in updaters) > 1:
            more["updater"] = "only one of grow_colmaker, distcol, grow_histmaker"
    return {name: text for name, text in more.items() if name not in found}


def problem_mistakes(given: Mapping[str, object], kind: str) -> dict[str, str]:
    """What of ``given`` doesn't fit a ``kind`` of problem."""
    found: dict[str, str] = {}
    objective = given.get("objective")
    if objective is not None and objective not in OBJECTIVES[kind]:
        found["objective"] = f"for a {kind} problem accepted is {' or '.join(OBJECTIVES[kind])}"
    metrics = as_text(given.get("eval_metric", "")).split(",")
    if kind != "binary" and "auc" in metrics:
        found["eval_metric"] = "auc needs a binary problem"
    return found


def training_hyperparameters(given: Mapping[str, object], problem: Problem) -> dict[str, str]:
    """Defaults that do well on tables of any size, under what the user gave."""
    chosen: dict[str, str] = {
        "num_round": "200",
        "early_stopping_rounds": "20",
        "eta": "0.1",
        "max_depth": "6",
        "min_child_weight": "1",
        "subsample": "0.8",
        "colsample_bytree": "0.8",
        "tree_method": "hist",
        "seed": "0",
    }
    if problem.kind == "binary":
        chosen |= {"objective": "binary:logistic", "eval_metric": "auc,logloss"}
    elif problem.kind == "multiclass":
        chosen |= {"objective": "multi:softprob", "eval_metric": "mlogloss", "num_class": str(len(problem.classes))}
    else:
        chosen |= {"objective": "reg:squarederror", "eval_metric": "rmse"}
    given_text = {ALIASES.get(name, name): as_text(value) for name, value in given.items()}
    if given_text.get("booster") == "gblinear":
        for tree_only in ("max_depth", "min_child_weight", "subsample", "colsample_bytree", "tree_method"):
            chosen.pop(tree_only)
    return chosen | given_text

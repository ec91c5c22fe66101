"""Hyperparameter tuning: what can be searched for each algorithm, what is searched when model.yaml doesn't say it.

Tunable hyperparameters, their kinds and the objective metrics are SageMaker's
(https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-tuning.html, linear-learner-tuning.html, kNN-tuning.html,
fm-tuning.html, k-means-tuning.html, random-cut-forest-tuning.html). The default ranges are narrower than those that
SageMaker recommends: a dozen jobs can't search a range of eight powers of ten.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["integer", "continuous", "categorical"]
Direction = Literal["Maximize", "Minimize"]
SCALINGS = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")
STRATEGIES = ("Bayesian", "Random", "Grid", "Hyperband")
#: every trial stands on the run's item, and an item holds 400 KB
MOST_JOBS = 100
#: SageMaker's own bound for the values of a categorical range
MOST_VALUES = 30


@dataclass(frozen=True)
class Objective:
    """A metric as the algorithm prints it, and which way is better."""

    metric: str
    direction: Direction

    def better(self, value: float, than: float) -> bool:
        return value > than if self.direction == "Maximize" else value < than


@dataclass(frozen=True)
class Tunable:
    """What can be tuned of one algorithm.

    ``objectives``: kind of problem → our metric → the algorithm's. ``kinds``: hyperparameter → what its values are.
    ``ranges``: the default, as model.yaml would say it. ``epochs``: the hyperparameter with the number of rounds, where
    the algorithm prints the objective after each of them.
    """

    objectives: Mapping[str, Mapping[str, Objective]]
    kinds: Mapping[str, Kind]
    ranges: Mapping[str, Mapping[str, Any]]
    epochs: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)


def _most(metric: str) -> Objective:
    return Objective(metric, "Maximize")


def _least(metric: str) -> Objective:
    return Objective(metric, "Minimize")


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
TUNABLE: dict[str, Tunable] = {
    "xgboost": _XGBOOST,
    "linear-learner": _LINEAR,
    "knn": _KNN,
    "factorization-machines": _FACTORIZATION,
    "kmeans": _KMEANS,
}


def of(algorithm: str) -> Tunable | None:
    """What can be tuned of ``algorithm``, or None."""
    return TUNABLE.get(algorithm)


def read_range(given: Any) -> dict[str, Any]:
    """A range of model.yaml as ``{"min", "max", "scaling"}`` or ``{"values"}``; ``ValueError`` says what is accepted.

    >>> read_range([0.01, 0.3])
    {'min': 0.01, 'max': 0.3, 'scaling': 'Auto'}
    """
    if isinstance(given, list) and len(given) == 2:
        given = {"min": given[0], "max": given[1]}
    if isinstance(given, dict) and set(given) == {"values"}:
        return {"values": _values(given["values"])}
    if not isinstance(given, dict) or not {"min", "max"} <= set(given) <= {"min", "max", "scaling"}:
        raise ValueError("accepted is [low, high], {min, max, scaling} or {values: [...]}")
    low, high, scaling = given["min"], given["max"], given.get("scaling", "Auto")
    if not _is_number(low) or not _is_number(high) or low > high:
        raise ValueError("accepted are two numbers, the smaller first")
    if scaling not in SCALINGS:
        raise ValueError(f"scaling accepts {', '.join(SCALINGS)}")
    if scaling == "Logarithmic" and low <= 0:
        raise ValueError("Logarithmic scaling accepts numbers above 0")
    if scaling == "ReverseLogarithmic" and not 0 <= low <= high < 1:
        raise ValueError("ReverseLogarithmic scaling accepts numbers from 0 to below 1")
    return {"min": low, "max": high, "scaling": scaling}


def _values(given: Any) -> list[Any]:
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_VALUES:
        raise ValueError(f"values accepts a list of 1 to {MOST_VALUES}")
    texts = [str(value) for value in given]
    if any(isinstance(value, (list, dict)) or value is None for value in given) or len(set(texts)) != len(texts):
        raise ValueError("values accepts different texts or numbers")
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def ends(range_: Mapping[str, Any]) -> list[Any]:
    """The values of a range that have to be possible for all to be."""
    return list(range_["values"]) if "values" in range_ else [range_["min"], range_["max"]]


def combinations(ranges: Mapping[str, Mapping[str, Any]]) -> int:
    """How many jobs a grid has; 0 when a range lists no values."""
    return math.prod(len(range_.get("values", ())) for range_ in ranges.values())


def objective(tunable: Tunable, kind: str, metric: str, said: str | None) -> Objective | None:
    """What is tuned for: ``said`` in model.yaml (``auc`` or ``validation:auc``), else what stands for the metric that
    decides, else the first that the algorithm has. None when it has no such objective for that kind of problem."""
    known = tunable.objectives.get(kind, {})
    if said is None:
        return known.get(metric) or next(iter(known.values()), None)
    return next((each for name, each in known.items() if said in (name, each.metric)), None)


def objective_names(tunable: Tunable, kind: str | None) -> list[str]:
    """Of every objective (of one kind of problem) our name, for messages and checks."""
    kinds = [kind] if kind is not None else list(tunable.objectives)
    return sorted({name for each in kinds for name in tunable.objectives.get(each, {})})


def known_objective(tunable: Tunable, said: str, kind: str | None) -> bool:
    kinds = [kind] if kind is not None else list(tunable.objectives)
    return any(objective(tunable, each, "", said) is not None for each in kinds)


def range_mistakes(tunable: Tunable, ranges: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """What is wrong with ranges, by name, beyond what ``read_range`` saw. Their ends are checked with the algorithm."""
    seen: dict[str, str] = {}
    for name, range_ in ranges.items():
        known = tunable.aliases.get(name, name)
        kind = tunable.kinds.get(known)
        if known in seen:
            yield name, f"the same as {seen[known]}, which has a range too: keep one"
        elif kind is None:
            yield name, f"can't be tuned; accepted are {', '.join(sorted(tunable.kinds))}"
        elif kind == "categorical" and "values" not in range_:
            yield name, "accepted is {values: [...]}"
        elif kind == "integer" and not all(float(end).is_integer() for end in ends(range_) if _is_number(end)):
            yield name, "accepted are whole numbers"
        elif kind == "integer" and range_.get("scaling") == "ReverseLogarithmic":
            yield name, "ReverseLogarithmic scaling accepts no whole numbers"
        seen.setdefault(known, name)


def parameter_ranges(tunable: Tunable, ranges: Mapping[str, Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """SageMaker's ``ParameterRanges``: numbers as text."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, range_ in ranges.items():
        known = tunable.aliases.get(name, name)
        if "values" in range_:
            values = [_text(value) for value in range_["values"]]
            found.setdefault("CategoricalParameterRanges", []).append({"Name": known, "Values": values})
            continue
        whole = tunable.kinds[known] == "integer"
        low, high = (_text(int(range_[end]) if whole else float(range_[end])) for end in ("min", "max"))
        entry = {"Name": known, "MinValue": low, "MaxValue": high, "ScalingType": range_["scaling"]}
        found.setdefault("IntegerParameterRanges" if whole else "ContinuousParameterRanges", []).append(entry)
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def best(objective_: Objective, trials: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The best of the trials that completed; the first of equals."""
    found: Mapping[str, Any] | None = None
    for trial in trials:
        value = trial.get("value")
        if trial.get("status") != "Completed" or value is None:
            continue
        if found is None or objective_.better(value, found["value"]):
            found = trial
    return found

"""LightGBM, as a script of ours (shipped/lightgbm) in the scikit-learn container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sluicegate.domain.algorithms.boosted import Boosted
from sluicegate.domain.schema import Problem

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule

_OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}


class LightGBM(Boosted):
    """Gradient boosted trees that grow by the best leaf. A missing value is an empty field."""

    name = "lightgbm"
    version = "4.6.0"
    title = "LightGBM"
    fitting: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
        "binary": {
            "objective": ("binary", "cross_entropy"),
            "metric": ("auto", "binary_logloss", "binary_error", "auc", "average_precision", "cross_entropy"),
        },
        "multiclass": {
            "objective": ("multiclass", "multiclassova"),
            "metric": ("auto", "multi_logloss", "multi_error", "auc_mu"),
        },
        "regression": {
            "objective": (
                "regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie",
            ),
            "metric": ("auto", "rmse", "l1", "l2", "huber", "fair"),
        },
    }  # fmt: skip

    def rules(self) -> Mapping[str, Rule]:
        from sluicegate.domain.algorithms.boosted_rules import LIGHTGBM

        return LIGHTGBM

    def defaults(self, problem: Problem) -> dict[str, str | int | float]:
        found: dict[str, str | int | float] = {
            "objective": _OBJECTIVES[problem.kind],
            "num_boost_round": 500,
            "early_stopping_rounds": 20,
            "learning_rate": 0.05,
        }
        if problem.kind == "multiclass":
            found["num_class"] = len(problem.classes)
        return found


ALGORITHM = LightGBM()

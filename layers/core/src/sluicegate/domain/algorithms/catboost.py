"""CatBoost, as a script of ours (shipped/catboost) in the scikit-learn container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from sluicegate.domain.algorithms.boosted import Boosted
from sluicegate.domain.schema import Problem

if TYPE_CHECKING:
    from sluicegate.domain.algorithms.rules import Rule

_LOSSES = {"binary": "Logloss", "multiclass": "MultiClass", "regression": "RMSE"}


class CatBoost(Boosted):
    """Gradient boosted oblivious trees. A missing value is an empty field."""

    name = "catboost"
    version = "1.2.10"
    title = "CatBoost"
    fitting: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
        "binary": {
            "eval_metric": (
                "auto", "Logloss", "CrossEntropy", "AUC", "Accuracy", "F1", "Precision", "Recall",
            ),
        },
        "multiclass": {"eval_metric": ("auto", "MultiClass", "MultiClassOneVsAll", "Accuracy", "TotalF1", "AUC")},
        "regression": {"eval_metric": ("auto", "RMSE", "MAE", "MAPE", "R2")},
    }  # fmt: skip

    def rules(self) -> Mapping[str, Rule]:
        from sluicegate.domain.algorithms.boosted_rules import CATBOOST

        return CATBOOST

    def defaults(self, problem: Problem) -> dict[str, str | int | float]:
        return {
            "loss_function": _LOSSES[problem.kind],
            "iterations": 1000,
            "early_stopping_rounds": 20,
        }


ALGORITHM = CatBoost()

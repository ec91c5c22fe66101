"""SageMaker's linear learner: linear and logistic regression by stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.domain.algorithms.builtin import BuiltIn, batch_size, scores
from sluicegate.domain.schema import Problem, ProblemKind

_PREDICTORS = {"binary": "binary_classifier", "multiclass": "multiclass_classifier", "regression": "regressor"}
#: of ``loss``: what fits each kind of problem (developer guide, "Linear Learner Hyperparameters"). hinge_loss is left
#: out of binary: its scores are no probabilities
_LOSSES = {
    "binary": ("auto", "logistic"),
    "multiclass": ("auto", "softmax_loss"),
    "regression": (
        "auto",
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
_ONLY_BINARY = (
    "binary_classifier_model_selection_criteria",
    "positive_example_weight_mult",
    "target_precision",
    "target_recall",
)


class LinearLearner(BuiltIn):
    """Answers ``{"score": p, "predicted_label": 0}``; multiclass a score for each class, regression no label.
    Source: developer guide, "Linear learner response formats".
    """

    name = "linear-learner"
    title = "the linear learner"
    problems = ("binary", "multiclass", "regression")
    channels = ("train", "validation")

    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        found: dict[str, str | int | float] = {
            "predictor_type": _PREDICTORS[problem.kind],
            "mini_batch_size": batch_size(rows, batches=50, largest=1000),
            "epochs": 30,
        }
        if problem.kind == "multiclass":
            found["num_classes"] = len(problem.classes)
        if problem.kind == "binary":
            found["binary_classifier_model_selection_criteria"] = "loss_function"
        return found

    def balancing(self, kind: ProblemKind) -> dict[str, str] | None:
        """Source: developer guide, "Linear Learner Hyperparameters"."""
        balancing = {
            "binary": {"positive_example_weight_mult": "balanced"},
            "multiclass": {"balance_multiclass_weights": "true"},
        }
        return balancing.get(kind)

    def problem_mistakes(self, given: Mapping[str, object], kind: ProblemKind) -> dict[str, str]:
        found: dict[str, str] = {}
        if kind in _LOSSES and "loss" in given and given["loss"] not in _LOSSES[kind]:
            found["loss"] = f"for a {kind} problem accepted is {', '.join(_LOSSES[kind])}"
        if kind != "binary":
            found |= {name: "only a binary problem has it" for name in _ONLY_BINARY if name in given}
        if kind != "multiclass" and "balance_multiclass_weights" in given:
            found["balance_multiclass_weights"] = "only a multiclass problem has it"
        return found

    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        return scores(item, problem)


ALGORITHM = LinearLearner()

"""SageMaker's factorization machines: a linear model with pairwise interactions, for wide sparse rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sluicegate.domain.algorithms.base import Format
from sluicegate.domain.algorithms.builtin import BuiltIn, batch_size, scores
from sluicegate.domain.schema import Problem

_STEPS = 4_000


class FactorizationMachines(BuiltIn):
    """Reads recordio-protobuf only, answers as the linear learner does. Source: developer guide, "Factorization
    Machines Algorithm" and "Factorization Machines Response Formats".
    """

    name = "factorization-machines"
    title = "factorization machines"
    problems = ("binary", "regression")
    train_format = infer_format = "recordio"
    sparse_format: ClassVar[Format | None] = "recordio"

    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        batch = batch_size(rows, batches=50, largest=1000)
        return {
            "predictor_type": "regressor" if problem.kind == "regression" else "binary_classifier",
            "num_factors": max(2, min(16, width // 2)),
            "mini_batch_size": batch,
            # the built-in's one epoch is meant for millions of rows
            "epochs": max(1, min(100, round(_STEPS * batch / rows))),
        }

    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        return scores(item, problem)


ALGORITHM = FactorizationMachines()

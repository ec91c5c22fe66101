"""SageMaker's random cut forest: anomaly scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.domain.algorithms.builtin import BuiltIn
from sluicegate.domain.schema import Problem

_MOST_FEATURES = 10_000


class RandomCutForest(BuiltIn):
    """Answers ``{"score": 0.02}``. The test channel is not used: it wants labels, and versions are judged on the
    holdout. Source: developer guide, "RCF Response Formats" and "Input/Output Interface for the RCF Algorithm" (also
    for the channels' distribution).
    """

    name = "randomcutforest"
    title = "the random cut forest"
    problems = ("anomaly",)
    csv_types = ("text/csv;label_size=0", "text/csv;label_size=1")
    distributions = ("ShardedByS3Key", "FullyReplicated")
    items = "scores"

    def reads_validation(self, problem: Problem) -> bool:
        return False

    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        return {"num_trees": 100, "num_samples_per_tree": min(rows, 256)}

    def fit_mistakes(self, given: Mapping[str, object], counts: Mapping[str, int], width: int) -> dict[str, str]:
        found = super().fit_mistakes(given, counts, width)
        if width > _MOST_FEATURES:
            found["feature_dim"] = f"the data encode to {width:,} features; accepted is at most {_MOST_FEATURES:,}"
        return found

    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        return [float(item["score"])]


ALGORITHM = RandomCutForest()

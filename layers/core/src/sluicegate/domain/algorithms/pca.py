"""SageMaker's principal component analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.domain.algorithms.builtin import BuiltIn, batch_size
from sluicegate.domain.schema import Problem


class PCA(BuiltIn):
    """Answers ``{"projection": [1.0, 2.0, …]}``. Source: developer guide, "PCA Response Formats"."""

    name = "pca"
    title = "PCA"
    problems = ("decomposition",)
    csv_types = ("text/csv;label_size=0", "text/csv;label_size=0")
    distributions = ("ShardedByS3Key", "FullyReplicated")
    items = "projections"

    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        return {
            "num_components": max(1, min(10, rows, (width + 1) // 2)),
            "mini_batch_size": batch_size(rows, batches=10, largest=5000),
            "algorithm_mode": "regular",
            "subtract_mean": "true",
        }

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        found = super().mistakes(given)
        if "extra_components" in given and given.get("algorithm_mode") != "randomized":
            found.setdefault("extra_components", "needs algorithm_mode randomized")
        return found

    def fit_mistakes(self, given: Mapping[str, object], counts: Mapping[str, int], width: int) -> dict[str, str]:
        found = super().fit_mistakes(given, counts, width)
        most = min(width, counts.get("train", 0))
        if "num_components" in given and int(str(given["num_components"])) > most:
            said = f"there are {width:,} features and {counts.get('train', 0):,} rows"
            found["num_components"] = f"{said}; accepted is at most {most:,}"
        return found

    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        return [float(part) for part in item["projection"]]


ALGORITHM = PCA()

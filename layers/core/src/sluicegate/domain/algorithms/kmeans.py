"""SageMaker's k-means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sluicegate.domain.algorithms.builtin import BuiltIn, batch_size
from sluicegate.domain.schema import Problem


class KMeans(BuiltIn):
    """Answers ``{"closest_cluster": 1.0, "distance_to_cluster": 3.0}``. Source: developer guide, "K-Means Response
    Formats".
    """

    name = "kmeans"
    title = "k-means"
    problems = ("clustering",)
    csv_types = ("text/csv;label_size=0", "text/csv;label_size=0")
    distributions = ("ShardedByS3Key", "FullyReplicated")

    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        return {
            # a rule of thumb for nobody's data in particular: half the rows' root, at most ten
            "k": max(2, min(10, round(math.sqrt(rows / 2)))),
            "init_method": "kmeans++",
            "epochs": 10,
            "mini_batch_size": batch_size(rows, batches=10, largest=5000),
            "eval_metrics": '["msd", "ssd"]',
        }

    def fit_mistakes(self, given: Mapping[str, object], counts: Mapping[str, int], width: int) -> dict[str, str]:
        found = super().fit_mistakes(given, counts, width)
        rows = counts.get("train", 0)
        if "k" in given and int(str(given["k"])) > rows:
            found["k"] = f"there are {rows:,} rows to train on; accepted is at most that"
        return found

    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        return [float(item["closest_cluster"]), float(item["distance_to_cluster"])]


ALGORITHM = KMeans()

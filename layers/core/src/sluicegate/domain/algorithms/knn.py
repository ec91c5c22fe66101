"""SageMaker's k-nearest neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluicegate.domain.algorithms.builtin import BuiltIn
from sluicegate.domain.schema import Problem

_LARGEST_SAMPLE = 200_000


class KNN(BuiltIn):
    """Asked for verbose answers: ``{"predicted_label": 1.0, "labels": [1.0, …], "distances": [0.2, …]}``. The share of
    neighbours that have a class is its probability. Source: developer guide, "k-NN Request and Response Formats".
    """

    name = "knn"
    title = "k-nearest neighbours"
    problems = ("binary", "multiclass", "regression")
    csv_types = ("text/csv;label_size=1", "text/csv;label_size=1")
    accept = "application/json; verbose=true"
    transform_accept = "application/jsonlines; verbose=true"

    def defaults(self, problem: Problem, rows: int, width: int) -> dict[str, str | int | float]:
        return {
            "predictor_type": "regressor" if problem.kind == "regression" else "classifier",
            "k": min(rows, 10),
            "sample_size": min(rows, _LARGEST_SAMPLE),
            "mini_batch_size": min(rows, 5000),
        }

    def mistakes(self, given: Mapping[str, object]) -> dict[str, str]:
        found = super().mistakes(given)
        if "dimension_reduction_type" in given and "dimension_reduction_target" not in given:
            found.setdefault("dimension_reduction_type", "needs dimension_reduction_target")
        if given.get("index_type") == "faiss.IVFPQ" and given.get("index_metric", "L2") != "L2":
            found.setdefault("index_metric", "with index_type faiss.IVFPQ accepted is L2")
        return found

    def fit_mistakes(self, given: Mapping[str, object], counts: Mapping[str, int], width: int) -> dict[str, str]:
        found = super().fit_mistakes(given, counts, width)
        rows = counts.get("train", 0)
        sample = int(str(given.get("sample_size", min(rows, _LARGEST_SAMPLE))))
        if sample > rows:
            found["sample_size"] = f"there are {rows:,} rows to train on; accepted is at most that"
        if "k" in given and int(str(given["k"])) > min(sample, rows):
            found["k"] = f"{min(sample, rows):,} rows are sampled; accepted is at most that"
        target = given.get("dimension_reduction_target")
        if target is not None and int(str(target)) >= width:
            found["dimension_reduction_target"] = f"there are {width:,} features; accepted is less than that"
        return found

    def row(self, item: Mapping[str, Any], problem: Problem) -> list[float]:
        if problem.kind == "regression":
            return [float(item["predicted_label"])]
        labels = [int(label) for label in item["labels"]]
        shares = [labels.count(index) / len(labels) for index in range(len(problem.classes))]
        return shares[1:] if problem.kind == "binary" else shares


ALGORITHM = KNN()

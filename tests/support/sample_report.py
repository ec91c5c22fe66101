"""Reports from made-up predictions, as ``register_model`` would write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluicegate.domain import evaluation, gate, metrics
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import Evaluation

Json = dict[str, Any]
#: what must never come out as markup
HOSTILE = "<script>alert('x')</script>&\"<img src=x onerror=alert(1)>\u2028\x07"


def report(kind: str = "binary", name: str = "age", **more: Any) -> Json:
    """``name`` is what a user called things: a column, the classes, a file, the model's settings."""
    random = np.random.default_rng(4)
    problem, labels, predictions, older = _predicted(kind, random, name)
    metric = {"binary": "auc", "multiclass": "accuracy", "regression": "rmse"}[problem.kind]
    found = metrics.evaluate(problem, labels, predictions, seed="s")
    comparison = None if older is None else metrics.compare(problem, metric, labels, predictions, older, seed="s")
    champion = None if older is None else 3
    column = {"name": name, "type": "number", "role": "used", "missing": 3, "distinct": 9, "min": 0.5, "max": name}
    return {
        "format": 1,
        "model": "churn",
        "run": "1f2e3d4c",
        "created_at": "2026-11-22T12:04:19.000Z",
        "dataset_version": "aabbccddeeff",
        "training_job": "sluicegate-churn-1f2e3d4c",
        "algorithm": "xgboost 3.0-5",
        "settings": f"target: {name}\n",
        "problem": problem.to_json(),
        "rows": len(labels),
        "metric": metric,
        "metrics": {key: estimate.to_json() for key, estimate in found.items()},
        "champion": champion,
        "comparison": comparison.to_json() if comparison else None,
        "baseline": evaluation.baseline(problem, metric, labels, predictions, {}, "s"),
        "verdict": gate.judge(metric, found, comparison, Evaluation(), champion).to_json(),
        "figures": evaluation.supervised(problem, labels, predictions, older),
        "importance": {
            "permutation": {
                "metric": metric,
                "value": 0.9,
                "rows": 150,
                "of": len(labels),
                "shuffles": 3,
                "columns": [
                    {"column": name, "value": 0.2, "low": 0.15, "high": 0.25},
                    {"column": "plan", "value": -0.001, "low": -0.01, "high": 0.008},
                ],
                "more_columns": 7,
                "unused": [name, "note"],
                "more_unused": 0,
            },
            "reported": {
                "kind": "gain",
                "method": "Gain.",
                "columns": [{"column": name, "share": 0.75}, {"column": "plan", "share": 0.25}],
                "features": [{"feature": name, "share": 0.75}, {"feature": "plan=a", "share": 0.25}],
            },
        },
        "data": {
            "target": "churned",
            "rows": 900,
            "unlabelled": 2,
            "rejected": 31,
            "more_columns": 0,
            "counts": {"train": 600, "validation": 100, "holdout": 200},
            "classes": {str(label): {"train": 9, "validation": 2, "holdout": 3} for label in problem.classes},
            "columns": [column, {**column, "name": "note", "role": "not used", "min": None, "max": None}],
            "findings": [
                {
                    "kind": "predicts_target",
                    "text": f"{name} (AUC 0.999) predicts churned by itself; the next best column is plan (0.71).",
                    "columns": [name],
                    "measure": "AUC",
                    "values": [0.999],
                }
            ],
            "notes": [f"{name} is not used: it has the same value in every row."],
        },
        "uploads": [
            {
                "upload": "0a1b2c3d4e5f",
                "key": f"data/churn/{name}.csv",
                "received_at": "2026-11-22T12:03:40.000Z",
                "accepted_rows": 869,
                "rejected_rows": 31,
                "report": "data-rejects/churn/0a1b2c3d4e5f/report.json",
            }
        ],
        "more_uploads": 4,
        "rejected_uploads": [{"upload": "f" * 12, "key": "data/churn/b.csv", "title": "Empty", "detail": name}],
        "cost": _cost(name),
        "tuning": {
            "job": "t",
            "strategy": "Bayesian",
            "objective": "validation:auc",
            "direction": "Maximize",
            "searched": ["eta", "max_depth"],
            "best": {"job": "t-2", "value": 0.8, "hyperparameters": {}},
            "trials": [
                {"job": "t-1", "status": "Completed", "value": 0.7, "seconds": 9, "hyperparameters": {"eta": "0.1"}},
                {"job": "t-2", "status": "Completed", "value": 0.8, "seconds": 8, "hyperparameters": {"eta": name}},
                {"job": "t-3", "status": "Failed", "value": None, "seconds": None, "hyperparameters": {}},
            ],
        },
        **more,
    }


def _cost(name: str) -> Json:
    line = {"what": "training", "instance": "ml.m5.large", "count": 1, "jobs": 3, "seconds": 300, "usd": 0.25}
    estimate = {"usd": 0.25, "worst_usd": 1.5, "basis": name, "lines": [line]}
    actual = {"usd": 0.21, "lines": [{**line, "seconds": 250, "usd": 0.21}]}
    return {"currency": "USD", "budget_usd": 5, "estimate": estimate, "actual": actual}


def _predicted(kind: str, random: np.random.Generator, name: str) -> tuple[Problem, Any, Any, Any]:
    if kind == "binary":
        labels = (random.random(200) < 0.4).astype(float)
        scores, older = 0.4 * labels + 0.6 * random.random(200), 0.2 * labels + 0.8 * random.random(200)
        return Problem("binary", (name, "other"), "other"), labels, scores, older
    if kind == "multiclass":
        labels = random.integers(0, 3, 200).astype(float)
        scores = random.random((200, 3)) + np.eye(3)[labels.astype(int)]
        return Problem("multiclass", (name, "b", "c")), labels, scores / scores.sum(axis=1, keepdims=True), None
    labels = random.normal(size=200) * 40
    return Problem("regression"), labels, labels + random.normal(size=200), None

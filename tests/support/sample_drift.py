"""A drift report of made-up numbers, in the shape that ``services.drift`` writes."""

from __future__ import annotations

from random import Random
from typing import Any

from sluicegate.domain import drift
from sluicegate.domain.distribution import Distribution
from sluicegate.domain.measures import Estimate
from sluicegate.domain.settings_drift import Drift

Json = dict[str, Any]


def drift_report(name: str = "age", *, rows: int = 2_000) -> Json:
    """``name`` is what a user called a column and a category; the column has moved."""
    random = Random(7)
    numbers = Distribution.of_numbers([random.gauss(40, 10) for _ in range(3_000)])
    plans = Distribution.of_categories({"basic": 1_500, name: 1_400}, missing=100)
    trained = {name: numbers, "plan": plans}
    seen = {
        name: numbers.counting(random.gauss(55, 10) for _ in range(rows)),
        "plan": plans.counting(random.choice(["basic", name, "new", None]) for _ in range(rows)),
    }
    said = Distribution.of_numbers([random.random() for _ in range(1_000)])
    quality = drift.quality("auc", Estimate(0.91, 0.89, 0.93), Estimate(0.84, 0.81, 0.87), 400)
    pair = (said, said.counting(random.random() for _ in range(rows)))
    settings = Drift()
    found = drift.compare(trained, seen, prediction=pair, quality=quality, thresholds=settings.thresholds)
    whole = found.to_json()
    for column in whole["columns"]:
        column["distribution"] = {"trained": trained[column["name"]].to_json(), "seen": seen[column["name"]].to_json()}
    if whole["prediction"]:
        whole["prediction"]["distribution"] = {"trained": pair[0].to_json(), "seen": pair[1].to_json()}
    files = {"files": 12, "of_files": 40, "lines": rows, "unreadable": [f"{name}: gone"], "more_unreadable": 0}
    none = {"files": 0, "of_files": 0, "lines": 0, "unreadable": [], "more_unreadable": 0}
    return {
        "format": 1,
        "model": "churn",
        "version": 2,
        "run": "1f2e3d4c",
        "dataset_version": "aabbccddeeff",
        "problem": "binary",
        "since": "2026-11-21T00:00:00.000Z",
        "until": "2026-11-22T00:00:00.000Z",
        "settings": settings.model_dump(mode="json"),
        **whole,
        "rows": rows,
        "not_compared": {**whole["not_compared"], name * 2: "0 rows; 500 are needed"},
        "read": {
            "log": files,
            "log_of_labels": none,
            "feedback": none,
            "labels": 420,
            "rewards": 3,
            "unknown_labels": 2,
            "joined": 400,
            "without_record": 0,
        },
    }


def drift_item() -> Json:
    """What ``GET models/{model}`` says of it."""
    report = drift_report()
    return {
        "version": 2,
        "at": "2026-11-22T00:15:00.000Z",
        "since": report["since"],
        "until": report["until"],
        "rows": report["rows"],
        "compared": True,
        "drifted": True,
        "reasons": report["reasons"],
        "report": "drift/churn/2026-11-22T0000Z/report.html",
        "retrain": "a run was asked for",
    }

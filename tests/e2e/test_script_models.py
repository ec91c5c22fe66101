"""Script models through the whole application: data and code in the bucket become a live model behind HTTP."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from sklearn import datasets

from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def wine() -> list[dict[str, Any]]:
    """178 wines, 13 numbers and a word made of one of them, three cultivars (scikit-learn's copy)."""
    data = datasets.load_wine()
    names = [name.replace("/", "_") for name in data.feature_names]
    rows = []
    for values, label in zip(data.data, data.target, strict=True):
        row: dict[str, Any] = dict(zip(names, map(float, values), strict=True))
        row["strength"] = "strong" if row.pop("alcohol") > 13 else "light"
        rows.append({**row, "cultivar": f"class {label}"})
    return rows


def as_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def live(application: Application, model: str) -> dict[str, Any]:
    def over() -> dict[str, Any] | None:
        runs = application.runs(model)
        return runs[0] if runs and runs[0]["status"] in ("live", "failed", "rejected") else None

    run = eventually(over, 240, f"the end of {model}'s run")
    assert run["status"] == "live", run.get("error") or run.get("verdict")
    return run


def share_right(application: Application, model: str, rows: list[dict[str, Any]], target: str) -> float:
    records = [{name: value for name, value in row.items() if name != target} for row in rows]
    answers = application.predict(model, *records)["predictions"]
    right = [bool(answer["prediction"] == row[target]) for answer, row in zip(answers, rows, strict=True)]
    return sum(right) / len(right)


def test_the_example_script_trains_on_raw_records_and_serves(application: Application) -> None:
    rows = wine()
    application.settings("grapes", "algorithm: {name: script, input: raw, hyperparameters: {max_depth: 3}}\n")
    application.put("data/grapes/wine.csv", as_csv(rows))
    detail = eventually(
        lambda: (
            found
            if "Waits for the script" in (found := application.api.find("models/grapes") or {})["message"]
            else None
        ),
        60,
        "it waits for the script",
    )
    assert "upload models/grapes/code/train.py" in detail["message"]
    for file in sorted((EXAMPLES / "script" / "code").iterdir()):
        application.put(f"models/grapes/code/{file.name}", file.read_bytes())
    run = live(application, "grapes")
    assert run["metrics"]["accuracy"]["value"] > 0.85
    assert share_right(application, "grapes", rows, "cultivar") > 0.9
    one = application.predict("grapes", {**{name: None for name in rows[0] if name != "cultivar"}})["predictions"][0]
    assert set(one["probabilities"]) == {"class 0", "class 1", "class 2"}

    application.put("models/grapes/code/train.py", "def main(:\n")
    problem = eventually(
        lambda: (application.api.find("models/grapes") or {}).get("code_problem"), 60, "the mistake is told"
    )
    assert problem["detail"].startswith("code/train.py, line 1: ")
    assert len(application.runs("grapes")) == 1


def test_a_script_that_fails_is_told_in_its_own_words(application: Application) -> None:
    application.settings("broken", "algorithm: {name: script}\n")
    application.put("models/broken/code/train.py", "raise SystemExit('there is no column called vintage')\n")
    application.put("data/broken/wine.csv", as_csv(wine()))

    def failed() -> dict[str, Any] | None:
        runs = application.runs("broken")
        return runs[0] if runs and runs[0]["status"] == "failed" else None

    assert "there is no column called vintage" in eventually(failed, 120, "the run fails")["error"]["detail"]


def test_lightgbm_by_its_name(application: Application) -> None:
    rows = wine()
    application.settings(
        "leaves", "algorithm: {name: lightgbm, hyperparameters: {num_leaves: 8, min_data_in_leaf: 5}}\n"
    )
    application.put("data/leaves/wine.csv", as_csv(rows))
    run = live(application, "leaves")
    assert run["metrics"]["accuracy"]["value"] > 0.85
    assert share_right(application, "leaves", rows, "cultivar") > 0.9
    job = application.client("sagemaker").describe_training_job(TrainingJobName=run["training_job"])
    assert json.loads(job["HyperParameters"]["num_class"]) == 3

"""Script models through the whole application: data and code in the bucket become a live model behind HTTP."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sklearn import datasets
from sklearn.metrics import roc_auc_score

from local_region.sagemaker.environments import cache_folder
from sluicegate import shipped
from sluicegate.domain import tunables
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


def test_lightgbm_by_its_name_is_tuned(application: Application) -> None:
    rows = wine()
    application.settings(
        "leaves",
        "algorithm: {name: lightgbm, hyperparameters: {min_data_in_leaf: 5, num_boost_round: 60}, "
        "tuning: {max_jobs: 2, ranges: {num_leaves: [4, 8], bagging_fraction: [0.6, 1.0]}}}\n",
    )
    application.put("data/leaves/wine.csv", as_csv(rows))
    run = live(application, "leaves")
    assert run["metrics"]["accuracy"]["value"] > 0.85
    assert share_right(application, "leaves", rows, "cultivar") > 0.9
    job = application.client("sagemaker").describe_training_job(TrainingJobName=run["training_job"])
    assert json.loads(job["HyperParameters"]["num_class"]) == 3
    search = run["tuning"]
    assert (search["objective"], run["training_job"]) == ("validation:multi_logloss", search["best"]["job"])
    assert [trial["status"] for trial in search["trials"]] == ["Completed"] * 2
    assert search["best"]["value"] == min(trial["value"] for trial in search["trials"])
    (final,) = job["FinalMetricDataList"]
    assert (final["MetricName"], final["Value"]) == (search["objective"], search["best"]["value"])
    goes_by = application.api.get(f"models/leaves/runs/{run['run']}/report")["importance"]
    assert "LightGBM's gain" in goes_by["reported"]["method"] and len(goes_by["reported"]["columns"]) > 3
    assert "by its container alone" in goes_by["permutation"]["absent"]


def with_catboost() -> list[Path]:
    """The interpreters of script environments that have CatBoost, where a job has made one: it is 100 MB."""
    found = cache_folder().glob("script-environments/script-*/lib/*/site-packages/catboost")
    return [path.parents[3] / "bin" / "python" for path in found if (path.parents[3] / "complete").exists()]


ASK_CATBOOST = """
import train
train.train()
rows = "".join(line.split(",", 1)[1] for line in open("validation/part-0.csv"))
print("answers")
print(train.output_fn(train.predict_fn(train.input_fn(rows, "text/csv"), train.model_fn(".")), "")[0])
"""


def test_catboost_trains_prints_and_serves(tmp_path: Path) -> None:
    """The script itself, as the toolkit would run it: what it prints is what a tuning job of it looks for."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    for name, part in (("train", slice(0, 400)), ("validation", slice(400, None))):
        (tmp_path / name).mkdir()
        table = "\n".join(",".join(map(str, (label, *row))) for label, row in zip(y[part], x[part], strict=True))
        (tmp_path / name / "part-0.csv").write_text(table + "\n")
    (tmp_path / "train.py").write_bytes(shipped.model("catboost")["train.py"])
    given = {"loss_function": "Logloss", "iterations": 30, "early_stopping_rounds": 5, "custom_metric": "AUC"}
    environ = {
        "SM_HPS": json.dumps(given),
        "SM_CHANNEL_TRAIN": "train",
        "SM_CHANNEL_VALIDATION": "validation",
        "SM_MODEL_DIR": ".",
        "OMP_NUM_THREADS": "1",
    }
    for python in with_catboost():
        done = subprocess.run(
            [python, "-c", ASK_CATBOOST], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )
        if "ModuleNotFoundError" not in done.stderr:  # else it lay over an environment that is gone
            break
    else:
        pytest.skip("no job has made CatBoost's environment on this machine")
    assert done.returncode == 0, done.stderr
    printed, _, answers = done.stdout.partition("answers\n")
    regex = tunables.TUNABLE["catboost"].objectives["binary"]["auc"].regex or ""
    values = [float(match) for match in re.findall(regex, printed)]
    assert 2 <= len(values) <= 30
    score = roc_auc_score(y[400:], [float(line) for line in answers.split()])
    assert score == pytest.approx(values[-1], abs=1e-6), "the last line is the kept model's"
    said = json.loads((tmp_path / "importance.json").read_text())["features"]
    assert len(said) == x.shape[1] and sum(said) == pytest.approx(100)

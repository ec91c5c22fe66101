"""LightGBM in the scikit-learn container: trains on the encoded rows, serves its own text format.

Rows: the label first, then the weight if ``csv_weights`` is 1, no header, a missing value is an empty field. Early
stopping watches the loss on the channel ``validation`` (or the first of ``metric``); ``custom_metric`` is printed, too:
a model that is stopped by its ranking alone has hardly begun to tell probabilities. Metric lines are like XGBoost's:
``[3]<tab>train-auc:…<tab>validation-auc:…``. The last is that of the model that is kept: what a tuning job goes by.
Answers: one line a record, the probability of class 1, of each class, or the number.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas

MODEL = "model.txt"
#: below this many bytes a request is split by hand: pandas takes longer to begin
SMALL = 64 * 1024
#: what the report says of the numbers in importance.json
IMPORTANCE = "Share of the loss that the trees' splits on the column took away (LightGBM's gain)."


def table(folder: str) -> Any:
    parts = [pandas.read_csv(path, header=None) for path in sorted(Path(folder).rglob("*.csv"))]
    return pandas.concat(parts).to_numpy(dtype=np.float64)


def data_set(folder: str, weighted: bool, reference: Any = None) -> Any:
    rows = table(folder)
    first = 2 if weighted else 1
    weight = rows[:, 1] if weighted else None
    return lightgbm.Dataset(rows[:, first:], rows[:, 0], weight=weight, reference=reference, free_raw_data=False)


def say(number: int, values: Iterable[tuple[str, str, float]]) -> None:
    print("\t".join([f"[{number}]", *(f"{name}-{metric}:{value:.8g}" for name, metric, value in values)]), flush=True)


def report(environment: Any) -> None:
    """One line a round, but for the last: in its place comes the model's."""
    if environment.iteration < environment.end_iteration - 1:
        say(environment.iteration, [found[:3] for found in environment.evaluation_result_list])


def train() -> None:
    given = json.loads(os.environ["SM_HPS"])
    weighted = str(given.pop("csv_weights", 0)) == "1"
    rounds, patience = int(given.pop("num_boost_round")), int(given.pop("early_stopping_rounds"))
    if printed := given.pop("custom_metric", ""):
        # of the loss's own metric LightGBM knows the objective's name
        given["metric"] = f"{given.get('metric') or given['objective']},{printed}"
    learn = data_set(os.environ["SM_CHANNEL_TRAIN"], weighted)
    sets, names = [learn], ["train"]
    callbacks: list[Any] = [report]
    if "SM_CHANNEL_VALIDATION" in os.environ:
        sets.append(data_set(os.environ["SM_CHANNEL_VALIDATION"], weighted, learn))
        names.append("validation")
        if patience > 0 and given.get("boosting") != "dart":  # dart changes the trees that it has: it can't go back
            callbacks.append(lightgbm.early_stopping(patience, first_metric_only=True, verbose=True))
    model = lightgbm.train(
        {"verbosity": -1, **given}, learn, rounds, valid_sets=sets, valid_names=names, callbacks=callbacks
    )
    kept = model.best_iteration if model.best_iteration > 0 else model.current_iteration()
    scores = ((name, metric, value) for name, found in model.best_score.items() for metric, value in found.items())
    say(kept - 1, scores)
    folder = Path(os.environ["SM_MODEL_DIR"])
    model.save_model(str(folder / MODEL), num_iteration=model.best_iteration)
    gains = model.feature_importance("gain", iteration=model.best_iteration).tolist()
    (folder / "importance.json").write_text(json.dumps({"method": IMPORTANCE, "features": gains}))


def model_fn(model_dir: str) -> Any:
    return lightgbm.Booster(model_file=str(Path(model_dir) / MODEL))


def input_fn(body: str, content_type: str) -> Any:
    if content_type != "text/csv":
        raise ValueError(f"send text/csv, not {content_type}")
    if len(body) > SMALL:
        return pandas.read_csv(io.StringIO(body), header=None).to_numpy(dtype=np.float64)
    lines = body.split("\n")
    return np.array([[float(cell) if cell else math.nan for cell in line.split(",")] for line in lines if line])


def predict_fn(data: Any, model: Any) -> Any:
    return model.predict(data)


def output_fn(prediction: Any, _accept: str) -> tuple[str, str]:
    rows = prediction.tolist()
    lines = [",".join(map(repr, row)) if isinstance(row, list) else repr(row) for row in rows]
    return "\n".join(lines) + "\n", "text/csv"


if __name__ == "__main__":
    train()

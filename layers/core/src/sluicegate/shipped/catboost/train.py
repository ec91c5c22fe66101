"""CatBoost in the scikit-learn container: trains on the encoded rows, serves its own JSON format.

Rows: the label first, then the weight if ``csv_weights`` is 1, no header, a missing value is an empty field. Early
stopping watches the loss (or ``eval_metric``) on the channel ``validation``; ``custom_metric`` is printed, too. Metric
lines are like XGBoost's:
``[3]<tab>train-AUC:…<tab>validation-AUC:…``. The last is that of the model that is kept: what a tuning job goes by.
Answers: one line a record, the probability of class 1, of each class, or the number.
"""

from __future__ import annotations

import io
import json
import math
import os
from pathlib import Path
from typing import Any

import catboost
import numpy as np
import pandas

MODEL = "model.json"
#: below this many bytes a request is split by hand: pandas takes longer to begin
SMALL = 64 * 1024
#: what the report says of the numbers in importance.json
IMPORTANCE = "Share of how much the answer changes when the column does (CatBoost's PredictionValuesChange)."


def pool(folder: str, weighted: bool) -> Any:
    parts = [pandas.read_csv(path, header=None) for path in sorted(Path(folder).rglob("*.csv"))]
    rows = pandas.concat(parts).to_numpy(dtype=np.float64)
    first = 2 if weighted else 1
    return catboost.Pool(rows[:, first:], rows[:, 0], weight=rows[:, 1] if weighted else None)


def say(found: Any, number: int) -> None:
    """The metrics of one round. ``found``: data set → metric → the value after each round."""
    cells = [
        f"{shown}-{metric}:{values[number]:.8g}"
        for name, shown in (("learn", "train"), ("validation", "validation"))
        for metric, values in found.get(name, {}).items()
        if number < len(values)
    ]
    print("\t".join([f"[{number}]", *cells]), flush=True)


class Report:
    """A callback: one line a round, but for the last: in its place comes the model's."""

    def __init__(self, rounds: int) -> None:
        self._rounds = rounds

    def after_iteration(self, info: Any) -> bool:
        if info.iteration < self._rounds:
            say(info.metrics, info.iteration - 1)
        return True


def train() -> None:
    given = json.loads(os.environ["SM_HPS"])
    weighted = str(given.pop("csv_weights", 0)) == "1"
    patience = int(given.pop("early_stopping_rounds"))
    learn = pool(os.environ["SM_CHANNEL_TRAIN"], weighted)
    watched = None
    if "SM_CHANNEL_VALIDATION" in os.environ:
        watched = pool(os.environ["SM_CHANNEL_VALIDATION"], weighted)
    # it takes all cores whatever the machine's settings say
    if os.environ.get("OMP_NUM_THREADS", "").isdigit():
        given.setdefault("thread_count", int(os.environ["OMP_NUM_THREADS"]))
    model = catboost.CatBoost({**given, "allow_writing_files": False, "verbose": 50})
    stop = patience if patience > 0 and watched is not None else None
    model.fit(
        learn,
        eval_set=watched,
        early_stopping_rounds=stop,
        use_best_model=watched is not None,
        callbacks=[Report(int(given["iterations"]))],
    )
    best = model.get_best_iteration()
    say(model.get_evals_result(), model.tree_count_ - 1 if best is None else best)
    folder = Path(os.environ["SM_MODEL_DIR"])
    model.save_model(str(folder / MODEL), format="json")
    (folder / "loss").write_text(given["loss_function"])
    changes = model.get_feature_importance(type="PredictionValuesChange").tolist()
    (folder / "importance.json").write_text(json.dumps({"method": IMPORTANCE, "features": changes}))


def model_fn(model_dir: str) -> Any:
    model = catboost.CatBoost()
    model.load_model(str(Path(model_dir) / MODEL), format="json")
    return model, (Path(model_dir) / "loss").read_text()


def input_fn(body: str, content_type: str) -> Any:
    if content_type != "text/csv":
        raise ValueError(f"send text/csv, not {content_type}")
    if len(body) > SMALL:
        return pandas.read_csv(io.StringIO(body), header=None).to_numpy(dtype=np.float64)
    lines = body.split("\n")
    return np.array([[float(cell) if cell else math.nan for cell in line.split(",")] for line in lines if line])


def predict_fn(data: Any, loaded: tuple[Any, str]) -> Any:
    model, loss = loaded
    if loss == "Logloss":
        return model.predict(data, prediction_type="Probability")[:, 1]
    return model.predict(data, prediction_type="Probability" if loss == "MultiClass" else "RawFormulaVal")


def output_fn(prediction: Any, _accept: str) -> tuple[str, str]:
    rows = prediction.tolist()
    lines = [",".join(map(repr, row)) if isinstance(row, list) else repr(row) for row in rows]
    return "\n".join(lines) + "\n", "text/csv"


if __name__ == "__main__":
    train()

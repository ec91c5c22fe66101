"""Feedback on a region: from a prediction's answer to the next version's training data."""

from __future__ import annotations

import gzip
import json
import random
from typing import Any

from tests.support.application import Application, eventually

MODEL = "told"
SETTINGS = """
retrain: {on: [new_data, feedback], quiet_period: 0s}
algorithm: {hyperparameters: {num_round: 3}}
"""


def table(rows: int) -> str:
    chosen = random.Random(7)
    sizes = [chosen.randint(0, 100) for _ in range(rows)]
    return "size,won\n" + "".join(f"{size},{'yes' if size > 50 else 'no'}\n" for size in sizes)


def test_labels_of_predictions_are_learned_from(application: Application, tmp_path: Any) -> None:
    app = application
    app.put(f"models/{MODEL}/model.yaml", SETTINGS)
    eventually(lambda: app.api.find(f"models/{MODEL}"), 60, "the settings are read")
    app.put(f"data/{MODEL}/a.csv", table(300))
    app.watch(MODEL)
    answer = app.predict(MODEL, {"size": 1}, {"size": 99}, {"size": 51})
    ids = [one["inference_id"] for one in answer["predictions"]]

    outcomes = tmp_path / "outcomes.csv"
    outcomes.write_text(f"inference_id,label\n{ids[0]},no\n{ids[1]},yes\n{ids[2]},perhaps\n{ids[0]},yes\n")
    told = app.sluice("feedback", MODEL, "--file", str(outcomes), "--json", check=False)
    results = json.loads(told.stdout)["results"]
    assert [one.get("reason") for one in results] == [None, None, "unknown_label", "doubled"]

    [logged] = eventually(lambda: app.keys(f"prediction-log/{MODEL}/") or None, 60, "the predictions are in the log")
    rows = [json.loads(line) for line in gzip.decompress(app.read(logged)).splitlines()]
    assert [(row["inference_id"], row["record"], row["slot"]) for row in rows] == [
        (name, {"size": size}, "champion") for name, size in zip(ids, (1, 99, 51), strict=True)
    ]
    [joined] = eventually(lambda: app.keys(f"data/{MODEL}/feedback/") or None, 60, "the labels are data")
    assert [json.loads(line) for line in app.read(joined).splitlines()] == [
        {"size": 1, "won": "no"},
        {"size": 99, "won": "yes"},
    ]

    def learned() -> bool:
        lineage = app.api.find(f"models/{MODEL}/versions/2/lineage")
        return lineage is not None and {(one["key"], one["rows"]) for one in lineage["uploads"]} == {
            (f"data/{MODEL}/a.csv", 300),
            (joined, 2),
        }

    eventually(learned, 120, "a version learned from them")

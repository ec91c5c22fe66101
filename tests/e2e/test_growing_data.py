"""Data that grow, are replaced and are deleted on a region, and the lineage of what learned from them."""

from __future__ import annotations

import random
from typing import Any

from tests.support.application import Application, eventually

KEYS = ("data/grow/a.csv", "data/grow/b.csv")


def table(rows: int, seed: int) -> str:
    chosen = random.Random(seed)
    lines = ["size,kind,won"]
    for _ in range(rows):
        size = chosen.randint(0, 100)
        lines.append(f"{size},{chosen.choice('xyz')},{'yes' if size > 50 else 'no'}")
    return "\n".join(lines) + "\n"


def learned(app: Application) -> set[str] | None:
    """The contents (key and status now) that the last run learned from, once it is over."""
    runs = app.runs("grow")
    if not runs or runs[0]["status"] not in ("rejected", "failed") or app.api.get("models/grow")["active_run"]:
        return None
    assert runs[0]["status"] != "failed", runs[0]
    lineage = app.api.get(f"models/grow/versions/{runs[0]['version']}/lineage")
    return {f"{item['key']} {item['rows']} {item['status']}" for item in lineage["uploads"]}


def test_a_data_set_grows_is_corrected_and_shrinks(application: Application) -> None:
    app = application
    # no version is good enough to serve: deploying each would take most of the test's time and show nothing new
    settings = "algorithm: {hyperparameters: {num_round: 3}}\nevaluation: {metric: logloss, minimum: 1.0e-9}\n"
    app.settings("grow", settings)
    app.put(KEYS[0], table(300, 1))
    app.put(KEYS[1], table(320, 2))
    both = {f"{KEYS[0]} 300 accepted", f"{KEYS[1]} 320 accepted"}
    eventually(lambda: learned(app) == both, 120, "both files are learned")
    # a run may have started with one of them alone: events come in any order and at any time
    first_of_both = app.runs("grow")[0]["version"]
    app.put(KEYS[0], table(340, 3))
    corrected = {f"{KEYS[0]} 340 accepted", f"{KEYS[1]} 320 accepted"}
    eventually(lambda: learned(app) == corrected, 120, "the replaced file is learned instead")
    app.client("s3").delete_object(Bucket=app.target.bucket, Key=KEYS[1])
    eventually(lambda: learned(app) == {f"{KEYS[0]} 340 accepted"}, 120, "the deleted file is left out")

    def gone(upload: dict[str, Any]) -> tuple[str, str]:
        return upload["key"], (upload["withdrawn"] or {}).get("reason", "")

    assert sorted(map(gone, app.uploads("grow"))) == [(KEYS[0], ""), (KEYS[0], "replaced"), (KEYS[1], "deleted")]
    backward = app.sluice("lineage", "grow", "--version", str(first_of_both)).stdout
    assert all(key in backward for key in KEYS)
    forward = app.sluice("lineage", "grow", "--upload", KEYS[1]).stdout
    assert "deleted" in forward.splitlines()[0]
    assert "version" in forward

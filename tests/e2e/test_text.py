"""Reviews as packed lines of JSON and as Parquet: one model of both, live, that reads the words of a request."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import duckdb
import pytest

from tests.support.application import Application, eventually

pytestmark = pytest.mark.e2e

WORDS = ("the", "film", "plot", "actor", "scene", "music", "story", "ending", "was", "is", "a", "very", "quite", "and")


def review(chance: random.Random, liked: bool) -> str:
    words = [*chance.choices(WORDS, k=12), chance.choice(("superb", "moving") if liked else ("dull", "awful"))]
    chance.shuffle(words)
    return " ".join(words)


def reviews(count: int, seed: int) -> list[tuple[int, str, str]]:
    chance = random.Random(seed)
    rows = [(chance.randint(60, 200), chance.random() < 0.5) for _ in range(count)]
    return [(minutes, review(chance, liked), "yes" if liked else "no") for minutes, liked in rows]


def test_reviews_become_a_model_that_reads(application: Application, tmp_path: Path) -> None:
    application.settings(
        "reviews",
        "target: liked\nweights: {classes: balanced}\nevaluation: {metric: auc, minimum: 0.9}\n"
        'features: {dates: {film.seen: "%d/%m/%Y"}}\n',
    )
    lines = [
        json.dumps(
            {"film": {"minutes": minutes, "seen": f"{minutes % 28 + 1}/12/2025"}, "review": text, "liked": liked}
        )
        for minutes, text, liked in reviews(500, seed=1)
    ]
    lines[10:10] = ['{"film": {"minutes": 90}, "review": [{"a": "list"}], "liked": "no"}', "{broken"]
    application.put("data/reviews/2026/05/may.jsonl.gz", gzip.compress("\n".join(lines).encode()))
    parquet = tmp_path / "june.parquet"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE rows (minutes SMALLINT, review VARCHAR, liked VARCHAR, country VARCHAR)")
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?, 'fr')", [list(row) for row in reviews(300, seed=2)])
        film = "{'minutes': minutes, 'seen': DATE '2025-12-01' + minutes % 28} AS film"
        connection.execute(f"COPY (SELECT {film}, * EXCLUDE minutes FROM rows) TO '{parquet}' (FORMAT parquet)")
    application.put("data/reviews/2026/june.parquet", parquet.read_bytes())

    eventually(
        lambda: [u["status"] for u in application.uploads("reviews")] == ["accepted"] * 2, 60, "both uploads are read"
    )
    by_key = {upload["key"].rpartition("/")[2]: upload for upload in application.uploads("reviews")}
    may, june = by_key["may.jsonl.gz"], by_key["june.parquet"]
    assert (may["accepted_rows"], may["rejected_rows"], june["accepted_rows"]) == (500, 2, 300)
    assert any(note.startswith("line 11: review: a list of objects") for note in may["notes"])

    def both() -> dict[str, object] | None:
        runs = application.runs("reviews")
        whole = [run for run in runs if sum((run.get("rows") or {"": 0}).values()) == 800 and run["status"] == "live"]
        if not whole:
            return None
        # what requests are read by follows what the registry says, a moment later
        lanes = json.loads(application.read("routing/reviews.json"))["lanes"]
        live = application.api.get("models/reviews")
        return live if [lane["version"] for lane in lanes] == [whole[0]["version"]] == [live["live_version"]] else None

    live = eventually(both, 150, "a version of all 800 rows is live")
    columns = {column["name"]: column["type"] for column in live["schema"]["columns"]}  # type: ignore[index]
    assert columns["review"] == "text" and columns["film.minutes"] == "number" and columns["film.seen"] == "date"
    (run, *_) = application.runs("reviews")
    assert run["metrics"]["auc"]["value"] > 0.95
    told = [note for one in application.runs("reviews") for note in one["notes"]]
    assert any("review is taken as text" in note for note in told)

    awful = "the film was a very AWFUL story and the music is the plot"
    answer = application.predict(
        "reviews",
        {"film": {"minutes": 100, "seen": "24/12/2025"}, "review": "The scene and the music: SUPERB!", "country": None},
        {"film.minutes": 100, "film.seen": "2025-12-03", "review": f"{awful}, quite awful", "country": "fr"},
        {"film": None, "review": None, "country": None},
    )
    assert [one["prediction"] for one in answer["predictions"]][:2] == ["yes", "no"]
    version = f"datasets/reviews/{run['dataset_version']}/"
    assert f"{version}train/part-00000.libsvm" in application.keys(version)

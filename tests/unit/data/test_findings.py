"""What a data set tells of its rows, from the file to the notes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sluicegate.data import findings as module
from sluicegate.data.build import DatasetBuild, build_dataset
from sluicegate.data.ingest import read_upload
from sluicegate.domain.settings import ModelSettings

Make = Callable[..., DatasetBuild]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def call(header: str, rows: list[str], **given: Any) -> DatasetBuild:
        source, settings = tmp_path / "rows.csv", ModelSettings.model_validate({"id_column": "id", **given})
        source.write_text("\n".join([header, *rows]) + "\n")
        reading = read_upload(
            source, key="data/m/rows.csv", settings=settings, known=None, workdir=tmp_path / "read", memory_limit_mb=200
        )
        return build_dataset(
            [reading.parquet], settings=settings, champion=None, workdir=tmp_path / "build", memory_limit_mb=200
        )

    return call


def kinds(made: DatasetBuild) -> dict[str, list[str]]:
    return {found["kind"]: found["columns"] for found in made.profile["findings"]}


HEADER = "id,age,plan,refund,left_on,reason,since,churned"


def churn(count: int = 1_500) -> list[str]:
    """``refund`` and ``left_on`` are known of those who left, ``reason`` of half of them."""
    chosen, rows = random.Random(4), []
    for index in range(count):
        gone = chosen.random() < 0.3
        refund = f"{chosen.uniform(1, 50):.2f}" if gone else "0"
        day, why = (f"2026-01-{chosen.randint(1, 28):02d}", chosen.choice(["slow", ""])) if gone else ("", "")
        age, since = f"{chosen.gauss(40 + 6 * gone, 9):.1f}", f"2025-{chosen.randint(1, 12):02d}-03"
        rows.append(f"k{index},{age},{chosen.choice('abc')},{refund},{day},{why},{since},{'yes' if gone else 'no'}")
    return rows


def test_columns_that_predict_the_target_alone(make: Make) -> None:
    made = make(HEADER, churn())
    first, second = made.profile["findings"]
    assert (first["kind"], first["columns"], first["measure"]) == ("predicts_target", ["refund"], "AUC")
    assert first["values"][0] > 0.999
    assert (second["columns"], second["class"], second["filled"]) == (["left_on", "reason"], "yes", True)
    assert made.notes[:2] == [first["text"], second["text"]]
    assert first["text"].startswith("refund (AUC 1) predicts churned by itself; the next best column is age (0.")
    assert first["text"].endswith(
        ". If it is only known after the outcome, it leaks the label: leave it out with features.exclude: [refund] in "
        "model.yaml."
    )
    assert second["text"].startswith(
        "Where churned is yes, these are filled in much more often than elsewhere: left_on (100 % against 0 %), "
    )
    [alone] = make(HEADER, churn(), features={"exclude": ["refund", "left_on"]}).profile["findings"]
    assert alone["text"].startswith("reason is filled in for ") and "where churned is yes, and for 0 %" in alone["text"]


def test_nothing_is_told_of_what_is_left_out_or_of_usual_columns(make: Make) -> None:
    made = make(HEADER, churn(), features={"exclude": ["refund", "left_on", "reason"]})
    assert made.profile["findings"] == []


def test_the_same_rows_are_told_of_alike(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_COMPARED", 200)
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    first, again = make(HEADER, churn()), make(HEADER, churn())
    assert first.profile == again.profile and len(first.profile["findings"]) == 2


def test_an_unsupervised_model_is_told_nothing(make: Make) -> None:
    made = make(HEADER, churn(300), algorithm={"name": "kmeans"})
    assert made.profile["findings"] == []


def test_a_number_that_is_another_with_tax(make: Make) -> None:
    chosen = random.Random(5)
    amounts = [chosen.lognormvariate(3, 1.5) for _ in range(1_000)]
    rows = [f"r{i},{y * 1.19:.2f},{chosen.random():.3f},{y:.2f}" for i, y in enumerate(amounts)]
    assert kinds(make("id,gross,other,net", rows)) == {"predicts_target": ["gross"]}


def test_equal_rows_with_other_labels(make: Make) -> None:
    chosen = random.Random(6)
    rows = [f"r{i},{chosen.randint(1, 4)},{chosen.choice('xyz')},{chosen.choice('pq')}" for i in range(1_000)]
    [found] = make("id,a,b,y", rows).profile["findings"]
    assert found["kind"] == "contradicting_labels" and found["contradicting"] == found["rows"] == 1_000
    assert found["text"].startswith(
        "100 % of the rows have the same features as another row but a different y, so no model can be right about more"
    )
    rows = [f"r{i},{i % 5},{i % 7},{i % 35 + chosen.gauss(0, 5):.2f}" for i in range(1_000)]
    [found] = make("id,a,b,y", rows).profile["findings"]
    assert found["kind"] == "contradicting_labels" and "can have R² above 0.8" in found["text"]


def test_rows_held_out_that_are_learned_from(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = random.Random(7)
    rows = [f"{chosen.gauss(0, 1):.5f},{chosen.gauss(0, 1):.5f},{chosen.choice('pq')}" for _ in range(800)]
    twice = [f"r{i},{row}" for i, row in enumerate(rows + rows[:400])]
    [found] = make("id,a,b,y", twice).profile["findings"]
    assert found["kind"] == "held_out_duplicates" and found["learned"] == found["copied"] >= 60
    assert "100 % of those the same y, too" in found["text"]
    assert make("id,a,b,y", twice, id_column=None, features={"exclude": ["id"]}).profile["findings"] != []
    # without an id, rows that are equal in all stay together
    assert make("a,b,y", rows + rows[:400], id_column=None).profile["findings"] == []
    # of many rows a part is compared, and all that are equal to one of them
    monkeypatch.setattr(module, "_COMPARED", 300)
    [found] = make("id,a,b,y", twice).profile["findings"]
    assert 20 < found["held"] < 120 and "rows were looked at" in found["text"]
    assert found["learned"] == found["copied"] > 5


def test_few_cells_make_equal_rows_by_chance(make: Make) -> None:
    chosen = random.Random(8)
    rows = [f"r{i},{chosen.randint(1, 4)},{chosen.randint(1, 9)},{chosen.choice('xyz')}" for i in range(1_000)]
    rows = [f"{row},{'p' if row.endswith('x') else 'q'}" for row in rows]
    assert "held_out_duplicates" not in kinds(make("id,a,b,c,y", rows))


def test_what_a_target_looks_like(make: Make) -> None:
    chosen = random.Random(9)
    few = [f"r{i},{chosen.random():.5f},{chosen.randint(1, 14)}" for i in range(600)]
    assert kinds(make("id,a,y", few)) == {"few_values": ["y"]}
    assert kinds(make("id,a,y", few, problem="regression")) == {}
    visits = [f"r{i},{chosen.random():.5f},{min(int(chosen.expovariate(0.25)), 14)}" for i in range(600)]
    assert kinds(make("id,a,y", visits)) == {}
    mostly = [f"r{i},{chosen.random():.5f},{0 if i % 40 else chosen.random():.3f}" for i in range(1_000)]
    [found] = make("id,a,y", mostly).profile["findings"]
    assert found["text"].startswith("y is 0 in 97.") and found["kind"] == "mostly_one_value"
    rare = [f"r{i},{chosen.random():.5f},{'rare' if i % 25 == 0 else chosen.choice('pq')}" for i in range(700)]
    [found] = make("id,a,y", rare).profile["findings"]
    assert found["kind"] == "few_held_out" and found["classes"] == {"rare": found["classes"]["rare"]}
    assert f"fewer than 10 held-out rows: rare ({found['classes']['rare']})" in found["text"]


def test_a_row_number(make: Make) -> None:
    chosen = random.Random(10)
    rows = [f"r{i},{5_000 + i},{chosen.randint(1, 10**6)},{chosen.choice('pq')}" for i in range(400)]
    assert kinds(make("id,policy,amount,y", rows)) == {"row_number": ["policy"]}
    # the same number twice, or many gaps: no row number
    assert kinds(make("id,policy,amount,y", [*rows[:-1], rows[0].replace("r0,", "r400,")])) == {}


def test_texts_and_dates_are_looked_at_too(make: Make) -> None:
    chosen, rows = random.Random(11), []
    words = ["good", "bad", "slow", "fast", "new", "old", "cheap", "dear", "late", "early"]
    for index in range(600):
        gone = index % 3 == 0
        note = " ".join(chosen.choices(words, k=8)) + f" {chosen.choice(words)}" if gone else ""
        rows.append(f"r{index},{note},20{25 + gone}-0{chosen.randint(1, 9)}-01,{'yes' if gone else 'no'}")
    made = make("id,note,day,y", rows)
    assert {column.name: column.type for column in made.schema.columns}["note"] == "text"
    assert kinds(made) == {"predicts_target": ["day"], "missing_predicts_target": ["note"]}


def test_an_id_of_what_several_rows_share(make: Make) -> None:
    chosen, people = random.Random(12), {f"p{index}": random.Random(index).choice("pq") for index in range(150)}
    rows = [f"r{i},{name},{chosen.random():.5f},{people[name]}" for i, name in enumerate(sorted(people) * 8)]
    [found] = make("id,who,a,y", rows).profile["findings"]
    assert found["columns"] == ["who"]
    assert "If who stands for what several rows share, such as a person, set id_column to it" in found["text"]
    assert make("id,who,a,y", rows, id_column="who").profile["findings"] == []


def test_rows_of_few_kinds_are_compared_in_a_part_that_has_all_kinds(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(13)
    rows = [f"r{i},{chosen.randint(1, 3)},{chosen.choice('xyz')},{chosen.choice('pq')}" for i in range(2_000)]
    monkeypatch.setattr(module, "_COMPARED", 400)
    [found] = make("id,a,b,y", rows).profile["findings"]
    assert found["kind"] == "contradicting_labels" and found["contradicting"] == found["rows"] == pytest.approx(
        400, abs=9
    )

"""The training profile's distributions: against counting the training rows one by one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sluicegate.data import row_sample as module
from sluicegate.data.build import DatasetBuild, build_dataset, dataset_json
from sluicegate.data.ingest import read_upload
from sluicegate.domain.distribution import Distribution, of_profile
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import split_of

Make = Callable[[str], DatasetBuild]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def call(content: str) -> DatasetBuild:
        source, settings = tmp_path / "rows.csv", ModelSettings(id_column="id", target="y")
        source.write_text(content)
        reading = read_upload(
            source, key="data/m/rows.csv", settings=settings, known=None, workdir=tmp_path / "read", memory_limit_mb=200
        )
        return build_dataset(
            [reading.parquet], settings=settings, champion=None, workdir=tmp_path / "build", memory_limit_mb=200
        )

    return call


def rows(count: int) -> list[tuple[str, str, str, str, str]]:
    chosen = random.Random(5)
    return [
        (
            f"r{index}",
            chosen.choice(["", f"{chosen.gauss(0, 10):.3f}", "0"]),
            chosen.choice(["a", "b", "b", "", "c"]),
            chosen.choice(["true", "false"]),
            chosen.choice(["no", "yes"]),
        )
        for index in range(count)
    ]


def text(given: list[tuple[str, str, str, str, str]]) -> str:
    return "id,amount,plan,active,y\n" + "".join(",".join(row) + "\n" for row in given)


def test_the_training_rows_are_counted(make: Make) -> None:
    given = rows(2_000)
    made = make(text(given))
    found = of_profile(dataset_json(made, [], "v")["profile"])
    assert set(found) == {"amount", "plan", "active"}
    train = [row for row in given if split_of(row[0], 0.15, 0.15) == "train"]
    amounts = [float(row[1]) if row[1] else None for row in train]
    amount = found["amount"]
    assert amount.rows == len(train) and amount.counting(amounts) == amount
    assert len(amount.edges) == len(set(amount.edges)) <= 9
    plan = Counter(row[2] for row in train)
    assert dict(zip(found["plan"].values, found["plan"].counts, strict=False)) == {
        name: count for name, count in plan.items() if name
    }
    assert (found["plan"].missing, found["plan"].counts[-1]) == (plan[""], 0)
    assert found["active"] == found["active"].counting([row[3] == "true" for row in train])
    assert Distribution.from_json(amount.to_json()) == amount


def test_of_many_rows_a_part_is_counted_the_same_each_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS", 100)
    monkeypatch.setattr(module, "_FEWEST", 50)
    first, again = make(text(rows(2_000))).profile, make(text(rows(2_000))).profile
    assert first == again
    assert 90 <= of_profile(first)["amount"].rows <= 150


def test_many_categories_keep_the_most_frequent(make: Make) -> None:
    given = [(f"r{i}", "1", f"p{i % 60 if i % 2 else i % 10}", "true", "no" if i % 3 else "yes") for i in range(3_000)]
    found = of_profile(make(text(given)).profile)
    plan = found["plan"]
    assert len(plan.values) == 30 and plan.counts[-1] > 0 and plan.counts[0] == max(plan.counts[:-1])
    # a column of one number has one bin
    assert "amount" not in found or found["amount"].edges == ()


def test_a_data_set_from_before_has_none() -> None:
    assert of_profile({"columns": [{"name": "age", "type": "number", "missing": 0}]}) == {}
    assert of_profile({}) == {}

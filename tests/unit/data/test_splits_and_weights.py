"""Splits by time as data grow, and rows that count more than others."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sluicegate.data.build import DatasetBuild, build_dataset, dataset_json
from sluicegate.data.ingest import UploadReading, read_upload
from sluicegate.domain import algorithms
from sluicegate.domain.algorithms.xgboost import XGBoost
from sluicegate.domain.dataset import read_dataset_json
from sluicegate.domain.errors import SettingsError, UnusableData
from sluicegate.domain.schema import Problem
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.settings_reader import parse_settings

Build = Callable[..., DatasetBuild]
BY_TIME = {"by": "time", "column": "at"}


@pytest.fixture
def build(tmp_path: Path) -> Build:
    count = 0
    readings: dict[str, UploadReading] = {}  # what was read once is the same when it is read again

    def call(*uploads: list[tuple[Any, ...]], champion: DatasetBuild | None = None, **given: Any) -> DatasetBuild:
        nonlocal count
        settings, parts, known = ModelSettings.model_validate(given), [], None
        for rows in uploads:
            count += 1
            same = repr((rows, given, known))
            if same not in readings:
                source = tmp_path / f"{count}.csv"
                with source.open("w", newline="") as file:
                    writer = csv.writer(file)
                    writer.writerow(["n", "at", "w", "y"])
                    writer.writerows(rows)
                work = tmp_path / f"read{count}"
                readings[same] = read_upload(
                    source, key="data/m/a.csv", settings=settings, known=known, workdir=work, memory_limit_mb=200
                )
            reading = readings[same]
            known = reading.schema
            parts.append(reading.parquet)
        return build_dataset(
            parts,
            settings=settings,
            champion=read_dataset_json(dataset_json(champion, [], "champion")) if champion else None,
            workdir=tmp_path / f"build{count}",
            memory_limit_mb=200,
        )

    return call


def rows(start: int, count: int, *, seed: int = 1) -> list[tuple[Any, ...]]:
    """Row ``n`` is of the day ``n``; shuffled, because files are not in order."""
    chosen = random.Random(seed)
    found = [
        (n, f"2{n // 336:03}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}", n % 5, "a" if n % 3 else "b")
        for n in range(start, start + count)
    ]
    chosen.shuffle(found)
    return found


def numbers(made: DatasetBuild, folder: str) -> set[float]:
    """The ``n`` of the rows in a folder: the first feature."""
    skip = 0 if "holdout" in folder else 1
    files = made.files[folder]
    return {float(line.split(",")[skip]) for file in files for line in file.read_text().splitlines()}


def test_the_newest_rows_are_held_out(build: Build) -> None:
    made = build(rows(0, 400), split=BY_TIME)
    assert max(numbers(made, "train")) < min(numbers(made, "validation"))
    assert max(numbers(made, "validation")) < min(numbers(made, "holdout"))
    assert abs(made.counts["holdout"] - 60) <= 1 and abs(made.counts["validation"] - 60) <= 1
    document = dataset_json(made, [], "v")["split"]
    assert document["by"] == "time" and document["column"] == "at"
    assert document["validation_from"] < document["holdout_from"]


GROWING = [rows(100 * index, 100) for index in range(4)]
RANK = {"train": 0, "validation": 1, "holdout": 2}


@pytest.fixture
def straight(build: Build) -> DatasetBuild:
    """Of all uploads, in the order of time."""
    return build(*GROWING, split=BY_TIME)


@hypothesis_settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(4)))
def test_growing_in_any_order_ends_in_the_same_split(build: Build, straight: DatasetBuild, order: list[int]) -> None:
    whole = build(*[GROWING[index] for index in order], split=BY_TIME)
    for folder in RANK:
        assert numbers(whole, folder) == numbers(straight, folder)
    assert whole.split == straight.split


def test_in_the_order_of_time_no_row_goes_back(build: Build, straight: DatasetBuild) -> None:
    before: dict[float, int] = {}
    for made in [*(build(*GROWING[:count], split=BY_TIME) for count in range(1, 4)), straight]:
        now = {number: place for folder, place in RANK.items() for number in numbers(made, folder)}
        assert all(now[number] <= place for number, place in before.items())
        before = now


@hypothesis_settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(range(4)))
def test_no_version_is_judged_on_what_the_live_one_learned(build: Build, order: list[int]) -> None:
    """Whatever comes when, rows of the past, too: the champion's training rows are in no later holdout."""
    uploads = [rows(150 * index, 150) for index in range(4)]
    champion: DatasetBuild | None = None
    for count in range(1, 5):
        made = build(*[uploads[index] for index in order[:count]], champion=champion, split=BY_TIME)
        if champion is not None:
            learned = numbers(champion, "train") | numbers(champion, "validation")
            assert not learned & numbers(made, "holdout")
            assert not (numbers(made, "train") | numbers(made, "validation")) & numbers(made, "holdout")
        assert len(numbers(made, "holdout")) == made.counts["holdout"] > 0
        champion = made


def test_late_rows_of_the_past_leave_some_unused(build: Build) -> None:
    champion = build(rows(1000, 200), split=BY_TIME)
    made = build(rows(1000, 200), rows(0, 600), champion=champion, split=BY_TIME)
    assert "unused_before" in made.split and any("used for nothing" in note for note in made.notes)
    assert numbers(made, "holdout") == numbers(champion, "holdout")
    assert sum(made.counts.values()) < 800


def test_a_time_that_is_read_otherwise_than_before_is_told(build: Build) -> None:
    seconds = [(n, 1_700_000_000 + 86_400 * n, n % 5, "a" if n % 3 else "b") for n in range(300)]
    champion = build(seconds, split=BY_TIME)
    made = build(seconds, champion=champion, split=BY_TIME, features={"dates": {"at": "epoch_seconds"}})
    assert (champion.split["holdout_from"], made.split["holdout_from"][:5]) == (1_721_945_600, "2024-")
    assert any("can't be told which rows the version that serves has learned" in note for note in made.notes)


def test_time_may_be_a_number_and_must_be_there(build: Build) -> None:
    made = build(rows(0, 300), split={"by": "time", "column": "n"})
    assert max(numbers(made, "validation")) < min(numbers(made, "holdout"))
    for column, said in (("when", "no such column"), ("y", "it is a category")):
        with pytest.raises(UnusableData, match=said):
            build(rows(0, 300), split={"by": "time", "column": column}, target="w")
    with pytest.raises(UnusableData, match="same value"):
        build([(n, "2026-01-01", 1, "ab"[n % 2]) for n in range(200)], split=BY_TIME)
    some = [(n, "" if n % 10 == 0 else at, w, y) for n, at, w, y in rows(0, 400)]
    missing = build(some, split=BY_TIME)
    assert any("40 rows without at count as the oldest" in note for note in missing.notes)
    assert set(range(0, 400, 10)) <= numbers(missing, "train")


def test_balanced_classes_count_the_same(build: Build) -> None:
    made = build(rows(0, 400), weights={"classes": "balanced"})
    lines = [line.split(",") for line in made.files["train"][0].read_text().splitlines()]
    total = {label: sum(float(line[1]) for line in lines if line[0] == label) for label in ("0", "1")}
    assert total["0"] == pytest.approx(total["1"], rel=1e-4)
    assert sum(total.values()) == pytest.approx(len(lines), rel=1e-4)
    assert len(lines[0]) == len(made.encoder.feature_names) + 2
    assert len(made.files["holdout"][0].read_text().splitlines()[0].split(",")) == len(made.encoder.feature_names)


def test_a_column_of_weights(build: Build) -> None:
    content = [(n, at, -1 if n == 7 else "" if n == 8 else w, y) for n, at, w, y in rows(0, 400)]
    made = build(content, weights={"column": "w"})
    assert "w" not in made.schema.names and sum(made.counts.values()) == 398
    assert any("2 rows are left out: w is missing or negative" in note for note in made.notes)
    for line in made.files["train"][0].read_text().splitlines():
        _, weight, n, *_ = line.split(",")
        assert float(weight) == float(n) % 5
    with pytest.raises(UnusableData, match=r"'no' as weights\.column"):
        build(rows(0, 100), weights={"column": "no"})
    with pytest.raises(UnusableData, match="No row has a weight above 0"):
        build([(n, at, 0, y) for n, at, _, y in rows(0, 100)], weights={"column": "w"})
    with pytest.raises(UnusableData, match="No row has a weight above 0"):
        build([(n, at, -(n % 2), y) for n, at, _, y in rows(0, 100)], weights={"column": "w"})
    # negative ones cancel nothing
    even = build([(n, at, 1 if n % 7 else -6, y) for n, at, _, y in rows(0, 588)], weights={"column": "w"})
    assert sum(even.counts.values()) == 504


def test_weights_in_libsvm_as_xgboost_reads_them(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sluicegate.domain.algorithms.of", lambda _: XGBoost("libsvm"))
    made = build(rows(0, 300), weights={"column": "w"})
    matrix = xgboost.DMatrix(f"{made.files['train'][0]}?format=libsvm")
    first = matrix.get_data()[:, [0]].toarray().ravel()
    assert np.array_equal(matrix.get_weight(), first % 5)


def test_hyperparameters_say_that_there_are_weights() -> None:
    settings = parse_settings("weights: {classes: balanced}")
    problem = Problem("binary", ("a", "b"), "b")
    counts = {"train": 100, "validation": 10, "holdout": 10}
    built_in = XGBoost()
    assert built_in.job_hyperparameters(settings, problem, counts, 3, "csv")["csv_weights"] == "1"
    assert "csv_weights" not in built_in.job_hyperparameters(settings, problem, counts, 3, "libsvm")
    assert "csv_weights" not in built_in.job_hyperparameters(ModelSettings(), problem, counts, 3, "csv")
    linear = algorithms.named("linear-learner")
    settings = parse_settings("{algorithm: {name: linear-learner}, weights: {classes: balanced}}")
    found = linear.job_hyperparameters(settings, problem, counts, 3, "csv")
    assert found["positive_example_weight_mult"] == "balanced"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("weights: {classes: balanced, column: w}", "weights: given .*either classes: balanced or column"),
        ("weights: {}", "either classes: balanced or column"),
        ("weights: {classes: equal}", 'weights.classes: given "equal"; accepted is balanced'),
        ("{target: w, weights: {column: w}}", "weights.column: given 'w', which is the target"),
        ("{algorithm: {name: knn}, weights: {column: w}}", "weights.column: knn takes no weights; .*xgboost"),
        ("{algorithm: {name: knn}, weights: {classes: balanced}}", "weights.classes: knn can't balance classes"),
        ("{problem: regression, weights: {classes: balanced}}", "weights.classes: a regression problem has no classes"),
        ("split: {by: time}", "split: given .*by: time needs column"),
        ("split: {column: at}", "column needs by: time"),
        ("split: {by: place}", 'split.by: given "place"; accepted is hash or time'),
        ("{target: at, split: {by: time, column: at}}", "split.column: given 'at', which is the target"),
    ],
)
def test_mistakes_in_settings(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        parse_settings(text)


def test_what_changes_the_data_set_changes_its_name() -> None:
    plain = ModelSettings().preparation_fingerprint()
    assert parse_settings("split: {by: hash}").preparation_fingerprint() == plain
    others = {
        parse_settings(text).preparation_fingerprint()
        for text in ("split: {by: time, column: at}", "weights: {classes: balanced}", "weights: {column: w}")
    }
    assert len(others) == 3 and plain not in others

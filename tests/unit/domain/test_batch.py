"""What a batch is called, and that no name can be taken for another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain import names
from sluicegate.domain.batch import file_format, place, rejects_key, result_key, taken
from sluicegate.domain.schema import Problem

MODELS = st.from_regex(r"\A[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z")
RUNS, BATCHES = st.from_regex(r"\A[0-9a-f]{8}\Z"), st.from_regex(r"\A[0-9a-f]{9}\Z")


@given(MODELS, RUNS, BATCHES)
def test_the_jobs_of_runs_and_batches_are_never_taken_for_each_other(model: str, run: str, batch: str) -> None:
    prefix = "a123456789"
    name = names.batch_transform(prefix, model, batch)
    assert len(name) <= 63
    assert names.batch_owner(prefix, name) == (model, batch)
    assert names.owner(prefix, name) is None
    for other in (names.training_job(prefix, model, run), names.champion_transform(prefix, model, run)):
        assert names.batch_owner(prefix, other) is None
        assert not other.endswith("-b")


def test_a_write_is_a_batch_of_its_own() -> None:
    one = names.batch_id("bucket", "batch/a/x.csv", '"etag"', "01")
    assert one == names.batch_id("bucket", "batch/a/x.csv", "etag", "01")
    others = [
        names.batch_id("bucket", "batch/a/x.csv", "etag", "02"),
        names.batch_id("bucket", "batch/a/y.csv", "etag", "01"),
        names.batch_id("other", "batch/a/x.csv", "etag", "01"),
    ]
    assert len({one, *others}) == 4


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("batch/x.csv", "directly under batch/"),
        ("batch/X/x.csv", "can't be a model's name"),
        ("batch/a/x.txt", "'x.txt' is not read"),
        ("batch/a/.csv", "'.csv' is not read"),
        ("batch/a/version=3", "'version=3' is not read"),
        ("batch/a/version=0/x.csv", "names no version"),
        ("batch/a/version=1000000/x.csv", "names no version"),
        ("batch/a/version=\u0663/x.csv", "names no version"),
        ("batch/a/x.csv.rejects.csv", "those of reports"),
    ],
)
def test_a_place_that_is_none_says_why(key: str, problem: str) -> None:
    found = place(key)
    assert found is not None
    assert problem in found.problem


@pytest.mark.parametrize("key", ["batch/", "batch/a/", "batch/a/version=3/", "data/a/x.csv", "batches/a/x.csv"])
def test_what_is_no_file_of_a_batch_is_passed_over(key: str) -> None:
    assert place(key) is None


def test_results_keep_the_name_and_no_two_files_share_one() -> None:
    keys = ["batch/a/x.csv", "batch/a/version=1/x.csv", "batch/a/x.csv.gz", "batch/b/x.csv", "batch/a/b/x.parquet"]
    results = [result_key(key) for key in keys] + [rejects_key(key) for key in keys]
    assert len(set(results)) == 2 * len(keys)
    assert [file_format(key) for key in keys] == [file_format(result_key(key)) for key in keys]


def test_columns_that_the_result_adds_are_taken_whatever_their_case() -> None:
    binary = Problem("binary", ("no", "yes"), "yes")
    assert taken(["age", "Prediction", "probability_YES", "probability_maybe"], binary) == [
        "Prediction",
        "probability_YES",
    ]
    assert taken(["component_7", "component_x", "prediction"], Problem("decomposition")) == ["component_7"]

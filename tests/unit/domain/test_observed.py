"""Counting what a version saw, line by line: the same counts as over all of it at once, and as numpy's."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain import observed
from sluicegate.domain.algorithms.base import decoded
from sluicegate.domain.distribution import Distribution
from sluicegate.domain.evaluation import predicted
from sluicegate.domain.observed import Observed, score, spoken, truth
from sluicegate.domain.schema import Column, Problem

BINARY = Problem("binary", ("no", "yes"), "yes")
COLUMNS = (Column("age", "number"), Column("plan", "category"), Column("member", "boolean"), Column("note", "text"))
TRAINED = {
    "age": Distribution("number", (10.0, 20.0), (), (5, 5, 5)),
    "plan": Distribution("category", (), ("a", "b"), (5, 5, 0)),
    "member": Distribution("category", (), ("true", "false"), (5, 5, 0)),
}
NUMBERS = st.floats(-1e6, 1e6)


def line(number: int, record: Any, **more: Any) -> dict[str, Any]:
    return {"inference_id": str(number), "record": record, "probabilities": {"no": 0.75, "yes": 0.25}} | more


def watching(labels: dict[str, float] | None = None, problem: Problem = BINARY) -> Observed:
    return Observed(COLUMNS, TRAINED, Distribution("number", (0.5,), (), (1, 1)), problem, labels or {})


@given(
    st.lists(st.one_of(NUMBERS, st.none()), max_size=40), st.lists(NUMBERS, min_size=1, max_size=30), st.integers(1, 7)
)
def test_bins_are_numpys_however_the_lines_are_cut(
    given_: list[float | None], trained: list[float], batch: int
) -> None:
    bins = Distribution.of_numbers(trained)
    before = observed._BATCH
    observed._BATCH = batch
    try:
        found = Observed((Column("age", "number"),), {"age": bins}, None, BINARY, {})
        for number, value in enumerate(given_):
            found.count(line(number, {"age": value}))
        seen = found.seen["age"]
    finally:
        observed._BATCH = before
    known = np.array([value for value in given_ if value is not None])
    expected, _ = np.histogram(-known, bins=[-math.inf, *(-edge for edge in reversed(bins.edges)), math.inf])
    assert seen.counts == tuple(expected[::-1])  # negated: numpy's bins are open above, ours below
    assert (seen.missing, seen.rows) == (given_.count(None), len(given_))


def test_values_are_those_that_the_model_read() -> None:
    found = watching()
    found.count(line(1, {"age": 15, "plan": " a ", "member": True, "note": "x"}))
    found.count(line(2, {"age": " 15 ", "plan": " a ", "member": "yes"}, csv=True))
    found.count(line(3, {"age": "15", "plan": 3, "member": "yes"}))  # JSON has types: no request held these
    found.count(line(4, {"plan": "NA"}, csv=True))
    found.count(line(5, {"age": 1e400, "plan": "c"}))
    seen = found.seen
    assert (seen["age"].counts, seen["age"].missing) == ((0, 2, 0), 3)
    assert (seen["plan"].counts, seen["plan"].missing) == ((1, 0, 2), 2)
    assert (seen["member"].counts, seen["member"].missing) == ((2, 0, 0), 3)
    assert "note" not in seen


def test_each_prediction_counts_once_and_each_label_joins_one() -> None:
    found = watching({"1": 1.0, "9": 0.0})
    for _ in range(2):
        found.count(line(1, {"age": 15}))
        found.join(line(1, {"age": 15}))
    found.count(line(2, None))
    assert (found.rows, found.without_record) == (2, 1)
    assert (found.truth, found.scores) == ([1.0], [0.25])
    assert found.predicted == Distribution("number", (0.5,), (), (2, 0))
    found.join(line(9, {}, probabilities={"no": 0.5}))  # a class is missing: nothing to join
    found.join(line(9, {}))
    assert found.truth == [1.0, 0.0]


@pytest.mark.parametrize(
    ("problem", "said", "distribution", "metrics"),
    [
        (BINARY, {"prediction": "yes", "probabilities": {"no": 0.2, "yes": 0.8}}, 0.8, 0.8),
        (BINARY, {"prediction": "yes", "probabilities": {"no": 0.2, "yes": "0.8"}}, None, None),
        (BINARY, {"prediction": "yes"}, None, None),
        (
            Problem("multiclass", ("a", "b", "c")),
            {"prediction": "b", "probabilities": {"a": 0.2, "b": 0.5, "c": 0.3}},
            "b",
            (0.2, 0.5, 0.3),
        ),
        (Problem("multiclass", ("a", "b", "c")), {"prediction": 1}, None, None),
        (Problem("regression"), {"prediction": 7}, 7.0, 7.0),
        (Problem("regression"), {"prediction": float("inf")}, None, None),
        (Problem("regression"), {"prediction": 10**400}, None, None),
        (Problem("regression"), {"prediction": True}, None, None),
        (Problem("clustering"), {"prediction": 3, "distance": 0.1}, 3.0, None),
        (Problem("decomposition"), {"prediction": [1.0, 2.0]}, None, None),
    ],
)
def test_what_a_prediction_says(problem: Problem, said: dict[str, Any], distribution: Any, metrics: Any) -> None:
    assert spoken(problem, said) == distribution
    assert score(problem, said) == metrics


@pytest.mark.parametrize(
    ("problem", "width"),
    [
        (BINARY, 1),
        (Problem("regression"), 1),
        (Problem("anomaly", threshold=0.5), 1),
        (Problem("multiclass", ("a", "b", "c")), 3),
        (Problem("clustering"), 2),
    ],
)
def test_the_log_is_counted_as_the_evaluation_counts(problem: Problem, width: int) -> None:
    """The same answers over a holdout and in the log are no drift: they fall into the same bins."""
    answers = np.random.default_rng(3).random((200, width))
    if problem.kind == "clustering":
        answers[:, 0] = np.floor(answers[:, 0] * 12)
    whole = predicted(problem, answers if width > 1 else answers[:, 0])
    assert whole is not None
    logged = [decoded(row, problem).to_json() for row in answers.tolist()]
    assert whole.counting([spoken(problem, line) for line in json.loads(json.dumps(logged))]) == whole
    assert predicted(Problem("decomposition"), answers) is None


@pytest.mark.parametrize(
    ("problem", "label", "meant"),
    [
        (BINARY, " no ", 0.0),
        (BINARY, "maybe", None),
        (BINARY, None, None),
        (BINARY, ["yes"], None),
        (Problem("binary", ("false", "true"), "true"), True, 1.0),
        (Problem("multiclass", ("1", "2", "3")), 2, 1.0),
        (Problem("multiclass", ("1", "2", "3")), 2.5, None),
        (Problem("regression"), 5, 5.0),
        (Problem("regression"), "5.5", 5.5),
        (Problem("regression"), "five", None),
        (Problem("regression"), float("nan"), None),
    ],
)
def test_what_a_label_means(problem: Problem, label: Any, meant: float | None) -> None:
    assert truth(problem, label) == meant

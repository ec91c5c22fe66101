"""When something is told of the data, and in what words."""

from __future__ import annotations

import pytest

from sluicegate.domain.duplicates import Duplicates
from sluicegate.domain.findings import (
    Finding,
    equal_rows,
    few_held_out,
    leaks,
    of_numbers,
    possible_leaks,
    row_numbers,
)
from sluicegate.domain.leakage import Missingness, Predictor


def told(found: list[Finding]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.kind, one.columns) for one in found]


def test_several_columns_that_predict_the_target() -> None:
    scores = {"a": 0.995, "b": 1.0, "x: y": 0.991, "weak": 0.7, "none": 0.4}
    predictors = {name: Predictor(score, 0.1) for name, score in scores.items()}
    [found] = possible_leaks("y", ["p", "q"], predictors, {}, {"b", "weak"})
    assert found.text == (
        "Each of these columns predicts y by itself: b (AUC 1), a (AUC 0.995), x: y (AUC 0.991); the next best column "
        "is weak (0.70). If they are only known after the outcome, they leak the label: leave them out with "
        'features.exclude: [b, a, "x: y"] in model.yaml. If b stands for what several rows share, such as a person, '
        "set id_column to it: such rows then stay in the same split."
    )
    assert leaks({"findings": [found.to_json()]}) == ["b", "a", "x: y"]
    assert leaks({}) == []


@pytest.mark.parametrize(
    ("classes", "score", "alarms"),
    [(0, 0.991, 1), (0, 0.989, 0), (2, 0.991, 1), (2, 0.989, 0), (3, 0.988, 1), (3, 0.986, 0), (10, 0.983, 1)],
)
def test_the_limit_goes_by_the_measure(classes: int, score: float, alarms: int) -> None:
    names = [str(index) for index in range(classes)]
    assert len(possible_leaks("y", names, {"a": Predictor(score, 0.1)}, {}, ())) == alarms


def test_gaps_are_told_where_they_are_sure_and_say_more_than_values() -> None:
    gaps = {
        "exact": Missingness(1, True, 1.0, 0.0, 500),
        "partly": Missingness(1, True, 0.3, 0.0, 90),
        "unsure": Missingness(0, False, 0.3, 0.0, 20),
        "seldom": Missingness(0, False, 0.1, 0.0, 90),
        "elsewhere, too": Missingness(0, False, 0.9, 0.1, 90),
    }
    predictors = {"exact": Predictor(1.0, 0.1), "partly": Predictor(0.7, 0.1)}
    assert told(possible_leaks("y", ["no", "yes"], predictors, gaps, ())) == [
        ("missing_predicts_target", ("exact", "partly"))
    ]
    # of three classes a gap says which is not the first; the values say all
    found = possible_leaks("y", ["a", "b", "c"], predictors, gaps, ())
    assert told(found) == [("predicts_target", ("exact",)), ("missing_predicts_target", ("partly",))]


def test_equal_rows_are_told_above_chance_only_and_not_where_time_splits() -> None:
    copies = Duplicates(rows=10_000, contradicting=0, wrong=0, unreachable=0.0, held=1_500, learned=60, copied=60)
    assert told(equal_rows("y", copies, [1e-4, 0.001, 0.001], 8_500, False, False)) == [("held_out_duplicates", ())]
    assert equal_rows("y", copies, [1e-4, 0.1, 0.1], 8_500, False, False) == []
    assert equal_rows("y", copies, [1e-4, 0.001, 0.001], 8_500, False, True) == []
    few = Duplicates(rows=100, contradicting=0, wrong=0, unreachable=0.0, held=15, learned=9, copied=9)
    assert equal_rows("y", few, [1e-7], 85, False, False) == []


def test_a_target_of_numbers() -> None:
    even = {float(value): 1 / 12 for value in range(12)}
    assert told(of_numbers("y", even, declared=False)) == [("few_values", ("y",))]
    assert of_numbers("y", even, declared=True) == []
    assert of_numbers("y", {value + 0.5: share for value, share in even.items()}, declared=False) == []
    assert of_numbers("y", {**even, 0.0: 1 / 6 - 0.01, 1.0: 0.01}, declared=False) == []
    assert told(of_numbers("y", {0.0: 0.96, 1.5: 0.04}, declared=True)) == [("mostly_one_value", ("y",))]


def test_classes_of_few_rows_the_rarest_first() -> None:
    rows = {name: {"train": 50, "validation": 9, "holdout": count} for name, count in (("a", 9), ("b", 3), ("c", 50))}
    [found] = few_held_out("y", rows)
    assert "fewer than 10 held-out rows: b (3), a (9). " in found.text
    assert few_held_out("y", {name: rows[name] for name in "ab"}) == []  # of two classes the verdict says it


def test_many_names_are_cut() -> None:
    [found] = row_numbers([f"n{index}" for index in range(7)])
    assert found.text.startswith("n0, n1, n2, n3, n4 and 2 more look like row numbers")
    assert "features.exclude: [n0, n1, n2, n3, n4, …]" in found.text and len(found.columns) == 7
    assert row_numbers([]) == []

"""What a script may answer, and what it means."""

from __future__ import annotations

from typing import Any

import pytest

from sluicegate.domain.algorithms import script_answers
from sluicegate.domain.schema import Problem

BINARY = Problem("binary", ("no", "yes"))
DIGITS = Problem("multiclass", ("3", "5", "8"))
COLORS = Problem("multiclass", ("blue", "green", "red"))
NUMBER = Problem("regression", ())


def read(problem: Problem, *lines: str, encoded: bool = True) -> Any:
    return list(script_answers.rows(lines, problem, encoded))


def test_binary() -> None:
    assert read(BINARY, "0.25", "1", "", " 0.3,0.7", "[0.4, 0.6]") == [[0.25], [1.0], [0.7], [0.6]]
    assert read(BINARY, "yes", '"no"', '["yes"]', encoded=False) == [[1.0], [0.0], [1.0]]


def test_multiclass() -> None:
    assert read(COLORS, "0.1,0.2,0.7", "2", "2.0") == [[0.1, 0.2, 0.7], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    assert read(COLORS, "green", "[0.5, 0.25, 0.25]", encoded=False) == [[0.0, 1.0, 0.0], [0.5, 0.25, 0.25]]


def test_classes_that_are_numbers_are_names_to_a_raw_script_and_places_to_an_encoded_one() -> None:
    assert read(DIGITS, "8", "3.0", encoded=False) == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert read(DIGITS, "1") == [[0.0, 1.0, 0.0]]


def test_regression() -> None:
    assert read(NUMBER, "1.5", "-2e3", "[7]") == [[1.5], [-2000.0], [7.0]]


@pytest.mark.parametrize(
    ("problem", "line", "encoded", "said"),
    [
        (BINARY, "2", True, "'2'; expected the probability of yes, two probabilities, or one class of no, yes"),
        (BINARY, "maybe", False, "expected the probability of yes"),
        (BINARY, "0.5,0.7,0.1", True, "two probabilities"),
        (BINARY, "nan", True, "probability"),
        (COLORS, "0.5,0.5", True, "3 probabilities a line, or one class of blue, green, red (or its number, 0 to 2)"),
        (COLORS, "3", True, "or its number, 0 to 2"),
        (DIGITS, "1", False, "one class of 3, 5, 8"),
        (NUMBER, "1,2", True, "expected one number a line"),
        (NUMBER, "inf", True, "expected one number a line"),
        (NUMBER, "<html>", True, "expected one number a line"),
        (NUMBER, "[1", True, "expected one number a line"),
    ],
)  # fmt: skip
def test_what_it_cant_mean(problem: Problem, line: str, encoded: bool, said: str) -> None:
    with pytest.raises(ValueError, match="answer 1 is") as refused:
        read(problem, line, encoded=encoded)
    assert said in str(refused.value)

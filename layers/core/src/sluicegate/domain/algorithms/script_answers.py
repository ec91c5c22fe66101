"""What a script or an own image may answer, a line a record, and what it means.

=========== ===================================================================================
binary      the probability of the positive class; or both classes' probabilities; or a class
multiclass  a probability for each class, in the order of the data set's classes; or a class
regression  a number
=========== ===================================================================================

A line is CSV or a JSON list. A class is its name as in the data; where the rows were encoded it is its number, which is
what the script learned from. A number from 0 to 1 of a binary problem is always a probability.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator

from sluicegate.domain.schema import Problem

_SHOWN = 80


def rows(lines: Iterable[str], problem: Problem, encoded: bool) -> Iterator[list[float]]:
    """As ``Algorithm.rows``. ``encoded``: the script saw numbers for the classes. ``ValueError`` says which line is
    wrong and what would be right."""
    number = 0
    for line in lines:
        text = line.strip()
        if not text:
            continue
        number += 1
        cells = _cells(text)
        row = _row(cells, problem, encoded)
        if row is None:
            raise ValueError(f"answer {number} is {text[:_SHOWN]!r}; {_accepted(problem, encoded)}")
        yield row


def _cells(text: str) -> list[str]:
    if text[0] == "[":
        try:
            parsed = json.loads(text)
        except ValueError:
            return [text]
        return [cell if isinstance(cell, str) else json.dumps(cell) for cell in parsed]
    return [cell.strip() for cell in next(csv.reader([text]))]


def _row(cells: list[str], problem: Problem, encoded: bool) -> list[float] | None:
    numbers = [_number(cell) for cell in cells]
    finite = [number for number in numbers if number is not None]
    whole = len(finite) == len(cells)
    if problem.kind == "regression":
        return finite if whole and len(cells) == 1 else None
    count = len(problem.classes)
    if whole and len(cells) == count and all(0 <= number <= 1 for number in finite):
        return finite[1:] if problem.kind == "binary" else finite
    if len(cells) != 1:
        return None
    if problem.kind == "binary" and whole and 0 <= finite[0] <= 1:
        return finite
    found = _class(cells[0], numbers[0], problem, encoded)
    if found is None:
        return None
    return [float(found)] if problem.kind == "binary" else [float(place == found) for place in range(count)]


def _class(text: str, number: float | None, problem: Problem, encoded: bool) -> int | None:
    if encoded and number is not None:
        return int(number) if number.is_integer() and 0 <= number < len(problem.classes) else None
    for place, name in enumerate(problem.classes):
        if text == name or (number is not None and number == _number(name)):
            return place
    return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _accepted(problem: Problem, encoded: bool) -> str:
    if problem.kind == "regression":
        return "expected one number a line"
    names = ", ".join(problem.classes[:10]) + (" …" if len(problem.classes) > 10 else "")
    classes = f"one class of {names}" + (f" (or its number, 0 to {len(problem.classes) - 1})" if encoded else "")
    if problem.kind == "binary":
        return f"expected the probability of {problem.classes[1]}, two probabilities, or {classes}"
    return f"expected {len(problem.classes)} probabilities a line, or {classes}"

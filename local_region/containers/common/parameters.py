"""Hyperparameters: how their text becomes a value, and which values they take.

Values arrive as strings, as SageMaker writes them to ``hyperparameters.json``. Messages have the form of
aws/sagemaker-xgboost-container's, and say what is accepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local_region.containers.common.errors import UserError

Value = Any


@dataclass(frozen=True)
class Interval:
    """A range of numbers; an open end excludes its bound."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below  # also False for NaN

    def __str__(self) -> str:
        low = "(-inf" if self.low == -math.inf else f"{'(' if self.low_open else '['}{self.low}"
        high = "+inf)" if self.high == math.inf else f"{self.high}{')' if self.high_open else ']'}"
        return f"{low}, {high}"


@dataclass(frozen=True)
class Parameter:
    """How one hyperparameter's text becomes a value, and which values it takes."""

    parse: Callable[[str], Value]
    check: Callable[[str, Value], None]


def range_error(name: str, value: Value, accepted: object) -> UserError:
    return UserError(f"Hyperparameter {name}: {value} is not in {accepted}")


def _number(parse: Callable[[str], float], low: float, high: float, **ends: bool) -> Parameter:
    interval = Interval(low, high, **ends)

    def check(name: str, value: float) -> None:
        if value not in interval:
            raise range_error(name, value, interval)

    return Parameter(parse, check)


def integer(low: float = -math.inf, high: float = math.inf, **ends: bool) -> Parameter:
    return _number(int, low, high, **ends)


def real(low: float = -math.inf, high: float = math.inf, **ends: bool) -> Parameter:
    return _number(float, low, high, **ends)


def choice(*accepted: str) -> Parameter:
    def check(name: str, value: str) -> None:
        if value not in accepted:
            raise range_error(name, value, list(accepted))

    return Parameter(str, check)


def flag() -> Parameter:
    """``true`` or ``false``, in upper or lower case: clients write Python's own words too."""

    def parse(text: str) -> bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"

    return Parameter(parse, lambda _name, _value: None)


def subset(*accepted: str) -> Parameter:
    """A list of words, as JSON (``["a", "b"]``) or separated by commas."""

    def parse(text: str) -> list[str]:
        inner = text.strip().removeprefix("[").removesuffix("]")
        return [part.strip().strip("\"'") for part in inner.split(",") if part.strip()]

    def check(name: str, value: list[str]) -> None:
        if not value or not set(value) <= set(accepted):
            raise range_error(name, value, f"lists of {list(accepted)}")

    return Parameter(parse, check)


def either(word: str, other: Parameter) -> Parameter:
    """``word`` itself (``auto``), which stays a string, or what ``other`` takes."""

    def parse(text: str) -> Value:
        return text if text == word else other.parse(text)

    def check(name: str, value: Value) -> None:
        if value != word:
            other.check(name, value)

    return Parameter(parse, check)


def parsed(table: Mapping[str, Parameter], given: Mapping[str, str]) -> dict[str, Value]:
    """``given`` parsed and each checked alone. ``UserError`` names the first mistake."""
    values: dict[str, Value] = {}
    for name, text in given.items():
        parameter = table.get(name)
        if parameter is None:
            raise UserError(f"Extraneous hyperparameter found: {name}")
        try:
            values[name] = parameter.parse(text)
        except ValueError:
            raise UserError(f"Hyperparameter {name}: could not parse value (caused by ValueError)") from None
    for name, value in values.items():
        table[name].check(name, value)
    return values

"""What a hyperparameter accepts. A rule says nothing of a value that is fine, and else what would be."""

from __future__ import annotations

import ast
import json
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Number:
    """A number between two bounds; an open bound is not itself accepted. ``words`` may stand in its place."""

    low: float | None = None
    high: float | None = None
    whole: bool = False
    low_open: bool = False
    high_open: bool = False
    words: tuple[str, ...] = ()

    def problem(self, value: object) -> str | None:
        if value in self.words:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return self.accepted()
        try:
            number = float(value)
            if self.whole and (not number.is_integer() or (isinstance(value, str) and "." in value)):
                return self.accepted()
        except (ValueError, OverflowError):
            return self.accepted()
        if not math.isfinite(number):
            return self.accepted()
        too_low = self.low is not None and (number < self.low or (self.low_open and number == self.low))
        too_high = self.high is not None and (number > self.high or (self.high_open and number == self.high))
        return self.accepted() if too_low or too_high else None

    def accepted(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        parts = []
        if self.low is not None:
            parts.append(f"{'above' if self.low_open else 'at least'} {self.low:g}")
        if self.high is not None:
            parts.append(f"{'below' if self.high_open else 'at most'} {self.high:g}")
        said = " ".join([kind, " and ".join(parts)]).strip()
        return f"{said}, or {' or '.join(self.words)}" if self.words else said


@dataclass(frozen=True)
class OneOf:
    values: tuple[str, ...]

    def problem(self, value: object) -> str | None:
        return None if as_text(value) in self.values else self.accepted()

    def accepted(self) -> str:
        return "one of " + ", ".join(self.values)


@dataclass(frozen=True)
class ListOf:
    values: tuple[str, ...]
    thresholds: bool = False  # error@0.7
    json: bool = False  # the container reads ["a", "b"] instead of a,b

    def items(self, value: object) -> list[str]:
        text = as_text(value)
        if self.json and text.startswith("["):
            try:
                parsed = json.loads(text)
            except ValueError:
                return [text]
            return [str(item) for item in parsed]
        return [item.strip() for item in text.split(",")] if self.json else text.split(",")

    def problem(self, value: object) -> str | None:
        items = self.items(value)
        return None if items and all(self._known(item) for item in items) else self.accepted()

    def _known(self, item: str) -> bool:
        name, at, threshold = item.partition("@")
        if not (self.thresholds and at):
            return item in self.values
        try:
            return name in ("error", "map", "ndcg") and math.isfinite(float(threshold))
        except ValueError:
            return False

    def accepted(self) -> str:
        return "a comma-separated list of " + ", ".join(self.values)


@dataclass(frozen=True)
class Structure:
    """A Python literal: a tuple of -1, 0, 1 (monotone) or a list of lists of column numbers (interaction)."""

    nested: bool

    def problem(self, value: object) -> str | None:
        try:
            parsed = ast.literal_eval(value) if isinstance(value, str) else value
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return self.accepted()
        if not isinstance(parsed, (list, tuple)):
            return self.accepted()
        if self.nested:
            fine = all(
                isinstance(group, (list, tuple)) and all(isinstance(item, int) and item >= 0 for item in group)
                for group in parsed
            )
        else:
            fine = all(item in (-1, 0, 1) for item in parsed)
        return None if fine else self.accepted()

    def accepted(self) -> str:
        return "a list of lists of column numbers" if self.nested else "a list of -1, 0 and 1, one for each feature"


Rule = Number | OneOf | ListOf | Structure


def as_text(value: object) -> str:
    """A hyperparameter as SageMaker takes it: always a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def on_the_wire(rule: Rule, value: object) -> str:
    """``value``, which ``rule`` accepts, as the container reads it."""
    return json.dumps(rule.items(value)) if isinstance(rule, ListOf) and rule.json else as_text(value)

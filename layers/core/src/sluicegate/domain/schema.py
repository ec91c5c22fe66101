"""The columns of a model's data, and what kind of answer it gives.

Cheap to import: ``predict`` reads a schema on every cold start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

#: ``text`` is a category whose words are learned from instead of the whole
ColumnType = Literal["number", "boolean", "category", "date", "text"]
COLUMN_TYPES: tuple[ColumnType, ...] = ("number", "boolean", "category", "date", "text")

#: One field of a record. Dates are ISO 8601 strings; ``None`` is a missing value.
Value = float | bool | str | None

#: What stands for "no value" in a file, besides an empty field.
MISSING_MARKERS: tuple[str, ...] = (
    *("", "NA", "N/A", "n/a", "#N/A", "<NA>", "null", "NULL", "None", "nan", "NaN", "?", "-"),
)

#: What is cut from both ends of a value: the spaces of Unicode (category Zs), which is what DuckDB's ``trim`` cuts.
BLANK = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


@dataclass(frozen=True)
class Column:
    """A column and, where known, what was seen in it (``categories`` only while they are few).

    A record may leave an ``optional`` column out: it came after the model had callers. ``format`` says how a date is
    written, where not only as ISO 8601 (``domain.date_formats``).
    """

    name: str
    type: ColumnType
    categories: tuple[str, ...] | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    example: Value = None
    optional: bool = False
    format: str | None = None

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.name, "type": self.type}
        if self.categories is not None:
            found["categories"] = list(self.categories)
        for key in ("minimum", "maximum", "example"):
            value = getattr(self, key)
            if value is not None:
                found[key] = value
        if self.optional:
            found["optional"] = True
        if self.format is not None:
            found["format"] = self.format
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        categories = data.get("categories")
        return cls(
            name=data["name"],
            type=column_type(data["type"]),
            categories=None if categories is None else tuple(categories),
            minimum=data.get("minimum"),
            maximum=data.get("maximum"),
            example=data.get("example"),
            optional=data.get("optional", False),
            format=data.get("format"),
        )


@dataclass(frozen=True)
class Schema:
    """Columns in order. Of an upload: all of the file's. Of a data set: the features, which ``predict`` asks for.

    ``target`` and ``id_column`` are names (None when not known, not used). ``ignored`` are further columns that the
    data has and the model doesn't use: a record may carry them.
    """

    columns: tuple[Column, ...]
    target: str | None = None
    id_column: str | None = None
    ignored: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def merged(self, newer: Schema) -> Schema:
        """This schema with the columns that only ``newer`` has; what both have keeps its type."""
        known = set(self.names)
        return Schema(
            columns=self.columns + tuple(column for column in newer.columns if column.name not in known),
            target=newer.target or self.target,
            id_column=newer.id_column or self.id_column,
            ignored=tuple(dict.fromkeys(self.ignored + newer.ignored)),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [column.to_json() for column in self.columns],
            "target": self.target,
            "id_column": self.id_column,
            "ignored": list(self.ignored),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        return cls(
            columns=tuple(Column.from_json(column) for column in data["columns"]),
            target=data.get("target"),
            id_column=data.get("id_column"),
            ignored=tuple(data.get("ignored", ())),
        )


ProblemKind = Literal["binary", "multiclass", "regression", "clustering", "decomposition", "anomaly"]
PROBLEM_KINDS: tuple[ProblemKind, ...] = (
    "binary",
    "multiclass",
    "regression",
    "clustering",
    "decomposition",
    "anomaly",
)
#: kinds that learn from a target
SUPERVISED: frozenset[ProblemKind] = frozenset({"binary", "multiclass", "regression"})


@dataclass(frozen=True)
class Problem:
    """What is predicted. ``classes`` are in label order (index = the number XGBoost sees), empty where there are none.
    Of a binary problem ``classes`` is (negative, positive) and ``positive`` is the second; of anomaly detection the
    same where a column says what is anomalous. ``threshold``: the score above which a record is anomalous, fixed when
    a version is judged.
    """

    kind: ProblemKind
    classes: tuple[str, ...] = ()
    positive: str | None = None
    threshold: float | None = None

    def to_json(self) -> dict[str, Any]:
        found = {"kind": self.kind, "classes": list(self.classes), "positive": self.positive}
        return found if self.threshold is None else {**found, "threshold": self.threshold}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Problem:
        threshold = data.get("threshold")
        return cls(
            problem_kind(data["kind"]),
            tuple(data.get("classes", ())),
            data.get("positive"),
            None if threshold is None else float(threshold),
        )


def problem_kind(name: str) -> ProblemKind:
    """``name`` as a kind of problem; ``ValueError`` when it is none."""
    for known in PROBLEM_KINDS:
        if name == known:
            return known
    raise ValueError(f"unknown kind of problem {name!r}")


def stored_type(kind: ColumnType) -> ColumnType:
    """As what a column is read and kept: text is a category until its words are looked at."""
    return "category" if kind == "text" else kind


def column_type(name: str) -> ColumnType:
    """``name`` as a column type; ``ValueError`` when it is none."""
    for known in COLUMN_TYPES:
        if name == known:
            return known
    raise ValueError(f"unknown column type {name!r}")

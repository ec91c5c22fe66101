# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""The DuckDB expressions by which a file's values become the model's columns, and by which mistakes are told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sluicegate.data.engine import list_sql, name_sql, text_sql
from sluicegate.data.flat_lines import FLAT_LINE, REFUSED
from sluicegate.data.rejects import NO_VALUE, called
from sluicegate.data.sampled import is_marker
from sluicegate.data.tables import SQL_TYPES, converted
from sluicegate.domain.batch import result_columns
from sluicegate.domain.flattening import above
from sluicegate.domain.number_formats import NumberFormat
from sluicegate.domain.schema import MISSING_MARKERS, Column, ColumnType, Problem

__all__ = [
    "Cell",
    "first_column",
    "first_said",
    "json_mistake",
    "json_row_mistake",
    "json_source",
    "json_value",
    "name_sql",
    "number_text",
    "parquet_kind",
    "parquet_value",
]

_LONGEST_MARKER = max(len(marker) for marker in MISSING_MARKERS)
_SHOWN = 60  # characters of a bad value that are shown back
_NOT_FINITE = text_sql("[+-]*(inf|infinity|nan)")


@dataclass(frozen=True)
class Cell:
    """One of the model's columns in a file. ``source`` gives its value there, of ``kind`` (None: the file lacks it);
    ``nested`` is true where the value is none at all but an object or a list, or isn't there (JSON)."""

    column: Column
    source: str | None
    nested: str = ""
    kind: ColumnType = "category"
    numbers: NumberFormat | None = None

    @property
    def clean(self) -> str:
        """The value without blanks around it, missing where a marker stands for a missing value."""
        if self.kind != "category":
            return str(self.source)
        text = f"trim({self.source})"
        missing = f"strlen({text}) <= {_LONGEST_MARKER} AND {is_marker(text)}"
        if self.column.type == "number":  # what is no finite number is a missing one, as everywhere
            missing = f"({missing}) OR (strlen({text}) <= 9 AND regexp_full_match({text}, {_NOT_FINITE}, 'i'))"
        return f"CASE WHEN {missing} THEN NULL ELSE {text} END"

    def typed(self, index: int) -> str:
        if self.source is None:
            return f"NULL::{SQL_TYPES[self.column.type]}"
        return converted(f"t{index}", self.kind, self.column.type, self.column.format)

    def mistake(self, index: int) -> str:
        """What is wrong with the value ("age: 'abc' is not a number"), or NULL."""
        before = text_sql(f"{self.column.name}: '")
        wanted = called(self.column.type, self.column.format) if self.numbers is None else self.numbers.said
        after = text_sql(f"' is not {wanted}")
        text = f"t{index}::VARCHAR" if self.numbers is None else f"replace(t{index}, {text_sql(NO_VALUE)}, '')"
        shown = f"CASE WHEN length({text}) > {_SHOWN} THEN left({text}, {_SHOWN}) || '…' ELSE {text} END"
        wrong = f"t{index} IS NOT NULL AND {_no_value(f't{index}', self.kind, self.column)}"
        said = f"CASE WHEN {wrong} THEN {before} || ({shown}) || {after} END"
        if self.nested:
            return f"coalesce(n{index}, {said})"
        return said


def _no_value(source: str, kind: ColumnType, column: Column) -> str:
    """Whether ``source`` (not NULL) has no meaning as a value of the column."""
    wanted = column.type
    if wanted == kind or wanted not in ("number", "boolean", "date"):
        return "false"
    if wanted == "number":
        return f"TRY_CAST({source} AS DOUBLE) IS NULL"
    return f"({converted(source, kind, wanted, column.format)}) IS NULL"


def first_said(mistakes: Sequence[str]) -> str:
    """All that is wrong with a row, or NULL."""
    if not mistakes:
        return "NULL::VARCHAR"
    return f"nullif(concat_ws('; ', {', '.join(mistakes)}), '')"


def first_column(cells: Sequence[Cell], mistakes: Sequence[str]) -> str:
    """The first column concerned: the message begins with its name."""
    names = [cell.column.name for cell in cells if cell.source is not None]
    if not mistakes:
        return "''"
    cases = " ".join(f"WHEN starts_with(why, {text_sql(f'{name}: ')}) THEN {text_sql(name)}" for name in names)
    return f"CASE {cases} ELSE '' END"


def number_text(source: str, form: NumberFormat | None) -> str:
    """A CSV's value, of a number written in this format as programs write it; what is none in it is marked. A test
    holds it equal to ``NumberFormat.plain``."""
    if form is None:
        return source
    text = f"trim({source})"
    number = f"regexp_replace({text}, {text_sql(f'^(?:{form.pattern})$')}, '\\1\\2\\3')"
    for character in form.between:
        number = f"replace({number}, {text_sql(character)}, '')"
    if form.decimal == ",":
        number = f"replace({number}, ',', '.')"
    marked = f"{source} || {text_sql(NO_VALUE)}"  # a number to DuckDB, and none in this column
    other = f"CASE WHEN isfinite(TRY_CAST({text} AS DOUBLE)) THEN {marked} ELSE {source} END"
    return f"CASE WHEN regexp_full_match({text}, {text_sql(form.pattern)}) THEN {number} ELSE {other} END"


# JSON lines: ``s`` is a structure of JSON texts, ``keys`` the names that the flat record has, ``own`` those of the line

#: whether there may be an object or a list within the object ``o``: four times as fast as a pattern
_NESTED = "contains(o, '[') OR strlen(o) - strlen(replace(o, '{', '')) > 1"


def json_source(read: str, columns: Sequence[Column]) -> str:
    """Lines ``j`` of ``read`` with ``s``, ``keys`` and ``own`` where they are objects; blank ones are no rows. Needs
    ``data.flat_lines`` registered."""
    paths = {path for column in columns for path in above(column.name)}
    wanted = text_sql(json.dumps(dict.fromkeys([*(column.name for column in columns), *sorted(paths)], "JSON")))
    return (
        "(SELECT j, o, ok, CASE WHEN ok IS NOT NULL THEN json_keys(ok) END AS keys, "
        "CASE WHEN ok IS NOT NULL AND nested THEN json_keys(o) END AS own, "
        f"CASE WHEN ok IS NOT NULL THEN json_transform(ok, {wanted}) END AS s FROM "
        f"(SELECT *, CASE WHEN nested THEN {FLAT_LINE}(o) ELSE o END AS ok FROM "
        f"(SELECT *, coalesce({_NESTED}, false) AS nested FROM (SELECT j, "
        f"CASE WHEN json_valid(j) THEN CASE WHEN json_type(j) = 'OBJECT' THEN j END END AS o FROM {read}))) "
        "WHERE trim(coalesce(j, '')) <> '')"
    )


def _json(name: str) -> str:
    return f"struct_extract(s, {text_sql(name)})::VARCHAR"


def json_value(column: Column) -> str:
    """A JSON value as text: a string's own, a number's as a category is called (1.0 is 1)."""
    value = _json(column.name)
    number = f"TRY_CAST({value} AS DOUBLE)"
    plain = value
    if column.type not in ("number", "boolean", "date") or column.format is not None:
        whole = f"{number} = trunc({number}) AND abs({number}) < 1e15"
        plain = f"CASE WHEN {whole} THEN {number}::BIGINT::VARCHAR ELSE {value} END"
    string = f"json_extract_string({value}, '$')"
    return f"CASE left({value}, 1) WHEN '\"' THEN {string} WHEN 'n' THEN NULL ELSE {plain} END"


def json_mistake(column: Column) -> str:
    value = _json(column.name)
    before = text_sql(f"{column.name}: ")
    absent = text_sql(f"{column.name}: missing; write null if the value is unknown")
    missing = "false" if column.optional else f"keys IS NOT NULL AND NOT list_contains(keys, {text_sql(column.name)})"
    for path in above(column.name):  # null in an object's place is a missing value of each of its parts
        missing += f" AND NOT (list_contains(keys, {text_sql(path)}) AND {_json(path)} IS NULL)"
    refused = f"{before} || json_extract_string({value}, '$.{REFUSED}')"
    return f"CASE WHEN {missing} THEN {absent} WHEN left({value}, 1) = '{{' THEN {refused} END"


def json_row_mistake(problem: Problem) -> str:
    """What is wrong with the record as a whole, or NULL."""
    added = list_sql(result_columns(problem))
    names = "coalesce(own, keys)"
    return (
        "CASE WHEN ok IS NULL THEN CASE WHEN o IS NOT NULL THEN 'nested too deeply to be read' "
        "WHEN json_valid(j) THEN 'not an object {\"column\": value}' ELSE 'not JSON' END "
        f"WHEN list_has_any({names}, {added}) THEN 'has a field that the result adds: ' || "
        f"array_to_string(list_intersect({names}, {added}), ', ') END"
    )


# Parquet

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "UTINYINT")
_MORE_NUMBERS = ("USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")


def parquet_kind(type_: str) -> ColumnType | None:
    """What a Parquet column's DuckDB type is to us; None when a value is a list, a structure, bytes, …"""
    base = type_.split("(", 1)[0]
    if "[" in type_:
        return None
    if base in _NUMBERS or base in _MORE_NUMBERS:
        return "number"
    if base == "BOOLEAN":
        return "boolean"
    if base == "DATE" or base.startswith("TIMESTAMP"):
        return "date"
    return "category" if base in ("VARCHAR", "ENUM", "UUID", "TIME") else None


def parquet_value(source: str, type_: str, kind: ColumnType) -> str:
    if kind == "number":
        return f"CASE WHEN isfinite({source}::DOUBLE) THEN {source}::DOUBLE END"
    if kind == "date":
        moment = f"timezone('UTC', {source})" if "ZONE" in type_ else f"{source}::TIMESTAMP"
        return f"CASE WHEN isfinite({source}) AND year({moment}) BETWEEN 1 AND 9999 THEN {moment} END"
    return source if kind == "boolean" else f"{source}::VARCHAR"

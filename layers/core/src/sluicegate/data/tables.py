# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""All uploads of a model as one table, whatever each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sluicegate.data.engine import files_sql, name_sql, text_sql
from sluicegate.domain.date_formats import EPOCH_BOUNDS, EPOCH_PATTERN, DateFormat, date_format
from sluicegate.domain.dates import DATE_PATTERN
from sluicegate.domain.schema import ColumnType, stored_type
from sluicegate.domain.settings import ModelSettings

SQL_TYPES: dict[ColumnType, str] = {
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "TIMESTAMP",
    "category": "VARCHAR",
    "text": "VARCHAR",
}
_FROM_SQL: dict[str, ColumnType] = {sql: stored_type(kind) for kind, sql in SQL_TYPES.items()}


@dataclass(frozen=True)
class Union:
    """``columns`` in order of first appearance; ``source`` stands after FROM and has them, typed, part by part."""

    columns: dict[str, ColumnType]
    source: str
    notes: tuple[str, ...]


def union(connection: duckdb.DuckDBPyConnection, parts: Sequence[Path], settings: ModelSettings) -> Union:
    """The parts (Parquet files of ``data.ingest``) by column name; a column that a part lacks is missing there.

    Parts that disagree about a type meet as categories, unless ``features.types`` says otherwise.
    """
    described = [_describe(connection, part) for part in parts]
    spelled: dict[str, str] = {}
    seen: dict[str, set[ColumnType]] = {}
    for columns in described:
        for name, kind in columns:
            usual = spelled.setdefault(name.casefold(), name)
            seen.setdefault(usual, set()).add(kind)
    types: dict[str, ColumnType] = {}
    notes = []
    for name, kinds in seen.items():
        if name == settings.id_column:
            types[name] = "category"
        elif settings.weights is not None and name == settings.weights.column:
            types[name] = "number"
        elif (declared := settings.features.declared(name)) is not None:
            types[name] = stored_type(declared)
        elif len(kinds) == 1:
            types[name] = next(iter(kinds))
        else:
            types[name] = "category"
            notes.append(f"{name} is {' and '.join(sorted(kinds))} in different uploads; it is taken as a category.")
    groups: list[tuple[tuple[tuple[str, ColumnType], ...], list[Path]]] = []
    for columns, part in zip(described, parts, strict=True):
        if groups and groups[-1][0] == columns:
            groups[-1][1].append(part)
        else:
            groups.append((columns, [part]))
    selects = []
    for columns, files in groups:
        own = {spelled[name.casefold()]: (name, kind) for name, kind in columns}
        cells = []
        for name, wanted in types.items():
            if name in own:
                value = converted(name_sql(own[name][0]), own[name][1], wanted, settings.features.dates.get(name))
                cells.append(f"{value} AS {name_sql(name)}")
            else:
                cells.append(f"NULL::{SQL_TYPES[wanted]} AS {name_sql(name)}")
        selects.append(f"SELECT {', '.join(cells)} FROM read_parquet({files_sql(files)})")
    return Union(types, "(" + " UNION ALL ".join(selects) + ")", tuple(notes))


def converted(source: str, kind: ColumnType, wanted: ColumnType, dates: str | None = None) -> str:
    """``source`` (of type ``kind``) as an expression of type ``wanted``; what doesn't convert is missing. ``dates``:
    the format of dates that are not ISO 8601."""
    kind, wanted = stored_type(kind), stored_type(wanted)
    if kind == wanted:
        return source
    if wanted == "category":
        return as_text(source, kind)
    text = source if kind == "category" else as_text(source, kind)
    if wanted == "number":
        number = f"TRY_CAST({text} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if wanted == "boolean":
        return (
            f"CASE WHEN regexp_full_match({text}, 'true|t|yes|y|1', 'i') THEN true "
            f"WHEN regexp_full_match({text}, 'false|f|no|n|0', 'i') THEN false END"
        )
    written = text if dates is None else iso_sql(text, date_format(dates))
    # DuckDB takes 1/2/03 for a day of the year 1, and year 0 of a time with a zone is 1 (BC)
    iso = f"CASE WHEN regexp_full_match({written}, {text_sql(DATE_PATTERN)}) THEN {written} END"
    moment = f"timezone('UTC', TRY_CAST({iso} AS TIMESTAMPTZ))"
    return f"CASE WHEN year({moment}) BETWEEN 1 AND 9999 THEN {moment} END"


def iso_sql(text: str, dates: DateFormat) -> str:
    """What ``DateFormat.iso`` does with a row, as an expression of DuckDB; a test holds the two equal."""
    if dates.unit:
        pattern, (first, last) = text_sql(EPOCH_PATTERN), EPOCH_BOUNDS
        moment = f"TRY_CAST(regexp_extract({text}, {pattern}, 1) AS BIGINT) * {dates.unit}"
        fits = f"regexp_full_match({text}, {pattern}) AND {moment} BETWEEN {first} AND {last}"
        return f"CASE WHEN {fits} THEN strftime(epoch_ms({moment}), '%Y-%m-%dT%H:%M:%S.%g') ELSE {text} END"
    cases = " ".join(
        f"WHEN regexp_full_match({text}, {text_sql(pattern)}) "
        f"THEN regexp_replace({text}, {text_sql(f'^(?:{pattern})$')}, {text_sql(written)})"
        for pattern, written in dates.rewrites
    )
    return f"CASE {cases} ELSE {text} END"


def as_text(source: str, kind: ColumnType) -> str:
    """The text of a value as a category or a class: whole numbers without a point, dates without a midnight."""
    if kind == "number":
        whole = f"{source} = trunc({source}) AND abs({source}) < 1e15"
        return f"CASE WHEN {whole} THEN {source}::BIGINT::VARCHAR ELSE {source}::VARCHAR END"
    if kind == "date":
        return f"CASE WHEN {source} = {source}::DATE THEN {source}::DATE::VARCHAR ELSE {source}::VARCHAR END"
    return source if kind == "category" else f"{source}::VARCHAR"


def _describe(connection: duckdb.DuckDBPyConnection, part: Path) -> tuple[tuple[str, ColumnType], ...]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({text_sql(str(part))})").fetchall()
    return tuple((str(row[0]), _FROM_SQL[str(row[1])]) for row in rows)

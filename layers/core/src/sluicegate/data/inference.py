# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""What type each column of a file has, from a sample of its rows read as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from sluicegate.data.engine import list_sql, text_sql
from sluicegate.data.iso_dates import hint
from sluicegate.domain import algorithms
from sluicegate.domain.date_formats import LOOKS_LIKE
from sluicegate.domain.dates import DATE_PATTERN
from sluicegate.domain.schema import MISSING_MARKERS, ColumnType, Schema, stored_type
from sluicegate.domain.settings import ModelSettings

#: a column is a number (boolean, date) when this share of its values are; the rest are bad rows
SHARE = 0.95
#: a given type that fewer of a column's values have is called a misfit
_FITTING = 0.7
#: columns that one query looks at
_AT_ONCE = 40
_GROUPED = r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?"
_DECIMAL_COMMA = r"[+-]?[0-9]+,[0-9]+"
MARKERS_SQL = ", ".join(text_sql(marker) for marker in MISSING_MARKERS)
_MARKER_PATTERN = "|".join(re.escape(marker) for marker in MISSING_MARKERS)


def is_marker(text: str) -> str:
    """Whether the expression ``text`` is a marker of a missing value. By a pattern: DuckDB makes a join of a long
    ``IN`` (and of ``list_contains``), and a join loses the order of the rows."""
    return f"regexp_full_match({text}, {text_sql(_MARKER_PATTERN)})"


@dataclass
class Inference:
    """``types`` by position; ``inferred`` are the positions that nothing but the sample decided."""

    types: list[ColumnType]
    inferred: set[int]
    thousands: bool = False
    decimal_comma: bool = False
    #: columns whose given type most of the sample's values don't have, in words
    misfits: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def default_target(settings: ModelSettings, names: Sequence[str], known: str | None) -> str | None:
    """The column to predict: the settings', else the one ``known`` from earlier uploads (a column that comes later must
    not take its place), else one named target or label, else the last. None without columns.
    """
    if settings.target is not None or not algorithms.of(settings).supervised:
        return settings.target
    if known is not None:
        return known
    for wanted in ("target", "label"):
        for name in names:
            if name.casefold() == wanted:
                return name
    usable = [name for name in names if name != settings.id_column and name not in settings.features.exclude]
    return usable[-1] if usable else None


def infer(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    names: Sequence[str],
    *,
    delimiter: str,
    settings: ModelSettings,
    known: Schema | None,
    strings: frozenset[int] = frozenset(),
) -> Inference:
    """Types for the table ``sample``, whose columns are ``c0``, ``c1``, … of text. ``strings`` are the positions of
    columns that were strings in a format that knows numbers: they stay text, or are dates.

    The id column is text; ``features.types`` wins, then ``known``, then what the values look like. The target is a
    number or a category: a class keeps its name.
    """
    counted = _counts(connection, sample, len(names))
    target = default_target(settings, names, known.target if known else None)
    found = Inference([], set())
    padded: set[str] = set()
    comma_columns: list[int] = []
    for position, (name, counts) in enumerate(zip(names, counted, strict=True)):
        chosen = _looks_like(counts, is_target=name == target)
        if position in strings and chosen != "date":
            chosen = "category"
        if name == settings.id_column:
            found.types.append("category")
            continue
        if position in strings:
            pass
        elif counts.is_share(counts.numbers + counts.grouped) and not counts.is_share(counts.numbers):
            found.thousands = True
            found.notes.append(
                f"Column {name} has numbers with thousands separators (1,234); they were read as numbers."
            )
            chosen = "number"
        elif delimiter != "," and not counts.is_share(counts.numbers) and counts.has_decimal_commas:
            comma_columns.append(position)
        declared = settings.features.declared(name)
        earlier = known.column(name) if known else None
        if declared is not None:
            found.types.append(stored_type(declared))
        elif earlier is not None:
            found.types.append(stored_type(earlier.type))
        else:
            found.types.append(chosen)
            found.inferred.add(position)
        if counts.is_share(counts.other_dates) and not counts.is_share(counts.dates):
            text = f"CASE WHEN NOT {is_marker(f'trim(c{position})')} THEN trim(c{position}) END"
            if name != target and (said := hint(connection, sample, text, name, SHARE, settings)):
                found.notes.append(said)
        padded.update(counts.padded)
        if name in settings.features.dates:
            continue  # of what it has to look like nothing is counted
        if counts.values and counts.fitting(found.types[position]) < _FITTING * counts.values:
            found.misfits.append(f"{name} is not of type {found.types[position]}")
    if comma_columns:
        _decide_decimal_comma(found, comma_columns, counted, names)
    found.missing = [*MISSING_MARKERS, " ", *sorted(padded - {" "})]
    return found


def _decide_decimal_comma(
    found: Inference, comma_columns: list[int], counted: Sequence[_Counts], names: Sequence[str]
) -> None:
    shown = ", ".join(names[position] for position in comma_columns)
    if any(counts.points for position, counts in enumerate(counted) if found.types[position] == "number"):
        found.notes.append(f"{shown}: decimal commas beside decimal points in other columns; read as text.")
        return
    found.decimal_comma = True
    for position in comma_columns:
        if position in found.inferred:
            found.types[position] = "number"
    found.notes.append(f"{shown}: numbers with a decimal comma (3,14); they were read as numbers.")


@dataclass
class _Counts:
    """Of the sample's non-missing values in one column, how many look like what."""

    values: int
    numbers: int
    whole: int
    points: int
    grouped: int
    decimal_comma: int
    booleans: int
    dates: int
    other_dates: int
    padded: list[str]

    def fitting(self, kind: ColumnType) -> int:
        """At least how many values a column of this type takes."""
        if kind == "number":
            return self.numbers + self.grouped + self.decimal_comma
        # A declared boolean may be yes and no, a date of a form that only DuckDB knows: not judged here.
        return self.dates if kind == "date" and self.numbers == self.values else self.values

    @property
    def has_decimal_commas(self) -> bool:
        return self.decimal_comma > 0 and self.is_share(self.whole + self.decimal_comma)

    def is_share(self, count: int) -> bool:
        return self.values > 0 and count >= SHARE * self.values


def _looks_like(counts: _Counts, *, is_target: bool) -> ColumnType:
    if counts.values == 0 or counts.is_share(counts.numbers):
        return "category" if counts.values == 0 else "number"
    if is_target:
        return "category"
    if counts.is_share(counts.booleans):
        return "boolean"
    return "date" if counts.is_share(counts.dates) else "category"


def _counts(connection: duckdb.DuckDBPyConnection, sample: str, width: int) -> list[_Counts]:
    """One row a column, some columns at a time: DuckDB holds the states of a query's every part at once, about a
    megabyte each."""
    found: list[_Counts] = []
    for start in range(0, width, _AT_ONCE):
        found += _counts_of(connection, sample, range(start, min(start + _AT_ONCE, width)))
    return found


def _counts_of(connection: duckdb.DuckDBPyConnection, sample: str, positions: range) -> list[_Counts]:
    """A nested query for each column keeps the trimmed text from being computed again and again."""
    parts = [
        f"""SELECT {position} AS p, count(*), count(*) FILTER (TRY_CAST(v AS DOUBLE) IS NOT NULL),
            count(*) FILTER (regexp_full_match(v, '[+-]?[0-9]+')), count(*) FILTER (contains(v, '.')),
            count(*) FILTER (regexp_full_match(v, {text_sql(_GROUPED)})),
            count(*) FILTER (regexp_full_match(v, {text_sql(_DECIMAL_COMMA)})),
            count(*) FILTER (lower(v) IN ('true', 'false')),
            count(*) FILTER (regexp_full_match(v, {text_sql(DATE_PATTERN)}) AND TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL),
            count(*) FILTER (regexp_full_match(v, {text_sql(LOOKS_LIKE)}))
            FROM (SELECT trim(c{position}) AS v FROM {sample} WHERE c{position} IS NOT NULL)
            WHERE v NOT IN ({MARKERS_SQL})"""
        for position in positions
    ]
    rows = connection.execute(" UNION ALL ".join(parts) + " ORDER BY p").fetchall()
    padded = [
        f"SELECT DISTINCT {position} AS p, c{position} AS v FROM {sample} WHERE c{position} NOT IN ({MARKERS_SQL}) "
        f"AND length(c{position}) < 16 AND trim(c{position}) IN ({MARKERS_SQL})"
        for position in positions
    ]
    found: dict[int, list[str]] = {}
    for position, value in connection.execute(" UNION ALL ".join(padded) + " LIMIT 40").fetchall():
        found.setdefault(position, []).append(value)
    return [_Counts(*(*row[1:], found.get(row[0], []))) for row in rows]


def markers_list(markers: list[str]) -> str:
    return list_sql(list(dict.fromkeys(markers)))

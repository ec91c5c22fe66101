"""Columns of dates that are not ISO 8601: rewritten for the strict reader, and told of where nobody declared them."""

# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import duckdb

from sluicegate.data.rejects import NO_DATE
from sluicegate.domain.date_formats import DateFormat, likely
from sluicegate.domain.dates import parse_date
from sluicegate.domain.schema import BLANK, MISSING_MARKERS
from sluicegate.domain.settings import ModelSettings

_LONGEST_FIELD = 2_000_000  # as DuckDB's reader of CSV has it
_LOOKED_AT = 2_000
_END = "\r\n"
_MISSING = frozenset(MISSING_MARKERS)


def with_iso_dates(path: Path, target: Path, delimiter: str, formats: Mapping[int, DateFormat]) -> None:
    """Copies a CSV with a header and the dates of its columns (by position) as ISO 8601; what is none gets ``NO_DATE``
    at its end. A record of which nothing is changed, or which is broken, is copied as it is; records keep their lines.
    """
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with (
            path.open(encoding="utf-8", errors="surrogateescape", newline="") as source,
            target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
        ):
            writer = csv.writer(_Ends(out), delimiter=delimiter, lineterminator=_END)
            header = False
            for text, fields in _records(source, delimiter):
                if header and fields and _rewrite(fields, formats):
                    writer.writerow(fields)
                    out.write(text[len(text.rstrip("\r\n")) :])
                else:
                    out.write(text)
                header = header or bool(fields)
    finally:
        csv.field_size_limit(before)


class _Ends:
    """What ``csv.writer`` writes to: the record's line end is not its to choose, but those within fields are quoted."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, record: str) -> None:
        self._out.write(record.removesuffix(_END))


def _records(source: TextIO, delimiter: str) -> Iterator[tuple[str, list[str] | None]]:
    """Each record as it stands in the file, and its fields (None: the reader takes it for broken)."""
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in source:
            taken.append(line)
            yield line

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    while True:
        fields: list[str] | None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error:
            fields = None
        yield "".join(taken), fields
        taken.clear()


def _rewrite(fields: list[str], formats: Mapping[int, DateFormat]) -> bool:
    changed = False
    for position, dates in formats.items():
        if position >= len(fields):
            continue
        value = fields[position].strip(BLANK)
        found = dates.iso(value)
        if found == value and value not in _MISSING and parse_date(value) is None:
            found += NO_DATE
        if found != value:
            fields[position], changed = found, True
    return changed


def hint(
    connection: duckdb.DuckDBPyConnection, source: str, column: str, name: str, share: float, settings: ModelSettings
) -> str | None:
    """A note on a column that looks like dates which nobody declared. ``column`` is an expression of its text in
    ``source``; ``share`` the part of its values that have to look so."""
    if name in (settings.target, settings.id_column) or name in settings.features.exclude:
        return None
    if settings.features.declared(name) not in (None, "date") or name in settings.features.dates:
        return None
    rows = connection.execute(f"SELECT DISTINCT {column} AS v FROM {source} WHERE v IS NOT NULL LIMIT {_LOOKED_AT}")
    values = sorted(str(row[0]) for row in rows.fetchall())
    formats = likely([value for value in values if parse_date(value) is None], share)
    if not formats:
        return None
    said = " or ".join(f'features.dates: {{{name}: "{one}"}}' for one in formats)
    if len(formats) == 1:
        return (
            f"Column {name} looks like dates in the format {formats[0]}. To use it as a date, set {said} in model.yaml."
        )
    return (
        f"Column {name} looks like dates, but nothing in it says whether the day or the month is first. To use it as a "
        f"date, set {said} in model.yaml."
    )

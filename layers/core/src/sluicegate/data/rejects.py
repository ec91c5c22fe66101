# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""The rows that could not be read, for the person who sent them: where, which column, why, and the text itself."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import duckdb

from sluicegate.data.engine import text_sql
from sluicegate.domain.date_formats import date_format
from sluicegate.domain.schema import ColumnType

#: (SUBSTITUTE) at the end of a value that its column's format refuses and DuckDB would take: 1/2/03 for a day of the
#: year 1, 3.14 for a number beside 1.234,5
NO_VALUE = "\x1a"
_EXAMPLES = 10
_SHOWN = 200
_CAST = re.compile(r'Could not convert string "(.*)" to \'', re.DOTALL)
_FOUND = re.compile(r"Found: (\d+)")
_KINDS: dict[ColumnType, str] = {
    "number": "a number",
    "boolean": "true or false",
    "date": "a date such as 2026-01-31",
    "category": "text",
    "text": "text",
}


def called(kind: ColumnType, dates: str | None = None) -> str:
    """What a value of this type is called in a message; ``dates`` is the format of its dates."""
    return _KINDS[kind] if dates is None or kind != "date" else date_format(dates).said


@dataclass
class Rejects:
    """``reasons`` counts rows by kind of mistake, ``columns`` rows by column with a value of the wrong type."""

    rows: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Reject:
    """A row that was set aside. ``columns`` are those with a value of the wrong type."""

    line: int
    column: str
    kind: str
    reason: str
    text: str = ""
    columns: tuple[str, ...] = ()


def write_rejects(rejects: Iterable[Reject], target: Path) -> Rejects:
    """Writes ``line,column,reason,text`` for every row, streaming."""
    found = Rejects()
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "column", "reason", "text"])
        for reject in rejects:
            writer.writerow([reject.line, reject.column, reject.reason, reject.text])
            found.rows += 1
            found.reasons[reject.kind] += 1
            for name in reject.columns:
                found.columns[name] += 1
            if len(found.examples) < _EXAMPLES:
                shown = reject.text if len(reject.text) <= _SHOWN else reject.text[:_SHOWN] + "…"
                found.examples.append(
                    {"line": reject.line, "column": reject.column, "reason": reject.reason, "text": shown}
                )
    return found


def csv_rejects(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    ordered: Path,
    text: Path,
    names: Sequence[str],
    kinds: Sequence[str],
    *,
    physical_lines: bool,
) -> Iterator[Reject]:
    """Every row in DuckDB's reject table, in file order, by way of the file ``ordered``. ``kinds``: what each column's
    values are ``called``.

    DuckDB counts records, not lines, once a quoted field has had a line end in it; with ``physical_lines`` the number
    is found from the row's place in the file instead.
    """
    lines = _Lines(text) if physical_lines else None
    connection.execute(
        "COPY (SELECT line_byte_position AS place, line, column_idx AS col, error_type AS type, csv_line AS content, "
        f"error_message AS said FROM {table} ORDER BY place, col) TO {text_sql(str(ordered))} (FORMAT json)"
    )
    for position, errors in _rows(ordered):
        original = (errors[0]["content"] or "").replace(NO_VALUE, "")
        content = original.lstrip("\r\n")
        blank = len(original) - len(content)
        line = errors[0]["line"] if lines is None or position is None else lines.at(position - 1 + blank)
        column, kind, reason = _explain(errors, names, kinds)
        yield Reject(line, column, kind, reason, content, tuple(_cast_columns(errors, names)))


def with_texts(rejects: Iterable[Reject], texts: Iterable[tuple[int, str]]) -> Iterator[Reject]:
    """Each with its line's own text; both in order of their lines."""
    wanted = iter(rejects)
    reject = next(wanted, None)
    for number, text in texts:
        while reject is not None and reject.line == number:
            yield replace(reject, text=text)
            reject = next(wanted, None)
        if reject is None:
            return


def cast_failures(connection: duckdb.DuckDBPyConnection, table: str) -> dict[int, int]:
    """How many values of each column (by position from 0) were not of its type."""
    rows = connection.execute(
        f"SELECT column_idx - 1, count(*) FROM {table} WHERE error_type = 'CAST' GROUP BY 1"
    ).fetchall()
    return {int(position): int(count) for position, count in rows}


def count_rejected(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(DISTINCT line_byte_position) FROM {table}").fetchone()
    return int(row[0]) if row else 0


def _rows(ordered: Path) -> Iterator[tuple[int | None, list[dict[str, Any]]]]:
    """Each rejected row's place and mistakes. From a file: a result set would be whole in memory."""
    with ordered.open(encoding="utf-8") as file:
        for place, group in groupby(map(json.loads, file), key=itemgetter("place")):
            yield place, list(group)
    ordered.unlink()


def _name(position: int | None, names: Sequence[str]) -> str:
    return names[position - 1] if position is not None and 0 < position <= len(names) else ""


def _cast_columns(errors: list[dict[str, Any]], names: Sequence[str]) -> list[str]:
    return [_name(error["col"], names) for error in errors if error["type"] == "CAST"]


def _explain(errors: list[dict[str, Any]], names: Sequence[str], wanted: Sequence[str]) -> tuple[str, str, str]:
    """The first column concerned, the kind of mistake, and what to tell about the whole row."""
    kinds = {error["type"]: error for error in errors}
    width = len(names)
    for kind in ("UNQUOTED VALUE", "UNTERMINATED QUOTES"):
        if kind in kinds:
            return _name(kinds[kind]["col"], names), "quotes", "a quoted value that doesn't end where the field ends"
    if "INVALID ENCODING" in kinds:
        return _name(kinds["INVALID ENCODING"]["col"], names), "encoding", "not valid UTF-8"
    if "LINE SIZE OVER MAXIMUM" in kinds:
        return "", "too long", "longer than 2,000,000 bytes"
    for kind, label in (("TOO MANY COLUMNS", "too many fields"), ("MISSING COLUMNS", "too few fields")):
        found = [_FOUND.search(error["said"]) for error in errors if error["type"] == kind]
        counts = [int(match[1]) for match in found if match]
        if counts:
            count = max(counts) if kind == "TOO MANY COLUMNS" else min(counts)
            return "", label, f"{count} fields instead of {width}"
    said = []
    for error in errors:
        position = error["col"]
        match = _CAST.search(error["said"])
        if error["type"] == "CAST" and match and position is not None and 0 < position <= width:
            value = match[1].removesuffix(NO_VALUE)
            value = value if len(value) <= 60 else value[:60] + "…"
            said.append(f"{names[position - 1]}: {value!r} is not {wanted[position - 1]}")
        else:
            said.append(" ".join(error["said"].split())[:_SHOWN])
    return _name(errors[0]["col"], names), "wrong type", "; ".join(dict.fromkeys(said))


class _Lines:
    """Line numbers of ascending byte offsets, reading the file once."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            start = file.read(1 << 20)
        self._end = b"\r" if b"\r" in start and b"\n" not in start else b"\n"
        self._chunks = self._read(path)
        self._start = 0  # offset of the chunk at hand
        self._before = 0  # line ends before it
        self._chunk = next(self._chunks, b"")

    @staticmethod
    def _read(path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk

    def at(self, offset: int) -> int:
        while offset >= self._start + len(self._chunk):
            following = next(self._chunks, None)
            if following is None:
                break
            self._before += self._chunk.count(self._end)
            self._start += len(self._chunk)
            self._chunk = following
        return self._before + self._chunk.count(self._end, 0, max(0, offset - self._start)) + 1

"""Lines of JSON, an object each, as the CSV that the strict reader takes: what a cell may hold is decided there.

A value means what it would mean in CSV, with one difference: a column of strings is text (or dates), whatever the
strings look like, because requests say it in JSON, too. Objects and lists of texts become columns as
``domain.flattening`` has it; what that refuses rejects its row, unless ``features.exclude`` names it.
"""

from __future__ import annotations

import csv
import json
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluicegate.data.dialect import MOST_COLUMNS, Dialect, column_names, is_known, one_column
from sluicegate.data.inference import SHARE
from sluicegate.data.reading import joined_notes
from sluicegate.data.rejects import Reject
from sluicegate.domain import algorithms
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.flattening import Joined, Refused, above, flat
from sluicegate.domain.schema import Schema
from sluicegate.domain.settings import ModelSettings

#: as DuckDB's reader of CSV has it
LONGEST_LINE = 2_000_000
_LOOKED_AT = 20
_SHOWN = 60
_ENDINGS = (".jsonl", ".ndjson", ".jsonlines", ".json")


class _Nested(ValueError):
    """The record has an object or a list."""


class _Unusable(ValueError):
    """A line that is no record: column, kind of mistake, reason."""

    def __init__(self, column: str, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.kind, self.reason = column, kind, reason


@dataclass
class JsonLines:
    """The lines as a CSV file, and how to find them again.

    ``strings`` are the positions of columns that hold strings; ``early`` has the rejected lines, a JSON object each.
    """

    csv: Path
    text: Path
    dialect: Dialect
    strings: frozenset[int]
    early: Path
    notes: list[str] = field(default_factory=list)
    _csv_lines: array[int] = field(default_factory=lambda: array("q"))
    _json_lines: array[int] = field(default_factory=lambda: array("q"))

    def line_of(self, csv_line: int) -> int:
        """The line of the upload that became the record at this line of the CSV."""
        place = max(0, bisect_right(self._csv_lines, csv_line) - 1)
        return self._json_lines[place] + csv_line - self._csv_lines[place] if self._csv_lines else csv_line

    def early_rejects(self) -> Iterator[Reject]:
        """In order of their lines, without their text."""
        with self.early.open(encoding="utf-8") as file:
            for line in file:
                yield Reject(*json.loads(line))

    def texts(self) -> Iterator[tuple[int, str]]:
        """Every line of the upload with its number."""
        with self.text.open("rb") as file:
            for number, line in _numbered(file):
                yield number, line.decode("utf-8", "replace").rstrip("\r\n")


def looks_like_json_lines(path: Path, key: str) -> bool:
    """By the text; by the name only where the text leaves it open (a first line that is broken)."""
    with path.open("rb") as file:
        starts = [line.lstrip(b"\xef\xbb\xbf \t")[:1] for line, _ in zip(file, range(_LOOKED_AT), strict=False)]
    starts = [start for start in starts if start.strip()]
    if not starts:
        return False
    if is_named_json(key):
        return b"{" in starts or b"[" in starts
    with path.open("rb") as file:
        first = next((line for line in file if line.strip(b"\xef\xbb\xbf \t\r\n")), b"")[:LONGEST_LINE]
    if starts[0] != b"{":
        return False
    try:
        return isinstance(json.loads(first.decode("utf-8-sig")), dict)
    except (ValueError, RecursionError):
        return False


def is_named_json(key: str) -> bool:
    return key.lower().removesuffix(".gz").endswith(_ENDINGS)


def json_lines(text: Path, key: str, workdir: Path, known: Schema | None, settings: ModelSettings) -> JsonLines:
    """Writes the CSV. Raises ``UnreadableUpload`` when the file is one document, or no line is an object."""
    with text.open("rb") as file:
        start = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b"["):
        raise UnreadableUpload(
            "One JSON array", f"{key} is a JSON array, not a line for each record.", "Write one JSON object a line."
        )
    excluded = frozenset(name.casefold() for name in settings.features.exclude)
    columns: dict[str, int] = {}
    hollow: frozenset[str] = frozenset()
    while True:
        width = len(columns)
        made = _convert(text, workdir, columns, excluded, hollow)
        if len(columns) == width or made.complete:
            if not (more := _hollow(columns, made, known)):
                break
            hollow |= more
            columns = _filled(columns, hollow)
        # otherwise columns came after their first row: once more, with all of them
    if not columns:
        raise UnreadableUpload(
            "No records", f"No line of {key} is a JSON object: {made.first}.", "Write one JSON object a line."
        )
    if len(columns) < 2 and algorithms.of(settings).supervised and not is_known([*columns], known):
        raise one_column(f"The records of {key} have no column but {next(iter(columns))!r}.")
    names, notes = column_names(list(columns), key, known)
    notes += joined_notes([name for position, name in enumerate(names) if position in made.lists], settings)
    strings = frozenset(
        position
        for position in range(len(names))
        if made.strings.get(position, 0) >= SHARE * max(1, made.values.get(position, 0))
    )
    return JsonLines(
        csv=made.path,
        text=text,
        dialect=Dialect(",", names, 0, False, notes),
        strings=strings,
        early=made.early,
        _csv_lines=made.csv_lines,
        _json_lines=made.json_lines,
    )


def _hollow(columns: dict[str, int], made: _Converted, known: Schema | None) -> frozenset[str]:
    """Names that only ever stood for a missing object, in whose place its parts are columns."""
    empty = [name for name, position in columns.items() if not made.values.get(position)]
    if not empty:
        return frozenset()
    paths = {path for name in (*columns, *(known.names if known else ())) for path in above(name)}
    return frozenset(paths.intersection(empty))


def _filled(columns: dict[str, int], hollow: frozenset[str]) -> dict[str, int]:
    """The columns without the hollow ones, in whose places their parts stand: the last column may be the target."""
    places = {
        name: next((columns[path] for path in above(name) if path in hollow and path in columns), position)
        for name, position in columns.items()
        if name not in hollow
    }
    return {name: position for position, name in enumerate(sorted(places, key=places.__getitem__))}


@dataclass
class _Converted:
    path: Path
    early: Path
    complete: bool = True
    first: str = "it has none"
    strings: dict[int, int] = field(default_factory=dict)
    values: dict[int, int] = field(default_factory=dict)
    lists: set[int] = field(default_factory=set)
    csv_lines: array[int] = field(default_factory=lambda: array("q"))
    json_lines: array[int] = field(default_factory=lambda: array("q"))


def _convert(
    text: Path, workdir: Path, columns: dict[str, int], excluded: frozenset[str], hollow: frozenset[str]
) -> _Converted:
    """One pass. ``columns`` grows by what is found but for ``hollow``; rows written before that lack the fields (not
    ``complete``)."""
    made = _Converted(workdir / "records.csv", workdir / "unreadable.jsonl")
    decode = json.JSONDecoder(parse_constant=lambda _: None).decode
    csv_line, offset, written = 2, None, False
    with (
        text.open("rb") as source,
        made.path.open("w", newline="", encoding="utf-8") as out,
        made.early.open("w", encoding="utf-8") as early,
    ):
        writer = csv.writer(out, lineterminator="\n")
        known = len(columns)
        for number, line in _numbered(source):
            if not line.strip():
                continue
            try:
                row, ends = _row(line, number, decode, columns, excluded, hollow, made)
            except _Unusable as error:
                if made.first == "it has none":
                    made.first = f"line {number}: {error.reason}"
                early.write(json.dumps([number, error.column, error.kind, error.reason]) + "\n")
                continue
            if not written:
                writer.writerow([f"c{position}" for position in range(len(row))])
            elif len(row) > known:
                made.complete = False
            known, written = len(row), True
            writer.writerow(row)
            if offset != number - csv_line:
                offset = number - csv_line
                made.csv_lines.append(csv_line)
                made.json_lines.append(number)
            csv_line += 1 + ends
    return made


def _numbered(file: Any) -> Iterator[tuple[int, bytes]]:
    """Lines with their numbers; what is longer than ``LONGEST_LINE`` comes cut."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            rest = line
            while rest and not rest.endswith(b"\n"):
                rest = file.readline(LONGEST_LINE)
        yield number, line


def _row(
    line: bytes,
    number: int,
    decode: Any,
    columns: dict[str, int],
    excluded: frozenset[str],
    hollow: frozenset[str],
    made: _Converted,
) -> tuple[list[str], int]:
    """The cells in the order of ``columns``, and how many line ends are in them."""
    values, strings = made.values, made.strings
    if len(line) > LONGEST_LINE:
        raise _Unusable("", "too long", f"longer than {LONGEST_LINE:,} bytes")
    try:
        record = decode(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError:
        raise _Unusable("", "encoding", "not valid UTF-8") from None
    except json.JSONDecodeError as error:
        raise _Unusable("", "not JSON", f"not JSON: {error.msg} at column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise _Unusable("", "not JSON", f"not usable JSON: {str(error)[:_SHOWN]}") from None
    if not isinstance(record, dict):
        raise _Unusable("", "not an object", f"{_kind(record)} where an object {{column: value}} is expected")
    # all cells first: a row that is set aside brings no columns
    try:
        cells = ["" if value is None else _cell(name, value) for name, value in record.items()]
    except _Nested:
        record = _flat(record, excluded)
        cells = ["" if value is None else _cell(name, value) for name, value in record.items()]
    row = [""] * len(columns)
    ends = 0
    for (name, value), cell in zip(record.items(), cells, strict=True):
        position = columns.get(name)
        if position is None:
            if name in hollow and not cell:
                continue
            if len(columns) >= MOST_COLUMNS:
                raise _Unusable("", "too many columns", f"a column more than the {MOST_COLUMNS:,} that are read")
            position = columns[name] = len(columns)
            row.append("")
        if cell:
            row[position] = cell
            values[position] = values.get(position, 0) + 1
            if isinstance(value, str):
                strings[position] = strings.get(position, 0) + 1
                if "\n" in cell:
                    ends += cell.count("\n")
                if type(value) is Joined:
                    made.lists.add(position)
    return row, ends


def _flat(record: dict[str, Any], excluded: frozenset[str]) -> dict[str, Any]:
    """``flat``, with what is excluded as a column without values."""
    found: dict[str, Any] = {}
    for name, value in flat(record).items():
        outer = next((path for path in above(name) if path.casefold() in excluded), None)
        if outer is not None:
            found[outer] = None
        else:
            found[name] = None if type(value) is Refused and name.casefold() in excluded else value
    return found


def _cell(name: str, value: Any) -> str:
    kind = type(value)
    if kind is float or kind is int:
        return repr(value) if kind is int or math.isfinite(value) else ""
    if kind is bool:
        return "true" if value else "false"
    if isinstance(value, str):
        if "\0" in value:
            raise _Unusable(name, "not text", f"{name}: a text with a NUL character")
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                raise _Unusable(name, "encoding", f"{name}: a text that is not valid Unicode") from None
        # the CSV has one kind of line end
        return value.replace("\r\n", "\n").replace("\r", "\n") if "\r" in value else value
    if type(value) is Refused:
        raise _Unusable(name, "nested value", f"{name}: {value.reason}")
    raise _Nested(name)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return kinds[type(value)]

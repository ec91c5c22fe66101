"""A CSV rewritten for the strict reader, column by column: dates as ISO 8601, numbers as programs write them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from sluicegate.data.long_fields import long_fields
from sluicegate.data.rejects import NO_VALUE
from sluicegate.domain.date_formats import DateFormat
from sluicegate.domain.dates import parse_date
from sluicegate.domain.number_formats import NumberFormat
from sluicegate.domain.schema import BLANK, MISSING_MARKERS

_LONGEST_FIELD = 2_000_000  # as DuckDB's reader of CSV has it
_END = "\r\n"
_MISSING = frozenset(MISSING_MARKERS)

#: the text to put in a value's place; None: it is none of the column's type
Change = Callable[[str], str | None]


def iso_date(dates: DateFormat | None) -> Change:
    """Dates in this format, or in ISO 8601 already."""

    def change(value: str) -> str | None:
        found = value if dates is None else dates.iso(value)
        return found if found != value or parse_date(value) is not None else None

    return change


def plain_number(form: NumberFormat) -> Change:
    return form.plain


def rewritten(path: Path, target: Path, delimiter: str, changes: Mapping[int, Change]) -> None:
    """Copies a CSV with a header and the values of some columns (by position) changed; what is no value gets
    ``NO_VALUE`` at its end. A record of which nothing is changed, or which is broken, is copied as it is; records keep
    their lines."""
    with (
        long_fields(_LONGEST_FIELD),
        path.open(encoding="utf-8", errors="surrogateescape", newline="") as source,
        target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
    ):
        writer = csv.writer(_Ends(out), delimiter=delimiter, lineterminator=_END)
        header = False
        for text, fields in _records(source, delimiter):
            if header and fields and _rewrite(fields, changes):
                writer.writerow(fields)
                out.write(text[len(text.rstrip("\r\n")) :])
            else:
                out.write(text)
            header = header or bool(fields)


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


def _rewrite(fields: list[str], changes: Mapping[int, Change]) -> bool:
    changed = False
    for position, change in changes.items():
        if position >= len(fields):
            continue
        value = fields[position].strip(BLANK)
        if value in _MISSING:
            continue
        found = change(value)
        found = value + NO_VALUE if found is None else found
        if found != value:
            fields[position], changed = found, True
    return changed

"""The shape of a CSV file: its delimiter and its column names, from the first lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import Schema

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_BYTES = 1 << 18
MOST_COLUMNS = 2_000
_LONGEST_NAME = 300
#: what separates columns elsewhere
_NO_DELIMITERS = "^~:!#\x1f "
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_SHOWN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}


@dataclass
class Dialect:
    """``names`` are the final column names, one for each field; ``unnamed`` the positions of those that the header has
    no name for; ``skip`` counts blank lines before the header."""

    delimiter: str
    names: list[str]
    skip: int
    only_header: bool
    notes: list[str] = field(default_factory=list)
    unnamed: frozenset[int] = frozenset()

    @property
    def delimiter_name(self) -> str:
        return _SHOWN[self.delimiter]


def read_dialect(path: Path, key: str, known: Schema | None, *, alone: bool = False) -> Dialect:
    """Looks at the first 256 KB. Raises ``UnreadableUpload`` when there is no header, or only one column and neither
    is one enough (``alone``) nor its name ``known``: then the columns may be separated by what nobody looks for."""
    with path.open("rb") as file:
        raw = file.read(SAMPLE_BYTES + 1)
    text = raw[:SAMPLE_BYTES].decode("utf-8-sig", errors="replace")
    whole = len(raw) <= SAMPLE_BYTES
    stripped = text.lstrip("\r\n")
    skip = len(text[: len(text) - len(stripped)].splitlines())
    candidates = {delimiter: _records(stripped, delimiter, whole) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda candidate: _score(candidates[candidate]))
    records = candidates[delimiter]
    header = records[0]
    if len(header) < 2 and not is_known(header, known) and (other := _other_delimiter(records)):
        raise one_column(
            f"The first line of {key} is {_cut(header[0])!r}: {other!r} seems to separate its columns; only comma, "
            "semicolon, tab and vertical bar are read as such."
        )
    if len(header) < 2 and not (alone or is_known(header, known)):
        raise one_column(
            f"The first line of {key} is {_cut(header[0] if header else '')!r}: no comma, semicolon, tab or vertical "
            "bar separates columns in it."
        )
    if len(header) > MOST_COLUMNS:
        raise UnreadableUpload(
            "Too many columns",
            f"{key} has {len(header):,} columns; at most {MOST_COLUMNS:,} are read.",
            "Leave some out.",
        )
    cells = [" ".join(cell.split()) for cell in header]
    if all(_NUMBER.fullmatch(cell) for cell in cells if cell) and any(cells):
        raise UnreadableUpload(
            "No header",
            f"The first line of {key} is {_cut(delimiter.join(cells))!r}: numbers, not the names of columns.",
            "Put the columns' names on the first line.",
        )
    names, notes = column_names(cells, key, known)
    unnamed = frozenset(position for position, cell in enumerate(cells) if not cell)
    return Dialect(delimiter, names, skip, whole and len(records) == 1, notes, unnamed)


def _other_delimiter(records: list[list[str]]) -> str | None:
    """A character that stands as often in nearly every line of a single column as in its name."""
    lines = ["".join(record) for record in records]
    for character in _NO_DELIMITERS:
        wanted = lines[0].strip().count(character)
        if wanted and sum(line.strip().count(character) == wanted for line in lines) >= 0.95 * len(lines) > 1:
            return character
    return None


def is_known(names: Sequence[str], known: Schema | None) -> bool:
    """Whether earlier uploads have all of these columns."""
    spelled = {name.casefold() for name in known.names} if known else set()
    return bool(names) and all(" ".join(name.split()).casefold() in spelled for name in names)


def one_column(detail: str) -> UnreadableUpload:
    """A file of one column where that is not enough."""
    return UnreadableUpload(
        "Only one column",
        detail,
        "Upload a table with a header, a target and at least one feature, separated by commas. One column is enough "
        "for an algorithm without a target, such as randomcutforest: name that in model.yaml, then upload the file "
        "again.",
    )


def _records(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    records: list[list[str]] = []
    try:
        for record in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if record:
                records.append(record)
            if len(records) > 500:
                return records
    except csv.Error:  # a field longer than Python's reader takes: what came before is enough
        return records or [[]]
    return (records if whole or len(records) == 1 else records[:-1]) or [[]]


def _score(records: list[list[str]]) -> tuple[bool, float, int]:
    width = len(records[0])
    fitting = sum(len(record) == width for record in records) / len(records)
    return width > 1, fitting, width


def column_names(cells: list[str], key: str, known: Schema | None) -> tuple[list[str], list[str]]:
    """Names that are unique whatever the case (DuckDB and SQL don't tell ``Age`` from ``age``)."""
    spelled = {name.casefold(): name for name in known.names} if known else {}
    names: list[str] = []
    notes: list[str] = []
    given = {cell.casefold() for cell in cells}
    taken: set[str] = set()
    for position, cell in enumerate(cells, start=1):
        if len(cell) > _LONGEST_NAME:
            raise UnreadableUpload(
                "Column name too long",
                f"Column {position} of {key} is named {_cut(cell)!r} with {len(cell):,} characters; at most "
                f"{_LONGEST_NAME} are accepted. Is the first line a header?",
                "Put short column names on the first line.",
            )
        name = cell
        if not cell:
            name = _free(f"column_{position}", given | taken)
            notes.append(f"Column {position} has no name; it is called {name}.")
        elif cell.casefold() in taken:
            name = _free(cell, given | taken)
            notes.append(f"The name {cell} is given again to column {position}; it is called {name}.")
        elif (usual := spelled.get(cell.casefold(), cell)) != cell:
            name = usual
            notes.append(f"Column {cell} is taken as {usual}, as in earlier uploads.")
        taken.add(name.casefold())
        names.append(name)
    return names, notes


def _free(wanted: str, taken: set[str]) -> str:
    if wanted.casefold() not in taken:
        return wanted
    number = 2
    while f"{wanted}_{number}".casefold() in taken:
        number += 1
    return f"{wanted}_{number}"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"

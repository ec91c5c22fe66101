# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""Reading one upload: good rows to Parquet, bad rows to a report, nothing lost in between.

Two steps, because each alone goes wrong: types guessed while reading turn a column to text at its first bad value, and
lenient reading drops rows without a word. So a sample of plain text decides the types, and then DuckDB reads strictly
with those types and stores every row that doesn't fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from heapq import merge
from operator import attrgetter
from pathlib import Path

import duckdb

from sluicegate.data.dialect import Dialect, read_dialect
from sluicegate.data.engine import connect, name_sql, text_sql
from sluicegate.data.inference import (
    SHARE,
    Inference,
    infer,
    markers_list,
)
from sluicegate.data.json_lines import JsonLines, is_named_json, json_lines, looks_like_json_lines
from sluicegate.data.parquet import is_parquet, read_parquet
from sluicegate.data.reading import Source, UploadReading, finish
from sluicegate.data.rejects import (
    Rejects,
    called,
    cast_failures,
    count_rejected,
    csv_rejects,
    with_texts,
    write_rejects,
)
from sluicegate.data.rewriting import Change, iso_date, plain_number, rewritten
from sluicegate.data.sampled import is_marker, listed, mostly_broken
from sluicegate.data.text import PlainText, plain_text, spread_sample
from sluicegate.domain import algorithms
from sluicegate.domain.date_formats import date_format
from sluicegate.domain.dates import DATE_PATTERN
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import MISSING_MARKERS, Column, ColumnType, Schema
from sluicegate.domain.settings import ModelSettings

#: what a packed or plain upload may hold at most, unless the caller says otherwise
MAX_UNPACKED_BYTES = 8 << 30
#: from this size on a file that is mostly wrong is refused from its sample
_LARGE = 32 << 20
_FEW = 500
_LONGEST_MARKER = max(len(marker) for marker in MISSING_MARKERS)
_SQL_TYPES: dict[ColumnType, str] = {
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "TIMESTAMPTZ",
    "category": "VARCHAR",
    "text": "VARCHAR",
}


def read_upload(
    source: Path,
    *,
    key: str,
    settings: ModelSettings,
    known: Schema | None,
    workdir: Path,
    memory_limit_mb: int,
    max_unpacked_bytes: int = MAX_UNPACKED_BYTES,
) -> UploadReading:
    """Reads CSV, lines of JSON (both may be packed with gzip) or Parquet into ``workdir``; what the file holds decides,
    not its name. Raises ``UnreadableUpload`` when there is nothing to take."""
    workdir.mkdir(parents=True, exist_ok=True)
    if is_parquet(source):
        with connect(workdir, memory_limit_mb) as connection:
            return read_parquet(connection, source, key, settings, known, workdir)
    text = plain_text(source, key, workdir, max_unpacked_bytes)
    if key.lower().endswith((".parquet", ".pq")):
        text.notes.append(f"{key} is named as Parquet but is text; it was read as it is.")
    records: JsonLines | None = None
    if looks_like_json_lines(text.path, key):
        if not is_named_json(key):
            text.notes.append(f"{key} holds lines of JSON, whatever its name says; it was read as such.")
        records = json_lines(text.path, key, workdir, known, settings)
        size = records.csv.stat().st_size
        text, dialect = replace(text, path=records.csv, size=size, has_quotes=True), records.dialect
    else:
        if is_named_json(key):
            text.notes.append(f"{key} is named as JSON but holds no objects; it was read as CSV.")
        dialect = read_dialect(text.path, key, known, alone=not algorithms.of(settings).supervised)
    if dialect.only_header:
        raise UnreadableUpload(
            "No rows", f"{key} has a header and no rows below it.", "Upload a file with at least one row of data."
        )
    with connect(workdir, memory_limit_mb) as connection:
        return _read(connection, text, dialect, records, key, settings, known, workdir)


def _read(
    connection: duckdb.DuckDBPyConnection,
    text: PlainText,
    dialect: Dialect,
    records: JsonLines | None,
    key: str,
    settings: ModelSettings,
    known: Schema | None,
    workdir: Path,
) -> UploadReading:
    names = dialect.names
    reader = _Reader(connection, text.path, dialect, settings, workdir)
    sample = spread_sample(text.path, text.size, workdir / "sample.csv")
    reader.sample(sample)
    inference = infer(
        connection,
        "sample",
        names,
        delimiter=dialect.delimiter,
        settings=settings,
        known=known,
        unnamed=dialect.unnamed,
        strings=records.strings if records else None,
    )
    if text.size > _LARGE:
        _refuse_hopeless(connection, sample, inference, key)
    connection.execute("DROP TABLE sample")
    parquet = workdir / "rows.parquet"
    notes = [*text.notes, *dialect.notes, *inference.notes]
    accepted = reader.read(inference, parquet)
    accepted = _correct_types(reader, inference, parquet, accepted, names, notes)
    if empty := _empty(connection, parquet, [names[position] for position in sorted(dialect.unnamed)]):
        parquet = _without(connection, parquet, empty, workdir / "named.parquet")
        notes.append(f"Columns without a name and without values are left out: {listed(empty)}.")

    rejects, rejects_path = Rejects(), workdir / "rows.csv"
    if records is not None or count_rejected(connection, reader.rejects_table):
        found = csv_rejects(
            connection,
            reader.rejects_table,
            workdir / "rejects.jsonl",
            reader.path,
            names,
            [
                inference.numbers[position].said
                if position in inference.numbers
                else called(kind, settings.features.dates.get(name))
                for position, (name, kind) in enumerate(zip(names, inference.types, strict=True))
            ],
            physical_lines=text.has_quotes,
        )
        if records is not None:
            placed = (replace(reject, line=records.line_of(reject.line)) for reject in found)
            found = with_texts(merge(records.early_rejects(), placed, key=attrgetter("line")), records.texts())
        rejects = write_rejects(found, rejects_path)
    form = {
        "size": (records.text if records else text.path).stat().st_size,
        "format": "csv" if records is None else "jsonl",
        "encoding": text.encoding,
        "delimiter": dialect.delimiter if records is None else None,
    }
    columns = [(name, kind) for name, kind in zip(names, inference.types, strict=True) if name not in empty]
    source = Source(key, form)
    return finish(connection, source, columns, parquet, accepted, rejects, rejects_path, settings, known, notes)


class _Reader:
    """DuckDB's CSV reader on one file, told everything, guessing nothing."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        dialect: Dialect,
        settings: ModelSettings,
        workdir: Path,
    ) -> None:
        self._connection = connection
        self._file = path
        self.path = path
        self._dialect = dialect
        self._settings = settings
        self._workdir = workdir
        self._reads = 0

    @property
    def rejects_table(self) -> str:
        return f"rejects_{self._reads}"

    def sample(self, path: Path) -> None:
        """A table ``sample`` of text from ``path``; broken lines are passed over."""
        types = ["VARCHAR"] * len(self._dialect.names)
        self._connection.execute(
            f"CREATE TEMP TABLE sample AS FROM {self._source(path, types, 'ignore_errors = true')}"
        )

    def read(self, inference: Inference, parquet: Path) -> int:
        """Writes the rows that fit to ``parquet`` and the others to ``rejects_table``. Returns how many fit."""
        self._reads += 1
        self._rewrite(inference)
        options = [
            "store_rejects = true",
            f"rejects_table = '{self.rejects_table}'",
            f"rejects_scan = 'scan_{self._reads}'",
            "rejects_limit = 0",
            f"nullstr = {markers_list(inference.missing)}",
        ]
        source = self._source(self.path, [_SQL_TYPES[kind] for kind in inference.types], *options)
        numbered = list(enumerate(zip(self._dialect.names, inference.types, strict=True)))
        inner = ", ".join(f"{_clean(f'c{position}', kind)} AS c{position}" for position, (_, kind) in numbered)
        outer = ", ".join(
            f"{_without_markers(f'c{position}', kind)} AS {name_sql(name)}" for position, (name, kind) in numbered
        )
        # an empty line is a row of one column to DuckDB, and says nothing
        filled = f" WHERE {name_sql(self._dialect.names[0])} IS NOT NULL" if len(numbered) == 1 else ""
        row = self._connection.execute(
            f"COPY (SELECT * FROM (SELECT {outer} FROM (SELECT {inner} FROM {source})){filled}) "
            f"TO {text_sql(str(parquet))} (FORMAT parquet)"
        ).fetchone()
        return int(row[0]) if row else 0

    def _rewrite(self, inference: Inference) -> None:
        """Where a column's values are written as DuckDB doesn't read them, ``path`` is a copy that it does."""
        changes: dict[int, Change] = {
            position: plain_number(form)
            for position, form in inference.numbers.items()
            if inference.types[position] == "number"
        }
        dates = [position for position, kind in enumerate(inference.types) if kind == "date"]
        declared = {at: self._settings.features.dates.get(self._dialect.names[at]) for at in dates}
        changes |= {at: iso_date(date_format(said)) for at, said in declared.items() if said is not None}
        changes |= {at: iso_date(None) for at in self._loosely_read([at for at in dates if declared[at] is None])}
        self.path = self._file
        if changes:
            self.path = self._workdir / "rewritten.csv"
            rewritten(self._file, self.path, self._dialect.delimiter, changes)

    def _loosely_read(self, dates: Sequence[int]) -> list[int]:
        """The columns in which DuckDB would take something for a date that is none: 1/2/03 for a day of the year 1."""
        if not dates:
            return []
        types = ["VARCHAR"] * len(self._dialect.names)
        source = self._source(self._file, types, "ignore_errors = true")
        wanted = ", ".join(
            f"count(CASE WHEN NOT regexp_full_match(trim(c{at}), {text_sql(DATE_PATTERN)}) "
            f"THEN TRY_CAST(c{at} AS TIMESTAMPTZ) END) > 0"
            for at in dates
        )
        row = self._connection.execute(f"SELECT {wanted} FROM {source}").fetchone() or ()
        return [at for at, loose in zip(dates, row, strict=True) if loose]

    def _source(self, path: Path, types: Sequence[str], *options: str) -> str:
        columns = ", ".join(f"'c{position}': '{kind}'" for position, kind in enumerate(types))
        said = ", ".join(
            [
                text_sql(str(path)),
                "auto_detect = false",
                "compression = 'none'",
                "header = true",
                f"skip = {self._dialect.skip}",
                f"delim = {text_sql(self._dialect.delimiter)}",
                "quote = '\"'",
                "escape = '\"'",
                "strict_mode = true",
                f"columns = {{{columns}}}",
                *options,
            ]
        )
        return f"read_csv({said})"


def _clean(column: str, kind: ColumnType) -> str:
    """Values as the rest of the program knows them: trimmed text, finite numbers, UTC dates; the rest missing."""
    if kind == "number":
        return f"CASE WHEN isfinite({column}) THEN {column} END"
    if kind == "date":
        moment = f"timezone('UTC', {column})"  # with its zone, year 0 would be 1 (BC)
        return f"CASE WHEN year({moment}) BETWEEN 1 AND 9999 THEN {moment} END"
    return f"trim({column})" if kind == "category" else column


def _without_markers(column: str, kind: ColumnType) -> str:
    """The reader knows markers as they stand; these had spaces around them. Long texts skip the slow look-up."""
    if kind != "category":
        return column
    long = f"strlen({column}) > {_LONGEST_MARKER}"
    return f"CASE WHEN {long} THEN {column} WHEN NOT {is_marker(column)} THEN {column} END"


def _correct_types(
    reader: _Reader, inference: Inference, parquet: Path, accepted: int, names: Sequence[str], notes: list[str]
) -> int:
    """A sample is a small part of a large file. Where the whole says otherwise, the column is text: read again."""
    connection = reader._connection
    for _ in names:
        failures = cast_failures(connection, reader.rejects_table)
        total = accepted + count_rejected(connection, reader.rejects_table)
        wrong = [position for position in inference.inferred if failures.get(position, 0) > (1 - SHARE) * total]
        if not wrong:
            break
        for position in wrong:
            notes.append(
                f"Column {names[position]} looked like a {inference.types[position]} in a sample, but "
                f"{failures[position]:,} of {total:,} values are none; it is a category."
            )
            inference.types[position] = "category"
            inference.inferred.discard(position)
        accepted = reader.read(inference, parquet)
    return accepted


def _empty(connection: duckdb.DuckDBPyConnection, parquet: Path, names: Sequence[str]) -> list[str]:
    """Those of the columns that have no value in any row."""
    if not names:
        return []
    wanted = ", ".join(f"count({name_sql(name)}) = 0" for name in names)
    row = connection.execute(f"SELECT {wanted} FROM read_parquet({text_sql(str(parquet))})").fetchone() or ()
    return [name for name, empty in zip(names, row, strict=True) if empty]


def _without(connection: duckdb.DuckDBPyConnection, parquet: Path, names: Sequence[str], target: Path) -> Path:
    left_out = ", ".join(map(name_sql, names))
    connection.execute(
        f"COPY (SELECT * EXCLUDE ({left_out}) FROM read_parquet({text_sql(str(parquet))})) "
        f"TO {text_sql(str(target))} (FORMAT parquet)"
    )
    parquet.unlink()
    return target


def _refuse_hopeless(connection: duckdb.DuckDBPyConnection, sample: Path, inference: Inference, key: str) -> None:
    """Refuses a large file of which most is wrong, before reading it: DuckDB holds every rejected row in memory (about
    1.5 KB each), which is fine for mistakes and not for a file of another kind. A small file gets its full report.
    """
    remedy = "Correct the file, or drop it under another model if it is a table of another kind."
    rows = mostly_broken(connection, sample, _FEW)
    if rows is not None:
        raise UnreadableUpload(
            "Mostly broken lines",
            f"Of lines from all over {key} only {rows:,} have the fields that the header names.",
            remedy,
        )
    if inference.misfits:
        raise UnreadableUpload(
            "Values of another type", f"In many rows all over {key}: {'; '.join(inference.misfits)}.", remedy
        )


__all__ = ["MAX_UNPACKED_BYTES", "Column", "UploadReading", "read_upload"]

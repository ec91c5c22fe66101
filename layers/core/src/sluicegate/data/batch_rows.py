# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""The rows of a file that is to be predicted: what was written, what the model sees of it, and what can't be read.

One Parquet file holds all of it: ``r0``, ``r1``, … as the file has them (CSV: text; JSON lines: the line itself;
Parquet: its own types), ``f0``, ``f1``, … the model's columns as ``data.ingest`` types them, and ``why``: NULL, or what
is wrong with the row. Every later step is a filter over that file in its order, so no step needs the rows in memory.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sluicegate.data import batch_sql, flat_lines
from sluicegate.data.batch_lines import Lines
from sluicegate.data.batch_sql import Cell
from sluicegate.data.dialect import Dialect, read_dialect
from sluicegate.data.engine import connect, text_sql
from sluicegate.data.inference import infer
from sluicegate.data.long_fields import LONGEST_ROW, long_fields
from sluicegate.data.rejects import called, csv_rejects, write_rejects
from sluicegate.data.sampled import mostly_broken
from sluicegate.data.structures import leaves
from sluicegate.data.text import PlainText, plain_text, spread_sample
from sluicegate.domain.batch import FileFormat, taken
from sluicegate.domain.dataset import Dataset
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import Schema
from sluicegate.domain.settings import ModelSettings

_LARGE, _FEW = 32 << 20, 500
_SHOWN = 10
_LONGEST_LINE = 8_000_000
#: no JSON text may have this character bare
_NO_DELIMITER = "\x02"


@dataclass(frozen=True)
class BatchRows:
    """``table`` is the Parquet file of the module's description. ``names`` are those of ``r0``, ``r1``, … (none for
    JSON lines). ``first_line`` is the line of the table's first row when all others follow it without a gap; else None,
    and the table has a column ``line``. ``rejects`` lists ``line,column,reason,text``; None when all rows were good.
    """

    table: Path
    names: list[str]
    accepted: int
    rejected: int
    first_line: int | None
    rejects: Path | None
    delimiter: str = ","
    notes: list[str] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


def read_batch(
    source: Path,
    *,
    name: str,
    file: FileFormat,
    dataset: Dataset,
    workdir: Path,
    memory_limit_mb: int,
    max_unpacked_bytes: int,
) -> BatchRows:
    """Reads ``source`` for the model that ``dataset`` describes. ``name`` is what the file is called in messages.

    Raises ``UnreadableUpload`` when the file as a whole can't be taken (empty, no header, a column is missing, …).
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with connect(workdir, memory_limit_mb) as connection:
        reader = _Reader(connection, name, dataset, workdir)
        try:
            if file.kind == "parquet":
                return reader.parquet(source)
            text = plain_text(source, name, workdir, max_unpacked_bytes)
            return reader.csv(text) if file.kind == "csv" else reader.json_lines(text)
        except (duckdb.InvalidInputException, duckdb.IOException) as error:
            said = " ".join(str(error).split())[:300]
            raise UnreadableUpload(
                "Unreadable file", f"{name} can't be read as {file.kind}: {said}", "Write it again and drop it again."
            ) from error


class _Reader:
    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str, dataset: Dataset, workdir: Path) -> None:
        self.connection, self.name, self.dataset, self.workdir = connection, name, dataset, workdir
        self.table = workdir / "table.parquet"

    # the three kinds of file

    def csv(self, text: PlainText) -> BatchRows:
        schema = self.dataset.schema
        dialect = read_dialect(text.path, self.name, Schema(schema.columns), alone=True)
        self._check_columns(dialect.names)
        if dialect.only_header:
            raise _no_rows(self.name)
        source = _csv_source(dialect)
        sample = spread_sample(text.path, text.size, self.workdir / "sample.csv")
        self.connection.execute(f"CREATE TEMP TABLE sample AS FROM {source(sample, 'ignore_errors = true')}")
        if text.size > _LARGE:
            self._refuse_hopeless(sample)
        inference = infer(
            self.connection,
            "sample",
            dialect.names,
            delimiter=dialect.delimiter,
            settings=ModelSettings(),
            known=Schema(schema.columns),
        )
        self.connection.execute("DROP TABLE sample")
        wide = [f"c{position}" for position in range(len(dialect.names))]
        cells = []
        for column in schema.columns:
            position = _position(dialect.names, column.name)
            if position is None:
                cells.append(Cell(column, None))
                continue
            form = inference.numbers.get(position)
            cells.append(Cell(column, batch_sql.number_text(f"c{position}", form), numbers=form))
        shown = " || ".join(f"coalesce({c}, '')" for c in wide).replace(
            " || ", f" || {text_sql(dialect.delimiter)} || "
        )
        rows = source(text.path, *_STORED)
        if len(wide) == 1:  # an empty line is a row of one column to DuckDB, and none to us
            rows = f"(FROM {rows} WHERE c0 IS NOT NULL)"
        self._copy([f"{c} AS r{position}" for position, c in enumerate(wide)], cells, rows, shown)
        lines = Lines(text.path, header=dialect.skip, quotes=text.has_quotes)
        return self._finish(dialect.names, lines, text, dialect.delimiter, [*text.notes, *dialect.notes])

    def json_lines(self, text: PlainText) -> BatchRows:
        options = [
            text_sql(str(text.path)),
            "auto_detect = false",
            "compression = 'none'",
            "header = false",
            f"delim = {text_sql(_NO_DELIMITER)}",
            "quote = ''",
            "escape = ''",
            "strict_mode = true",
            f"max_line_size = {_LONGEST_LINE}",
            "columns = {'j': 'VARCHAR'}",
            *_STORED,
        ]
        columns = self.dataset.schema.columns
        flat_lines.register(self.connection)
        source = batch_sql.json_source(f"read_csv({', '.join(options)})", columns)
        # blank lines are no rows; where there are any, the lines of the others have a gap
        cells = [Cell(column, batch_sql.json_value(column), batch_sql.json_mistake(column)) for column in columns]
        self._copy(["j AS r0"], cells, source, "j", batch_sql.json_row_mistake(self.dataset.problem))
        lines = Lines(text.path, header=None, quotes=False)
        return self._finish([], lines, text, ",", text.notes)

    def parquet(self, source: Path) -> BatchRows:
        with source.open("rb") as content:
            magic = content.read(4)
        if magic != b"PAR1":
            raise UnreadableUpload(
                "Not a Parquet file", f"{self.name} does not begin with PAR1.", "Write it again as Parquet."
            )
        quoted = f"read_parquet({text_sql(str(source))})"
        described = self.connection.execute(f"DESCRIBE SELECT * FROM {quoted}").fetchall()
        names = [str(row[0]) for row in described]
        found = leaves(self.connection, quoted, self.name)
        self._check_columns([leaf.name for leaf in found], names)
        cells = []
        for column in self.dataset.schema.columns:
            position = _position([leaf.name for leaf in found], column.name)
            if position is None:
                cells.append(Cell(column, None))
                continue
            leaf = found[position]
            kind = batch_sql.parquet_kind(leaf.type)
            if kind is None:
                raise UnreadableUpload(
                    "Not a plain value",
                    f"The column {column.name!r} of {self.name} is of type {leaf.deep or leaf.type[:80]}.",
                    f"Write it as {called(column.type, column.format)}.",
                )
            cells.append(Cell(column, batch_sql.parquet_value(leaf.source, leaf.type, kind), kind=kind))
        raw = [f"{batch_sql.name_sql(name)} AS r{position}" for position, name in enumerate(names)]
        shown = f"to_json({{{', '.join(f'{text_sql(n)}: {batch_sql.name_sql(n)}' for n in names)}}})::VARCHAR"
        self._copy(raw, cells, quoted, shown)
        return self._finish(names, None, None, ",", [])

    # what they share

    def _check_columns(self, names: Sequence[str], own: Sequence[str] = ()) -> None:
        """``own``: the file's columns as it writes them, where ``names`` are paths."""
        given = {name.casefold() for name in names}
        missing = [c.name for c in self.dataset.schema.columns if c.name.casefold() not in given and not c.optional]
        if missing:
            shown = ", ".join(missing[:_SHOWN]) + (
                f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            )
            has = ", ".join(list(names)[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            raise UnreadableUpload(
                "Missing columns",
                f"{self.name} has no column {shown}, which this version of the model needs. It has {has}.",
                "Add the column; leave its values empty where they are not known.",
            )
        if clash := taken(own or names, self.dataset.problem):
            raise UnreadableUpload(
                "Column names are taken",
                f"{self.name} has a column {', '.join(clash[:_SHOWN])}; the result adds columns of these names.",
                "Call it something else. (Is the file a result already?)",
            )

    def _refuse_hopeless(self, sample: Path) -> None:
        """DuckDB holds every line that it can't split in memory: fine for mistakes, not for a file of another kind."""
        rows = mostly_broken(self.connection, sample, _FEW)
        if rows is not None:
            raise UnreadableUpload(
                "Mostly broken lines",
                f"Of lines from all over {self.name} only {rows:,} have the fields of its header.",
                "Correct the file.",
            )

    def _copy(self, raw: Sequence[str], cells: Sequence[Cell], source: str, shown: str, row_mistake: str = "") -> None:
        """Writes the table. ``shown`` is the row's text, kept only where the row is rejected."""
        clean = ", ".join(f"{cell.clean} AS t{index}" for index, cell in enumerate(cells) if cell.source is not None)
        typed = ", ".join(f"{cell.typed(index)} AS f{index}" for index, cell in enumerate(cells))
        mistakes = [cell.mistake(index) for index, cell in enumerate(cells) if cell.source is not None]
        nested = [f"{cell.nested} AS n{index}" for index, cell in enumerate(cells) if cell.nested]
        inner = ", ".join(part for part in (", ".join(raw), clean, ", ".join(nested)) if part)
        whole = f", {row_mistake} AS w" if row_mistake else ""
        said = batch_sql.first_said(["w", *mistakes] if row_mistake else mistakes)
        which = batch_sql.first_column(cells, mistakes)
        names = ", ".join(f"r{position}" for position in range(len(raw)))
        query = (
            f"SELECT {names}, {typed}, why, CASE WHEN why IS NOT NULL THEN {which} END AS concerns, "
            "CASE WHEN why IS NOT NULL THEN shown END AS shown FROM "
            f"(SELECT *, {said} AS why FROM (SELECT {inner}, {shown} AS shown{whole} FROM {source}))"
        )
        self.connection.execute(f"COPY ({query}) TO {text_sql(str(self.table))} (FORMAT parquet)")

    def _finish(
        self, names: list[str], lines: Lines | None, text: PlainText | None, delimiter: str, notes: list[str]
    ) -> BatchRows:
        read, bad = self._counts()
        broken = self._broken(names or ["record"], text)
        if read + len(broken.lines) == 0:
            raise _no_rows(self.name)
        first_line: int | None = 1
        if lines is not None:
            first_line = self._number(lines, broken.lines, read, notes)
        rejects = self._list(broken.file, first_line, bad) if bad or broken.file else None
        return BatchRows(
            table=self.table,
            names=names,
            accepted=read - bad,
            rejected=bad + len(broken.lines),
            first_line=first_line,
            rejects=rejects,
            delimiter=delimiter,
            notes=notes,
            examples=_examples(rejects),
        )

    def _counts(self) -> tuple[int, int]:
        row = self.connection.execute(
            f"SELECT count(*), count(why) FROM read_parquet({text_sql(str(self.table))})"
        ).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _broken(self, names: Sequence[str], text: PlainText | None) -> _Broken:
        """The lines that could not even be split into fields."""
        if text is None or not _any(self.connection, "broken"):
            return _Broken(None, frozenset())
        target = self.workdir / "broken.csv"
        ordered = target.with_suffix(".jsonl")
        found = csv_rejects(
            self.connection, "broken", ordered, text.path, names, ["text"] * len(names), physical_lines=True
        )
        write_rejects(found, target)
        with long_fields(), target.open(newline="", encoding="utf-8") as file:
            return _Broken(target, frozenset(int(row["line"]) for row in csv.DictReader(file)))

    def _number(self, lines: Lines, broken: frozenset[int], read: int, notes: list[str]) -> int | None:
        """The line of the first row; where lines are left out, every row's line becomes a column of the table."""
        target = self.workdir / "lines.csv"
        first, regular, count = lines.write(target, broken)
        if count != read:  # a stray quote makes records that nobody can tell apart the same way twice
            notes.append("Lines are counted as records: a quote out of place leaves the lines of later rows open.")
            return lines.header_lines + 1
        if regular:
            return first
        numbered = self.workdir / "numbered.parquet"
        self.connection.execute(
            f"COPY (SELECT * FROM read_parquet({text_sql(str(self.table))}) POSITIONAL JOIN "
            f"read_csv({text_sql(str(target))}, auto_detect = false, header = false, columns = {{'line': 'BIGINT'}})) "
            f"TO {text_sql(str(numbered))} (FORMAT parquet)"
        )
        self.table.unlink()
        self.table = numbered
        return None

    def _list(self, broken: Path | None, first_line: int | None, bad: int) -> Path:
        """The report: what could not be split and what has values of another type, in the order of the lines."""
        target = self.workdir / "rejects.csv"
        line = "line" if first_line is None else f"file_row_number + {first_line}"
        parts = []
        if bad:
            parts.append(
                f'SELECT {line} AS line, concerns AS "column", why AS reason, shown AS text '
                f"FROM read_parquet({text_sql(str(self.table))}, file_row_number = true) WHERE why IS NOT NULL"
            )
        if broken is not None:
            parts.append(
                f"SELECT * FROM read_csv({text_sql(str(broken))}, auto_detect = false, header = true, delim = ',', "
                f"quote = '\"', escape = '\"', max_line_size = {LONGEST_ROW}, "
                "columns = {'line': 'BIGINT', 'column': 'VARCHAR', 'reason': 'VARCHAR', 'text': 'VARCHAR'})"
            )
        self.connection.execute(
            f"COPY (FROM ({' UNION ALL '.join(parts)}) ORDER BY line) TO {text_sql(str(target))} (FORMAT csv, HEADER)"
        )
        return target


@dataclass(frozen=True)
class _Broken:
    file: Path | None
    lines: frozenset[int]


_STORED = ("store_rejects = true", "rejects_table = 'broken'", "rejects_scan = 'scan'", "rejects_limit = 0")


def _csv_source(dialect: Dialect) -> Callable[..., str]:
    """How DuckDB reads a file of this shape: every field as the text that it is."""
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(dialect.names)))

    def source(path: Path, *options: str) -> str:
        said = [
            text_sql(str(path)),
            "auto_detect = false",
            "compression = 'none'",
            "header = true",
            f"skip = {dialect.skip}",
            f"delim = {text_sql(dialect.delimiter)}",
            "quote = '\"'",
            "escape = '\"'",
            "strict_mode = true",
            "allow_quoted_nulls = false",
            f"columns = {{{columns}}}",
            *options,
        ]
        return f"read_csv({', '.join(said)})"

    return source


def _any(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return bool(row and row[0])


def _position(names: Sequence[str], name: str) -> int | None:
    folded = name.casefold()
    return next((position for position, given in enumerate(names) if given.casefold() == folded), None)


def _no_rows(name: str) -> UnreadableUpload:
    return UnreadableUpload("No rows", f"{name} has no rows to predict.", "Drop a file with at least one row.")


def _examples(rejects: Path | None) -> list[str]:
    """The first rejected rows in a line each."""
    if rejects is None:
        return []
    with long_fields(), rejects.open(newline="", encoding="utf-8") as file:
        found = [row for row, _ in zip(csv.DictReader(file), range(3), strict=False)]
    return [f"line {row['line']}: {row['reason']}"[:500] for row in found]

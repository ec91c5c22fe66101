# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""A batch's rows encoded for its transform job, and the job's answers joined with the rows again. All of it streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from sluicegate.data.batch_rows import BatchRows
from sluicegate.data.engine import connect, list_sql, name_sql, text_sql
from sluicegate.data.write import Rows, Writer
from sluicegate.domain.batch import LINE, PREDICTION, FileFormat, result_columns
from sluicegate.domain.dataset import Dataset
from sluicegate.domain.encoder import Encoder, Wire
from sluicegate.domain.errors import UserError
from sluicegate.domain.schema import Problem

#: a part is about this large; the transform job posts several parts' requests at a time, and the disk holds one part
PART_BYTES = 48 << 20
_LEAST_ROWS = 1_000
_LONG_ROW = 1_200


class WrongAnswer(UserError):
    """A transform job's answer is not what its rows ask for."""


@dataclass(frozen=True)
class Layout:
    """How the table of a batch's rows is read again (``BatchRows`` without its files)."""

    file: FileFormat
    names: tuple[str, ...]
    first_line: int | None
    delimiter: str
    accepted: int

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "file": {"kind": self.file.kind, "gzipped": self.file.gzipped},
            "names": list(self.names),
            "first_line": self.first_line,
            "delimiter": self.delimiter,
            "accepted": self.accepted,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Layout:
        if data.get("format") != 1:
            raise ValueError(f"unknown batch format {data.get('format')!r}")
        return cls(
            FileFormat(**data["file"]), tuple(data["names"]), data["first_line"], data["delimiter"], data["accepted"]
        )

    @classmethod
    def of(cls, rows: BatchRows, file: FileFormat) -> Layout:
        return cls(file, tuple(rows.names), rows.first_line, rows.delimiter, rows.accepted)


def part_rows(encoder: Encoder, wire: Wire, part_bytes: int = PART_BYTES) -> int:
    """How many rows a part has, by the width of a row: a 0 and a comma take two bytes, a number up to twenty. A sparse
    row has some dozens of words."""
    if encoder.is_sparse or wire == "raw":
        return max(_LEAST_ROWS, part_bytes // _LONG_ROW)
    width = len(encoder.feature_names)
    numbers = sum(1 for block in encoder.blocks if block.kind in ("number", "date"))
    return max(_LEAST_ROWS, part_bytes // max(1, 2 * width + 18 * numbers))


def encoded_parts(
    rows: BatchRows,
    dataset: Dataset,
    workdir: Path,
    memory_limit_mb: int,
    size: int | None = None,
) -> Iterator[Path]:
    """The accepted rows in the wire that the model reads, a file of ``size`` rows at a time: ``part-00000.csv``, …
    The caller removes each before it asks for the next, if the disk is small."""
    columns = {column.name: f"f{index}" for index, column in enumerate(dataset.schema.columns)}
    wire = dataset.wire.infer
    size = size or part_rows(dataset.encoder, wire)
    workdir.mkdir(parents=True, exist_ok=True)
    table = f"read_parquet({text_sql(str(rows.table))}, file_row_number = true)"
    with connect(workdir, memory_limit_mb) as connection:
        writer = Writer(connection, dataset.encoder, workdir)
        number = 0
        for start in range(0, rows.accepted + rows.rejected, size):
            where = f"why IS NULL AND file_row_number >= {start} AND file_row_number < {start + size}"
            for path in writer.write("rows", Rows(table, where, columns), wire, predicting=True):
                if path.stat().st_size == 0:
                    path.unlink()  # all of these rows were rejected
                    continue
                target = workdir / f"part-{number:05d}{path.suffix}"
                path.rename(target)
                number += 1
                yield target


def write_numbers(
    answers: Iterable[Path], target: Path, table: Callable[[Iterable[str], Problem], Iterator[str]], problem: Problem
) -> None:
    """The transform's output files, in order, as lines of numbers with commas. ``table``: ``Algorithm.table``."""
    with target.open("w", encoding="ascii") as out:
        for answer in answers:
            with answer.open(encoding="utf-8") as lines:
                try:
                    out.writelines(f"{line}\n" for line in table(lines, problem))
                except ValueError as error:
                    raise WrongAnswer(
                        "Unreadable predictions", f"The transform job's answer can't be read: {error}."
                    ) from error


def write_result(
    table: Path,
    layout: Layout,
    numbers: Path,
    problem: Problem,
    target: Path,
    workdir: Path,
    memory_limit_mb: int,
) -> int:
    """Writes the result in the format of its input, and returns how many rows it has. ``numbers``: ``write_numbers``.

    Raises ``WrongAnswer`` when there is not one answer for each accepted row.
    """
    width = _width(problem, numbers)
    wanted = ", ".join(f"'n{index}': 'DOUBLE'" for index in range(width))
    answers = (
        f"read_csv({text_sql(str(numbers))}, auto_detect = false, header = false, delim = ',', quote = '', "
        f"escape = '', columns = {{{wanted}}})"
    )
    workdir.mkdir(parents=True, exist_ok=True)
    with connect(workdir, memory_limit_mb) as connection:
        found = _count(connection, answers)
        if found != layout.accepted:
            raise WrongAnswer(
                "Wrong number of predictions",
                f"The model predicted {found:,} rows of {layout.accepted:,}.",
                "The transform job's log in CloudWatch says more.",
            )
        raw = ", ".join(f"r{position}" for position in range(len(layout.names) or 1))
        line = "line" if layout.first_line is None else f"file_row_number + {layout.first_line} AS line"
        rows = (
            f"(SELECT {raw}, {line} FROM read_parquet({text_sql(str(table))}, file_row_number = true) "
            "WHERE why IS NULL)"
        )
        source = f"(SELECT *, {_values(problem, width)} FROM {rows} POSITIONAL JOIN {answers})"
        _write(connection, source, layout, result_columns(problem, width), target)
    return found


def _count(connection: duckdb.DuckDBPyConnection, answers: str) -> int:
    try:
        row = connection.execute(f"SELECT count(n0) FROM {answers}").fetchone()
    except duckdb.InvalidInputException as error:
        said = " ".join(str(error).split())[:300]
        raise WrongAnswer("Unreadable predictions", f"The transform job's answer holds no numbers: {said}") from error
    return int(row[0]) if row else 0


def _width(problem: Problem, numbers: Path) -> int:
    """How many numbers an answer has (see ``Algorithm.rows``)."""
    if problem.kind == "decomposition":
        with numbers.open(encoding="ascii") as lines:
            return next(lines, "").count(",") + 1
    return len(problem.classes) if problem.kind == "multiclass" else 2 if problem.kind == "clustering" else 1


def _values(problem: Problem, width: int) -> str:
    """``v0``, ``v1``, …: what ``algorithms.base.decoded`` makes of the numbers ``n0``, ``n1``, …"""
    if problem.kind == "clustering":
        return "n0::BIGINT AS v0, n1 AS v1"
    if problem.kind == "decomposition":
        return ", ".join(f"n{index} AS v{index}" for index in range(width))
    if problem.kind == "anomaly" and problem.threshold is not None:
        return f"n0 AS v0, n0 > {problem.threshold!r}::DOUBLE AS v1"
    if problem.kind in ("regression", "anomaly"):
        return "n0 AS v0"
    classes = problem.classes
    if problem.kind == "binary":
        picked = f"CASE WHEN n0 > 0.5 THEN {text_sql(classes[1])} ELSE {text_sql(classes[0])} END"
        return f"{picked} AS v0, 1.0::DOUBLE - n0 AS v1, n0 AS v2"
    scores = ", ".join(f"n{index}" for index in range(len(classes)))
    best = f"({list_sql(list(classes))})[list_position([{scores}], greatest({scores}))]"
    return f"{best} AS v0, " + ", ".join(f"n{index} AS v{index + 1}" for index in range(len(classes)))


def _write(
    connection: duckdb.DuckDBPyConnection, source: str, layout: Layout, added: Sequence[str], target: Path
) -> None:
    values = ["line", *(f"v{index}" for index in range(len(added) - 1))]
    file = layout.file
    packed = ", COMPRESSION gzip" if file.gzipped else ", COMPRESSION none"
    if file.kind == "jsonl":
        select, options = _json_line(added, values), f"FORMAT csv, HEADER false, QUOTE '', ESCAPE ''{packed}"
    else:
        named = [*zip((f"r{position}" for position in range(len(layout.names))), layout.names, strict=True)]
        pairs: Sequence[tuple[str, str]] = [*named, *zip(values, added, strict=True)]
        select = ", ".join(f"{value} AS {name_sql(name)}" for value, name in pairs)
        options = f"FORMAT csv, HEADER, DELIMITER {text_sql(layout.delimiter)}{packed}"
        if file.kind == "parquet":
            options = "FORMAT parquet"
    connection.execute(f"COPY (SELECT {select} FROM {source}) TO {text_sql(str(target))} ({options})")


def _json_line(names: Sequence[str], values: Sequence[str]) -> str:
    """The line as it came, with the new fields before its last brace."""
    fields = []
    for name, value in zip(names, values, strict=True):
        text = f"to_json({value})::VARCHAR" if name == PREDICTION else f"{value}::VARCHAR"
        comma = "" if name == LINE else ","
        fields.append(f"{text_sql(f'{comma}{json.dumps(name, ensure_ascii=False)}:')} || {text}")
    body = "rtrim(left(trim(r0, ' \t\r'), -1), ' \t\r')"
    between = f"CASE WHEN {body} = '{{' THEN '' ELSE ',' END"
    return f"{body} || {between} || {' || '.join(fields)} || '}}'"

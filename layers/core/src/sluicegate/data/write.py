# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""Encoded rows to files, in the wire that an algorithm reads, in bounded memory.

=========  ===============================================================================================
csv        label first, then the weight if there is one; no header, no quotes
libsvm     ``label[:weight] index:value …``; the holdout has a label 0 that nobody reads
recordio   frames of protobuf (see ``domain.recordio``): dense, or sparse when the encoder is
raw        to train on: CSV with a header, the target last under its own name, then the weight; the holdout as
           lines of JSON, each of which stands for itself when a transform job cuts the file
=========  ===============================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np

from sluicegate.data.engine import name_sql, text_sql
from sluicegate.data.long_fields import long_fields
from sluicegate.data.words import register
from sluicegate.domain import recordio
from sluicegate.domain.encoder import Encoder, Wire

#: a split of more bytes than this is cut into several files
LARGEST_PART = 512 << 20
_BLOCK = 4 << 20
_ENDINGS: dict[Wire, str] = {"csv": "csv", "libsvm": "libsvm", "recordio": "pbr", "raw": "csv"}


@dataclass(frozen=True)
class Rows:
    """What is to be written: ``source`` stands after FROM, ``where`` chooses; ``columns`` are expressions by name.

    ``label`` and ``weight`` are expressions; without a label the rows are for predicting, or of an algorithm that
    needs none. ``shown`` is the label as raw files have it, and its column's name.
    """

    source: str
    where: str
    columns: Mapping[str, str]
    label: str | None = None
    weight: str | None = None
    shown: tuple[str, str] | None = None


@dataclass(frozen=True)
class Writer:
    """Writes rows through one encoder. Each call has a cursor of its own: several may run at a time."""

    connection: duckdb.DuckDBPyConnection
    encoder: Encoder
    folder: Path

    def __post_init__(self) -> None:
        register(self.connection, self.encoder)

    def write(self, name: str, rows: Rows, wire: Wire, parts: int = 1, *, predicting: bool = False) -> list[Path]:
        """The files of the folder ``name``, in the order of the rows. ``parts`` is the least number of them, and where
        more are needed their number is a multiple of it, so that as many machines get equally many."""
        target = self.folder / name
        target.mkdir(parents=True, exist_ok=True)
        if wire == "raw":
            return self._raw(target, rows, parts, predicting)
        if wire == "recordio":
            return self._recordio(target, rows, parts)
        whole = target / f"part-00000.{_ENDINGS[wire]}"
        select = self._csv(rows) if wire == "csv" else self._libsvm(rows)
        self._copy(select, whole, "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '', ESCAPE ''")
        return cut(whole, parts)

    def _csv(self, rows: Rows) -> str:
        cells = [cell for cell in (rows.label, rows.weight) if cell is not None]
        cells += self.encoder.sql(rows.columns)
        return _select(rows, ", ".join(f"{cell} AS f{index}" for index, cell in enumerate(cells)))

    def _libsvm(self, rows: Rows) -> str:
        head = "'0'" if rows.label is None else f"({rows.label})::VARCHAR"
        if rows.weight is not None:
            head += f" || ':' || ({rows.weight})::VARCHAR"
        return _select(rows, f"{' || '.join([head, *self.encoder.libsvm_sql(rows.columns)])} AS line")

    def _copy(self, select: str, target: Path, options: str) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(f"COPY ({select}) TO {text_sql(str(target))} ({options})")

    def _raw(self, target: Path, rows: Rows, parts: int, predicting: bool) -> list[Path]:
        cells = {name: f"{cell} AS {name_sql(name)}" for name, cell in self.encoder.raw_sql(rows.columns).items()}
        if predicting:
            whole = target / "part-00000.jsonl"
            self._copy(_select(rows, ", ".join(cells.values())), whole, "FORMAT json")
            return [whole]
        more = [rows.shown] if rows.shown else []
        if rows.weight is not None:
            more.append((WEIGHT, rows.weight))
        shown = [*cells.values(), *(f"{cell} AS {name_sql(name)}" for name, cell in more)]
        whole = target / "part-00000.csv"
        self._copy(_select(rows, ", ".join(shown)), whole, "FORMAT csv, HEADER true")
        return [whole] if parts == 1 else self._raw_parts(whole, parts)

    def _raw_parts(self, whole: Path, parts: int) -> list[Path]:
        """Quoted values may hold line ends, so that the file can't be cut by its bytes: a row goes where its number
        says, and each part has the header."""
        from csv import reader, writer

        paths = [whole.with_name(f"part-{number:05}.new") for number in range(parts)]
        files = [path.open("w", newline="", encoding="utf-8") for path in paths]
        try:
            with long_fields(), whole.open(newline="", encoding="utf-8") as file:
                found = reader(file)
                out = [writer(part, lineterminator="\n") for part in files]
                header = next(found)
                for one in out:
                    one.writerow(header)
                for number, row in enumerate(found):
                    out[number % parts].writerow(row)
        finally:
            for part in files:
                part.close()
        whole.unlink()
        return [path.rename(path.with_suffix(".csv")) for path in paths]

    def _recordio(self, target: Path, rows: Rows, parts: int) -> list[Path]:
        """By way of the text of csv or libsvm, which DuckDB writes fast and in order."""
        if rows.weight is not None:
            raise ValueError("recordio has no place for a weight")
        text = target / "rows.txt"
        select = self._libsvm(rows) if self.encoder.is_sparse else self._csv(rows)
        self._copy(select, text, "FORMAT csv, HEADER false, DELIMITER ',', QUOTE '', ESCAPE ''")
        count = _number_of_parts(text.stat().st_size, parts)
        labelled, width = rows.label is not None, len(self.encoder.feature_names)
        pieces: list[Path] = []
        for number, (start, end) in enumerate(_ranges(text, count)):
            pieces.append(target / f"part-{number:05}.pbr")
            with text.open("rb") as file, pieces[-1].open("wb") as out:
                for block in _lines(file, start, end):
                    out.write(
                        _sparse(block, width, labelled) if self.encoder.is_sparse else _dense(block, width, labelled)
                    )
        text.unlink()
        return pieces


#: the name of the weights' column in raw files
WEIGHT = "(weight)"


def _select(rows: Rows, cells: str) -> str:
    return f"SELECT {cells} FROM {rows.source} WHERE {rows.where}"


def _dense(block: bytes, width: int, labelled: bool) -> bytes:
    """The records of whole CSV lines."""
    text = block.rstrip(b"\n").replace(b"\n", b",\n")  # a line end counts as a space
    for _ in range(2):
        text = text.replace(b",,", b",nan,")
    text = text.replace(b"\n,", b"\nnan,").replace(b",\n,", b",\nnan,")
    if text.startswith(b","):
        text = b"nan" + text
    if text.endswith(b","):
        text += b"nan"
    cells = np.fromstring(text.decode("ascii"), dtype=np.float64, sep=",").reshape(-1, width + labelled)
    head, middle, tail = recordio.dense_template(width, labelled)
    fields: list[tuple[str, str] | tuple[str, str, int]] = [("head", f"S{len(head)}"), ("values", "<f4", width)]
    if labelled:
        fields += [("middle", f"S{len(middle)}"), ("label", "<f4")]
    if tail:
        fields.append(("tail", f"S{len(tail)}"))
    records = np.zeros(len(cells), dtype=fields)
    records["head"] = head
    records["values"] = cells[:, labelled:].astype(np.float32)
    if labelled:
        records["middle"], records["label"] = middle, cells[:, 0]
    return records.tobytes()


def _sparse(block: bytes, width: int, labelled: bool) -> bytes:
    """The records of whole LIBSVM lines."""
    found = []
    for line in block.splitlines():
        label, *entries = line.split(b" ")
        pairs = [entry.split(b":") for entry in entries]
        found.append(
            recordio.sparse_record(
                [int(place) for place, _ in pairs],
                [float(value) for _, value in pairs],
                width,
                float(label) if labelled else None,
            )
        )
    return b"".join(found)


def cut(whole: Path, parts: int, largest: int = LARGEST_PART) -> list[Path]:
    """``whole`` itself (``part-00000.…``), or as many pieces of about the same size as it takes, cut at line ends."""
    count = _number_of_parts(whole.stat().st_size, parts, largest)
    if count == 1:
        return [whole]
    pieces = []
    for number, (start, end) in enumerate(_ranges(whole, count)):
        pieces.append(whole.with_name(f"part-{number:05}.new"))
        with whole.open("rb") as file, pieces[-1].open("wb") as out:
            file.seek(start)
            left = end - start
            while left:
                block = file.read(min(left, _BLOCK))
                out.write(block)
                left -= len(block)
    whole.unlink()
    return [piece.rename(piece.with_suffix(whole.suffix)) for piece in pieces]


def _number_of_parts(size: int, parts: int, largest: int = LARGEST_PART) -> int:
    return parts * max(1, math.ceil(size / (parts * largest)))


def _ranges(path: Path, count: int) -> Iterator[tuple[int, int]]:
    """``count`` ranges of bytes that end at line ends, the last at the end of the file."""
    size = path.stat().st_size
    start = 0
    with path.open("rb") as file:
        for number in range(1, count + 1):
            end = size
            if number < count:
                file.seek(max(start, size * number // count))
                file.readline()
                end = file.tell()
            yield start, end
            start = end


def _lines(file: BinaryIO, start: int, end: int) -> Iterator[bytes]:
    """Blocks of whole lines between two places."""
    file.seek(start)
    rest = b""
    while start < end:
        block = file.read(min(_BLOCK, end - start))
        start += len(block)
        head, newline, tail = (rest + block).rpartition(b"\n")
        if newline:
            yield head + newline
        rest = tail
    if rest:
        yield rest

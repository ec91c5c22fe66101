"""Training data from files to arrays: label-first CSV, and LIBSVM. Bad data is named by file and line.

Memory: one float32 matrix of the whole channel (allocated once, by counting lines first) plus one block of text.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local_region.containers.xgboost.errors import UserError

BLOCK = 8 << 20
DELIMITERS = (b",", b"\t", b";", b"|", b" ")
Floats = npt.NDArray[np.float32]


@dataclass
class Table:
    """Features as a dense matrix or as (data, indices, indptr, columns) of a CSR matrix."""

    features: Any
    labels: Floats
    weights: Floats | None = None
    groups: npt.NDArray[np.uint32] | None = None  # ``qid`` of LIBSVM, for ranking

    @property
    def rows(self) -> int:
        return len(self.labels)


def data_files(folder: Path) -> list[Path]:
    """Every data file under a channel's folder, in the order of its path. Names starting with ``_`` are skipped."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    hidden = [path for path in files if path.name.startswith(".")]
    if hidden:
        raise UserError(f"Hidden file found in the data path! Remove '{hidden[0].name}' before training.")
    return [path for path in files if not path.name.startswith("_") and path.stat().st_size > 0]


def find_delimiter(line: bytes) -> bytes:
    """The delimiter of a CSV by its first line: the first of comma, tab, semicolon, bar, space that occurs in it."""
    text = line.strip()
    for delimiter in DELIMITERS:
        if delimiter in text:
            return delimiter
    raise UserError(
        f"Could not determine delimiter on line {text[:50]!r}: CSV for training has the label first, "
        "then at least one feature."
    )


def fill_empty(block: bytes, delimiter: bytes) -> bytes:
    """Empty cells become ``nan``: to XGBoost, an empty CSV cell is a missing value."""
    edge = re.escape(delimiter)
    if delimiter == b" ":
        return block
    block = re.sub(rb"(?m)^(?=" + edge + rb")", b"nan", block)
    return re.sub(rb"(?<=" + edge + rb")(?=" + edge + rb"|\r?\n|\r?\Z)", b"nan", block)


def has_empty(block: bytes, delimiter: bytes) -> bool:
    return (
        delimiter * 2 in block
        or delimiter + b"\n" in block
        or delimiter + b"\r" in block
        or b"\n" + delimiter in block
        or block.startswith(delimiter)
        or block.endswith(delimiter)
    )


def parse_block(block: bytes, delimiter: bytes, dtype: type = np.float32) -> npt.NDArray[Any]:
    """Numbers of a block of whole CSV lines, as rows × columns. ``ValueError`` when a cell is no number."""
    if has_empty(block, delimiter):
        block = fill_empty(block, delimiter)
    separator = None if delimiter == b" " else delimiter.decode()
    return np.loadtxt(block.decode("latin-1").splitlines(), dtype=dtype, delimiter=separator, comments=None, ndmin=2)


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks of whole lines; without a byte order mark."""
    with path.open("rb") as stream:
        rest = stream.read(3)
        if rest == b"\xef\xbb\xbf":
            rest = b""
        while data := stream.read(BLOCK):
            head, newline, tail = (rest + data).rpartition(b"\n")
            if newline:
                yield head + newline
            rest = tail
        if rest.strip():
            yield rest


def _count_lines(path: Path) -> int:
    with path.open("rb") as stream:
        return sum(block.count(b"\n") for block in iter(lambda: stream.read(BLOCK), b"")) + 1


def explain_csv(lines: list[bytes], first_line: int, delimiter: bytes, columns: int, name: str) -> UserError:
    """Which line, and which cell of it, can't be used."""
    for number, line in enumerate(lines, first_line):
        if not line.strip():
            continue
        cells = line.strip(b"\r\n").split(delimiter if delimiter != b" " else None)
        if columns and len(cells) != columns:
            return UserError(f"File '{name}' line {number}: {len(cells)} columns where the first line has {columns}.")
        for at, cell in enumerate(cells, 1):
            text = cell.strip().decode("utf-8", "replace")
            try:
                value = float(text or "nan")
            except ValueError:
                header = " CSV for the built-in XGBoost has no header line." if number == 1 else ""
                return UserError(f"File '{name}' line {number} column {at}: '{text[:50]}' is not a number.{header}")
            if value in (np.inf, -np.inf) or "_" in text:
                return UserError(f"File '{name}' line {number} column {at}: '{text[:50]}' is not a finite number.")
            if at == 1 and value != value:
                return UserError(f"File '{name}' line {number}: the label (first column) is missing.")
    return UserError(f"File '{name}', lines {first_line} to {first_line + len(lines) - 1}: could not be read as CSV.")


def read_csv(files: list[Path], weighted: bool = False) -> Table:
    """Label first, then (``weighted``) the row's weight, then the features; no header."""
    with files[0].open("rb") as stream:
        first = stream.readline().removeprefix(b"\xef\xbb\xbf")
    delimiter = find_delimiter(first)
    columns = len(first.strip(b"\r\n").split(delimiter if delimiter != b" " else None))
    skip = 2 if weighted else 1
    if columns <= skip:
        raise UserError(f"File '{files[0].name}' line 1: {columns} columns leave no feature after label and weight.")
    capacity = sum(_count_lines(path) for path in files)
    features = np.empty((capacity, columns - skip), dtype=np.float32)
    heads = np.empty((capacity, skip), dtype=np.float32)
    rows = 0
    for path in files:
        line = 1
        for block in _blocks(path):
            lines = block.count(b"\n") + (not block.endswith(b"\n"))
            if block.strip():
                values = _checked_block(block, line, delimiter, columns, path.name)
                heads[rows : rows + len(values)] = values[:, :skip]
                features[rows : rows + len(values)] = values[:, skip:]
                rows += len(values)
            line += lines
    weights = heads[:rows, 1].copy() if weighted else None
    if weights is not None and not np.all(weights >= 0):
        raise UserError("csv_weights=1: every weight (second column) must be a number of at least 0.")
    return Table(features[:rows], heads[:rows, 0].copy(), weights)


def _checked_block(block: bytes, line: int, delimiter: bytes, columns: int, name: str) -> Floats:
    try:
        values = parse_block(block, delimiter)
    except ValueError:
        raise explain_csv(block.splitlines(), line, delimiter, columns, name) from None
    if values.shape[1] != columns or not np.all(np.isfinite(values[:, 0])) or np.isinf(values).any():
        raise explain_csv(block.splitlines(), line, delimiter, columns, name)
    return values


def read_libsvm(files: list[Path]) -> Table:
    """``<label>[:<weight>] [qid:<group>] <index>:<value> …``; indexes count from 0, as in the built-in's training."""
    labels, weights, data = array("f"), array("f"), array("f")
    indices, indptr, groups = array("i"), array("q", [0]), array("I")
    for path in files:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                tokens = line.partition(b"#")[0].split()
                if not tokens:
                    continue
                try:
                    label, colon, weight = tokens[0].partition(b":")
                    labels.append(float(label))
                    weights.append(float(weight) if colon else 1.0)
                    for token in itertools.islice(tokens, 1, None):
                        index, colon, value = token.partition(b":")
                        if index == b"qid":
                            groups.append(int(value))
                            continue
                        if not colon or int(index) < 0:
                            raise ValueError(token)
                        indices.append(int(index))
                        data.append(float(value))
                except (ValueError, OverflowError):
                    snippet = line[:50].decode("utf-8", "replace").strip()
                    raise UserError(
                        f"File '{path.name}' line {number}: '{snippet}' is not LIBSVM format "
                        "(<label>[:<weight>] <index>:<value> …)."
                    ) from None
                indptr.append(len(data))
    if groups and len(groups) != len(labels):
        raise UserError("Some lines have a 'qid' and some have none: give every line one, or none.")
    columns = max(indices, default=-1) + 1
    values = np.frombuffer(data, dtype=np.float32) if data else np.empty(0, np.float32)
    column = np.frombuffer(indices, dtype=np.int32) if indices else np.empty(0, np.int32)
    loads = np.frombuffer(weights, dtype=np.float32) if weights else np.empty(0, np.float32)
    return Table(
        features=(values, column, np.frombuffer(indptr, dtype=np.int64), columns),
        labels=np.frombuffer(labels, dtype=np.float32) if labels else np.empty(0, np.float32),
        weights=loads if np.any(loads != 1.0) else None,
        groups=np.frombuffer(groups, dtype=np.uint32) if groups else None,
    )

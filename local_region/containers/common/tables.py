"""Training data from files to arrays: CSV with labels first, LIBSVM, recordio-protobuf. Bad data is named by file and
line.

Memory: one float32 matrix of the whole channel (allocated once, by counting lines first) plus one block of text.
"""

from __future__ import annotations

import itertools
import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from local_region.containers.common import recordio
from local_region.containers.common.errors import UserError

BLOCK = 8 << 20
DELIMITERS = (b",", b"\t", b";", b"|", b" ")
Floats = npt.NDArray[np.float32]


@dataclass(eq=False)  # one is another only if it is the same
class Table:
    """Features as a dense matrix, as a scipy CSR matrix or as its parts (data, indices, indptr, columns)."""

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
    try:
        return _numbers(block, delimiter, dtype)
    except ValueError:  # an empty cell is none either; looking for one first would take half as long as parsing
        if not has_empty(block, delimiter):
            raise
    return _numbers(fill_empty(block, delimiter), delimiter, dtype)


def _numbers(block: bytes, delimiter: bytes, dtype: type) -> npt.NDArray[Any]:
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


@dataclass(frozen=True)
class Layout:
    """Of a CSV: how many columns stand before the features (the label, then a weight), and if cells may be empty."""

    heads: int = 1
    missing: bool = True


def explain_csv(
    lines: list[bytes], first_line: int, delimiter: bytes, columns: int, name: str, layout: Layout = Layout()
) -> UserError:
    """Which line, and which cell of it, can't be used."""
    for number, line in enumerate(lines, first_line):
        if not line.strip():
            continue
        cells = line.strip(b"\r\n").split(delimiter if delimiter != b" " else None)
        if columns and len(cells) != columns:
            return UserError(f"File '{name}' line {number}: {len(cells)} columns where the first line has {columns}.")
        for at, cell in enumerate(cells, 1):
            text = cell.strip().decode("utf-8", "replace")
            place = f"File '{name}' line {number} column {at}"
            try:
                value = float(text or "nan")
            except ValueError:
                header = " CSV for a built-in algorithm has no header line." if number == 1 else ""
                return UserError(f"{place}: '{text[:50]}' is not a number.{header}")
            if value in (np.inf, -np.inf) or "_" in text:
                return UserError(f"{place}: '{text[:50]}' is not a finite number.")
            if at <= min(layout.heads, 1) and value != value:
                return UserError(f"File '{name}' line {number}: the label (first column) is missing.")
            if not layout.missing and value != value:
                return UserError(f"{place}: the value is missing, and this algorithm takes no missing values.")
    return UserError(f"File '{name}', lines {first_line} to {first_line + len(lines) - 1}: could not be read as CSV.")


def read_cells(files: list[Path], layout: Layout) -> tuple[Floats, Floats]:
    """The columns before the features, and the features, of files without a header."""
    with files[0].open("rb") as stream:
        first = stream.readline().removeprefix(b"\xef\xbb\xbf")
    delimiter = find_delimiter(first) if layout.heads else next((d for d in DELIMITERS if d in first.strip()), b",")
    columns = len(first.strip(b"\r\n").split(delimiter if delimiter != b" " else None))
    skip = layout.heads
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
                values = _checked_block(block, line, delimiter, columns, path.name, layout)
                heads[rows : rows + len(values)] = values[:, :skip]
                features[rows : rows + len(values)] = values[:, skip:]
                rows += len(values)
            line += lines
    return heads[:rows], features[:rows]


def read_csv(files: list[Path], weighted: bool = False) -> Table:
    """Label first, then (``weighted``) the row's weight, then the features; no header."""
    heads, features = read_cells(files, Layout(2 if weighted else 1))
    weights = heads[:, 1].copy() if weighted else None
    if weights is not None and not np.all(weights >= 0):
        raise UserError("csv_weights=1: every weight (second column) must be a number of at least 0.")
    return Table(features, heads[:, 0].copy(), weights)


def _checked_block(block: bytes, line: int, delimiter: bytes, columns: int, name: str, layout: Layout) -> Floats:
    try:
        values = parse_block(block, delimiter)
    except ValueError:
        raise explain_csv(block.splitlines(), line, delimiter, columns, name, layout) from None
    sound = values.shape[1] == columns and not np.isinf(values).any()
    whole = values if not layout.missing else values[:, : min(layout.heads, 1)]
    if not sound or not np.all(np.isfinite(whole)):
        raise explain_csv(block.splitlines(), line, delimiter, columns, name, layout)
    return values


def parse_rows(body: bytes, missing: bool = True) -> Floats:
    """A request's CSV, without header and label. ``UserError`` names the line and the cell."""
    text = body.strip(b"\r\n")
    if not text.strip():
        raise UserError("The request holds no row.")
    end = text.find(b"\n")
    first = text if end < 0 else text[:end]
    delimiter = next((d for d in DELIMITERS if d in first.strip()), b",")
    try:
        if end < 0:  # one row: the case that must be fast
            cells = first.split(delimiter) if delimiter != b" " else first.split()
            numbers = [float(cell or b"nan") for cell in cells]
            dense = np.array([numbers], dtype=np.float32)
            odd = not math.isfinite(sum(numbers))
            if b"_" in text or (odd and (np.isinf(dense).any() or not missing)):
                raise ValueError  # float() takes 1_000, which no other reader of the data does
            return dense
        dense = parse_block(text, delimiter)
        if np.isinf(dense).any() or not (missing or np.isfinite(dense).all()):
            raise ValueError
    except ValueError:
        columns = len(first.split(delimiter if delimiter != b" " else None))
        layout = Layout(0, missing)
        raise explain_csv(text.split(b"\n"), 1, delimiter, columns, "request", layout) from None
    return dense


def read_recordio(files: list[Path], only_float32: bool = False) -> tuple[Any, Floats | None]:
    """Features (dense, or CSR as wide as the widest file) and labels of all files."""
    parts = [recordio.read(path.read_bytes(), f"File '{path.name}'", only_float32) for path in files]
    labels = [part.labels for part in parts if part.labels is not None]
    if labels and len(labels) != len(parts):
        raise UserError("Some files have labels and some have none: give every record one, or none.")
    joined = np.concatenate(labels) if labels else None
    features = [part.features for part in parts]
    if len(features) == 1:
        return features[0], joined
    if any(not isinstance(part, np.ndarray) for part in features):
        from scipy.sparse import csr_matrix, vstack

        width = max(part.shape[1] for part in features)
        wide = [csr_matrix(part) for part in features]
        for part in wide:
            part.resize((part.shape[0], width))
        return vstack(wide, format="csr"), joined
    widths = {path.name: part.shape[1] for path, part in zip(files, features, strict=True)}
    if len(set(widths.values())) > 1:
        raise UserError(f"The files have different numbers of features: {widths}.")
    return np.concatenate(features), joined


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

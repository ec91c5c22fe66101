"""The files of a data set in each wire: bulk equals row by row, and readers that others wrote find the same numbers."""

from __future__ import annotations

import csv
import json
import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local_region.containers.common.tables import read_recordio as read_regions
from sluicegate.data.write import Rows, Writer, cut
from sluicegate.domain.encoder import Encoder, Filling, Wire
from sluicegate.domain.schema import Column, Value

COLUMNS = (
    Column("n", "number"),
    Column("b", "boolean"),
    Column("c", "category", ("A", "it's", 'q"uote', "x,y")),
    Column("h", "category"),
    Column("d", "date"),
)
SQL_TYPES = {"number": "DOUBLE", "boolean": "BOOLEAN", "category": "VARCHAR", "date": "TIMESTAMP"}
QUOTED = {column.name: f'"{column.name}"' for column in COLUMNS}
PLAIN = Encoder.fit(COLUMNS, buckets=4)
FILLINGS = {
    "n": Filling((0.5,), ((0.1, 3.0),), indicator=True),
    "b": Filling((1.0,), ((0.3, 1.0),)),
    "d": Filling((20000.0, 6.0, 3.0, 0.0), ((20000.0, 7.5), (6.0, 3.0), (3.0, 2.0), (0.0, 1.0)), indicator=True),
}
SCALED = Encoder.fit(COLUMNS, buckets=4, fillings=FILLINGS)
ENCODERS = {"plain": PLAIN, "scaled": SCALED, "sparse": PLAIN.sparse(), "scaled sparse": SCALED.sparse()}

texts = st.sampled_from(["A", "it's", 'q"uote', "x,y", "B", "日本"])
records = st.fixed_dictionaries(
    {
        "n": st.none() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float),
        "b": st.none() | st.booleans(),
        "c": st.none() | texts,
        "h": st.none() | texts,
        "d": st.none() | st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    }
)
FULL = {"n": 1.5, "b": False, "c": "A", "h": "B", "d": datetime(2026, 2, 28, 3)}
EMPTY: dict[str, Any] = dict.fromkeys(FULL)


def values(record: dict[str, Any]) -> dict[str, Value]:
    moment = record["d"]
    return {**record, "d": None if moment is None else moment.replace(tzinfo=UTC).isoformat()}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f"{QUOTED[column.name]} {SQL_TYPES[column.type]}" for column in COLUMNS)
        opened.execute(f"CREATE TABLE typed (y DOUBLE, w DOUBLE, {columns})")
        yield opened


def store(connection: duckdb.DuckDBPyConnection, batch: list[dict[str, Any]]) -> None:
    connection.execute("DELETE FROM typed")
    cells = [[index, index / 4, *(record[name] for name in QUOTED)] for index, record in enumerate(batch)]
    connection.executemany("INSERT INTO typed VALUES (?, ?, ?, ?, ?, ?, ?)", cells)


def read_recordio(body: bytes) -> Iterator[tuple[list[int] | None, list[float], float | None]]:
    """Keys, values and label of each record: a reader of protobuf's wire format written for this test."""

    def fields(data: bytes) -> Iterator[tuple[int, Any]]:
        at = 0
        while at < len(data):
            tag, at = varint(data, at)
            assert tag & 7 == 2, "all fields of a Record have a length"
            size, at = varint(data, at)
            yield tag >> 3, data[at : at + size]
            at += size

    def varint(data: bytes, at: int) -> tuple[int, int]:
        number = shift = 0
        while True:
            byte = data[at]
            number |= (byte & 0x7F) << shift
            at, shift = at + 1, shift + 7
            if byte < 0x80:
                return number, at

    def varints(data: bytes) -> list[int]:
        found, at = [], 0
        while at < len(data):
            number, at = varint(data, at)
            found.append(number)
        return found

    def tensor(entry: bytes) -> dict[int, bytes]:
        name, value = dict(fields(entry))[1], dict(fields(entry))[2]
        assert name == b"values"
        return dict(fields(dict(fields(value))[2]))

    at = 0
    while at < len(body):
        magic, length = struct.unpack_from("<II", body, at)
        assert magic == 0xCED7230A
        record = dict(fields(body[at + 8 : at + 8 + length]))
        features = tensor(record[1])
        numbers = list(np.frombuffer(features[1], "<f4"))
        keys = varints(features[2]) if 2 in features else None
        label = struct.unpack("<f", tensor(record[2])[1])[0] if 2 in record else None
        yield keys, numbers, label
        at += 8 + length + -length % 4


quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.lists(records, min_size=1, max_size=8), st.sampled_from(sorted(ENCODERS)), st.sampled_from(["csv", "libsvm"]))
@example([FULL, EMPTY, FULL], "scaled sparse", "libsvm")
def test_text_wires_are_the_same_in_bulk_and_by_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, batch: list[dict[str, Any]], name: str, wire: Wire
) -> None:
    encoder = ENCODERS[name]
    store(connection, batch)
    (file,) = Writer(connection, encoder, tmp_path).write("x", Rows("typed", "true", QUOTED), wire)
    lines = file.read_text().splitlines()
    for record, line in zip(batch, lines, strict=True):
        single = encoder.encode_row(values(record), wire).decode()
        assert single.endswith("\n")
        if wire == "csv":
            assert [cell and float(cell) for cell in line.split(",")] == [
                cell and float(cell) for cell in single[:-1].split(",")
            ]
        else:
            assert entries(line) == entries(single)


def entries(line: str) -> list[tuple[int, float]]:
    label, *pairs = line.split()
    assert label == "0"
    return [(int(pair.split(":")[0]), float(pair.split(":")[1])) for pair in pairs]


@quick
@given(st.lists(records, min_size=1, max_size=8), st.sampled_from(sorted(ENCODERS)))
@example([EMPTY, FULL, EMPTY], "plain")
@example([FULL, EMPTY], "scaled sparse")
def test_recordio_is_the_same_in_bulk_and_by_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, batch: list[dict[str, Any]], name: str
) -> None:
    encoder = ENCODERS[name]
    store(connection, batch)
    (file,) = Writer(connection, encoder, tmp_path).write("x", Rows("typed", "true", QUOTED), "recordio")
    assert file.read_bytes() == b"".join(encoder.encode_row(values(record), "recordio") for record in batch)
    width = len(encoder.feature_names)
    for record, (keys, numbers, label) in zip(batch, read_recordio(file.read_bytes()), strict=True):
        with np.errstate(over="ignore"):
            wanted = [np.float32(math.nan if cell is None else cell) for cell in encoder.encode(values(record))]
        if keys is None:
            assert len(numbers) == width and np.array_equal(numbers, wanted, equal_nan=True)
        else:
            dense = dict(zip(keys, numbers, strict=True))
            assert all(dense.get(place, 0.0) == (0.0 if math.isnan(one) else one) for place, one in enumerate(wanted))
        assert label is None


@quick
@given(st.lists(records, min_size=1, max_size=8))
@example([EMPTY, FULL])
def test_raw_rows_are_the_same_in_bulk_and_by_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, batch: list[dict[str, Any]]
) -> None:
    store(connection, batch)
    writer, rows = Writer(connection, PLAIN, tmp_path), Rows("typed", "true", QUOTED, "y", shown=("won", "y * 2"))
    (file,) = writer.write("x", rows, "raw", predicting=True)
    wanted = [json.loads(PLAIN.encode_row(values(record), "raw")) for record in batch]
    assert [json.loads(line) for line in file.read_text().splitlines()] == wanted
    (file,) = writer.write("y", rows, "raw")
    with file.open(newline="") as opened:
        found = list(csv.DictReader(opened))
    assert [row["won"] for row in found] == [str(float(index * 2)) for index in range(len(batch))]
    for row, one in zip(found, wanted, strict=True):
        assert list(row) == [*one, "won"]
        assert row["c"] == (one["c"] or "") and row["d"] == (one["d"] or "")
        assert (float(row["n"]) if row["n"] else None) == one["n"]
        assert row["b"] == {True: "true", False: "false", None: ""}[one["b"]]


def test_xgboosts_own_reader_finds_labels_weights_and_features(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    batch = [FULL, EMPTY, {**FULL, "n": 0.0, "b": True, "c": None}, EMPTY]
    store(connection, batch)
    encoder = ENCODERS["sparse"]
    rows = Rows("typed", "true", QUOTED, "y", "w + 1")
    (file,) = Writer(connection, encoder, tmp_path).write("x", rows, "libsvm")
    matrix = xgboost.DMatrix(f"{file}?format=libsvm")
    assert list(matrix.get_label()) == [0, 1, 2, 3]
    assert list(matrix.get_weight()) == [1, 1.25, 1.5, 1.75]
    assert matrix.num_col() == len(encoder.feature_names) and matrix.num_row() == len(batch)
    dense = matrix.get_data()
    for index, record in enumerate(batch):
        pairs = {place: np.float32(float(text)) for place, text in encoder.encode_sparse(values(record))}
        row = dense[index]
        assert dict(zip(row.indices.tolist(), row.data, strict=True)) == pairs


def test_recordio_has_labels(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    store(connection, [FULL, EMPTY, FULL])
    for name in ("plain", "sparse"):
        writer = Writer(connection, ENCODERS[name], tmp_path / name)
        files = writer.write("x", Rows("typed", "true", QUOTED, "y"), "recordio", parts=2)
        assert [file.name for file in files] == ["part-00000.pbr", "part-00001.pbr"]
        found = [label for file in files for _, _, label in read_recordio(file.read_bytes())]
        assert found == [0, 1, 2]


def test_the_regions_containers_read_the_same_recordio(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    batch = [FULL, EMPTY, {**FULL, "n": 0.0, "b": True, "c": None}]
    store(connection, batch)
    for name in ("scaled", "scaled sparse"):
        encoder = ENCODERS[name]
        writer = Writer(connection, encoder, tmp_path / name)
        features, labels = read_regions(writer.write("x", Rows("typed", "true", QUOTED, "y"), "recordio"))
        dense = features if isinstance(features, np.ndarray) else features.toarray()
        assert isinstance(features, np.ndarray) == (name == "scaled") and labels is not None
        assert dense.shape == (3, len(encoder.feature_names)) and list(labels.ravel()) == [0, 1, 2]
        wanted = np.array([encoder.encode(values(record)) for record in batch], dtype=np.float32)
        assert np.array_equal(dense, wanted)


def test_a_file_is_cut_at_line_ends(tmp_path: Path) -> None:
    whole = tmp_path / "part-00000.csv"
    lines = [f"{index},{'x' * (index % 7)}\n" for index in range(1000)]
    whole.write_text("".join(lines))
    assert cut(whole, 1) == [whole]
    pieces = cut(whole, 2, largest=3_000)
    assert len(pieces) % 2 == 0 and len(pieces) >= 4
    assert [piece.name for piece in pieces] == [f"part-{number:05}.csv" for number in range(len(pieces))]
    assert "".join(piece.read_text() for piece in pieces) == "".join(lines)
    assert all(piece.read_text().endswith("\n") for piece in pieces)
    assert sorted(tmp_path.iterdir()) == pieces


def test_raw_parts_keep_line_ends_in_values(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    long = "x" * 140_000  # more than Python's reader takes by itself
    batch = [{**FULL, "h": f"two\nlines {index} {long}"} for index in range(5)]
    store(connection, batch)
    writer = Writer(connection, PLAIN, tmp_path)
    files = writer.write("x", Rows("typed", "true", QUOTED, "y", shown=("won", "y")), "raw", parts=2)
    found = []
    for file in files:
        with file.open(newline="") as opened:
            found += [part.removesuffix(long).strip() for part in opened.read().split('"') if part.startswith("two")]
    assert sorted(found) == [f"two\nlines {index}" for index in range(5)]

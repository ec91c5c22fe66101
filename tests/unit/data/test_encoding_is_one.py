"""The encoder in bulk and by row are the same function: from the text of a file to the numbers XGBoost sees."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sluicegate.data.fillings import fit_fillings
from sluicegate.data.ingest import read_upload
from sluicegate.domain.encoder import Encoder, Filling
from sluicegate.domain.records import InvalidRecords, parse_records
from sluicegate.domain.schema import MISSING_MARKERS, Column, Schema, Value
from sluicegate.domain.settings import ModelSettings
from sluicegate.domain.split import row_key, row_key_sql, split_of, split_sql

COLUMNS = (
    Column("n", "number"),
    Column("b", "boolean"),
    Column("c", "category", ("A", "a", "ä", "it's", 'q"uote', "two\nlines", "x,y")),
    Column("h", "category"),
    Column("d", "date"),
)
ENCODER = Encoder.fit(COLUMNS, buckets=16)
FILLINGS = {
    "n": Filling((7.5,), ((0.1, 3.7e-3),), indicator=True),
    "b": Filling((1.0,), ((0.3, 0.45),)),
    "d": Filling((20000.0, 6.0, 3.0, 12.0), ((1e4, 1e4), (6.1, 3.3), (3.0, 2.0), (11.0, 7.1)), indicator=True),
}
FILLED = Encoder.from_json(Encoder.fit(COLUMNS, buckets=16, fillings=FILLINGS).to_json())
SQL_TYPES = {"number": "DOUBLE", "boolean": "BOOLEAN", "category": "VARCHAR", "date": "TIMESTAMP"}
QUOTED = {column.name: f'"{column.name}"' for column in COLUMNS}

plain_text = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=12).filter(
    lambda text: text not in MISSING_MARKERS  # data.ingest makes these NULL
)
texts = st.one_of(
    plain_text, st.sampled_from(["A", "a", "ä", "it's", 'q"uote', "two\nlines", "x,y", "B", "日本", "e\u0301"])
)
numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-(10**18), 10**18).map(float), st.just(-0.0)
)
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))
records = st.fixed_dictionaries(
    {
        "n": st.none() | numbers,
        "b": st.none() | st.booleans(),
        "c": st.none() | texts,
        "h": st.none() | texts,
        "d": st.none() | moments,
    }
)
quick = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'")
    columns = ", ".join(f"{QUOTED[column.name]} {SQL_TYPES[column.type]}" for column in COLUMNS)
    opened.execute(f"CREATE TABLE typed ({columns})")
    return opened


def as_values(record: dict[str, Any]) -> dict[str, Value]:
    moment = record["d"]
    return {**record, "d": None if moment is None else moment.replace(tzinfo=UTC).isoformat()}


def parsed(line: str) -> list[float | None]:
    return [float(cell) if cell else None for cell in line.split(",")]


def store(connection: duckdb.DuckDBPyConnection, batch: Sequence[dict[str, Any]]) -> None:
    connection.execute("DELETE FROM typed")
    connection.executemany(
        "INSERT INTO typed VALUES (?, ?, ?, ?, ?)", [[record[column.name] for column in COLUMNS] for record in batch]
    )


@quick
@given(st.lists(records, min_size=1, max_size=8))
def test_typed_rows_encode_the_same(connection: duckdb.DuckDBPyConnection, batch: list[dict[str, Any]]) -> None:
    store(connection, batch)
    for encoder in (ENCODER, FILLED):
        cells = [f"coalesce(({part})::VARCHAR, '')" for part in encoder.sql(QUOTED)]
        lines = connection.execute(f"SELECT {' || chr(44) || '.join(cells)} FROM typed").fetchall()
        for record, (line,) in zip(batch, lines, strict=True):
            assert parsed(line) == encoder.encode(as_values(record))
            assert len(parsed(line)) == len(encoder.feature_names)
            assert encoder is ENCODER or None not in parsed(line)


def test_a_filled_encoder_fills_columns_that_are_gone(connection: duckdb.DuckDBPyConnection) -> None:
    cells = [f"coalesce(({part})::VARCHAR, '')" for part in FILLED.sql({})]
    (line,) = connection.execute(f"SELECT {' || chr(44) || '.join(cells)}").fetchone() or ("",)
    assert parsed(line) == FILLED.encode({})
    assert line.count("1") >= 2 and FILLED.feature_names.count("n=(missing)") == 1
    assert FILLED.fingerprint != ENCODER.fingerprint


def test_fillings_are_medians_and_moments_of_what_is_there(connection: duckdb.DuckDBPyConnection) -> None:
    batch: list[dict[str, Any]] = [
        {"n": number, "b": flag, "c": None, "h": None, "d": moment}
        for number, flag, moment in (
            (1.0, True, datetime(2026, 1, 1)),
            (2.0, True, None),
            (6.0, False, datetime(2026, 1, 3)),
            (math.inf, True, datetime(2026, 1, 8)),
        )
    ]
    store(connection, batch)
    found = fit_fillings(connection, "typed", COLUMNS)
    assert found.keys() == {"n", "b", "d"}
    assert found["n"].values == (2.0,) and found["n"].indicator and not found["b"].indicator
    mean, deviation = found["n"].scale[0]
    assert (mean, deviation) == pytest.approx((3.0, (14 / 3) ** 0.5), rel=1e-5)
    assert found["d"].values == (20456.0, 1.0, 3.0, 0.0)
    assert found["d"].scale[1] == (1.0, 1.0)  # the same month everywhere: nothing to divide by
    encoder = Encoder.fit(COLUMNS, fillings=found)
    assert encoder.encode({"n": None})[:2] == [pytest.approx((2 - mean) / deviation), 1.0]


@quick
@given(st.lists(records, min_size=1, max_size=8))
def test_keys_and_splits_are_the_same(connection: duckdb.DuckDBPyConnection, batch: list[dict[str, Any]]) -> None:
    finite = [
        {**record, "n": record["n"] if record["n"] is not None and math.isfinite(record["n"]) else None}
        for record in batch
    ]
    store(connection, finite)
    key = row_key_sql(COLUMNS, QUOTED)
    rows = connection.execute(f"SELECT {key}, {split_sql(key, 0.2, 0.3)} FROM typed").fetchall()
    for record, (text, split) in zip(finite, rows, strict=True):
        values = as_values(record)
        assert row_key(values, COLUMNS) == text
        assert split_of(text, 0.2, 0.3) == ("train", "validation", "holdout")[split]


cells = st.one_of(
    texts,
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.sampled_from(
        ["", "NA", " NA ", "null", "nan", "-", "?", "  A ", "\u00a0a\u2003", "TRUE", "False", "t", "0", "1e400", "+5",
         "1.", ".5",
         "2026-02-28", "2026/2/3", "2026-02-28T23:59:59.999999+05:30", "2026-02-28 10:00", "1969-12-31T23:00Z",
         "0001-01-01"]
    ),
)  # fmt: skip
KINDS = {column.name: column.type for column in COLUMNS}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(KINDS, cells)), min_size=1, max_size=10))
@example([{"n": "1e400", "b": "t", "c": "\u00a0a\u2003", "h": " NA ", "d": "2026-02-28T23:59:59.999999+05:30"}])
@example([{"n": " 7 ", "b": "FALSE", "c": "two\nlines", "h": 'q"uote', "d": "2026/2/3"}])
def test_a_files_text_and_a_requests_text_mean_the_same(
    tmp_path: Path, connection: duckdb.DuckDBPyConnection, batch: list[dict[str, str]]
) -> None:
    """Whatever both sides accept they encode alike. The file is read with the types that the model has."""
    buffer = io.StringIO(newline="")
    writer = csv.DictWriter(buffer, [*KINDS, "y"], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    anchor = {"n": "1", "b": "true", "c": "A", "h": "A", "d": "2026-01-01"}
    writer.writerows([{**row, "y": str(index)} for index, row in enumerate([*batch, anchor])])
    source = tmp_path / "rows.csv"
    source.write_bytes(buffer.getvalue().encode())
    known = Schema((*COLUMNS, Column("y", "number")))
    reading = read_upload(
        source, key="k.csv", settings=ModelSettings(), known=known, workdir=tmp_path / "w", memory_limit_mb=100
    )
    parts = [f"coalesce(({part})::VARCHAR, '')" for part in ENCODER.sql(QUOTED)]
    bulk = dict(
        connection.execute(f"SELECT y::INT, {' || chr(44) || '.join(parts)} FROM '{reading.parquet}'").fetchall()
    )
    schema = Schema(COLUMNS)
    for index, row in enumerate(batch):
        single = io.StringIO(newline="")
        one = csv.DictWriter(single, list(KINDS), quoting=csv.QUOTE_ALL)
        one.writeheader()
        one.writerow(row)
        try:
            record = parse_records(single.getvalue().encode(), "text/csv", schema)[0]
        except InvalidRecords:
            continue  # the file's reader may take more forms of a date or number than a request's
        assert index in bulk, f"a request may say {row}, but a file's row with it is rejected"
        assert parsed(bulk[index]) == ENCODER.encode(record), row

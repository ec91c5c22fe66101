"""Dates in a declared format are the same moments in files, batches and requests; undeclared ones are told of."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.data.batch_rows import read_batch
from sluicegate.data.ingest import UploadReading, read_upload
from sluicegate.data.rewriting import iso_date, rewritten
from sluicegate.data.tables import converted, union
from sluicegate.domain.batch import FileFormat
from sluicegate.domain.dataset import Dataset
from sluicegate.domain.date_formats import date_format
from sluicegate.domain.dates import parse_date
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import Column, Problem, Schema
from sluicegate.domain.settings import ModelSettings

FORMATS = [
    "%d/%m/%Y", "%m/%d/%Y %I:%M %p", "%d.%m.%y", "%Y%m%d", "%d/%m/%Y %H:%M:%S.%f%z", "%d %b %Y",
    "%b %d, %Y %H:%M", "%Y年%m月%d日 %H:%M",
    "epoch_seconds", "epoch_milliseconds",
]  # fmt: skip
Read = Callable[..., UploadReading]


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect()
    opened.execute("SET TimeZone = 'UTC'")
    return opened


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def call(content: str | Path, name: str, known: Schema | None = None, **given: Any) -> UploadReading:
        source = content if isinstance(content, Path) else tmp_path / name
        if isinstance(content, str):
            source.write_bytes(content.encode())
        made = ModelSettings.model_validate({"target": "y", **given})
        return read_upload(source, key=name, settings=made, known=known, workdir=tmp_path / "w", memory_limit_mb=200)

    return call


def column(reading: UploadReading, name: str) -> list[Any]:
    with duckdb.connect() as opened:
        return [row[0] for row in opened.execute(f"SELECT {name} FROM '{reading.parquet}'").fetchall()]


moments = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC))
near = st.from_regex(r"[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}( [0-9]{1,2}:[0-9]{2}( [AaPp]\.?M)?)?", fullmatch=True)
named = st.from_regex(r"[0-9]{1,2} ([Jj]une?|SEPT|mar|May)\.? [0-9]{4}", fullmatch=True)
numbers = st.integers(-(10**16), 10**16).map(str) | st.floats(-1e13, 1e13).map(repr)


@settings(max_examples=60)
@given(st.sampled_from(FORMATS), st.lists(moments, max_size=4), st.lists(near | named | numbers, max_size=12))
def test_a_table_and_a_row_read_the_same(
    connection: duckdb.DuckDBPyConnection, text: str, given: list[datetime], others: list[str]
) -> None:
    dates = date_format(text)
    written = [moment.strftime(text.replace("%z", "Z").replace("%f", "123")) for moment in given if not dates.unit]
    written += [str(int(moment.timestamp() * 1000) // dates.unit) for moment in given if dates.unit]
    values = [*written, *others, "2025-12-31", "NA", "0/1/01", "1/1/01", "0000-01-01"]
    found = connection.execute(
        f"SELECT {converted('v', 'category', 'date', text)} FROM (SELECT unnest(?) AS v)", [values]
    ).fetchall()
    for value, (moment,) in zip(values, found, strict=True):
        wanted = parse_date(dates.iso(value)) if value != "0000-01-01" else None
        assert (moment.replace(tzinfo=UTC) if moment else None) == wanted, (text, value)
    assert all(parse_date(dates.iso(value)) for value in written)


def test_csv_in_a_declared_format(read: Read) -> None:
    rows = [
        "31/12/2025,a;b",
        "1/2/2025,b",
        '" 03/04/2025 ","two\nlines"',
        "2025-12-30,a",
        "NA,b",
        "12/31/2025,a",
        "1/2/03,a",
        "x,a,b",
    ]
    content = "when,note,y\n" + "".join(f"{row},{index % 2}\r\n" for index, row in enumerate(rows))
    reading = read(content, "a.csv", features={"dates": {"when": "%d/%m/%Y"}})
    assert [str(one)[:10] for one in column(reading, '"when"')] == [
        "2025-12-31", "2025-02-01", "2025-04-03", "2025-12-30", "None",
    ]  # fmt: skip
    assert column(reading, "note")[2] == "two\nlines" and reading.rejects is not None
    with reading.rejects.open(newline="") as file:
        told = [(row["line"], row["column"], row["reason"]) for row in csv.DictReader(file)]
    assert told == [
        ("8", "when", "when: '12/31/2025' is not a date such as 31/01/2026 (%d/%m/%Y) or 2026-01-31"),
        ("9", "when", "when: '1/2/03' is not a date such as 31/01/2026 (%d/%m/%Y) or 2026-01-31"),
        ("10", "", "4 fields instead of 3"),
    ]


def test_json_and_parquet_in_declared_formats(read: Read, tmp_path: Path) -> None:
    formats = {"when": "%m/%d/%Y %H:%M", "at": "epoch_milliseconds", "day": "%Y%m%d"}
    lines = [
        {"when": "12/31/2025 14:05", "at": 1735689600123, "day": 20251231, "y": "a"},
        {"when": None, "at": 1735689600123.0, "day": 20251231, "y": "b"},
        {"when": "31/12/2025 14:05", "at": 1, "day": 20250101, "y": "b"},
    ]
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    parquet = tmp_path / "a.parquet"
    with duckdb.connect() as opened:
        opened.execute(f"COPY (FROM read_json('{source}')) TO '{parquet}' (FORMAT parquet)")
    for reading in (
        read(source, "a.jsonl", features={"dates": formats}),
        read(parquet, "a.parquet", features={"dates": formats}),
    ):
        assert [str(one) for one in column(reading, '"when"')] == ["2025-12-31 14:05:00", "None"]
        assert [str(one) for one in column(reading, '"at"')] == ["2025-01-01 00:00:00.123000"] * 2
        assert [str(one) for one in column(reading, '"day"')] == ["2025-12-31 00:00:00"] * 2
        assert reading.rejects is not None
        assert "(%m/%d/%Y %H:%M)" in reading.rejects.read_text() and reading.rejected_rows == 1
        assert not any("looks like" in note for note in reading.notes)


def test_uploads_of_before_the_format_was_declared_are_read_by_it(read: Read) -> None:
    reading = read("when,n,y\n31/12/2025,20250102,a\n01/02/2025,20250103,b\n", "a.csv")
    declared = ModelSettings.model_validate({"features": {"dates": {"when": "%d/%m/%Y", "n": "%Y%m%d"}}})
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        table = union(opened, [reading.parquet], declared)
        found = opened.execute(f'SELECT "when"::DATE::VARCHAR, n::DATE::VARCHAR FROM {table.source}').fetchall()
    assert found == [("2025-12-31", "2025-01-02"), ("2025-02-01", "2025-01-03")]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            ["31/12/2025", "01/02/2025"],
            'the format %d/%m/%Y. To use it as a date, set features.dates: {when: "%d/%m/%Y"} in',
        ),
        (["01/02/2025", "02/03/2025"], '{when: "%d/%m/%Y"} or features.dates: {when: "%m/%d/%Y"} in model.yaml'),
        (["20251231", "20250101"], "the format %Y%m%d"),
        (["12345678", "20250101"], ""),
        (["10.0.0.1", "10.0.0.2"], ""),
    ],
)
def test_undeclared_dates_are_told_of(read: Read, tmp_path: Path, values: list[str], said: str) -> None:
    def told(reading: UploadReading) -> str:
        return " ".join(note for note in reading.notes if "looks like dates" in note)

    content = "when,y\n" + "".join(f"{value},{index % 2}\n" for index, value in enumerate(values * 3))
    source, parquet = tmp_path / "a.csv", tmp_path / "a.parquet"
    reading = read(content, "a.csv")
    with duckdb.connect() as opened:
        opened.execute(
            f"COPY (FROM read_csv('{source}', types = {{'when': 'VARCHAR'}})) TO '{parquet}' (FORMAT parquet)"
        )
    for found in (told(reading), told(read(parquet, "a.parquet"))):
        assert said in found and bool(found) == bool(said)
    if said and values[0].count("/") == 2:
        with pytest.raises(UnreadableUpload, match="is not a date such as") as caught:
            read(content, "a.csv", features={"types": {"when": "date"}})
        assert "features.dates in model.yaml" in caught.value.remedy
        mixed = read(content + "2025-12-31,0\n", "a.csv", features={"types": {"when": "date"}})
        assert said in told(mixed) and mixed.rejected_rows == 6
    assert not told(read(content, "a.csv", features={"exclude": ["when"]}))
    assert not told(read(content, "a.csv", features={"types": {"when": "category"}}))


def test_a_batch_reads_dates_as_a_request_does(tmp_path: Path) -> None:
    columns = (Column("when", "date", format="%d/%m/%Y"), Column("at", "date", format="epoch_seconds"))
    of = Dataset("v", (), Schema(columns, "y"), Encoder.fit(columns), Problem("regression"), {}, {}, {}, ())
    lines = [
        {"when": "31/12/2025", "at": 1.7e9},
        {"when": "12/31/2025", "at": "1700000000"},
        {"when": None, "at": None},
    ]
    source = tmp_path / "a.jsonl"
    source.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = tmp_path / "a.csv"
    table.write_text("when,at\n31/12/2025,1700000000\n12/31/2025,1\n,NA\n")
    for path, kind in ((source, "jsonl"), (table, "csv")):
        rows = read_batch(
            path, name=path.name, file=FileFormat(kind, False), dataset=of, workdir=tmp_path / kind,  # type: ignore[arg-type]
            memory_limit_mb=200, max_unpacked_bytes=1 << 30,
        )  # fmt: skip
        with duckdb.connect() as opened:
            found = opened.execute(f"SELECT f0::VARCHAR, f1::VARCHAR FROM '{rows.table}' WHERE why IS NULL").fetchall()
        assert found == [("2025-12-31 00:00:00", "2023-11-14 22:13:20"), (None, None)]
        assert rows.examples == [
            f"line {2 if kind == 'jsonl' else 3}: when: '12/31/2025' is not a date such as 31/01/2026 (%d/%m/%Y) or "
            "2026-01-31"
        ]


def test_what_is_not_rewritten_keeps_its_bytes(tmp_path: Path) -> None:
    content = b'\n\nwhen,b\r\n31/12/2025,"x\r\ny"\r\n1/1/2025,5" pipe\nbad "quo"te,x\n\xff,31/12/2025\n2/1/2025'
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(content)
    rewritten(source, target, ",", {0: iso_date(date_format("%d/%m/%Y"))})
    assert target.read_bytes() == (
        b'\n\nwhen,b\r\n2025-12-31,"x\r\ny"\r\n'
        b'2025-1-1,"5"" pipe"\n"bad ""quo""te\x1a",x\n\xff\x1a,31/12/2025\n2025-1-2'
    )

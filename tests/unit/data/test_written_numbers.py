"""Files as spreadsheets export them: numbers with separators, percent and currency signs, and codes in digits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.data.batch_sql import number_text
from sluicegate.data.ingest import UploadReading, read_upload
from sluicegate.data.rejects import NO_VALUE
from sluicegate.domain.number_formats import NumberFormat
from sluicegate.domain.schema import BLANK
from sluicegate.domain.settings import Features, ModelSettings
from tests.support.readings import rejected, types

Read = Callable[..., UploadReading]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def call(content: bytes, **features: Any) -> UploadReading:
        source = tmp_path / "rows.csv"
        source.write_bytes(content)
        made = ModelSettings(features=Features(**features))
        return read_upload(source, key="rows.csv", settings=made, known=None, workdir=tmp_path, memory_limit_mb=200)

    return call


def rows(reading: UploadReading) -> list[tuple[Any, ...]]:
    with duckdb.connect() as opened:
        return opened.execute(f"FROM '{reading.parquet}'").fetchall()


_FORMS = [
    NumberFormat(".", ","),
    NumberFormat(",", "."),
    NumberFormat(".", "'"),
    NumberFormat(",", " ", "€"),
    NumberFormat(".", ",", "$"),
    NumberFormat(",", ".", "%"),
]


def test_decimal_commas_of_three_digits_are_no_thousands(read: Read) -> None:
    reading = read(b"share;height;y\n" + b"0,443;1,85;a\n0,090;12,5;b\n" * 20)
    assert rows(reading)[:2] == [(0.443, 1.85, "a"), (0.09, 12.5, "b")]
    assert reading.notes == ["share, height: numbers are written like 0,443, which is read as 0.443."]


def test_points_are_thousands_beside_decimal_commas(read: Read) -> None:
    reading = read(b"income;height;rate;y\n" + b"1.234;1,5;3.14;a\n56.000;2,5;2.72;b\n987;3,5;1;b\n" * 20)
    assert rows(reading)[:3] == [(1.234, 1.5, 3.14, "a"), (56.0, 2.5, 2.72, "b"), (987.0, 3.5, 1.0, "b")]
    reading = read(b"income;height;y\n" + b"1.234;1,5;a\n56.000;2,5;b\n987;3,5;b\n" * 20)
    assert rows(reading)[:3] == [(1234.0, 1.5, "a"), (56000.0, 2.5, "b"), (987.0, 3.5, "b")]


@pytest.mark.parametrize(("delimiter", "number"), [(",", 1234.0), ("\t", 1234.0), (";", 1.234)])
def test_where_nothing_tells_the_files_separator_does(read: Read, delimiter: str, number: float) -> None:
    reading = read(f'a{delimiter}y\n"1,234"{delimiter}x\n"12"{delimiter}z\n'.encode() * 1)
    assert rows(reading)[0] == (number, "x")
    assert reading.notes == [f"a: numbers are written like 1,234, which is read as {number:g}."]


def test_currencies_and_percent_signs_are_numbers(read: Read) -> None:
    good = '"$1,234.50",45%,"1’200.-",y\n"-$5.00",7.5 %,x,n\n' * 20
    reading = read(("fee,rate,other,won\n" + good + "€7,1%,z,n\n$8,0.5,z,y\n").encode())
    assert rows(reading)[:2] == [(1234.5, 45.0, "1’200.-", "y"), (-5.0, 7.5, "x", "n")]
    assert [(line["line"], line["reason"]) for line in rejected(reading)] == [
        ("42", "fee: '€7' is not a number such as $1,234.5"),
        ("43", "rate: '0.5' is not a number such as 1,234.5%"),
    ]


def test_texts_keep_their_commas(read: Read) -> None:
    reading = read(b"a,note,y\n" + b'"1,234","1,500",x\n12,free,z\nend,"2,500",q\n' * 1 + b"12,free,z\n" * 60)
    assert rows(reading)[0] == (1234.0, "1,500", "x")
    assert rejected(reading)[0]["text"].startswith("end")


def test_a_column_that_is_text_after_all_keeps_its_text(read: Read) -> None:
    sampled = b'"$1,234",x\n' * 120_000
    reading = read(b"a,b\n" + sampled + (b"about $5,x\n" * 500 + sampled[:5500]) * 40)
    assert types(reading)["a"] == "category"
    assert {row[0] for row in rows(reading)} == {"$1,234", "about $5"}


def test_digits_with_leading_zeros_are_codes(read: Read) -> None:
    reading = read(b"zip,n,y\n02139,007,01\n10001,12,02\n94105,3,10\n")
    assert types(reading) == {"zip": "category", "n": "number", "y": "category"}
    assert rows(reading)[0] == ("02139", 7.0, "01")
    assert reading.notes == [
        "Column zip has digits with leading zeros, as codes have; it is a category. If it is a number, set "
        "features.types: {zip: number} in model.yaml."
    ]
    assert rows(read(b"zip,y\n02139,1\n", types={"zip": "number"}))[0] == (2139.0, 1.0)


def test_what_is_mostly_a_number_or_a_date_is_told(read: Read) -> None:
    reading = read(b"a,d,y\n" + b"1.5,2026-01-31,1\n2.5,2026-01-30,0\nn.k.,never,1\n" * 20)
    assert reading.notes == [
        "Column a is a category: 40 of 60 values looked at are numbers, the others not ('n.k.'). To have rows with "
        "such values set aside, set features.types: {a: number} in model.yaml; an empty field is a missing value.",
        "Column d is a category: 40 of 60 values looked at are dates, the others not ('never'). To have rows with "
        "such values set aside, set features.types: {d: date} in model.yaml; an empty field is a missing value.",
    ]
    declared = read(b"a;y\n" + b"1.234,5;1\n2,5;0\nn.k.;1\n" * 20, types={"a": "number"})
    assert (declared.accepted_rows, declared.rejected_rows, rows(declared)[0]) == (40, 20, (1234.5, 1.0))


def test_columns_without_name_and_values_are_left_out(read: Read) -> None:
    reading = read(b"a,,y,\n1,2,x,\n3,4,z, \n")
    assert types(reading) == {"a": "number", "column_2": "number", "y": "category"}
    assert rows(reading) == [(1.0, 2.0, "x"), (3.0, 4.0, "z")] and reading.schema.target == "y"
    assert "Columns without a name and without values are left out: column_4." in reading.notes


@pytest.mark.parametrize("stray", ["1/2/03", "12-11-10", "epoch"])
def test_a_date_that_only_duckdb_reads_is_rejected(read: Read, stray: str) -> None:
    good = b"".join(b"2026-01-%02d,%d\n" % (day % 28 + 1, day) for day in range(60))
    reading = read(b"d,y\n0001-01-01,5\n" + good + stray.encode() + b",7\n")
    assert [(line["line"], line["reason"]) for line in rejected(reading)] == [
        ("63", f"d: {stray!r} is not a date such as 2026-01-31")
    ]
    assert reading.accepted_rows == 61 and str(rows(reading)[0][0]) == "0001-01-01 00:00:00"


@given(
    st.sampled_from(_FORMS),
    st.text("0123456789.,'$€% -+e\u00a0", max_size=12)
    | st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{3}){0,2}(,[0-9]+)?", fullmatch=True),
)
def test_duckdb_reads_the_same_number(connection: duckdb.DuckDBPyConnection, form: NumberFormat, text: str) -> None:
    made = f"SELECT {number_text('v', form)}, TRY_CAST(trim(v) AS DOUBLE) IS NULL FROM (SELECT ? AS v)"
    found, is_none = connection.execute(made, [text]).fetchone() or (None, None)
    wanted = form.plain(text.strip(BLANK))
    assert found == (wanted if wanted is not None else text if is_none else text + NO_VALUE)

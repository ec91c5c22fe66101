"""Every kind of bad file gives either its good rows and a report, or one error that says what to do."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from sluicegate.data import ingest
from sluicegate.data.ingest import UploadReading, read_upload
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import Column, Schema
from sluicegate.domain.settings import ModelSettings
from tests.support.readings import rejected, types

Read = Callable[..., UploadReading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def call(content: bytes, *, name: str = "rows.csv", known: Schema | None = None, **settings: Any) -> UploadReading:
        limit = settings.pop("max_unpacked_bytes", 1 << 30)
        source = tmp_path / name
        source.write_bytes(content)
        return read_upload(
            source,
            key=f"data/m/{name}",
            settings=ModelSettings.model_validate(settings),
            known=known,
            workdir=tmp_path / "work",
            memory_limit_mb=200,
            max_unpacked_bytes=limit,
        )

    return call


def rows(reading: UploadReading) -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(f"FROM '{reading.parquet}'").fetchall()


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (b"", "Empty file"),
        (b" \r\n\n\t", "Empty file"),
        (b"\xef\xbb\xbf", "Empty file"),
        (gzip.compress(b"", mtime=0), "Empty file"),
        (b"a,b\n", "No rows"),
        (b"a,b", "No rows"),
        (b"\n\na,b\n\n", "No rows"),
        (bytes(range(256)) * 50, "Not a text file"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(200), "Not a text file"),
        (b"PK\x03\x04rest", "Not a CSV file"),
        (b"PAR1rest", "Damaged Parquet file"),
        (b"a^b\n1^2\n3^4\n", "Only one column"),
        (b"a b c\n1 2 3\n", "Only one column"),
        (b"only\n1\n2\n", "Only one column"),
        (b"1,2\n3,4\n", "No header"),
        (gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:-20], "Damaged gzip file"),
        (b"a,b\n1\n2\n3\n", "No usable rows"),
        (b"a,b\n1,2,3\n4,5,6\n", "No usable rows"),
        (",".join(f"c{i}" for i in range(2_001)).encode() + b"\n", "Too many columns"),
        (b"a," + b"x" * 400 + b"\n1,2\n", "Column name too long"),
    ],
)
def test_files_with_nothing_to_take(read: Read, content: bytes, title: str) -> None:
    with pytest.raises(UnreadableUpload) as caught:
        read(content)
    assert caught.value.title == title
    assert "data/m/rows.csv" in caught.value.detail
    assert caught.value.remedy


FOREST = {"algorithm": {"name": "randomcutforest"}}


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"metric\n1\n2.5\n\nNA\n3\n\n", [1, 2.5, 3]),
        (b"room temperature\r\n21,5\r\n22,25\r\n", [21.5, 22.25]),
        (b'"a,b"\n"x y"\n"z, z"\n', ["x y", "z, z"]),
        (b'{"load": 1}\n{"load": 2}\n', [1, 2]),
    ],
)
def test_one_column_is_enough_without_a_target(read: Read, content: bytes, values: list[Any]) -> None:
    assert rows(read(content, **FOREST)) == [(value,) for value in values]
    with pytest.raises(UnreadableUpload, match="randomcutforest: name that in") as caught:
        read(content)
    assert caught.value.title == "Only one column"


@pytest.mark.parametrize(("content", "said"), [(b"a^b\n1^2\n", "'^' seems"), (b"a b c\n1 2 3\n4 5 6\n", "' ' seems")])
def test_other_delimiters_make_no_single_column(read: Read, content: bytes, said: str) -> None:
    for given in ({}, FOREST):
        with pytest.raises(UnreadableUpload, match=re.escape(said)):
            read(content, **given)
    with pytest.raises(UnreadableUpload, match="numbers, not the names"):
        read(b"1.5\n2.5\n", **FOREST)


def test_one_column_of_earlier_uploads_is_known(read: Read) -> None:
    known = read(b"age,city,y\n1,x,a\n2,y,b\n").schema
    reading = read(b"CITY\nx\n\nz\n", known=known)
    assert rows(reading) == [("x",), ("z",)] and "lacks count as missing: age, y" in reading.notes[1]
    with pytest.raises(UnreadableUpload, match="Only one column"):
        read(b"town\nx\n", known=known)


def test_one_row(read: Read) -> None:
    assert rows(read(b"a,b\n1,x\n")) == [(1.0, "x")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters(read: Read, delimiter: str) -> None:
    content = "\n".join(delimiter.join(cells) for cells in [("a", "b", "c"), ("1", "x", "2.5"), ("2", "y", "3.5")])
    assert rows(read(content.encode())) == [(1.0, "x", 2.5), (2.0, "y", 3.5)]


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [("utf-8", None), ("utf-8-sig", None), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE"), ("utf-16-be", "UTF-16-BE"),
     ("utf-32", "UTF-32"), ("latin-1", "Windows-1252")],
)  # fmt: skip
def test_encodings(read: Read, encoding: str, noted: str | None) -> None:
    text = "größe,name\n1,Zoë\n2,plain text\n3,another one\n"
    reading = read(text.encode(encoding))
    assert [column.name for column in reading.schema.columns] == ["größe", "name"]
    assert rows(reading) == [(1.0, "Zoë"), (2.0, "plain text"), (3.0, "another one")]
    assert (noted is None) == (reading.notes == []) and (noted is None or noted in reading.notes[0])


def test_one_broken_line_in_utf8_is_rejected_not_guessed(read: Read) -> None:
    reading = read("a,b\n1,Zoë\n".encode() + b"2,Zo\xeb\n3,x\n")
    assert rows(reading) == [(1.0, "Zoë"), (3.0, "x")]
    assert [(line["line"], line["column"], line["reason"]) for line in rejected(reading)] == [
        ("3", "b", "not valid UTF-8")
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends(read: Read, end: bytes) -> None:
    reading = read(end.join([b"a,b", b"1,x", b"oops,y", *[b"2,z"] * 40, b""]))
    assert reading.accepted_rows == 41
    assert [line["line"] for line in rejected(reading)] == ["3"]


def test_mixed_line_ends(read: Read) -> None:
    reading = read(b"a,b\r\n1,x\n2,y\r\n3,z\n")
    assert rows(reading) == [(1.0, "x"), (2.0, "y"), (3.0, "z")]
    assert "mixes" in reading.notes[0]
    reading = read(b'a,b\r\n1,"x\ny"\r\n2,z\r\n')  # as spreadsheets write cells of several lines
    assert rows(reading) == [(1.0, "x\ny"), (2.0, "z")]
    assert "within quotes as part of their field" in reading.notes[0]


def test_quoted_newlines_and_the_lines_after_them(read: Read) -> None:
    good = b"1,plain\n" * 80
    reading = read(b"a,b\n" + good + b'2,"one\ntwo ""q"", three"\noops,x\n\nbad,y\n3,"4\n5"\nworse,z\n')
    assert (2.0, 'one\ntwo "q", three') in rows(reading)
    assert [(line["line"], line["text"]) for line in rejected(reading)] == [
        ("84", "oops,x"),
        ("86", "bad,y"),
        ("89", "worse,z"),
    ]


def test_ragged_rows_and_bad_values_are_set_aside_with_line_column_and_reason(read: Read) -> None:
    good = "".join(f"{i},cat,true,2026-01-{i % 28 + 1:02d},{i % 2}\n" for i in range(200))
    reading = read(
        ("n,c,b,d,y\n" + good + "x,cat,true,2026-01-01,1\n7,cat,perhaps,2026-13-01,1\n1,2\n1,2,3,4,5,6,7\n").encode()
        + b'1,"open,true,2026-01-01,1\n'
    )
    assert types(reading) == {"n": "number", "c": "category", "b": "boolean", "d": "date", "y": "number"}
    assert (reading.accepted_rows, reading.rejected_rows) == (200, 5)
    found = [(line["line"], line["column"], line["reason"]) for line in rejected(reading)]
    assert found == [
        ("202", "n", "n: 'x' is not a number"),
        ("203", "b", "b: 'perhaps' is not true or false; d: '2026-13-01' is not a date such as 2026-01-31"),
        ("204", "", "2 fields instead of 5"),
        ("205", "", "7 fields instead of 5"),
        ("206", "c", "a quoted value that doesn't end where the field ends"),
    ]
    assert reading.report["accepted"] == 200 and reading.report["rejected"] == 5
    assert reading.report["reasons"] == {"wrong type": 2, "too few fields": 1, "too many fields": 1, "quotes": 1}
    assert reading.report["examples"][0]["line"] == 202
    numbers = next(column for column in reading.report["columns"] if column["name"] == "n")
    assert (numbers["type"], numbers["missing"], numbers["min"], numbers["max"]) == ("number", 0, 0.0, 199.0)


def test_duplicate_and_empty_names_are_renamed_and_said(read: Read) -> None:
    reading = read(b"a,A,,a,column_3\n1,2,3,4,5\n")
    assert [column.name for column in reading.schema.columns] == ["a", "A_2", "column_3_2", "a_3", "column_3"]
    assert len(reading.notes) == 3 and all("called" in note for note in reading.notes)


def test_a_megabyte_in_a_field_and_a_line_too_long(read: Read) -> None:
    reading = read(b"a,b\n1," + b"x" * 1_000_000 + b"\n2," + b"y" * 3_000_000 + b"\n3,z\n")
    assert [(row[0], len(row[1])) for row in rows(reading)] == [(1.0, 1_000_000), (3.0, 1)]
    assert rejected(reading)[0]["reason"] == "longer than 2,000,000 bytes"


def test_thousands_separators_only_in_proper_groups(read: Read) -> None:
    good = b'"1,234",x\n"1,234,567.5",y\n12,z\n' * 20
    reading = read(b"a,b\n" + good + b'"1,2",bad\n')
    assert rows(reading)[:3] == [(1234.0, "x"), (1234567.5, "y"), (12.0, "z")]
    assert [(line["line"], line["reason"]) for line in rejected(reading)] == [
        ("62", "a: '1,2' is not a number such as 1,234.5")
    ]
    assert reading.notes == ["a: numbers are written like 1,234,567.5, which is read as 1234567.5."]


def test_decimal_commas(read: Read) -> None:
    reading = read(b"a;b\n1,5;x\n2;y\n-0,25;z\n")
    assert rows(reading) == [(1.5, "x"), (2.0, "y"), (-0.25, "z")]


def test_nan_inf_and_missing_markers_are_missing(read: Read) -> None:
    markers = [
        "",
        "NA",
        "N/A",
        "null",
        "NULL",
        "None",
        "nan",
        "NaN",
        "?",
        "-",
        " NA ",
        "inf",
        "-inf",
        "Infinity",
        "1e999",
    ]
    content = (
        "a,b\n" + "".join(f"{marker},{marker.replace('in', 'xx') or 'NA'}\n" for marker in markers) + "1.5,x\n" * 300
    )
    reading = read(content.encode())
    assert reading.rejected_rows == 0
    found = rows(reading)
    assert [row[0] for row in found[: len(markers)]] == [None] * len(markers)
    assert [row[1] for row in found[:11]] == [None] * 11


def test_a_million_categories_fit_in_bounded_memory(read: Read) -> None:
    content = b"name,value\n" + b"".join(b"category-%d,%d\n" % (i, i % 7) for i in range(1_000_000))
    reading = read(content)
    assert reading.accepted_rows == 1_000_000
    assert types(reading) == {"name": "category", "value": "number"}


def test_gzip_and_its_limit(read: Read) -> None:
    content = b"a,b\n" + b"1,x\n" * 10_000
    assert read(gzip.compress(content, mtime=0), name="rows.csv.gz").accepted_rows == 10_000
    with pytest.raises(UnreadableUpload, match="more than 1,000 bytes"):
        read(gzip.compress(content, mtime=0), name="rows.csv.gz", max_unpacked_bytes=1_000)
    assert "not compressed" in read(content, name="plain.csv.gz").notes[0]


def test_a_key_with_spaces_unicode_and_quotes(read: Read) -> None:
    assert read(b"a,b\n1,x\n", name="it's Zoë's données [1]*.csv").accepted_rows == 1


def test_names_that_are_sql(read: Read) -> None:
    reading = read(b'"a"";DROP TABLE x",it\'s,select,"new\nline"\n1,2,3,4\n')
    assert [column.name for column in reading.schema.columns] == ['a";DROP TABLE x', "it's", "select", "new line"]
    assert rows(reading) == [(1.0, 2.0, 3.0, 4.0)]


def test_where_the_sample_misled_the_column_is_read_again_as_text(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def first_lines(path: Path, size: int, target: Path) -> Path:
        target.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:100]))
        return target

    monkeypatch.setattr("sluicegate.data.ingest.spread_sample", first_lines)
    content = (
        b"a,b\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(9_000)) + b"".join(b"v%d,1\n" % i for i in range(1_000))
    )
    reading = read(content)
    assert types(reading) == {"a": "category", "b": "number"}
    assert (reading.accepted_rows, reading.rejected_rows) == (10_000, 0)
    assert "it is a category" in reading.notes[0]


def test_few_bad_values_are_bad_rows(read: Read) -> None:
    content = b"a,b\n" + b"".join(b"%d,%d\n" % (i, i) for i in range(45_000)) + b"oops,1\n2,2\n"
    reading = read(content)
    assert types(reading)["a"] == "number"
    assert [line["line"] for line in rejected(reading)] == ["45002"]


def test_known_types_win_and_settings_win_over_them(read: Read) -> None:
    known = Schema((Column("zip", "category"), Column("n", "number"), Column("gone", "number")))
    content = b"ZIP,n,new\n" + b"12345,1,a\n" * 30 + b"23456,x,b\n"
    reading = read(content, known=known)
    assert types(reading) == {"zip": "category", "n": "number", "gone": "number", "new": "category"}
    assert reading.rejected_rows == 1
    assert any("gone" in note for note in reading.notes) and any("new" in note for note in reading.notes)
    again = read(content, known=known, features={"types": {"n": "category"}})
    assert again.rejected_rows == 0


def test_the_id_column_keeps_its_text(read: Read) -> None:
    assert rows(read(b"id,x\n007,1\n008,2\n", id_column="id")) == [("007", 1.0), ("008", 2.0)]


def test_a_target_keeps_its_class_names(read: Read) -> None:
    reading = read(b"x,target\n" + b"1,True\n2,False\n" * 20)
    assert types(reading)["target"] == "category"
    assert rows(reading)[0] == (1.0, "True")


def test_nothing_is_lost_silently(read: Read, tmp_path: Path) -> None:
    """1,000 bad rows anywhere among 60,000, read in parallel: each is on its line, and the sum is right."""
    lines = [f"{i},name {i % 9},{i / 7:.4f}" for i in range(60_000)]
    bad = {i * 59 + 7: f"bad{i},x,{'1' if i % 2 else '?x'}" for i in range(1_000)}
    for place, text in bad.items():
        lines[place] = text
    reading = read(("a,b,c\n" + "\n".join(lines) + "\n").encode())
    assert (reading.accepted_rows, reading.rejected_rows) == (59_000, 1_000)
    assert {(int(line["line"]), line["text"]) for line in rejected(reading)} == {
        (place + 2, text) for place, text in bad.items()
    }


def test_a_large_sorted_file_is_judged_by_all_of_it(read: Read) -> None:
    """40 MB: numbers first, text in the second half. The sample sees both: no second reading."""
    pad = b"p" * 60
    content = b"a,b,c\n" + b"".join(
        b"%s%d,%s,%d\n" % (b"v" if i > 250_000 else b"", i, pad, i % 2) for i in range(500_000)
    )
    reading = read(content)
    assert types(reading)["a"] == "category"
    assert (reading.accepted_rows, reading.rejected_rows, reading.notes) == (500_000, 0, [])


@pytest.mark.parametrize(
    ("line", "title"),
    [(b"v%d,1,2\n", "Values of another type"), (b"%d,1\n", "Mostly broken lines")],
)
def test_a_large_file_of_another_kind_is_refused_from_its_sample(read: Read, line: bytes, title: str) -> None:
    pad = b"q" * 60
    content = b"a,b,c\n" + b"".join(line.replace(b"1", pad + b"1", 1) % i for i in range(500_000))
    with pytest.raises(UnreadableUpload) as caught:
        read(content, known=Schema((Column("a", "number"),)))
    assert caught.value.title == title


def test_a_large_file_of_few_long_lines_is_whole(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "_LARGE", 1 << 20)
    lines = [b"%d,%s,%d" % (i, b"%07d " % i * 2_000, i % 2) for i in range(100)]
    reading = read(b"a,b,c\n" + b"\n".join(lines) + b"\n")
    assert (reading.accepted_rows, reading.rejected_rows) == (100, 0)
    with pytest.raises(UnreadableUpload) as caught:
        read(b"a,b,c\n" + b"\n".join([*lines[:40], *(line + b",1" for line in lines[40:])]) + b"\n")
    assert caught.value.title == "Mostly broken lines"

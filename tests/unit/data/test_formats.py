"""Lines of JSON and Parquet: read as CSV would be, rejected as exactly, told when a name and its content disagree."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.data.ingest import UploadReading, read_upload
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.schema import Column, Schema
from sluicegate.domain.settings import ModelSettings
from tests.support.readings import rejected, types

Read = Callable[..., UploadReading]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    count = 0

    def call(content: bytes | str | Path, name: str, known: Schema | None = None, **given: Any) -> UploadReading:
        nonlocal count
        count += 1
        source = tmp_path / f"upload-{count}"
        if isinstance(content, Path):
            source = content
        else:
            source.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_upload(
            source,
            key=f"data/m/{name}",
            settings=ModelSettings.model_validate(given),
            known=known,
            workdir=tmp_path / f"work-{count}",
            memory_limit_mb=200,
        )

    return call


def rows(reading: UploadReading) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        cursor = connection.execute(f"FROM '{reading.parquet}'")
        names = [item[0] for item in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


RECORDS = [
    {"id": "007", "age": 30, "member": True, "since": "2026-01-31", "city": "Zürich", "won": "yes"},
    {"id": "008", "age": 31.5, "member": False, "since": "2026-02-28T10:00:00Z", "city": "a,b\n\"c\"", "won": "no"},
    {"id": "009", "age": None, "member": None, "since": None, "city": "NA", "won": "no"},
]  # fmt: skip


def lines(records: list[Any]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@pytest.mark.parametrize("name", ["a.jsonl", "2026/a.ndjson", "a.jsonl.gz", "a.csv"])
def test_lines_of_json(read: Read, name: str) -> None:
    content = lines(RECORDS).encode()
    reading = read(gzip.compress(content) if name.endswith(".gz") else content, name)
    assert (reading.accepted_rows, reading.rejected_rows) == (3, 0)
    kinds = {"id": "category", "age": "number", "member": "boolean", "since": "date", "city": "category"}
    assert types(reading) == {**kinds, "won": "category"}
    found = rows(reading)
    assert [row["id"] for row in found] == ["007", "008", "009"], "a string of digits stays a string"
    assert [row["age"] for row in found] == [30, 31.5, None]
    assert [row["city"] for row in found] == ["Zürich", 'a,b\n"c"', None]
    assert reading.report["format"] == "jsonl" and reading.report["size"] == len(content)
    assert any("lines of JSON" in note for note in reading.notes) == (name == "a.csv")


def test_bad_lines_are_named_by_their_line_in_the_file(read: Read) -> None:
    good = [{"x": index, "text": "two\nlines", "y": "a"} for index in range(40)]
    content = lines(good).splitlines()
    content[3:3] = ['{"x": 1,', "[1, 2]", "", '{"x": [{"deep": 1}], "y": "a"}', '{"x": 1, "tags": [5], "y": "a"}']
    content[20:20] = ['{"x": "many", "text": "t", "y": "b"}', '{"x": 1, "text": "\\ud800", "y": "b"}']
    content.append('{"x": 1, "text": "nul\\u0000", "y": "b"} ')
    reading = read("\n".join(content), "a.jsonl")
    assert reading.accepted_rows == 40
    assert [(row["line"], row["column"]) for row in rejected(reading)] == [
        ("4", ""), ("5", ""), ("7", "x"), ("8", "tags"), ("21", "x"), ("22", "text"), (str(len(content)), "text"),
    ]  # fmt: skip
    by_line = {row["line"]: row for row in rejected(reading)}
    assert "not JSON" in by_line["4"]["reason"] and by_line["4"]["text"] == '{"x": 1,'
    assert "a list where an object" in by_line["5"]["reason"]
    assert "x: a list of objects" in by_line["7"]["reason"] and "columns of their own" in by_line["7"]["reason"]
    assert by_line["21"]["reason"] == "x: 'many' is not a number" and by_line["21"]["text"] == content[20]
    assert reading.report["rejected_by_column"] == {"x": 1}
    assert reading.report["reasons"]["nested value"] == 2
    excluded = read("\n".join(content), "a.jsonl", features={"exclude": ["tags"]})
    assert excluded.accepted_rows == 41


def test_columns_may_come_late_and_stay_away(read: Read) -> None:
    records = [{"a": 1, "y": "n"}, {"y": "m", "b": True}, {"c": "2026-01-01", "a": 2.5, "y": "n"}]
    reading = read(lines(records), "a.jsonl", target="y")
    assert [tuple(row.values()) for row in rows(reading)][:2] == [(1.0, "n", None, None), (None, "m", True, None)]
    assert types(reading) == {"a": "number", "y": "category", "b": "boolean", "c": "date"}


@pytest.mark.parametrize(
    ("content", "title", "said"),
    [
        ('[{"a": 1, "b": 2}]', "One JSON array", "one JSON object a line"),
        ('{"a": 1}\n{"a": 2}\n', "Only one column", "'a'"),
        ('{"a": 1\n{"a": 2\n', "No records", "line 1: not JSON"),
        ('{"a": [1], "b": 1}\n', "No records", "a: a list"),
        ('{"a": 1, "b": 1}\n{"a": "x", "b": "y"}\n' * 40, "", ""),
    ],
)
def test_files_of_json_that_are_none(read: Read, content: str, title: str, said: str) -> None:
    if not title:  # half numbers, half words: text, and told
        assert read(content, "a.jsonl").accepted_rows == 80
        return
    with pytest.raises(UnreadableUpload, match=said) as refused:
        read(content, "a.jsonl")
    assert refused.value.title == title


def test_a_known_type_wins_over_what_json_says(read: Read) -> None:
    known = Schema((Column("x", "number"), Column("y", "category")), target="y")
    reading = read('{"x": "5", "y": "a"}\n{"x": "five", "y": "a"}\n{"x": 7, "y": 1}\n', "a.jsonl", known)
    assert [row["x"] for row in rows(reading)] == [5, 7] and rejected(reading)[0]["line"] == "2"


cells = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=8),
    st.lists(st.integers(), max_size=1), st.sampled_from(["NA", " x ", "2026-01-01", '"', "\r\n", "a,b"]),
)  # fmt: skip


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.sampled_from("abc"), cells), max_size=8), st.booleans())
def test_no_line_is_ever_lost(read: Read, records: list[dict[str, Any]], late: bool) -> None:
    """Whatever stands in the lines: accepted and rejected together are all, and the good ones are in order."""
    anchors = [{"n": index, "y": "t"} for index in range(2)]
    whole = [*anchors[:1], *({**record, "n": 5, "y": "z"} for record in records), *anchors[1:]]
    content = lines(list(reversed(whole)) if late else whole)
    reading = read(content, "a.jsonl", target="y")
    assert reading.accepted_rows + reading.rejected_rows == len(whole)
    numbers = [row["n"] for row in rows(reading)]
    assert [number for number in numbers if number != 5] == ([1, 0] if late else [0, 1])


def parquet(tmp_path: Path, select: str) -> Path:
    path = tmp_path / "made.bin"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path


def test_parquet_types(read: Read, tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        """SELECT 9007199254740993::BIGINT AS id, 3::UTINYINT AS small, 1.25::DECIMAL(9, 2) AS price, true AS member,
        DATE '2026-01-31' AS day, TIMESTAMPTZ '2026-01-31 12:00:00+02' AS at, TIMESTAMP_NS '2026-01-31 12:00:00' AS ns,
        ' Zürich ' AS city, '2026-02-28' AS since, 'NA' AS nothing, 'nan'::DOUBLE AS bad,
        '12'::VARCHAR AS digits, true AS won
        UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, 'x', NULL, 'y', 1, '13', false""",
    )
    reading = read(path, "deep/er/a.parquet", id_column="id", target="won")
    first, second = rows(reading)
    assert first["id"] == "9007199254740993", "an id keeps its digits"
    assert (first["small"], first["price"], first["member"], first["bad"]) == (3.0, 1.25, True, None)
    assert str(first["at"]) == "2026-01-31 10:00:00" and str(first["day"]) == "2026-01-31 00:00:00"
    assert first["city"] == "Zürich" and first["nothing"] is None and second["nothing"] == "y"
    assert first["won"] == "true" and types(reading)["since"] == "date" and types(reading)["digits"] == "category"
    assert reading.report["format"] == "parquet" and not reading.notes


def test_parquet_rows_that_do_not_fit_what_is_known(read: Read, tmp_path: Path) -> None:
    known = Schema((Column("x", "number"), Column("y", "category")), target="y")
    path = parquet(
        tmp_path, "SELECT CASE WHEN i = 3 THEN 'three' ELSE i::VARCHAR END AS x, 'a' AS y FROM range(6) t(i)"
    )
    reading = read(path, "a.parquet", known)
    assert [row["x"] for row in rows(reading)] == [0, 1, 2, 4, 5]
    (bad,) = rejected(reading)
    assert (bad["line"], bad["column"], bad["reason"]) == ("4", "x", "x: 'three' is not a number")
    assert json.loads(bad["text"]) == {"x": "three", "y": "a"}
    assert "Column x is VARCHAR here; it is taken as a number, as in earlier uploads." in reading.notes


def test_parquet_columns_without_single_values(read: Read, tmp_path: Path) -> None:
    path = parquet(tmp_path, "SELECT [1, 2] AS tags, MAP {'a': 1} AS address, 1 AS x, 'a' AS y")
    with pytest.raises(UnreadableUpload, match=r"tags \(INTEGER\[\]\), address \(MAP.*") as refused:
        read(path, "a.parquet")
    assert "features.exclude" in refused.value.remedy
    assert read(path, "a.parquet", features={"exclude": ["tags", "address"]}).accepted_rows == 1


def test_names_that_lie(read: Read, tmp_path: Path) -> None:
    path = parquet(tmp_path, "SELECT i AS x, 'a' AS y FROM range(3) t(i)")
    assert "it was read as such" in read(path, "a.csv").notes[0]
    assert "named as Parquet" in read("x,y\n1,a\n2,b\n", "a.parquet").notes[0]
    assert "named as JSON" in read("x,y\n1,a\n2,b\n", "a.jsonl").notes[0]
    damaged = tmp_path / "damaged"
    damaged.write_bytes(path.read_bytes()[:-20] + b"x" * 12 + path.read_bytes()[-8:])
    with pytest.raises(UnreadableUpload, match=r"data/m/a\.parquet can't be read"):
        read(damaged, "a.parquet")
    cut = tmp_path / "cut"
    cut.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UnreadableUpload) as refused:
        read(cut, "a.parquet")
    assert refused.value.title == "Damaged Parquet file"
    empty = parquet(tmp_path, "SELECT 1 AS x, 'a' AS y WHERE false")
    with pytest.raises(UnreadableUpload, match="no rows"):
        read(empty, "a.parquet")


def test_what_comes_and_goes_is_told(read: Read) -> None:
    known = Schema((Column("x", "number"), Column("old", "category"), Column("y", "category")), target="y")
    notes = " ".join(read("x,new,y\n1,b,a\n2,c,b\n", "a.csv", known).notes)
    assert "this file lacks count as missing: old." in notes and "New columns: new." in notes

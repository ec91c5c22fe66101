"""The same nested record is the same row: in a training file, in a batch, in a request, and in Parquet."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.data.batch_result import encoded_parts
from sluicegate.data.batch_rows import BatchRows, read_batch
from sluicegate.data.ingest import UploadReading, read_upload
from sluicegate.data.reading import joined_notes
from sluicegate.data.words import register
from sluicegate.domain.batch import FileFormat
from sluicegate.domain.dataset import Dataset, Wires
from sluicegate.domain.encoder import Encoder
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.records import InvalidRecords, parse_records
from sluicegate.domain.schema import Column, ColumnType, Problem, Schema
from sluicegate.domain.settings import Features, ModelSettings

COLUMNS = (
    Column("n", "number"),
    Column("user.age", "number"),
    Column("user.address.city", "category", ("x", "Zürich", "a b")),
    Column("user.since", "date"),
    Column("user.tags", "text"),
)
ENCODER = Encoder.fit(COLUMNS, text_buckets=8)
DATASET = Dataset(
    "v", (), Schema(COLUMNS, "y", ignored=("skip",)), ENCODER, Problem("binary", ("a", "b"), "b"), {}, {}, {}, (),
    Wires(),
)  # fmt: skip


def train(folder: Path, content: bytes | Path, name: str, known: bool = True, **given: Any) -> UploadReading:
    source = content if isinstance(content, Path) else folder / name
    if isinstance(content, bytes):
        source.write_bytes(content)
    return read_upload(
        source,
        key=name,
        settings=ModelSettings.model_validate({"target": "y", "id_column": "n", **given}),
        known=Schema((*COLUMNS, Column("y", "category")), "y") if known else None,
        workdir=folder / "train",
        memory_limit_mb=200,
    )


def batch(folder: Path, source: Path, kind: Any) -> BatchRows:
    return read_batch(
        source, name=f"a.{kind}", file=FileFormat(kind, False), dataset=DATASET, workdir=folder / "batch",
        memory_limit_mb=200, max_unpacked_bytes=1 << 30,
    )  # fmt: skip


def parsed(line: str) -> list[float | None]:
    return [float(cell) if cell else None for cell in line.split(",")]


@pytest.mark.parametrize(("declared", "told"), [({}, True), ({"tags": "text"}, False)])
def test_what_a_list_can_be_is_told_until_it_is_declared(declared: dict[str, ColumnType], told: bool) -> None:
    [note] = joined_notes(["tags"], ModelSettings(features=Features(types=declared)))
    assert note.startswith("Column tags holds lists of texts") and ("features.types: {tags: text}" in note) is told


def trained(reading: UploadReading) -> dict[float, list[float | None]]:
    """Each row's encoding by its n."""
    with duckdb.connect() as connection:
        register(connection, ENCODER)
        known = {column.name for column in reading.schema.columns}
        parts = ENCODER.sql({column.name: f'"{column.name}"' for column in COLUMNS if column.name in known})
        cells = " || ',' || ".join(f"coalesce(({part})::VARCHAR, '')" for part in parts)
        found = connection.execute(f"SELECT {cells} FROM (SELECT * REPLACE (n::DOUBLE AS n) FROM '{reading.parquet}')")
        return {cells[0] or 0.0: cells for (line,) in found.fetchall() for cells in [parsed(line)]}


def batched(rows: BatchRows, folder: Path) -> dict[float, list[float | None]]:
    lines = [line for part in encoded_parts(rows, DATASET, folder / "parts", 200) for line in part.open()]
    return {cells[0] or 0.0: cells for line in lines for cells in [parsed(line.rstrip("\n"))]}


ages = st.one_of(st.none(), st.integers(-5, 5), st.sampled_from([1.5, 1e300]))
cities = st.sampled_from([None, "x", "Zürich", " x ", "NA", "other"])
moments = st.sampled_from([None, "2026-01-31", "2026-01-31T12:00:00+02:00"])
tags = st.one_of(
    st.none(), st.lists(st.sampled_from(["red", "a b", None, "NA", ""]), max_size=3), st.sampled_from(["red a b"])
)
refused = st.sampled_from([[1], [{"a": 1}], [["a"]], {"deep": {"er": 1}}])
users = st.fixed_dictionaries(
    {"age": ages, "address": st.none() | st.fixed_dictionaries({"city": cities}), "since": moments},
    optional={"tags": tags | refused},
)
flat_users = st.fixed_dictionaries(
    {"user.age": ages, "user.address.city": cities, "user.since": moments, "user.tags": tags | refused}
)
mixed = st.fixed_dictionaries(
    {"user": st.fixed_dictionaries({"age": ages, "address.city": cities, "tags": tags}), "user.since": moments},
    optional={"user.age": ages, "skip": st.sampled_from([1, [{"a": []}], {"b": {"c": [1]}}])},
)
records = st.one_of(flat_users, mixed, st.fixed_dictionaries({"user": st.none() | users}))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(records, min_size=1, max_size=25))
def test_one_record_encodes_alike_wherever_it_comes_from(tmp_path: Path, given: list[dict[str, Any]]) -> None:
    anchor = {"user": {"age": 1, "address": {"city": "x"}, "since": "2026-01-01", "tags": ["a"]}, "skip": None}
    rows = [{"n": number, **record} for number, record in enumerate([anchor, *given], 1)]
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps({**row, "y": "a"}) + "\n" for row in rows))
    in_training = trained(train(tmp_path, source, "a.jsonl", features={"exclude": ["skip"]}))
    in_batch = batched(batch(tmp_path, source, "jsonl"), tmp_path)
    for row in rows:
        number, body = float(row["n"]), json.dumps({"records": [row]}).encode()
        try:
            (record,) = parse_records(body, "application/json", DATASET.schema)
        except InvalidRecords as error:
            told = {one.message for one in error.errors}
            assert number not in in_batch or told == {"unknown field"}, "a batch carries on what the model doesn't know"
            assert number not in in_training or all("missing" in one or "unknown" in one for one in told), row
            continue
        assert in_training[number] == in_batch[number] == ENCODER.encode(record), row


def test_structures_of_parquet_are_the_same_columns(tmp_path: Path) -> None:
    rows = [
        {"n": 1, "user": {"age": 3, "address": {"city": "x"}, "since": "2026-01-31", "tags": ["red", "a b"]}, "y": "a"},
        {"n": 2, "user": {"age": None, "address": None, "since": None, "tags": []}, "y": "b"},
        {"n": 3, "user": None, "y": "a"},
    ]
    lines, parquet = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (user::STRUCT(age INT, address STRUCT(city VARCHAR), since DATE, tags VARCHAR[]) "
            f"AS user) FROM read_json('{lines}')) TO '{parquet}' (FORMAT parquet)"
        )
    reading = train(tmp_path, parquet, "a.parquet", known=False)
    assert reading.schema.names == ("n", "user.age", "user.address.city", "user.since", "user.tags", "y")
    assert any("user.tags holds lists of texts" in note for note in reading.notes)
    wanted = trained(train(tmp_path, lines, "a.jsonl", known=False))
    assert trained(train(tmp_path, parquet, "a.parquet", known=False)) == wanted
    assert batched(batch(tmp_path, parquet, "parquet"), tmp_path) == wanted
    requests = parse_records(json.dumps({"records": rows}).encode(), "application/json", DATASET.schema)
    assert [ENCODER.encode(record) for record in requests] == [*wanted.values()]


def test_a_structure_beside_its_path_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "made.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"""COPY (SELECT {{'b': 1}} AS a, 2 AS "a.b", 'x' AS y) TO '{made}' (FORMAT parquet)""")
    with pytest.raises(UnreadableUpload, match=r"'a\.b' as a column and within a structure"):
        train(tmp_path, made, "a.parquet")


def test_bad_parts_reject_their_row_by_name(tmp_path: Path) -> None:
    good: dict[str, Any] = {"user": {"age": 1}, "y": "a"}
    bad: list[dict[str, Any]] = [
        {"user": {"age": [1]}}, {"user": {"age": 1}, "user.age": 2}, {"orders": [{"id": 1}]}, {"user": {"age": "old"}}
    ]  # fmt: skip
    lines = "".join(json.dumps({"n": number, **good, **row}) + "\n" for number, row in enumerate([good, *bad]))
    reading = train(tmp_path, lines.encode(), "a.jsonl")
    assert reading.accepted_rows == 1 and "orders" not in reading.schema.names and reading.rejects is not None
    with reading.rejects.open(newline="") as file:
        told = [(row["line"], row["column"], row["reason"].split(";")[0]) for row in csv.DictReader(file)]
    assert told == [
        ("2", "user.age", "user.age: a list of numbers, where one value or a list of texts is read"),
        ("3", "user.age", "user.age: written twice, as 'user.age' and within an object"),
        ("4", "orders", "orders: a list of objects, where one value or a list of texts is read"),
        ("5", "user.age", "user.age: 'old' is not a number"),
    ]
    batch_of = tmp_path / "batch.jsonl"
    whole = {"user": {"age": 1, "address": None, "since": None, "tags": None}}
    endless = '{"a":' * 5_000 + "1" + "}" * 5_000
    batch_of.write_text("".join(json.dumps({"n": 1, **whole, **row}) + "\n" for row in bad) + endless)
    rows = batch(tmp_path, batch_of, "jsonl")
    assert (rows.accepted, rows.rejected) == (1, 4), "what the model doesn't use is carried on"
    assert rows.rejects is not None and '5,"",nested too deeply to be read,' in rows.rejects.read_text()
    assert rows.examples[1].startswith("line 2: user.age: written twice, as 'user.age' and within an object; ")


def test_null_in_an_objects_place_makes_no_column(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"user": None, "y": "a"}, {"user": {"age": 1, "extra": {}}, "y": "b"}]
    rows.append({"user": {"age": None}, "y": "b"})
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    reading = train(tmp_path, lines, "a.jsonl", known=False)
    assert reading.schema.names == ("user.age", "y"), "the parts stand in the object's place: the target is last"
    assert reading.accepted_rows == 3
    later = train(tmp_path, b'{"user": null, "n": 1, "y": "a"}\n', "b.jsonl")
    assert "user" not in later.schema.names
    excluded = train(tmp_path, lines, "a.jsonl", known=False, features={"exclude": ["user"]})
    assert excluded.schema.names == ("user", "y") and excluded.schema.columns[0].example is None


def test_a_request_names_what_it_cannot_take() -> None:
    def errors(record: dict[str, Any]) -> set[tuple[str, str]]:
        with pytest.raises(InvalidRecords) as caught:
            parse_records(json.dumps({"records": [record]}).encode(), "application/json", DATASET.schema)
        return {(one.field, one.message.split(";")[0]) for one in caught.value.errors}

    whole = {"n": 1, "user": {"age": 1, "address": {"city": "x"}, "since": None, "tags": ["a"]}}
    assert errors({**whole, "user.age": 2}) == {("user.age", "written twice, as 'user.age' and within an object")}
    assert errors({**whole, "user": 7}) >= {("user", "unknown field"), ("user.age", "missing")}
    assert errors({**whole, "user": {"age": [1]}}) >= {
        ("user.age", "a list of numbers, where one value or a list of texts is read"),
        ("user.address.city", "missing"),
    }
    assert errors({**whole, "other": {"x": 1}}) == {("other.x", "unknown field")}
    skipped = {**whole, "skip": {"anything": [{"goes": 1}]}, "y": "a"}
    assert len(parse_records(json.dumps({"records": [skipped]}).encode(), "application/json", DATASET.schema)) == 1

"""What callers send."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sluicegate.domain.records import InvalidRecords, RecordLimits, parse_records
from sluicegate.domain.schema import Column, Schema

SCHEMA = Schema(
    (
        Column("age", "number"),
        Column("plan", "category", ("free", "pro")),
        Column("active", "boolean"),
        Column("since", "date"),
    ),
    target="churned",
    id_column="customer",
    ignored=("notes",),
)
GOOD = {"age": 41, "plan": "pro", "active": True, "since": "2026-01-31"}


def send(*records: Any) -> bytes:
    return json.dumps({"records": list(records)}).encode()


def errors(body: bytes, content_type: str = "application/json", **limits: int) -> list[tuple[int | None, str, str]]:
    with pytest.raises(InvalidRecords) as caught:
        parse_records(body, content_type, SCHEMA, RecordLimits(**limits))
    return [(error.record, error.field, error.message) for error in caught.value.errors]


def test_good_records_come_back_with_exactly_the_features() -> None:
    extra = {**GOOD, "customer": "c1", "churned": "yes", "notes": "x"}
    assert parse_records(send(GOOD, extra), "application/json; charset=utf-8", SCHEMA) == [GOOD, GOOD]


@pytest.mark.parametrize("content_type", ["application/json", "text/csv"])
def test_an_optional_column_may_be_left_out(content_type: str) -> None:
    schema = Schema((Column("age", "number"), Column("region", "category", optional=True)))
    assert Schema.from_json(schema.to_json()) == schema
    body = send({"age": 41}) if content_type == "application/json" else b"age\n41\n"
    assert parse_records(body, content_type, schema) == [{"age": 41.0, "region": None}]
    with pytest.raises(InvalidRecords, match="missing"):
        parse_records(
            send({"region": "north"}) if content_type == "application/json" else b"region\nnorth\n",
            content_type,
            schema,
        )


def test_null_is_missing_everywhere() -> None:
    record = dict.fromkeys(GOOD)
    assert parse_records(send(record), "application/json", SCHEMA) == [record]


def test_every_mistake_of_every_record_is_named() -> None:
    found = errors(
        send({"age": "41", "plna": "pro", "active": 1, "since": "31.1.2026"}, GOOD, 7, {**GOOD, "age": True})
    )
    assert (0, "age", 'expected a number, got the string "41"') in found
    assert (0, "plan", "missing; send null if the value is unknown") in found
    assert (0, "plna", "unknown field; did you mean 'plan'?") in found
    assert (0, "active", "expected true or false, got the number 1") in found
    assert any(record == 0 and field == "since" and "31.1.2026" in text for record, field, text in found)
    assert (2, "", "a record must be an object {column: value}, got the number 7") in found
    assert (3, "age", "expected a number, got the boolean true") in found
    assert len(found) == 7


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"[]", 'expected an object {"records"'),
        (b'{"records": {}}', "must be a list"),
        (b'{"records": []}', "no records"),
        (b'{"records": [{}], "model": 1}', "unknown key 'model'"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"records": ' + b"[" * 100_000, ""),
        (b'{"records": [' + b"9" * 5_000 + b"]}", ""),
    ],
)
def test_bodies_that_hold_no_records(body: bytes, said: str) -> None:
    found = errors(body)
    assert len(found) == 1 and found[0][0] is None and said in found[0][2]


@pytest.mark.parametrize(
    ("value", "said"), [("NaN", "finite"), ("Infinity", "finite"), ("1e999", "finite"), ("9" * 400, "1.8e308")]
)
def test_numbers_that_are_none(value: str, said: str) -> None:
    found = errors(send(GOOD).replace(b"41", value.encode()))
    assert found[0][1] == "age" and said in found[0][2]


def test_limits() -> None:
    assert "at most 2" in errors(send(GOOD, GOOD, GOOD), records=2)[0][2]
    assert "at most 10" in errors(send(GOOD), bytes=10)[0][2]
    assert len(errors(send(*[{}] * 100), errors=50)) == 50
    with pytest.raises(InvalidRecords) as caught:
        parse_records(b"x", "application/xml", SCHEMA)
    assert caught.value.status == 415


def test_csv_by_name_in_any_order() -> None:
    body = b'since,plan,notes,active,age\r\n2026-01-31,"a ""b"",\nc",x,true,41.5\r\n,NA,,no, 7 \r\n'
    assert parse_records(body, "text/csv", SCHEMA) == [
        {"since": "2026-01-31", "plan": 'a "b",\nc', "active": True, "age": 41.5},
        {"since": None, "plan": None, "active": False, "age": 7.0},
    ]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"age,plan,active\n", [(None, "since", "missing from the header")]),
        (
            b"age;plan;active;since\n1;x;true;2026-01-31\n",
            [(None, "", "the fields of CSV are separated by commas here; the header has ';'")],
        ),
        (b"age,plan,active,since,sinec\n1,a,true,,\n", [(None, "sinec", "unknown field; did you mean 'since'?")]),
        (b"age,plan,active,since,age\n", [(None, "age", "twice in the header")]),
        (b"age,plan,active,since\n1,a,true\n", [(0, "", "3 fields, but the header has 4")]),
        (
            b"age,plan,active,since\nold,a,maybe,2026-02-30\n",
            [
                (0, "age", 'expected a number, got the string "old"'),
                (0, "active", 'expected true or false, got the string "maybe"'),
                (
                    0,
                    "since",
                    'expected an ISO 8601 date such as 2026-01-31 or 2026-01-31T12:00:00Z, got the string "2026-02-30"',
                ),
            ],
        ),
    ],
)
def test_csv_mistakes(body: bytes, found: list[tuple[int | None, str, str]]) -> None:
    assert errors(body, "text/csv") == found


@pytest.mark.parametrize("body", [b"", b"age,plan,active,since\n", b'age,plan,active,since\n"unterminated'])
def test_csv_without_records(body: bytes) -> None:
    assert len(errors(body, "text/csv")) == 1


def test_importing_the_prediction_path_is_cheap() -> None:
    import subprocess
    import sys

    code = (
        "import sys; import sluicegate.adapters.lane, sluicegate.domain.algorithms.xgboost; "
        "print([m for m in ('numpy', 'duckdb', 'pydantic', 'boto3', 'yaml', 'difflib') if m in sys.modules])"
    )
    path = ":".join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

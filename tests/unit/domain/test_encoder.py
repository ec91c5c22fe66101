"""The encoder's columns, its file form, and its edges."""

from __future__ import annotations

import csv
import json

import pytest

from sluicegate.domain.encoder import LARGEST, Encoder, hash_bucket
from sluicegate.domain.schema import Column, Value

ENCODER = Encoder.fit(
    [Column("n", "number"), Column("c", "category", ("x", "y")), Column("b", "boolean"), Column("d", "date")]
)


def test_names_and_values() -> None:
    assert ENCODER.feature_names == ["n", "c=x", "c=y", "c=(other)", "b", "d.days", "d.month", "d.weekday", "d.hour"]
    values: dict[str, Value] = {"n": 1.5, "c": " y ", "b": True, "d": "1970-01-02T03:00:00Z"}
    assert ENCODER.encode(values) == [1.5, 0, 1, 0, 1, 1, 1, 4, 3]
    assert ENCODER.encode_csv(values) == "1.5,0,1,0,1,1,1,4,3"


def test_missing_and_unseen() -> None:
    assert ENCODER.encode({}) == [None, 0, 0, 0, None, None, None, None, None]
    assert ENCODER.encode_csv({"c": "new", "n": float("nan"), "d": "no date"}) == ",0,0,1,,,,,"
    assert ENCODER.encode({"n": float("inf"), "c": "NA"})[:4] == [None, 0, 0, 0]
    assert ENCODER.encode({"n": 1e300})[0] == LARGEST and ENCODER.encode({"n": -1e300})[0] == -LARGEST


def test_it_survives_its_file_form() -> None:
    again = Encoder.from_json(json.loads(json.dumps(ENCODER.to_json())))
    assert again == ENCODER and again.fingerprint == ENCODER.fingerprint
    other = Encoder.fit([Column("n", "number"), Column("c", "category", ("x", "z"))])
    assert other.fingerprint != ENCODER.fingerprint
    with pytest.raises(ValueError, match="format"):
        Encoder.from_json({"format": 2})


def test_many_categories_are_hashed() -> None:
    encoder = Encoder.fit([Column("city", "category")], buckets=8)
    encoded = encoder.encode({"city": "Zürich"})
    assert len(encoded) == 8 and encoded[hash_bucket("Zürich", 8)] == 1 and sum(filter(None, encoded)) == 1
    assert encoder.encode({"city": None}) == [0] * 8


def test_the_hash_is_pinned() -> None:
    """A change would silently garble every model that serves."""
    assert [hash_bucket(text, 64) for text in ("a", "", "Zürich", "日本")] == [49, 41, 60, 38]


@pytest.mark.parametrize("column", [Column("n", "number"), Column("b", "boolean")])
def test_a_line_always_has_a_delimiter(column: Column) -> None:
    """SageMaker's server sniffs the delimiter of the first line and fails on a line without one."""
    encoder = Encoder.fit([column])
    assert encoder.feature_names[-1] == "(constant)"
    for values in ({}, {column.name: 1.0}):
        line = encoder.encode_csv(values)
        assert line.count(",") == 1 and csv.Sniffer().sniff(line).delimiter == ","


@pytest.mark.parametrize("line", ["-1.5,2e-05,,0", ",,,", "1,0,0", "3e+38,-3e+38,,", "0.5,18262,1,2,0"])
def test_sagemakers_sniffer_takes_our_lines_for_commas(line: str) -> None:
    assert csv.Sniffer().sniff(line).delimiter == ","

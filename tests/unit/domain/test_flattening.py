"""Nested records become flat ones, and what no cell can hold says why."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.domain.flattening import MOST_FIELDS, MOST_LEVELS, Joined, Refused, above, flat, is_below, is_nested

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=4))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", ""]), inner),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["a", "b", "a.b", "c"]), values))
def test_what_is_flat_stays_and_nothing_vanishes_untold(record: dict[str, Any]) -> None:
    found = flat(record)
    plain = {name: value for name, value in found.items() if type(value) is not Refused}
    assert all(value is None or isinstance(value, (bool, int, float, str)) for value in plain.values())
    assert flat(plain) == plain and not is_nested(plain)
    paths: dict[str, list[Any]] = {}
    _walk(record, "", paths)
    assert set(found) == set(paths)
    assert all((len(paths[name]) > 1) <= (type(found[name]) is Refused) for name in found)


def _walk(part: dict[str, Any], prefix: str, paths: dict[str, list[Any]]) -> None:
    for name, value in part.items():
        if isinstance(value, dict):
            _walk(value, f"{prefix}{name}.", paths)
        else:
            paths.setdefault(prefix + name, []).append(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([1, 2.5], "a list of numbers, where one value or a list of texts is read; write them as texts if they are"),
        ([True], "a list of booleans"),
        ([{"a": 1}], "a list of objects, where one value or a list of texts is read; write its parts as columns"),
        ([["a"]], "a list of lists"),
        (["a", 1], "a list of values of several kinds"),
        ({"b": {"c": 1}, "b.c": 2}, "written twice, as 'x.b.c' and within an object"),
    ],
)
def test_what_no_cell_holds_says_why(value: Any, reason: str) -> None:
    (refused,) = flat({"x": value}).values()
    assert isinstance(refused, Refused) and refused.reason.startswith(reason)


def test_depth_and_width_have_bounds() -> None:
    deep: Any = 1
    for _ in range(MOST_LEVELS):
        deep = {"a": deep}
    assert flat(deep) == {".".join("a" * MOST_LEVELS): 1}
    assert isinstance(flat({"b": deep})[".".join(["b", *"a" * (MOST_LEVELS - 1)])], Refused)
    endless = json.loads('{"a":' * 900 + "1" + "}" * 900)
    assert len(flat(endless)) == 1
    wide = flat({"first": 1, "counts": {str(number): 1 for number in range(MOST_FIELDS)}})
    assert list(wide) == ["first", "counts"] and "more than 2,000 fields" in wide["counts"].reason


def test_lists_of_texts_are_one_text() -> None:
    found = flat({"tags": ["new", "", None, "red car"], "none": [None], "o": {"tags": []}})
    assert found == {"tags": "new  red car", "none": None, "o.tags": None} and type(found["tags"]) is Joined


def test_paths() -> None:
    assert [*above("a")] == [] and is_below("a.b.c", {"a.b"}) and not is_below("a.b", {"a.b"})

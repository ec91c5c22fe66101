"""How a column's values tell the format of its numbers, and what is read by it."""

from __future__ import annotations

import pytest

from sluicegate.domain.number_formats import NumberFormat, candidates


def chosen(*values: str, elsewhere: str | None = None, usual: str = ".") -> NumberFormat | None:
    found = candidates(dict.fromkeys(values, 10), 0.95)
    if found is None:
        return None
    signs = {".": ".", ",": ","}
    return found.choose(signs.get(elsewhere or ""), signs[usual])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "text", "number"),
    [
        (NumberFormat(".", ","), "1,234,567.5", "1234567.5"),
        (NumberFormat(".", ","), "-12", "-12"),
        (NumberFormat(".", ","), ".5", ".5"),
        (NumberFormat(".", ","), "1e5", "1e5"),
        (NumberFormat(".", ","), "-inf", "-inf"),
        (NumberFormat(".", ","), "12,34", None),
        (NumberFormat(".", ","), "0,443", None),
        (NumberFormat(",", "."), "1.234,5", "1234.5"),
        (NumberFormat(",", "."), "1.234", "1234"),
        (NumberFormat(",", "."), "3.14", None),
        (NumberFormat(".", "'"), "1’234'567.50", "1234567.50"),
        (NumberFormat(",", " "), "1\u00a0234\u202f567,5", "1234567.5"),
        (NumberFormat(".", ",", "$"), "-$1,234.50", "-1234.50"),
        (NumberFormat(".", ",", "$"), "$-12", "-12"),
        (NumberFormat(".", ",", "$"), "12", "12"),
        (NumberFormat(".", ",", "$"), "€12", None),
        (NumberFormat(",", ".", "€"), "1.234,50 €", "1234.50"),
        (NumberFormat(".", ",", "%"), "-4.5 %", "-4.5"),
        (NumberFormat(".", ",", "%"), "0.45", None),
    ],
)
def test_a_value_is_read_by_its_columns_format(form: NumberFormat, text: str, number: str | None) -> None:
    assert form.plain(text) == number


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (("1,234", "12", "1,234.5"), NumberFormat(".", ",")),
        (("1,234,567", "12"), NumberFormat(".", ",")),
        (("1,5", "12,25"), NumberFormat(",", ".")),
        (("0,443", "0,012"), NumberFormat(",", ".")),
        (("12.345,60", "1"), NumberFormat(",", ".")),
        (("1.234.567", "12"), NumberFormat(",", ".")),
        (("1'234.50", "12"), NumberFormat(".", "'")),
        (("1 234,50", "12,1"), NumberFormat(",", " ")),
        (("$5", "$1,200.00"), NumberFormat(".", ",", "$")),
        (("45%", "7.5%"), NumberFormat(".", ",", "%")),
    ],
)
def test_values_tell_their_format(values: tuple[str, ...], form: NumberFormat) -> None:
    assert chosen(*values) == form


@pytest.mark.parametrize(
    "values", [("612 345 678", "612 000 111"), ("10.0.0.1", "10.0.0.2"), ("45%", "0.45"), ("$5", "€5"), ("a", "b")]
)
def test_what_only_looks_like_numbers_has_no_format(values: tuple[str, ...]) -> None:
    assert chosen(*values) is None


def test_where_a_column_says_nothing_the_files_other_columns_do_then_its_kind() -> None:
    assert chosen("1,234", "12", elsewhere=",") == NumberFormat(",", ".")
    assert chosen("1,234", "12", elsewhere=".", usual=",") == NumberFormat(".", ",")
    assert chosen("1,234", "12", usual=",") == NumberFormat(",", ".")
    assert chosen("1,234", "12", usual=".") == NumberFormat(".", ",")


def test_a_mistake_among_many_values_does_not_outweigh_the_file() -> None:
    found = candidates({"1,234": 500, "12": 499, "1,5": 1}, 0.95)
    assert found is not None and found.says is None
    assert found.choose(".", ".").decimal == "." and found.choose(None, ".").decimal == ","

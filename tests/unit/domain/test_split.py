"""A row stays where it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sluicegate.domain.schema import Column, Value
from sluicegate.domain.split import bucket, row_key, split_of

shares = st.floats(0.01, 0.4)


@given(st.text(), shares, shares, shares)
def test_changing_one_share_moves_no_row_of_the_other_split(
    key: str, validation: float, holdout: float, other: float
) -> None:
    before, after = split_of(key, validation, holdout), split_of(key, other, holdout)
    assert (before == "holdout") == (after == "holdout")
    assert (before == "validation") == (split_of(key, validation, other) == "validation")


@given(st.text(), shares, shares, st.floats(0, 0.1))
def test_a_larger_share_only_adds(key: str, validation: float, holdout: float, more: float) -> None:
    if split_of(key, validation, holdout) == "holdout":
        assert split_of(key, validation, holdout + more) == "holdout"


def test_shares_are_kept() -> None:
    splits = [split_of(f"customer-{i}", 0.15, 0.15) for i in range(20_000)]
    assert abs(splits.count("validation") / 20_000 - 0.15) < 0.01
    assert abs(splits.count("holdout") / 20_000 - 0.15) < 0.01


def test_a_new_column_leaves_old_rows_where_they_are() -> None:
    columns = [Column("a", "number"), Column("b", "category")]
    row: dict[str, Value] = {"a": 1.0, "b": "x"}
    assert row_key(row, columns) == row_key(row, [*columns, Column("c", "date")])


def test_the_hash_is_pinned() -> None:
    """A change would put rows of the holdout into training."""
    assert [bucket(key) for key in ("", "a", "customer-1", "日本")] == [553193, 13937, 276137, 649574]

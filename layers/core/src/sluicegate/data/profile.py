# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""What the columns of a table hold, in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from sluicegate.data.engine import name_sql, text_sql
from sluicegate.domain.schema import Column, ColumnType, Value

_LONGEST_EXAMPLE = 100


@dataclass(frozen=True)
class ColumnProfile:
    """``distinct`` is an estimate (HyperLogLog). ``minimum`` and ``maximum`` only of numbers and dates."""

    name: str
    type: ColumnType
    missing: int
    distinct: int
    minimum: float | str | None
    maximum: float | str | None
    example: Value

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "missing": self.missing,
            "distinct": self.distinct,
            "min": self.minimum,
            "max": self.maximum,
        }

    def as_column(self, categories: tuple[str, ...] | None = None) -> Column:
        return Column(self.name, self.type, categories, self.minimum, self.maximum, self.example)


def profile_columns(
    connection: duckdb.DuckDBPyConnection, parquet: Path, columns: Sequence[tuple[str, ColumnType]]
) -> list[ColumnProfile]:
    """The profile of each column of a Parquet file."""
    return profile_source(connection, f"read_parquet({text_sql(str(parquet))})", columns)


def profile_source(
    connection: duckdb.DuckDBPyConnection, source: str, columns: Sequence[tuple[str, ColumnType]]
) -> list[ColumnProfile]:
    """The same of anything that can stand after FROM."""
    found: list[ColumnProfile] = []
    for start in range(0, len(columns), 200):  # a query for each 200 columns: DuckDB keeps all states at once
        part = columns[start : start + 200]
        wanted = ["count(*)"]
        for name, kind in part:
            quoted = name_sql(name)
            wanted += [f"count({quoted})", f"approx_count_distinct({quoted})"]
            bounded = kind in ("number", "date")
            wanted += [f"min({quoted})", f"max({quoted})"] if bounded else ["NULL", "NULL"]
            wanted.append(f"any_value({quoted})")
        row = connection.execute(f"SELECT {', '.join(wanted)} FROM {source}").fetchone()
        if row is None:
            raise RuntimeError("an aggregate without a row")
        total, *cells = row
        for index, (name, kind) in enumerate(part):
            present, distinct, low, high, example = cells[5 * index : 5 * index + 5]
            found.append(
                ColumnProfile(
                    name, kind, total - present, min(distinct, present), _plain(low), _plain(high), _example(example)
                )
            )
    return found


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if isinstance(value, datetime):
        return (
            value.isoformat() if value.microsecond or value.second or value.minute or value.hour else str(value.date())
        )
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _example(value: Any) -> Value:
    plain: Value = _plain(value)
    if isinstance(plain, str) and len(plain) > _LONGEST_EXAMPLE:
        return plain[:_LONGEST_EXAMPLE]
    return plain

# ruff: noqa: S608  (names go into SQL only through name_sql)
"""What stands for a missing value, and how values are scaled, for algorithms that know no missing value."""

from __future__ import annotations

import math
from collections.abc import Sequence

import duckdb

from sluicegate.data.engine import name_sql
from sluicegate.domain.encoder import LARGEST, Filling
from sluicegate.domain.encoder_sql import date_parts_sql
from sluicegate.domain.schema import Column


def fit_fillings(connection: duckdb.DuckDBPyConnection, rows: str, columns: Sequence[Column]) -> dict[str, Filling]:
    """The filling of each column that is no category, from ``rows`` (those to train on; any SELECT's source).

    A missing value becomes the median; values are centred on the mean and divided by the standard deviation. Numbers
    are rounded to six digits: a sum's last ones depend on how many threads added it up.
    """
    expressions: list[str] = []
    widths: list[tuple[Column, int]] = []
    for column in columns:
        if column.type in ("category", "text"):
            continue
        source = name_sql(column.name)
        values, present = _values(column, source)
        expressions.append(f"count(*) - count(*) FILTER ({present})")
        for value in values:
            given = f"({value})::DOUBLE) FILTER ({present})"
            expressions += [f"median({given}", f"avg({given}", f"stddev_pop({given}"]
        widths.append((column, len(values)))
    if not expressions:
        return {}
    found = connection.execute(f"SELECT {', '.join(expressions)} FROM {rows}").fetchone() or ()
    numbers = iter(found)
    fillings = {}
    for column, width in widths:
        missing = int(next(numbers) or 0)
        triples = [(next(numbers), next(numbers), next(numbers)) for _ in range(width)]
        fillings[column.name] = Filling(
            values=tuple(_usable(median, 0.0) for median, _, _ in triples),
            scale=tuple(_scale(mean, deviation) for _, mean, deviation in triples),
            indicator=missing > 0,
        )
    return fillings


def _values(column: Column, source: str) -> tuple[list[str], str]:
    """The values of a column's block, and when they are there."""
    if column.type == "number":
        return [f"greatest(least({source}, {LARGEST}), -{LARGEST})"], f"WHERE isfinite({source})"
    if column.type == "boolean":
        return [f"({source})::INTEGER"], f"WHERE {source} IS NOT NULL"
    return date_parts_sql(source), f"WHERE {source} IS NOT NULL"


def _usable(value: float | None, otherwise: float) -> float:
    return otherwise if value is None or not math.isfinite(value) else float(f"{value:.6g}")


def _scale(mean: float | None, deviation: float | None) -> tuple[float, float]:
    centre, spread = _usable(mean, 0.0), _usable(deviation, 1.0)
    return (centre, spread) if spread > 0 else (centre, 1.0)

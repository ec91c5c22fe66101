# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""How the training rows' features are spread, from a sample of them: what drift is measured against later."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import duckdb

from sluicegate.data.engine import name_sql
from sluicegate.data.row_sample import SAMPLE
from sluicegate.data.splits import SPLIT
from sluicegate.data.tables import as_text
from sluicegate.domain.distribution import BINS, MOST_VALUES, Distribution
from sluicegate.domain.schema import Column, ColumnType

_AT_ONCE = 200
_ROWS = f"{SAMPLE} WHERE {SPLIT} = 0"
#: of dates the newest are always new, and a text is its words
_COMPARED: tuple[ColumnType, ...] = ("number", "boolean", "category")


def distributions(
    connection: duckdb.DuckDBPyConnection, types: Mapping[str, ColumnType], features: Sequence[Column]
) -> dict[str, Distribution]:
    """By feature, from the training rows of the table ``row_sample``."""
    names = [column.name for column in features if column.type in _COMPARED and types.get(column.name) in _COMPARED]
    numbers = [name for name in names if types[name] == "number"]
    found: dict[str, Distribution] = {}
    for start in range(0, len(numbers), _AT_ONCE):
        found |= _numbers(connection, numbers[start : start + _AT_ONCE])
    for name in names:
        if types[name] != "number":
            found[name] = _categories(connection, name, types[name])
    return found


def _numbers(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, Distribution]:
    shares = ", ".join(f"{place / BINS:.6g}" for place in range(1, BINS))
    finite = {name: f"CASE WHEN isfinite({name_sql(name)}) THEN {name_sql(name)} END" for name in names}
    wanted = ", ".join(f"quantile_disc({value}, [{shares}]), max({value})" for value in finite.values())
    row = connection.execute(f"SELECT {wanted} FROM {_ROWS}").fetchone()
    if row is None:
        raise RuntimeError("an aggregate without a row")
    found = {}
    for index, name in enumerate(names):
        quantiles, highest = row[2 * index : 2 * index + 2]
        # above the greatest number there is nothing
        edges = sorted({float(edge) for edge in quantiles or () if edge < highest})
        found[name] = edges
    wanted = ", ".join(f"histogram({finite[name]}, {_edges_sql(found[name])})" for name in names)
    counted = ", ".join(f"count({value})" for value in finite.values())
    row = connection.execute(f"SELECT count(*), {counted}, {wanted} FROM {_ROWS}").fetchone()
    if row is None:
        raise RuntimeError("an aggregate without a row")
    whole, known, bins = row[0], row[1 : 1 + len(names)], row[1 + len(names) :]
    return {
        name: Distribution(
            "number",
            tuple(found[name]),
            (),
            tuple(int((bins[index] or {}).get(edge, 0)) for edge in (*found[name], math.inf)),
            whole - known[index],
        )
        for index, name in enumerate(names)
    }


def _edges_sql(edges: Sequence[float]) -> str:
    return "[" + ", ".join([*(repr(edge) for edge in edges), "'inf'::DOUBLE"]) + "]::DOUBLE[]"


def _categories(connection: duckdb.DuckDBPyConnection, name: str, kind: ColumnType) -> Distribution:
    value = as_text(name_sql(name), kind)
    row = connection.execute(f"SELECT count(*), count({name_sql(name)}) FROM {_ROWS}").fetchone()
    whole, known = row if row else (0, 0)
    frequent = connection.execute(
        f"SELECT {value} AS value, count(*) AS rows FROM {_ROWS} AND {name_sql(name)} IS NOT NULL "
        f"GROUP BY ALL ORDER BY rows DESC, value LIMIT {MOST_VALUES}"
    ).fetchall()
    rest = known - sum(count for _, count in frequent)
    return Distribution(
        "category", (), tuple(text for text, _ in frequent), (*(count for _, count in frequent), rest), whole - known
    )

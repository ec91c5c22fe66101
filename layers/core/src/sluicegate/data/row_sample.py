# ruff: noqa: S608  (names go into SQL only through name_sql)
"""A sample of the rows that are trained and validated with: every k-th, so that the same data give the same sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from sluicegate.data.engine import name_sql
from sluicegate.data.splits import LABEL, SPLIT
from sluicegate.domain.schema import Column

#: training rows in the sample; the error of a share is at most half a percentage point, 95 times in 100
_ROWS = 50_000
#: cells of the sample: a wide table has fewer rows, but never fewer than _FEWEST
_CELLS = 10_000_000
_FEWEST = 2_000
SAMPLE = "row_sample"


@contextmanager
def row_sample(
    connection: duckdb.DuckDBPyConnection, rows: str, features: Sequence[Column], count: int
) -> Iterator[None]:
    """Keeps the table ``row_sample``: the features (of a text whether it is there, NULL or true), split and label.

    ``rows`` stands after FROM, in the order of ``splits``; ``count``: how many of them train. The validation rows are
    thinned as the training rows are.
    """
    step = max(1, count // max(_FEWEST, min(_ROWS, _CELLS // len(features))))
    chosen = ", ".join(
        f"({name_sql(column.name)} IS NOT NULL OR NULL) AS {name_sql(column.name)}"
        if column.type == "text"
        else name_sql(column.name)
        for column in features
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {SAMPLE} AS SELECT {chosen}, {SPLIT}, {LABEL} FROM {rows} "
        f"POSITIONAL JOIN splits WHERE {SPLIT} < 2 AND splits.rowid % {step} = 0"
    )
    try:
        yield
    finally:
        connection.execute(f"DROP TABLE {SAMPLE}")

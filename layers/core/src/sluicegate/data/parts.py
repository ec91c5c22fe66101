# ruff: noqa: S608  (paths and names go into SQL only through text_sql and name_sql)
"""An upload's rows, cut to those that a data set takes."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sluicegate.data.engine import connect, name_sql, text_sql
from sluicegate.data.tables import converted
from sluicegate.domain.errors import UnusableData
from sluicegate.domain.schema import ColumnType


def without_first(part: Path, count: int, memory_limit_mb: int) -> Path:
    """``part`` (Parquet, rows in file order) without its first ``count`` rows: another file, and ``part`` is gone."""
    target = part.with_name(f"{part.stem}-from-{count}.parquet")
    source = f"read_parquet({text_sql(str(part))}, file_row_number=true)"
    with connect(part.parent / "cut", memory_limit_mb) as connection:
        connection.execute(
            f"COPY (SELECT * EXCLUDE (file_row_number) FROM {source} WHERE file_row_number >= {count}) "
            f"TO {text_sql(str(target))} (FORMAT parquet)"
        )
    part.unlink()
    return target


def not_before(part: Path, column: str, moment: datetime, memory_limit_mb: int, dates: str | None = None) -> Path:
    """``part`` without the rows whose ``column`` is missing or before ``moment``: another file, and ``part`` is gone.
    ``dates``: how the column's dates are written, where not as ISO 8601.

    Raises ``UnusableData`` when the column holds numbers: they have no days.
    """
    target = part.with_name(f"{part.stem}-since.parquet")
    source = f"read_parquet({text_sql(str(part))})"
    with connect(part.parent / "cut", memory_limit_mb) as connection:
        described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
        types = {str(row[0]).casefold(): (str(row[0]), str(row[1])) for row in described}
        name, kind = types.get(column.casefold(), (column, ""))
        if kind == "BOOLEAN" or (kind == "DOUBLE" and dates is None):
            raise UnusableData(
                "No days to count",
                f"retrain.window.days counts by split.column, {column!r}, which holds numbers.",
                "Say retrain.window.rows instead, or set features.types so that the column is read as a date.",
            )
        stored: ColumnType = "number" if kind == "DOUBLE" else "category"
        time = name_sql(name) if kind == "TIMESTAMP" else converted(name_sql(name), stored, "date", dates)
        since = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        kept = f"{time} >= TIMESTAMP '{since}'" if kind else "false"
        connection.execute(f"COPY (SELECT * FROM {source} WHERE {kept}) TO {text_sql(str(target))} (FORMAT parquet)")
    part.unlink()
    return target

# ruff: noqa: S608  (paths go into SQL only through text_sql)
"""An upload's rows, cut to those that a data set takes."""

from __future__ import annotations

from pathlib import Path

from sluicegate.data.engine import connect, text_sql


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

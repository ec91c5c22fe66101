"""Columns of dates that are not ISO 8601, told of where nobody declared them."""

# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
from __future__ import annotations

import duckdb

from sluicegate.domain.date_formats import likely
from sluicegate.domain.dates import parse_date
from sluicegate.domain.settings import ModelSettings

_LOOKED_AT = 2_000


def hint(
    connection: duckdb.DuckDBPyConnection, source: str, column: str, name: str, share: float, settings: ModelSettings
) -> str | None:
    """A note on a column that looks like dates which nobody declared. ``column`` is an expression of its text in
    ``source``; ``share`` the part of its values that have to look so."""
    if name in (settings.target, settings.id_column) or name in settings.features.exclude:
        return None
    if settings.features.declared(name) not in (None, "date") or name in settings.features.dates:
        return None
    rows = connection.execute(f"SELECT DISTINCT {column} AS v FROM {source} WHERE v IS NOT NULL LIMIT {_LOOKED_AT}")
    values = sorted(str(row[0]) for row in rows.fetchall())
    formats = likely([value for value in values if parse_date(value) is None], share)
    if not formats:
        return None
    said = " or ".join(f'features.dates: {{{name}: "{one}"}}' for one in formats)
    if len(formats) == 1:
        return (
            f"Column {name} looks like dates in the format {formats[0]}. To use it as a date, set {said} in model.yaml."
        )
    return (
        f"Column {name} looks like dates, but nothing in it says whether the day or the month is first. To use it as a "
        f"date, set {said} in model.yaml."
    )

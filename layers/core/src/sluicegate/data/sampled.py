# ruff: noqa: S608  (texts go into SQL only through text_sql)
"""What the values of a sample's columns are, and how the file writes its numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from sluicegate.data.engine import text_sql
from sluicegate.domain.number_formats import Candidates, Decimal, NumberFormat, candidates
from sluicegate.domain.schema import MISSING_MARKERS

#: different values of a column that are looked at, the most frequent ones
_LOOKED_AT = 5_000
MARKERS_SQL = ", ".join(text_sql(marker) for marker in MISSING_MARKERS)
_MARKER_PATTERN = "|".join(re.escape(marker) for marker in MISSING_MARKERS)


def is_marker(text: str) -> str:
    """Whether the expression ``text`` is a marker of a missing value. By a pattern: DuckDB makes a join of a long
    ``IN`` (and of ``list_contains``), and a join loses the order of the rows."""
    return f"regexp_full_match({text}, {text_sql(_MARKER_PATTERN)})"


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def mostly_broken(connection: duckdb.DuckDBPyConnection, sample: Path, fewest: int) -> int | None:
    """How many rows the table ``sample`` has, if there are fewer than ``fewest`` and most of the file ``sample`` is not
    in them: long lines are few, too, but all of them are there."""
    row = connection.execute("SELECT count(*), sum(strlen(concat_ws(',', *COLUMNS(*)))) FROM sample").fetchone()
    rows, read = (int(cell or 0) for cell in row) if row else (0, 0)
    return rows if rows < fewest and read < sample.stat().st_size / 2 else None


def most_frequent(connection: duckdb.DuckDBPyConnection, sample: str, position: int) -> dict[str, int]:
    """A column's values and how often they are there, most frequent first."""
    rows = connection.execute(
        f"SELECT v, count(*) AS n FROM (SELECT trim(c{position}) AS v FROM {sample}) WHERE v IS NOT NULL AND "
        f"NOT {is_marker('v')} GROUP BY v ORDER BY n DESC, v LIMIT {_LOOKED_AT}"
    ).fetchall()
    return {str(value): int(count) for value, count in rows}


def number_formats(
    connection: duckdb.DuckDBPyConnection,
    sample: str,
    written: Mapping[int, float],
    plain: Mapping[int, float],
    *,
    usual: Decimal,
) -> tuple[dict[int, NumberFormat], dict[int, str]]:
    """The formats of the columns whose numbers are not all as programs write them, by position, and an example of each.

    ``written`` are the columns with numbers of other forms, ``plain`` those with points that programs could have
    written (beside numbers with a comma, 1.234 may be 1234), each with the share of its values that a format has to
    have. ``usual``: the decimal sign where nothing else tells it.
    """

    def look(shares: Mapping[int, float]) -> dict[int, Candidates]:
        found = {at: candidates(most_frequent(connection, sample, at), share) for at, share in shares.items()}
        return {at: one for at, one in found.items() if one is not None}

    others = look(written)
    if not others:
        return {}, {}
    beside = look({at: share for at, share in plain.items() if at not in others})
    said = {one.says for one in (*others.values(), *beside.values())} - {None}
    elsewhere = said.pop() if len(said) == 1 else None
    formats = {at: one.choose(elsewhere, usual) for at, one in others.items()}
    formats |= {at: form for at, one in beside.items() if (form := one.choose(elsewhere, ".")).decimal == ","}
    return formats, {at: (others | beside)[at].example for at in formats}


def number_notes(formats: Mapping[int, NumberFormat], examples: Mapping[int, str], names: Sequence[str]) -> list[str]:
    """A note for each format, with the columns that have it."""
    together: dict[NumberFormat, list[int]] = {}
    for position in sorted(formats):
        together.setdefault(formats[position], []).append(position)
    return [
        f"{listed([names[at] for at in places])}: numbers are written like {examples[places[0]]}, which is read as "
        f"{form.plain(examples[places[0]])}."
        for form, places in together.items()
    ]

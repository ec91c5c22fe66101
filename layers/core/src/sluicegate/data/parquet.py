# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""Reading an upload of Parquet: its types are known, so that a row is only rejected where earlier uploads or model.yaml
give a column another type that its value can't take.

=====================================================  ==================================================
integers, FLOAT, DOUBLE, DECIMAL                       number
BOOLEAN                                                boolean
DATE, TIMESTAMP in any unit, with a zone or without    date (in UTC)
VARCHAR, ENUM, UUID                                    category, or date when the texts are dates
STRUCT, LIST of texts                                  columns by their paths, one text (``data.structures``)
other LISTs, MAP, BLOB, TIME, INTERVAL and others      refused by name, unless ``features.exclude`` has them
=====================================================  ==================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from sluicegate.data.date_hint import hint
from sluicegate.data.dialect import MOST_COLUMNS, column_names, is_known, one_column
from sluicegate.data.engine import name_sql, text_sql
from sluicegate.data.inference import SHARE, default_target
from sluicegate.data.reading import Source, UploadReading, finish, joined_notes
from sluicegate.data.rejects import Reject, Rejects, called, write_rejects
from sluicegate.data.sampled import is_marker
from sluicegate.data.structures import Leaf, leaves
from sluicegate.data.tables import SQL_TYPES, converted
from sluicegate.domain import algorithms
from sluicegate.domain.dates import DATE_PATTERN
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.flattening import above
from sluicegate.domain.schema import ColumnType, Schema, stored_type
from sluicegate.domain.settings import ModelSettings

_MAGIC = b"PAR1"
_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_NUMBER = re.compile(r"FLOAT|DOUBLE|DECIMAL\(.*\)")
_MOMENT = re.compile(r"DATE|TIMESTAMP(_S|_MS|_NS| WITH TIME ZONE| WITH TIME ZONE_NS)?")
_TEXT = re.compile(r"VARCHAR|UUID|ENUM\(.*\)", re.DOTALL)
_SHOWN = 60
#: rows that a hint is taken from
_LOOKED_AT = 20_000


@dataclass(frozen=True)
class _Column:
    """``typed`` is an expression of the SQL type of ``natural``; ``wanted`` is the type that it becomes; ``dates`` the
    declared format of its dates."""

    name: str
    typed: str
    natural: ColumnType
    wanted: ColumnType
    dates: str | None = None

    @property
    def value(self) -> str:
        return converted(self.typed, self.natural, self.wanted, self.dates)


def is_parquet(source: Path) -> bool:
    with source.open("rb") as file:
        return file.read(4) == _MAGIC


def read_parquet(
    connection: duckdb.DuckDBPyConnection,
    source: Path,
    key: str,
    settings: ModelSettings,
    known: Schema | None,
    workdir: Path,
) -> UploadReading:
    """Reads it into ``workdir``. Raises ``UnreadableUpload``."""
    plain = workdir / "source.parquet"  # DuckDB would take * and ? in a name for a pattern
    plain.unlink(missing_ok=True)
    plain.symlink_to(source.resolve())
    try:
        return _read(connection, plain, source.stat().st_size, key, settings, known, workdir)
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        said = str(error).splitlines()[0].replace(str(plain), key)[:300]
        raise UnreadableUpload(
            "Damaged Parquet file", f"{key} can't be read: {said}", "Write the file again and upload it."
        ) from error


def _read(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    size: int,
    key: str,
    settings: ModelSettings,
    known: Schema | None,
    workdir: Path,
) -> UploadReading:
    table = f"read_parquet({text_sql(str(path))}, file_row_number = true)"
    notes = [] if key.lower().endswith((".parquet", ".pq")) else [f"{key} is a Parquet file; it was read as such."]
    columns, said = _columns(connection, table, key, settings, known)
    notes += said
    bad = " OR ".join(
        f"({column.typed} IS NOT NULL AND {column.value} IS NULL)"
        for column in columns
        if column.natural != column.wanted and column.wanted != "category"
    )
    parquet = workdir / "rows.parquet"
    cells = ", ".join(f"{column.value} AS {name_sql(column.name)}" for column in columns)
    good = f" WHERE NOT coalesce({bad}, false)" if bad else ""
    row = connection.execute(
        f"COPY (SELECT {cells} FROM {table}{good}) TO {text_sql(str(parquet))} (FORMAT parquet)"
    ).fetchone()
    accepted = int(row[0]) if row else 0
    rejects, rejects_path = Rejects(), workdir / "rows.csv"
    if bad:
        rejects = write_rejects(_rejects(connection, table, columns, bad, workdir / "rejects.jsonl"), rejects_path)
    form = {"size": size, "format": "parquet", "encoding": None, "delimiter": None}
    typed = [(column.name, column.wanted) for column in columns]
    return finish(
        connection, Source(key, form), typed, parquet, accepted, rejects, rejects_path, settings, known, notes
    )


def _columns(
    connection: duckdb.DuckDBPyConnection, table: str, key: str, settings: ModelSettings, known: Schema | None
) -> tuple[list[_Column], list[str]]:
    found = leaves(connection, f"(SELECT * EXCLUDE (file_row_number) FROM {table})", key)
    if len(found) > MOST_COLUMNS:
        raise UnreadableUpload(
            "Too many columns",
            f"{key} has {len(found):,} columns; at most {MOST_COLUMNS:,} are read.",
            "Leave some out.",
        )
    excluded = {name.casefold() for name in settings.features.exclude}
    found = [leaf for leaf in found if not any(path.casefold() in excluded for path in above(leaf.name))]
    refused = [leaf for leaf in found if not _is_cell(leaf) and leaf.name.casefold() not in excluded]
    if refused:
        shown = ", ".join(f"{leaf.name} ({leaf.deep or leaf.type[:_SHOWN]})" for leaf in refused[:10])
        raise UnreadableUpload(
            "Columns that hold no single values",
            f"{key} has {shown}; a cell holds one number, boolean, date or text, or a list of texts.",
            "Write their parts as columns of their own, or name them under features.exclude in model.yaml.",
        )
    used = [leaf for leaf in found if _is_cell(leaf)]
    if not used or (
        len(used) < 2 and algorithms.of(settings).supervised and not is_known([leaf.name for leaf in used], known)
    ):
        raise one_column(f"{key} has fewer than two columns that can be read.")
    names, notes = column_names([leaf.name for leaf in used], key, known)
    notes += joined_notes([name for name, leaf in zip(names, used, strict=True) if leaf.joined], settings)
    target = default_target(settings, names, known.target if known else None)
    dates = _dates(connection, table, [leaf for leaf in used if _TEXT.fullmatch(leaf.type)])
    columns = []
    for name, leaf in zip(names, used, strict=True):
        kind = leaf.type
        natural, typed = _natural(leaf.source, kind)
        earlier = known.column(name) if known else None
        if name == settings.id_column:
            wanted: ColumnType = "category"
        elif (declared := settings.features.declared(name)) is not None:
            wanted = stored_type(declared)
        elif earlier is not None:
            wanted = stored_type(earlier.type)
        elif name == target:
            wanted = "number" if natural == "number" else "category"
        else:
            wanted = "date" if leaf.name in dates else natural
        if earlier is not None and earlier.type != natural and name not in (settings.id_column, target):
            notes.append(f"Column {name} is {kind[:_SHOWN]} here; it is taken as a {wanted}, as in earlier uploads.")
        if wanted == "category" and _INTEGER.fullmatch(kind):
            natural, typed = "category", f"{leaf.source}::VARCHAR"  # beyond 2^53 a DOUBLE is another number
        if (
            wanted != "boolean"
            and name != target
            and leaf.name not in dates
            and (kind == "VARCHAR" or _INTEGER.fullmatch(kind))
        ):
            text = typed if natural == "category" else f"{leaf.source}::VARCHAR"
            some = f"(FROM {table} LIMIT {_LOOKED_AT})"
            if said := hint(connection, some, text, name, SHARE, settings):
                notes.append(said)
        columns.append(_Column(name, typed, natural, wanted, settings.features.dates.get(name)))
    return columns, notes


def _is_cell(leaf: Leaf) -> bool:
    kind = leaf.type
    if leaf.deep or kind.endswith("]"):
        return False
    return kind == "BOOLEAN" or any(one.fullmatch(kind) for one in (_INTEGER, _NUMBER, _MOMENT, _TEXT))


def _natural(quoted: str, kind: str) -> tuple[ColumnType, str]:
    """The type that a column has by itself, and an expression of it."""
    if kind == "BOOLEAN":
        return "boolean", quoted
    if _INTEGER.fullmatch(kind) or _NUMBER.fullmatch(kind):
        number = f"{quoted}::{SQL_TYPES['number']}"
        return "number", f"CASE WHEN isfinite({number}) THEN {number} END"
    if _MOMENT.fullmatch(kind):
        moment = f"timezone('UTC', {quoted}::TIMESTAMPTZ)" if "ZONE" in kind else f"{quoted}::TIMESTAMP"
        return "date", f"CASE WHEN isfinite({moment}) AND year({moment}) BETWEEN 1 AND 9999 THEN {moment} END"
    text = f"trim({quoted}::VARCHAR)"
    return "category", f"CASE WHEN NOT {is_marker(text)} THEN {text} END"


def _dates(connection: duckdb.DuckDBPyConnection, table: str, texts: Sequence[Leaf]) -> set[str]:
    """Columns of text whose values are dates."""
    found: set[str] = set()
    for leaf in texts:
        typed = _natural(leaf.source, "VARCHAR")[1]
        row = connection.execute(
            f"SELECT count(v), count(*) FILTER (regexp_full_match(v, {text_sql(DATE_PATTERN)}) "
            f"AND TRY_CAST(v AS TIMESTAMPTZ) IS NOT NULL) FROM (SELECT {typed} AS v FROM {table})"
        ).fetchone()
        if row and row[0] and row[1] >= SHARE * row[0]:
            found.add(leaf.name)
    return found


def _rejects(
    connection: duckdb.DuckDBPyConnection, table: str, columns: Sequence[_Column], bad: str, ordered: Path
) -> Iterator[Reject]:
    """Each bad row with its number, from 1, by way of a file: a result set would be whole in memory."""
    changed = [column for column in columns if column.natural != column.wanted and column.wanted != "category"]
    wrong = ", ".join(
        f"CASE WHEN {column.value} IS NULL THEN ({column.typed})::VARCHAR END AS w{index}"
        for index, column in enumerate(changed)
    )
    row = ", ".join(f"{name_sql(column.name)} := {column.typed}" for column in columns)
    connection.execute(
        f"COPY (SELECT file_row_number + 1 AS line, {wrong}, to_json(struct_pack({row}))::VARCHAR AS content "
        f"FROM {table} WHERE {bad}) TO {text_sql(str(ordered))} (FORMAT json)"
    )
    with ordered.open(encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            said, names = [], []
            for index, column in enumerate(changed):
                value = item.get(f"w{index}")
                if value is not None:
                    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
                    said.append(f"{column.name}: {shown!r} is not {called(column.wanted, column.dates)}")
                    names.append(column.name)
            yield Reject(item["line"], names[0], "wrong type", "; ".join(said), item["content"], tuple(names))
    ordered.unlink()

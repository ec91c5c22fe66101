# ruff: noqa: S608  (names and texts go into SQL only through name_sql and text_sql)
"""A Parquet table's structures as columns: what ``domain.flattening`` does with objects, by the table's types.

=====================  ==========================================================
STRUCT                 a column for each field, named by its path
LIST of texts          one text, the list's parts joined by spaces, NULLs left out
anything else          a column as it is; what holds no single value says so
=====================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from sluicegate.data.engine import name_sql, text_sql
from sluicegate.domain.errors import UnreadableUpload
from sluicegate.domain.flattening import MOST_LEVELS, SEPARATOR

_TEXTS = frozenset({"varchar", "enum", "uuid"})


@dataclass(frozen=True)
class Leaf:
    """A column by its path; ``source`` is an expression of it of DuckDB's type ``type``. ``deep`` says of a structure
    why it is not taken apart. ``joined``: its values are lists in the file."""

    name: str
    source: str
    type: str
    deep: str = ""
    joined: bool = False


def leaves(connection: duckdb.DuckDBPyConnection, table: str, key: str) -> list[Leaf]:
    """The columns of ``table`` in order, structures taken apart. Raises ``UnreadableUpload`` for a path that is there
    twice."""
    relation = connection.sql(f"SELECT * FROM {table}")
    found: list[Leaf] = []
    for name, type_ in zip(relation.columns, relation.types, strict=True):
        found += _leaves(name, name_sql(name), type_, 1)
    seen: set[str] = set()
    for leaf in found:
        if leaf.name in seen:
            raise UnreadableUpload(
                "A column twice",
                f"{key} has {leaf.name!r} as a column and within a structure.",
                "Rename one of them.",
            )
        seen.add(leaf.name)
    return found


def _leaves(name: str, source: str, type_: Any, level: int) -> Iterator[Leaf]:
    kind, shown = str(type_.id), str(type_)
    if kind == "struct":
        if level == MOST_LEVELS:
            yield Leaf(name, source, shown, f"structures more than {MOST_LEVELS} levels deep")
            return
        for part, part_type in type_.children:
            path = f"{name}{SEPARATOR}{part}"
            yield from _leaves(path, f"struct_extract({source}, {text_sql(part)})", part_type, level + 1)
    elif kind in ("list", "array") and type_.children[0][1].id in _TEXTS:
        yield Leaf(name, f"array_to_string({source}::VARCHAR[], ' ')", "VARCHAR", joined=True)
    else:
        yield Leaf(name, source, shown)
